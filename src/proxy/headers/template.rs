//! Values of fields with variables in them, such as `{client_ip}`: read once, when the configuration is.

use std::str::FromStr;

use bytes::Bytes;
use http::HeaderValue;

/// What a variable stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// The client's address.
    ClientIp,
    /// The host that the client asked for, without its port.
    Host,
    /// `http` or `https`, as the client reaches this place.
    Scheme,
    /// The name of the request, as in X-Request-Id.
    RequestId,
    /// The path as it was received, without its query.
    Path,
    /// The host that the client named in TLS.
    ServerName,
    /// `TLSv1.3` or `TLSv1.2`.
    TlsVersion,
}

/// A value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Template {
    /// The same each time.
    Constant(HeaderValue),
    /// With variables.
    Variable(Vec<Part>),
}

/// A part of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it is.
    Text(Box<str>),
    /// What the variable stands for in a request.
    Variable(Variable),
}

/// Why a text is no [`Template`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A character that no field value may have.
    #[error("a value has no control characters")]
    Character,
    /// A brace that belongs to nothing.
    #[error("a brace without its counterpart")]
    Brace,
    /// Nothing goes by this name.
    #[error("there is no variable {{{0}}}")]
    Unknown(String),
}

impl Variable {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::ClientIp,
        Self::Host,
        Self::Scheme,
        Self::RequestId,
        Self::Path,
        Self::ServerName,
        Self::TlsVersion,
    ];

    /// As it is written between braces.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientIp => "client_ip",
            Self::Host => "host",
            Self::Scheme => "scheme",
            Self::RequestId => "request_id",
            Self::Path => "path",
            Self::ServerName => "server_name",
            Self::TlsVersion => "tls_version",
        }
    }
}

impl Template {
    /// The value in a request, where `value_of` tells the variables; `None` where it comes to nothing.
    pub(super) fn value<'v>(&self, value_of: impl Fn(Variable) -> &'v [u8]) -> Option<HeaderValue> {
        match self {
            Self::Constant(value) => Some(value.clone()),
            Self::Variable(parts) => {
                let mut value = Vec::new();
                for part in parts {
                    value.extend_from_slice(match part {
                        Part::Text(text) => text.as_bytes(),
                        Part::Variable(variable) => value_of(*variable),
                    });
                }
                let value = value.trim_ascii();
                let value = (!value.is_empty()).then(|| Bytes::copy_from_slice(value))?;
                HeaderValue::from_maybe_shared(value).ok()
            }
        }
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            literal.push_str(before);
            if let Some(after) = brace.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = brace.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else {
                let inside = brace.strip_prefix('{').ok_or(TemplateError::Brace)?;
                let (name, after) = inside.split_once('}').ok_or(TemplateError::Brace)?;
                let variable = Variable::ALL.into_iter().find(|variable| variable.name() == name);
                let variable = variable.ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal).into()));
                }
                parts.push(Part::Variable(variable));
                rest = after;
            }
        }
        literal.push_str(rest);
        let sound = |text: &str| HeaderValue::from_bytes(text.as_bytes()).map_err(|_| TemplateError::Character);
        let last = sound(&literal)?;
        if parts.is_empty() {
            return Ok(Self::Constant(last));
        }
        for part in &parts {
            if let Part::Text(text) = part {
                sound(text)?;
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal.into()));
        }
        Ok(Self::Variable(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_and_doubled_braces_are_braces() {
        for (text, value) in [
            ("", Some("")),
            ("prod", Some("prod")),
            ("{host}", Some("<host>")),
            ("a {client_ip}, {scheme}.", Some("a <client_ip>, <scheme>.")),
            ("{{host}}", Some("{host}")),
            ("{{{host}}}", Some("{<host>}")),
            ("{host}{path}", Some("<host><path>")),
            ("\u{e4} {host}", Some("\u{e4} <host>")),
            ("{tls_version}", None),
            (" {tls_version} ", None),
            ("v={tls_version}", Some("v=")),
            ("{request_id}{server_name}", Some("<request_id><server_name>")),
        ] {
            let template: Template = text.parse().unwrap();
            let rendered = template.value(|variable| match variable {
                Variable::ClientIp => b"<client_ip>",
                Variable::Host => b"<host>",
                Variable::Scheme => b"<scheme>",
                Variable::RequestId => b"<request_id>",
                Variable::Path => b"<path>",
                Variable::ServerName => b"<server_name>",
                Variable::TlsVersion => b"",
            });
            assert_eq!(
                rendered.as_ref().map(HeaderValue::as_bytes),
                value.map(str::as_bytes),
                "{text}"
            );
        }
    }

    #[test]
    fn a_value_without_variables_is_made_once() {
        let constant: Template = "{{x}}".parse().unwrap();
        assert_eq!(constant, Template::Constant(HeaderValue::from_static("{x}")));
    }

    #[test]
    fn a_slip_is_told() {
        for (text, error) in [
            ("{", TemplateError::Brace),
            ("}", TemplateError::Brace),
            ("{host", TemplateError::Brace),
            ("{host}}", TemplateError::Brace),
            ("{}", TemplateError::Unknown(String::new())),
            ("{hots}", TemplateError::Unknown("hots".to_owned())),
            ("{ host }", TemplateError::Unknown(" host ".to_owned())),
            ("a\r\nb", TemplateError::Character),
            ("a\0{host}", TemplateError::Character),
            ("{host}\u{7f}", TemplateError::Character),
        ] {
            assert_eq!(text.parse::<Template>(), Err(error), "{text:?}");
        }
    }
}
