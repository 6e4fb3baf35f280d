//! What the operator says about listeners, requests and upstreams.

use std::net::SocketAddr;
use std::time::Duration;

/// Everything the proxy room is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Addresses that speak TLS.
    pub listen: Vec<SocketAddr>,
    /// Addresses that speak plain HTTP and redirect to https.
    pub redirect_from: Vec<SocketAddr>,
    /// The port that redirects name: the one clients reach, which a container or a firewall may map to another.
    pub redirect_port: u16,
    /// Bind even where another process listens on the same address (`SO_REUSEPORT` hand-over).
    pub takeover: bool,
    /// Where requests go; taken in turn, the next one where one does not accept a connection.
    pub upstreams: Vec<UpstreamAddress>,
    /// How long a request may take at each of its stages.
    pub timeouts: Timeouts,
    /// How much a client may ask for.
    pub limits: Limits,
    /// Whether each request is logged.
    pub access_log: bool,
}

/// `http://host[:port]`: where an upstream is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamAddress {
    /// A name or an IP address (IPv6 without brackets).
    pub host: String,
    /// The TCP port, 80 where the URL names none.
    pub port: u16,
}

/// Deadlines, each measured on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a request (or the end of the handshake) to the end of its header section.
    pub header: Duration,
    /// A client connection without a request in progress; also a body or response without progress.
    pub idle: Duration,
    /// Connecting to an upstream.
    pub connect: Duration,
    /// From the request sent to the upstream's response header section.
    pub first_byte: Duration,
    /// How long an unused upstream connection is kept.
    pub upstream_idle: Duration,
}

/// Limits per connection and per process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's header section, HTTP/1.1 and HTTP/2 alike.
    pub header_bytes: usize,
    /// Fields of a request's header section, HTTP/1.1 and HTTP/2 alike.
    pub header_fields: usize,
    /// Concurrent client connections of the whole process, and also those to upstreams.
    pub connections: usize,
}
