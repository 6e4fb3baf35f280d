//! Which Host a backend is sent.

use http::HeaderValue;

use super::host::Host;

/// Which Host a backend is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UpstreamHost {
    /// The one that the client asked for.
    #[default]
    Preserve,
    /// The name or address of the server that gets the request, as its URL has it.
    Upstream,
    /// This one.
    Literal(HostName),
}

/// A host with an optional port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(Host);

/// A text that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a host name or an address with an optional port")]
pub struct InvalidHostName;

impl std::str::FromStr for HostName {
    type Err = InvalidHostName;

    fn from_str(text: &str) -> Result<Self, InvalidHostName> {
        let value = HeaderValue::from_str(text).map_err(|_| InvalidHostName)?;
        Host::new(value).map(Self).map_err(|_| InvalidHostName)
    }
}

impl HostName {
    /// The host of a request.
    pub(in crate::proxy) fn host(&self) -> &Host {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_a_host_like_any_other() {
        assert_eq!(
            "intranet:8080".parse::<HostName>().unwrap().host().value(),
            "intranet:8080"
        );
        for text in ["", "http://a", "a/b", "a b", "a,b", "a:x"] {
            assert_eq!(text.parse::<HostName>(), Err(InvalidHostName), "{text}");
        }
    }
}
