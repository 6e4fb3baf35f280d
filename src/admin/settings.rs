//! What the operator says about the admin listener.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use super::Token;

/// Where the admin listener binds, who may ask, and what counts as ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it binds.
    pub address: Address,
    /// What whoever asks has to show, but for `/livez` and `/readyz`.
    pub token: Option<Token>,
    /// Names in lower case by which it may be asked besides addresses and `localhost`.
    pub hosts: Vec<Box<str>>,
    /// `/readyz` fails when a certificate that is served ends within so many days.
    pub ready_days: Option<NonZeroU32>,
}

/// Where the admin listener binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// Here; where it cannot bind, the process ends with an error.
    Asked(SocketAddr),
    /// At the default address; where it cannot bind, a warning and on without it.
    Default(SocketAddr),
    /// Nowhere.
    Off,
}

impl Settings {
    /// The address, if there is to be one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.address {
            Address::Asked(address) | Address::Default(address) => Some(address),
            Address::Off => None,
        }
    }

    /// An admin listener at `address` that asks for no token.
    pub fn at(address: Address) -> Self {
        Self {
            address,
            token: None,
            hosts: Vec::new(),
            ready_days: None,
        }
    }
}
