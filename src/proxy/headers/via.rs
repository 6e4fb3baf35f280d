//! `Via`: by which gateways a message came (RFC 9110 section 7.6.3).

use std::str::FromStr;

use http::header::VIA;
use http::{HeaderMap, HeaderValue, Version};

use super::host;

/// What this gateway calls itself in `Via`: a pseudonym, or a host with an optional port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViaName(Box<str>);

/// A name that Via cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a name of letters, digits and \"-._~\", or a host with a port")]
pub struct InvalidViaName;

impl FromStr for ViaName {
    type Err = InvalidViaName;

    fn from_str(text: &str) -> Result<Self, InvalidViaName> {
        match host::split(text.as_bytes()) {
            Some(_) => Ok(Self(text.into())),
            None => Err(InvalidViaName),
        }
    }
}

/// Adds this gateway to those that a message, which was received in `version`, came by.
pub(in crate::proxy) fn add(headers: &mut HeaderMap, version: Version, name: &ViaName) {
    let version = match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2.0",
        Version::HTTP_3 => "3.0",
        _ => "1.1",
    };
    // A name is of characters that a field value may have.
    if let Ok(value) = HeaderValue::try_from(format!("{version} {}", name.0)) {
        headers.append(VIA, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_names_itself_behind_those_before_it() {
        let mut headers = HeaderMap::new();
        headers.append(VIA, HeaderValue::from_static("1.0 first"));
        add(&mut headers, Version::HTTP_2, &"edge".parse().unwrap());
        add(&mut headers, Version::HTTP_11, &"a.test:8443".parse().unwrap());
        let values: Vec<_> = headers.get_all(VIA).iter().collect();
        assert_eq!(values, ["1.0 first", "2.0 edge", "1.1 a.test:8443"]);
    }

    #[test]
    fn a_name_leaves_nothing_to_interpretation() {
        for name in ["", "a b", "a,b", "a(b)", "1.1 x", "a\r\n", "\u{e4}", ":80"] {
            assert_eq!(name.parse::<ViaName>(), Err(InvalidViaName), "{name}");
        }
    }
}
