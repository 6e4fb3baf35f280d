//! Who the client is, said before everything else on a connection to a server.
//!
//! What is said once holds for the whole connection, so a connection serves nobody for whom other words would be right:
//! it is kept for requests with the very same ones.

use std::sync::Arc;

use crate::proxy::proxy_protocol::{local, version_1};
use crate::proxy::settings::ProxyProtocol;

/// The bytes of a PROXY protocol header. They travel with a request as an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Introduction(Arc<[u8]>);

impl Introduction {
    /// These bytes.
    pub(in crate::proxy) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// That nobody is behind a connection but this proxy, as for a health check.
    pub(super) fn of_nobody(version: ProxyProtocol) -> Self {
        Self::new(match version {
            ProxyProtocol::Version1 => version_1(None),
            ProxyProtocol::Version2 => local(),
        })
    }

    /// What is sent.
    pub(in crate::proxy) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
