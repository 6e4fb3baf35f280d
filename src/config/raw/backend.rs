//! `[[backend]]` as it is written.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::balancing::{
    BalanceKind, HealthHost, HealthPath, RetryKind, StickyCookie, StickyKind, Text, Weight,
};
use crate::config::choices::{Profile, ProxyProtocolOut, Root, TlsName};
use crate::config::setting::{List, Setting};
use crate::config::units::ByteSize;
use crate::config::value::Name;
use crate::proxy::settings::{HeaderCase, HeaderSpelling, HttpVersion, ServerAddress, Statuses};
use crate::proxy::{Buffering, Expect};

/// Servers that requests go to, and how they are spoken to.
///
/// A table without `name` is the default backend, whose servers are those of `upstream` unless it has a `url` itself;
/// given as flags or variables, these keys describe that one.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Backend {
    /// What routes and logs call it.
    pub(in crate::config) name: Setting<Name>,

    /// Its servers, such as http://127.0.0.1:8080, https://backend or unix:/run/app.sock.
    ///
    /// Which of several is taken is said by `balance`; the next one is tried where one does not accept a connection. A
    /// Unix socket speaks HTTP without TLS.
    pub(in crate::config) url: List<ServerAddress>,

    /// The version of HTTP that its servers are spoken to in.
    ///
    /// "2" is agreed on by ALPN over https and spoken with prior knowledge (h2c) otherwise. "auto" leaves the choice of
    /// "2" or "1.1" to a server over https, and is "1.1" otherwise. "1.0" is one request for each connection.
    #[schemars(extend("default" = "1.1"))]
    pub(in crate::config) http: Setting<HttpVersion>,

    /// Defaults that suit servers of a kind.
    ///
    /// "legacy" turns on legacy_response_parser and http09_responses. Whatever is given by itself goes before.
    #[schemars(extend("default" = "standard"))]
    pub(in crate::config) profile: Setting<Profile>,

    /// How field names are written in HTTP/1: "title" is Content-Length, "lower" is content-length.
    ///
    /// "preserve" leaves them as an HTTP/1 client wrote them, and the server's as it wrote them; names from HTTP/2, which
    /// has none but lower case, are written as with "title".
    #[schemars(extend("default" = "title"))]
    pub(in crate::config) header_case: Setting<HeaderCase>,

    /// Field names to be written in exactly this way, such as SOAPAction.
    ///
    /// With `header_case = "preserve"` they are for clients that speak HTTP/2.
    pub(in crate::config) header_spelling: List<HeaderSpelling>,

    /// Read HTTP/1 responses as leniently as browsers do.
    ///
    /// Folded lines are joined, blanks before a colon taken off, and lines that are no header field left out. Requests are
    /// never read so.
    #[schemars(extend("default" = false))]
    pub(in crate::config) legacy_response_parser: Setting<bool>,

    /// Take a response without a status line (HTTP/0.9) for a page.
    #[schemars(extend("default" = false))]
    pub(in crate::config) http09_responses: Setting<bool>,

    /// Say who the client is before everything else (PROXY protocol): "off", "v1" or "v2".
    ///
    /// A connection then serves the requests of one client alone. "v2" also says what is known of the client's TLS.
    #[schemars(extend("default" = "off"))]
    pub(in crate::config) proxy_protocol: Setting<ProxyProtocolOut>,

    /// How often names of servers are resolved anew.
    ///
    /// They are resolved at once where a connection fails. The last good addresses stay in use while the resolver fails.
    #[schemars(extend("default" = "30s"))]
    pub(in crate::config) resolve_interval: Setting<Duration>,

    /// Roots that certificates of https servers have to lead to: "system", or files and directories.
    ///
    /// Reading them again takes no restart: SIGHUP, `fullchain reload` and the poll do.
    #[schemars(extend("default" = "system"))]
    pub(in crate::config) tls_roots: List<Root>,

    /// Verify the certificates of https servers.
    ///
    /// Without it whoever sits between can read and change everything.
    #[schemars(extend("default" = true))]
    pub(in crate::config) tls_verify: Setting<bool>,

    /// The name in the certificates of https servers, where it is not the host of the URL.
    ///
    /// They are asked for it (SNI), whatever Host a request has.
    pub(in crate::config) tls_name: Setting<TlsName>,

    /// A certificate to show to https servers that ask for one: PEM, DER, PKCS#7 or PKCS#12.
    pub(in crate::config) tls_cert: Setting<PathBuf>,

    /// The key of `tls_cert`, where it is not in the same file.
    pub(in crate::config) tls_key: Setting<PathBuf>,

    /// File whose first line is the password of `tls_key`, or of a PKCS#12 file.
    pub(in crate::config) tls_password_file: Setting<PathBuf>,

    /// Connecting to a server, where it is not the `connect` of all in `timeouts`.
    pub(in crate::config) connect_timeout: Setting<Duration>,

    /// Waiting for a response, where it is not the `first_byte` of all in `timeouts`.
    pub(in crate::config) first_byte_timeout: Setting<Duration>,

    /// How long an unused connection is kept, where it is not the `upstream_idle` of all in `timeouts`.
    pub(in crate::config) idle_timeout: Setting<Duration>,

    /// How long bodies may stand still, where it is not the `body` of all in `timeouts`.
    pub(in crate::config) progress_timeout: Setting<Duration>,

    /// Which server takes a request.
    ///
    /// "round-robin" takes one after the other, "weighted" some more often, "least-connections" the least busy.
    /// "random-two" draws two by lot and takes the less busy one: nearly as even as "least-connections", without all
    /// workers running to the same server at once.
    #[schemars(extend("default" = "round-robin"))]
    pub(in crate::config) balance: Setting<BalanceKind>,

    /// For "weighted": how often each server is taken, in the order of `url`.
    pub(in crate::config) weight: List<Weight>,

    /// Whether clients stay with their server: "cookie" has a sealed cookie say which it is.
    ///
    /// A server that is down is replaced by another, with a new cookie. The servers do not see it.
    #[schemars(extend("default" = "off"))]
    pub(in crate::config) sticky: Setting<StickyKind>,

    /// The name of that cookie.
    #[schemars(extend("default" = "fullchain_server"))]
    pub(in crate::config) sticky_cookie: Setting<StickyCookie>,

    /// File with a secret that cookies are sealed with, the same for all replicas.
    ///
    /// Random text of at least 16 bytes. Without it each process makes up its own, and cookies count until it ends.
    pub(in crate::config) sticky_secret_file: Setting<PathBuf>,

    /// How long a cookie counts; from half of it on it is replaced by a new one.
    #[schemars(extend("default" = "8h"))]
    pub(in crate::config) sticky_for: Setting<Duration>,

    /// A path such as "/healthz" that servers are asked for again and again to see whether they are up.
    ///
    /// A server that is down gets no requests; where all are down, clients get a 503.
    pub(in crate::config) health_path: Setting<HealthPath>,

    /// From one health check to the next.
    #[schemars(extend("default" = "5s"))]
    pub(in crate::config) health_interval: Setting<Duration>,

    /// How long a health check may take in all.
    #[schemars(extend("default" = "2s"))]
    pub(in crate::config) health_timeout: Setting<Duration>,

    /// The statuses of a server that is well.
    #[schemars(extend("default" = "200-399"))]
    pub(in crate::config) health_status: Setting<Statuses>,

    /// Text that the first 64 KiB of the body of a server that is well have in them.
    pub(in crate::config) health_body: Setting<Text>,

    /// The host that is asked, where it is not the address of the server.
    pub(in crate::config) health_host: Setting<HealthHost>,

    /// Checks in a row that a server must pass to be up again.
    #[schemars(extend("default" = 2))]
    pub(in crate::config) health_rise: Setting<NonZeroU32>,

    /// Checks in a row that a server must fail to be down; the first check of all decides alone.
    #[schemars(extend("default" = 3))]
    pub(in crate::config) health_fall: Setting<NonZeroU32>,

    /// Requests in a row that fail before a server is left alone for a while; 0 for never.
    ///
    /// A request fails where the server accepts no connection, breaks it off or does not answer in time. The last server
    /// that is left is never left alone.
    #[schemars(extend("default" = 3))]
    pub(in crate::config) eject_after: Setting<usize>,

    /// How long a server is left alone; each time in a row is twice as long, up to five minutes.
    #[schemars(extend("default" = "10s"))]
    pub(in crate::config) eject_for: Setting<Duration>,

    /// Whether a request counts as failed that a server answers with a 5xx.
    #[schemars(extend("default" = false))]
    pub(in crate::config) eject_5xx: Setting<bool>,

    /// Connections that each server gets at most, from all workers together.
    ///
    /// Without it, no limit. Above it requests wait in the queue. Idle connections count, and give way. Over HTTP/2 it is
    /// the number of requests at a time.
    pub(in crate::config) connections: Setting<NonZeroU32>,

    /// Requests that wait for a server at most; those above it get a 503 at once.
    #[schemars(extend("default" = 100))]
    pub(in crate::config) queue: Setting<usize>,

    /// How long they wait before they get a 503.
    #[schemars(extend("default" = "10s"))]
    pub(in crate::config) queue_timeout: Setting<Duration>,

    /// Requests after which a connection to a server is closed; without it, never.
    pub(in crate::config) requests_per_connection: Setting<NonZeroU32>,

    /// Whether a request is tried again where that is safe.
    ///
    /// Safe is what was not sent, and what was sent without a byte of an answer if it has an idempotent method and no
    /// body; the latter once.
    #[schemars(extend("default" = "safe"))]
    pub(in crate::config) retry: Setting<RetryKind>,

    /// How often one request is tried again at most.
    #[schemars(extend("default" = 3))]
    pub(in crate::config) retries: Setting<usize>,

    /// How long a request waits, and tries again, while no server accepts a connection.
    ///
    /// Then it gets a 503. For servers that start at the same time as fullchain and take longer.
    #[schemars(extend("default" = "0s"))]
    pub(in crate::config) connect_retry_for: Setting<Duration>,

    /// Which request bodies are received whole before the server is asked: auto, on or off.
    ///
    /// "auto" are those of unknown length where the server cannot take them: it speaks HTTP/1.0, or has answered one
    /// with 411. Only so can it be told the length.
    #[schemars(extend("default" = "auto"))]
    pub(in crate::config) request_buffering: Setting<Buffering>,

    /// Bytes of such a body that are kept in memory; the rest goes to a file without a name.
    #[schemars(extend("default" = "64KiB"))]
    pub(in crate::config) spool_memory: Setting<ByteSize>,

    /// Bytes of such a body in all; one that is longer is answered with 413.
    #[schemars(extend("default" = "1GiB"))]
    pub(in crate::config) spool_limit: Setting<ByteSize>,

    /// Directory of those files, where it is not the system's ($TMPDIR or /tmp).
    pub(in crate::config) spool_dir: Setting<PathBuf>,

    /// What becomes of `Expect: 100-continue`: it is answered here, or forwarded.
    ///
    /// Forwarded, the server may refuse a body before it is sent. One that does not know it gets the body after a second.
    #[schemars(extend("default" = "answer"))]
    pub(in crate::config) expect: Setting<Expect>,
}
