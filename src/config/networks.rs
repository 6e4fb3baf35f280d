//! Who connects: ranges of addresses, and Unix sockets.

use schemars::{Schema, json_schema};

use super::error::Problem;
use super::layer::Given;
use super::value::Value;
use crate::proxy::settings::Peers;
use crate::proxy::{Network, NetworkError};

impl Value for Network {
    const NAME: &'static str = "NETWORK";
    const EXPECTED: &'static str = "an address or a range such as \"10.0.0.0/8\" or \"2001:db8::/32\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map_err(|error| match error {
            NetworkError::Malformed => Self::mismatch(text),
            NetworkError::TooLong(_) => Problem::new(format!("{text:?}: {error}")),
            NetworkError::BitsBehindPrefix(network) => Problem::new(format!("{text:?}: {error}")).hint(format!(
                "write \"{network}\" for the range, or the address alone without \"/\""
            )),
        })
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$" })
    }
}

/// Some of those who connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerRange {
    /// Those from this network.
    Network(Network),
    /// Those to a Unix socket.
    Unix,
}

impl Value for PeerRange {
    const NAME: &'static str = "NETWORK|unix";
    const EXPECTED: &'static str = "an address, a range such as \"10.0.0.0/8\", or \"unix\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "unix" => Ok(Self::Unix),
            _ => match text.parse::<Network>() {
                Err(NetworkError::Malformed) => Err(Self::mismatch(text)),
                _ => Network::parse(text).map(Self::Network),
            },
        }
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [Network::schema(), { "const": "unix" }] })
    }
}

impl PeerRange {
    /// All of `given`.
    pub(super) fn peers(given: impl IntoIterator<Item = Given<Self>>) -> Peers {
        let mut peers = Peers::default();
        for given in given {
            match given.value {
                Self::Network(network) => peers.networks.push(network),
                Self::Unix => peers.unix = true,
            }
        }
        peers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_a_range_or_an_address() {
        assert_eq!(Network::parse("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(Network::parse("::1").unwrap().to_string(), "::1/128");
    }

    #[test]
    fn a_slip_in_a_network_is_told_with_what_to_write() {
        assert_eq!(
            Network::parse("10.0.0.1/8").unwrap_err().hint.unwrap(),
            "write \"10.0.0.0/8\" for the range, or the address alone without \"/\""
        );
        assert!(
            Network::parse("10.0.0.0/33")
                .unwrap_err()
                .message
                .ends_with("an address has only 32 bits")
        );
        assert_eq!(
            Network::parse("localhost").unwrap_err().message,
            "expected an address or a range such as \"10.0.0.0/8\" or \"2001:db8::/32\", found \"localhost\""
        );
    }
}
