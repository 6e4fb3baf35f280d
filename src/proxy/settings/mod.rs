//! What the operator says about listeners, requests and backends.

mod backend;
mod listener;
mod peers;
mod protocol;
mod route;
mod server;

use std::time::Duration;

use super::access_log::AccessLog;

pub use self::backend::{Backend, BackendTimeouts};
pub(in crate::proxy) use self::listener::LONGEST_PATH;
pub use self::listener::{ListenAddress, Listener, Redirect, Service};
pub use self::peers::Peers;
pub use self::protocol::{HeaderCase, HeaderSpelling, HttpVersion, InvalidHeaderSpelling, Protocol, ProxyProtocol};
pub use self::route::{HostPattern, InvalidHostPattern, InvalidPathPrefix, PathPrefix, Route};
pub use self::server::{Endpoint, ServerAddress};
pub use super::acme::Acme;
pub use super::clients::{ClientLimits, RequestRate};
pub use super::headers::app::App;
pub use super::headers::client_cert::ClientCertFields;
pub use super::headers::cookies::{CookieRules, HttpOnly, SameSite, Translation};
pub use super::headers::edits::{Edits, Field, FieldError, is_of_the_connection, name_of};
pub use super::headers::forwarded::Forwarding;
pub use super::headers::hsts::{Hsts, HstsError};
pub use super::headers::redirects::{RedirectPair, RedirectPairError, RedirectRules};
pub use super::headers::request_id::RequestId;
pub use super::headers::rules::HeaderRules;
pub use super::headers::template::{Part, Template, TemplateError, Variable};
pub use super::headers::upstream_host::{HostName, InvalidHostName, UpstreamHost};
pub use super::headers::via::{InvalidViaName, ViaName};
pub use super::upstream::settings::{
    Balance, Choice, Ejection, HealthCheck, InvalidStatuses, Limit, Retries, Secret, Statuses, Sticky,
};

/// Everything the proxy room is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What is accepted on.
    pub listeners: Vec<Listener>,
    /// Bind even where another process listens on the same address (`SO_REUSEPORT` hand-over).
    pub takeover: bool,
    /// Who answers ACME's http-01.
    pub acme: Acme,
    /// What happens to which request. A request that none of them takes is answered with 404.
    pub routes: Vec<Route>,
    /// Proxies that may speak for their clients in X-Forwarded-For and the like.
    pub trusted_proxies: Peers,
    /// The host of requests that name none, as HTTP/1.0 allows.
    pub default_host: Option<HostName>,
    /// Where requests go.
    pub backends: Vec<Backend>,
    /// How long a request may take at each of its stages.
    pub timeouts: Timeouts,
    /// How much a client may ask for.
    pub limits: Limits,
    /// Whether and how each request is logged.
    pub access_log: AccessLog,
}

impl Settings {
    /// Whether any backend gets field names as the client wrote them.
    pub(in crate::proxy) fn preserves_header_case(&self) -> bool {
        let mut backends = self.backends.iter();
        backends.any(|backend| backend.protocol.header_case == HeaderCase::Preserve)
    }
}

/// Deadlines on the client's side, each measured on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a request (or the end of the handshake) to the end of its header section; and from
    /// accepting a balancer's connection to the end of its PROXY header.
    pub header: Duration,
    /// A client connection without a request in progress; also a body or response without progress.
    pub idle: Duration,
}

/// Limits per connection and per process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's header section, HTTP/1.1 and HTTP/2 alike.
    pub header_bytes: usize,
    /// Fields of a request's header section, HTTP/1.1 and HTTP/2 alike.
    pub header_fields: usize,
    /// Concurrent client connections of the whole process, and also those to servers.
    pub connections: usize,
    /// What one client may have of these, and of requests.
    pub clients: ClientLimits,
}
