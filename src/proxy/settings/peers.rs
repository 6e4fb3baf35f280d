//! Some of those who connect.

use std::net::IpAddr;

use crate::proxy::Network;

/// Some of those who connect: by where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// Where they are.
    pub networks: Vec<Network>,
    /// Whether whoever connects to a Unix socket is one.
    pub unix: bool,
}

impl Peers {
    /// Whether the one with this address is among them; who has none comes over a Unix socket.
    pub(in crate::proxy) fn include(&self, address: Option<IpAddr>) -> bool {
        match address {
            Some(address) => self.networks.iter().any(|network| network.contains(address)),
            None => self.unix,
        }
    }
}

impl From<Vec<Network>> for Peers {
    /// Those of these networks, and nobody on a Unix socket.
    fn from(networks: Vec<Network>) -> Self {
        Self { networks, unix: false }
    }
}
