//! What the operator says about the admin listener.

use std::net::SocketAddr;

/// Where the admin listener binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settings {
    /// At this address; where it cannot bind, the process ends with an error.
    Asked(SocketAddr),
    /// At the default address; where it cannot bind, a warning and on without it.
    Default(SocketAddr),
    /// Nowhere.
    Off,
}

impl Settings {
    /// The address, if there is to be one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Asked(address) | Self::Default(address) => Some(*address),
            Self::Off => None,
        }
    }
}
