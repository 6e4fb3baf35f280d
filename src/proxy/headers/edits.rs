//! Fields that the operator sets, adds and removes.

use std::str::FromStr;

use http::header::{self, HeaderMap, HeaderName};

use super::reads_as;
use super::remove_where;
use super::template::{Template, TemplateError, Variable};

/// What is done to the fields of a message, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Fields that are taken out.
    pub remove: Vec<HeaderName>,
    /// Fields that take the place of those of the same name.
    pub set: Vec<Field>,
    /// Fields that come beside those of the same name.
    pub add: Vec<Field>,
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name.
    pub name: HeaderName,
    /// What it says.
    pub value: Template,
}

/// Why a text is no [`Field`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// There is no colon.
    #[error("there is no colon between name and value")]
    Colon,
    /// The name has a character that no name may have.
    #[error("{0:?} is no name of a field")]
    Name(String),
    /// What is wrong with the value.
    #[error(transparent)]
    Value(#[from] TemplateError),
}

impl FromStr for Field {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, FieldError> {
        let (name, value) = text.split_once(':').ok_or(FieldError::Colon)?;
        Ok(Self {
            name: name_of(name)?,
            value: value.trim().parse()?,
        })
    }
}

/// Reads the name of a field.
///
/// # Errors
///
/// [`FieldError::Name`].
pub fn name_of(text: &str) -> Result<HeaderName, FieldError> {
    text.trim().parse().map_err(|_| FieldError::Name(text.to_owned()))
}

/// Whether a field says how messages are framed or connections used, which is computed anew on either side: an
/// operator's own would contradict that.
pub fn is_of_the_connection(name: &HeaderName) -> bool {
    const OTHERS: [&str; 3] = ["http2-settings", "keep-alive", "proxy-connection"];
    let known = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::EXPECT,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    known.contains(name) || OTHERS.contains(&name.as_str())
}

impl Edits {
    /// Edits the fields of a message; `value_of` tells the variables.
    ///
    /// A field whose variables come to nothing is not sent, and what is removed or replaced is so in every spelling:
    /// whoever sets `X-Env` for a backend does not want the client's `X_Env` there (Traefik GHSA-5m6w-wvh7-57vm).
    pub(in crate::proxy) fn apply<'v>(&self, headers: &mut HeaderMap, value_of: impl Fn(Variable) -> &'v [u8]) {
        let replaced = || self.set.iter().map(|field| &field.name);
        if !self.remove.is_empty() || !self.set.is_empty() {
            remove_where(headers, |name| {
                let is = |known: &HeaderName| reads_as(name.as_str().as_bytes(), known.as_str());
                self.remove.iter().chain(replaced()).any(is)
            });
        }
        for Field { name, value } in self.set.iter().chain(&self.add) {
            if let Some(value) = value.value(&value_of) {
                headers.append(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn fields_are_removed_then_set_then_added() {
        let edits = Edits {
            remove: vec![HeaderName::from_static("x-gone")],
            set: vec![
                field("X-Env: prod"),
                field("X-TLS: {tls_version}"),
                field("x-gone: back"),
            ],
            add: vec![field("Vary: Cookie"), field("X-Env: second")],
        };
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-gone", "1"),
            ("x_gone", "1"),
            ("x-env", "client"),
            ("x-env", "client"),
            ("x_env", "client"),
            ("x-tls", "client"),
            ("vary", "Accept"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        edits.apply(&mut headers, |_| b"");
        let mut left: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        left.sort_unstable();
        assert_eq!(
            left,
            [
                "vary: Accept",
                "vary: Cookie",
                "x-env: prod",
                "x-env: second",
                "x-gone: back"
            ]
        );
    }

    #[test]
    fn a_field_is_a_name_and_a_value() {
        assert_eq!(field(" X-Env :  a: b ").name, "x-env");
        assert_eq!(
            field("X-Env: a: b").value,
            Template::Constant(HeaderValue::from_static("a: b"))
        );
        assert_eq!(field("X-Env:").value, Template::Constant(HeaderValue::from_static("")));
        for (text, error) in [
            ("X-Env", FieldError::Colon),
            (": x", FieldError::Name(String::new())),
            ("X Env: x", FieldError::Name("X Env".to_owned())),
            ("X-Env: {x}", FieldError::Value(TemplateError::Unknown("x".to_owned()))),
        ] {
            assert_eq!(text.parse::<Field>(), Err(error), "{text}");
        }
    }

    #[test]
    fn what_frames_messages_is_not_the_operators() {
        for name in [
            "connection",
            "content-length",
            "transfer-encoding",
            "keep-alive",
            "upgrade",
            "te",
        ] {
            assert!(is_of_the_connection(&HeaderName::from_static(name)), "{name}");
        }
        assert!(!is_of_the_connection(&HeaderName::from_static("via")));
    }

    fn field(text: &str) -> Field {
        text.parse().unwrap()
    }
}
