//! Fields that the operator sets, adds and removes: `X-Env: prod`.

use std::marker::PhantomData;

use http::HeaderName;
use http::header::HOST;
use schemars::{Schema, json_schema};

use super::error::Problem;
use super::keys::nearest;
use super::value::Value;
use crate::proxy::settings::{Field, FieldError, TemplateError, Variable, is_of_the_connection, name_of};

/// A field of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request;

/// A field of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Response;

/// Which fields of a kind of message are not the operator's.
pub(super) trait Message {
    /// Why a field of this name is not, if so.
    fn refusal(name: &HeaderName) -> Option<Problem>;
}

impl Message for Request {
    fn refusal(name: &HeaderName) -> Option<Problem> {
        match *name == HOST {
            true => Some(
                Problem::new("Host says which site is asked for").hint("write upstream_host = \"...\" for the route"),
            ),
            false => of_the_connection(name),
        }
    }
}

impl Message for Response {
    fn refusal(name: &HeaderName) -> Option<Problem> {
        of_the_connection(name)
    }
}

fn of_the_connection(name: &HeaderName) -> Option<Problem> {
    is_of_the_connection(name).then(|| {
        Problem::new(format!(
            "{name} is computed anew for each connection and cannot be changed"
        ))
    })
}

/// A field with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header<M>(pub(super) Field, PhantomData<M>);

/// The name of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldName<M>(pub(super) HeaderName, PhantomData<M>);

impl<M: Message> Value for Header<M> {
    const NAME: &'static str = "FIELD";
    const EXPECTED: &'static str = "a field such as \"X-Env: prod\"";
    // Many a value has a comma in it, and none has another line.
    const SEPARATOR: char = '\n';

    fn parse(text: &str) -> Result<Self, Problem> {
        let field: Field = text.parse().map_err(|error| problem(text, error))?;
        match M::refusal(&field.name) {
            Some(problem) => Err(problem),
            None => Ok(Self(field, PhantomData)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[^:]+:" })
    }
}

impl<M: Message> Value for FieldName<M> {
    const NAME: &'static str = "NAME";
    const EXPECTED: &'static str = "the name of a field, such as \"X-Powered-By\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        let name = name_of(text).map_err(|_| match text.split_once(':') {
            Some((name, _)) => Self::mismatch(text).hint(format!("write the name alone: {name:?}")),
            None => Self::mismatch(text),
        })?;
        match M::refusal(&name) {
            Some(problem) => Err(problem),
            None => Ok(Self(name, PhantomData)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$" })
    }
}

fn problem(text: &str, error: FieldError) -> Problem {
    let problem = Problem::new(format!("{text:?}: {error}"));
    match &error {
        FieldError::Colon => problem.hint(format!("write \"{}: value\"", text.trim())),
        FieldError::Name(_) | FieldError::Value(TemplateError::Character) => problem,
        FieldError::Value(TemplateError::Brace) => problem.hint("write {{ or }} for a brace"),
        FieldError::Value(TemplateError::Unknown(name)) => {
            let names = || Variable::ALL.iter().map(|variable| variable.name());
            match nearest(name.trim(), names()) {
                Some(near) => problem.hint(format!("did you mean {{{near}}}?")),
                None => problem.hint(format!(
                    "there are {{{}}}; write {{{{ for a brace",
                    names().collect::<Vec<_>>().join("}, {")
                )),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_variable_is_told_with_the_nearest_one() {
        let told = |text| Header::<Request>::parse(text).unwrap_err();
        assert_eq!(
            told("X-Ip: {client_pi}").message,
            "\"X-Ip: {client_pi}\": there is no variable {client_pi}"
        );
        assert_eq!(told("X-Ip: {client_pi}").hint.unwrap(), "did you mean {client_ip}?");
        assert_eq!(
            told("X-Ip: {remote}").hint.unwrap(),
            "there are {client_ip}, {host}, {scheme}, {request_id}, {path}, {server_name}, {tls_version}; \
             write {{ for a brace"
        );
        assert_eq!(
            told("X-Json: {\"a\":1}").hint.as_deref().map(|hint| &hint[..10]),
            Some("there are ")
        );
        assert_eq!(told("X-Brace: }").hint.unwrap(), "write {{ or }} for a brace");
        assert_eq!(told("X-Env").hint.unwrap(), "write \"X-Env: value\"");
    }

    #[test]
    fn fields_of_the_connection_are_refused_and_host_has_its_own_key() {
        for name in ["Transfer-Encoding", "content-length", "Connection", "Upgrade", "TE"] {
            assert!(Header::<Request>::parse(&format!("{name}: x")).is_err(), "{name}");
            assert!(FieldName::<Response>::parse(name).is_err(), "{name}");
        }
        assert_eq!(
            Header::<Request>::parse("Host: a").unwrap_err().hint.unwrap(),
            "write upstream_host = \"...\" for the route"
        );
        assert!(FieldName::<Response>::parse("Server").is_ok());
        assert_eq!(
            FieldName::<Request>::parse("X-Env: prod").unwrap_err().hint.unwrap(),
            "write the name alone: \"X-Env\""
        );
    }
}
