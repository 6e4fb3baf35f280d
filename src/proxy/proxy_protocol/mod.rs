//! The PROXY protocol: a header in front of a connection that says who the client is, where another proxy stands in
//! between.
//!
//! Read from balancers in front of us (versions 1 and 2), written to servers behind us (either). As specified in
//! `doc/proxy-protocol.txt` of HAProxy, revision of 2020/03/05.

mod read;
mod receive;
mod write;

use std::net::SocketAddr;

#[cfg(fuzzing)]
pub(in crate::proxy) use self::read::parse;
pub(in crate::proxy) use self::receive::{ReceiveError, receive};
pub(in crate::proxy) use self::write::{ClientCertificate, Tls, local, version_1, version_2};

/// What every header of version 2 begins with. It is no beginning of anything that HTTP or TLS would send.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Both ends of the connection that a client made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Endpoints {
    /// The client.
    pub(in crate::proxy) source: SocketAddr,
    /// What it connected to.
    pub(in crate::proxy) destination: SocketAddr,
}

/// Types of the fields (TLV) of version 2; section 2.2.
mod field {
    pub(super) const ALPN: u8 = 0x01;
    pub(super) const AUTHORITY: u8 = 0x02;
    pub(super) const TLS: u8 = 0x20;
    pub(super) const TLS_VERSION: u8 = 0x21;
    pub(super) const TLS_COMMON_NAME: u8 = 0x22;
    pub(super) const TLS_CIPHER: u8 = 0x23;
}
