//! How the servers of a backend are spoken to.

use std::str::FromStr;
use std::time::Duration;

use http::HeaderName;

use crate::tls::ConnectorSettings;

/// How the servers of a backend are spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// The version of HTTP.
    pub http: HttpVersion,
    /// How field names are written in HTTP/1; HTTP/2 has lower case alone.
    pub header_case: HeaderCase,
    /// Names that are written in exactly this way whatever `header_case` says.
    pub header_spelling: Vec<HeaderSpelling>,
    /// Read HTTP/1 responses as browsers do: folded lines, blanks before the colon, and lines that are no field, which
    /// are left out.
    pub legacy_response_parser: bool,
    /// Take a response without a status line (HTTP/0.9) for a 200 whose body it is.
    pub http09_responses: bool,
    /// The PROXY protocol before everything else, and which version.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Whom to trust and what to show, where TLS is spoken.
    pub tls: ConnectorSettings,
    /// How often names are resolved anew.
    pub resolve_interval: Duration,
}

/// The version of HTTP that is spoken to a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.0, one request a connection.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2: agreed on by ALPN over TLS, with prior knowledge elsewhere.
    Http2,
    /// Over TLS what the server prefers of HTTP/2 and HTTP/1.1, elsewhere HTTP/1.1.
    Auto,
}

/// How field names are written in HTTP/1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderCase {
    /// `Content-Length`.
    #[default]
    Title,
    /// As the client wrote them, and the server's as it wrote them; as `Title` where HTTP/2 left no case.
    Preserve,
    /// `content-length`.
    Lower,
}

/// A field name as it is to be written: `SOAPAction`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderSpelling(Box<str>);

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// A line of text.
    Version1,
    /// A binary block, which says what is known of the client's TLS too.
    Version2,
}

/// A field name that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a header field")]
pub struct InvalidHeaderSpelling;

impl Default for Protocol {
    fn default() -> Self {
        Self {
            http: HttpVersion::default(),
            header_case: HeaderCase::default(),
            header_spelling: Vec::new(),
            legacy_response_parser: false,
            http09_responses: false,
            proxy_protocol: None,
            tls: ConnectorSettings::default(),
            resolve_interval: Duration::from_secs(30),
        }
    }
}

impl HeaderSpelling {
    /// As it is to be written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HeaderSpelling {
    type Err = InvalidHeaderSpelling;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match HeaderName::from_bytes(text.as_bytes()) {
            Ok(_) => Ok(Self(text.into())),
            Err(_) => Err(InvalidHeaderSpelling),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelling_is_a_field_name_in_its_own_case() {
        let spelling = |text: &str| {
            text.parse::<HeaderSpelling>()
                .map(|spelling| spelling.as_str().to_owned())
        };
        assert_eq!(spelling("SOAPAction"), Ok("SOAPAction".to_owned()));
        for text in ["", "SOAP Action", "SOAPAction:", "Ä"] {
            assert_eq!(spelling(text), Err(InvalidHeaderSpelling), "{text}");
        }
    }
}
