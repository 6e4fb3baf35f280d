//! `http` or `https`: how the client reaches us, or we reach a backend.

use http::HeaderValue;

/// How one side is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As it is written in a URL.
    pub(in crate::proxy) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The same as a field value.
    pub(super) fn value(self) -> HeaderValue {
        HeaderValue::from_static(self.as_str())
    }

    /// The port of a URL that names none.
    pub(super) fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// The same as a field value.
    pub(super) fn port_value(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Http => "80",
            Self::Https => "443",
        })
    }
}
