//! The config file as it is written: every key with its type, its manual (the doc comment: its first line is the help
//! of the flag, the whole is what an editor shows) and its default for both.
//!
//! What the code takes where a key is absent stands in `resolve`; tests hold the two and `config/fullchain.toml`
//! together.

mod backend;
mod client_auth;
mod listener;
mod route;

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

pub(in crate::config) use self::backend::Backend;
pub(in crate::config) use self::client_auth::ClientAuth;
pub(in crate::config) use self::listener::Listener;
pub(in crate::config) use self::route::Route;
use crate::chain::{Policy, Sha256};
use crate::config::access_log::Parameter;
use crate::config::addresses::AdminAddress;
use crate::config::choices::{CacheDirectory, RedirectStatus, Root};
use crate::config::networks::PeerRange;
use crate::config::setting::{List, Setting};
use crate::config::units::{BodyLimit, ByteSize};
use crate::config::value::{Automatic, Ceiling, Name};
use crate::fetch::{Aia, Ocsp};
use crate::proxy::AccessFormat;
use crate::proxy::settings::{HostName, ListenAddress, ServerAddress};
use crate::telemetry::log::{Filter, Format};

/// The configuration of fullchain.
///
/// Every key can also be given as a flag of `fullchain serve` (`timeouts.header` is `--timeouts-header`) or as an
/// environment variable (`FULLCHAIN_TIMEOUTS_HEADER`; several values separated by commas, header fields by line
/// breaks). A flag goes before a
/// variable, a variable before this file. A relative path in this file starts at the directory of the file;
/// `credential:NAME` is a credential that systemd passes (`LoadCredential=`).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "fullchain.toml")]
pub(in crate::config) struct Raw {
    /// Addresses that speak TLS.
    ///
    /// "0.0.0.0:8443", "unix:/path" for a Unix socket, "systemd:name" for sockets that systemd hands over.
    #[schemars(extend("default" = ["0.0.0.0:8443"]))]
    pub(in crate::config) listen: List<ListenAddress>,

    /// Addresses that speak plain HTTP and redirect to https.
    #[schemars(extend("default" = []))]
    pub(in crate::config) redirect_from: List<ListenAddress>,

    /// The https port that redirects name.
    #[schemars(extend("default" = 443))]
    pub(in crate::config) redirect_port: Setting<NonZeroU16>,

    /// The status of redirects: 308 keeps method and body, 301 is for clients that do not know it.
    #[schemars(extend("default" = 308))]
    pub(in crate::config) redirect_status: Setting<RedirectStatus>,

    /// Balancers whose connections begin with a PROXY header (version 1 or 2): networks, or "unix".
    ///
    /// The client is then who the header says it is. From these the header is required, from others it is not taken.
    /// "unix" is whoever connects to a Unix socket.
    #[schemars(extend("default" = []))]
    pub(in crate::config) proxy_protocol_from: List<PeerRange>,

    /// Directory with the tokens of ACME's http-01: the webroot of an ACME client, or that of the tokens.
    ///
    /// /.well-known/acme-challenge/ is answered from there on every listener, redirecting ones too.
    pub(in crate::config) acme_directory: Setting<PathBuf>,

    /// The `name` of the backend that answers ACME's http-01 on every listener, redirecting ones too.
    pub(in crate::config) acme_backend: Setting<Name>,

    /// Address of the admin listener (health, status page, reload), or "off".
    ///
    /// Where it is given and cannot be bound, fullchain does not start; the default that cannot be bound is only
    /// warned about.
    #[schemars(extend("default" = "127.0.0.1:9180"))]
    pub(in crate::config) admin: Setting<AdminAddress>,

    /// File whose first line is the token that the admin listener takes, 16 characters or more.
    ///
    /// Programs send it as "Authorization: Bearer TOKEN", a browser asks for it as a password. /livez and /readyz are for
    /// anybody.
    pub(in crate::config) admin_token_file: Setting<PathBuf>,

    /// Names by which the admin listener may be asked, besides addresses and localhost.
    ///
    /// Where there is no token, any other name is refused: a web page may have led it here.
    #[schemars(extend("default" = []))]
    pub(in crate::config) admin_hosts: List<Name>,

    /// Days before the end of a certificate from which /readyz fails, or "off".
    ///
    /// For who would rather have no instance than one whose certificate is about to end.
    #[schemars(extend("default" = "off"))]
    pub(in crate::config) ready_days: Setting<Ceiling>,

    /// Where requests go, such as http://127.0.0.1:8080; several are taken in turn.
    ///
    /// The next server is tried where one does not accept a connection.
    pub(in crate::config) upstream: List<ServerAddress>,

    /// Proxies in front of this one that may speak for their clients, such as "10.0.0.0/8".
    ///
    /// Addresses, ranges of addresses, or "unix" for whoever connects to a Unix socket.
    ///
    /// From them X-Forwarded-For is appended to, X-Forwarded-Proto, -Host, -Port and X-Request-Id are kept, and the
    /// client is the last address of X-Forwarded-For that is not one of them. They must set those fields or take them
    /// out themselves. From anybody else all of that is replaced.
    #[schemars(extend("default" = []))]
    pub(in crate::config) trusted_proxies: List<PeerRange>,

    /// The host of requests that name none, as HTTP/1.0 allows.
    ///
    /// Without it, the name that the client asked for in TLS.
    pub(in crate::config) default_host: Setting<HostName>,

    /// Threads that handle connections; "auto" is one per core.
    #[schemars(extend("default" = "auto"))]
    pub(in crate::config) workers: Setting<Automatic>,

    /// Start even where another process listens on the same address.
    ///
    /// New connections are then shared between both processes until the other one ends: a hand-over to a new version.
    #[schemars(extend("default" = false))]
    pub(in crate::config) takeover: Setting<bool>,

    /// The user that a process becomes that is started as root, once its addresses are bound.
    ///
    /// A name or a number. Certificates are read as that user, so that what it may not read is told at the start and
    /// not at the first renewal.
    pub(in crate::config) user: Setting<Name>,

    /// The group that goes with `user`; without it, the user's own.
    pub(in crate::config) group: Setting<Name>,

    /// Put files that are not configured out of reach once everything is open (Landlock).
    ///
    /// The log lists what can be reached. A path that a reload names elsewhere needs a restart, and so does a directory
    /// that was replaced by another of its name.
    #[schemars(extend("default" = true))]
    pub(in crate::config) sandbox: Setting<bool>,

    /// Let a crash write the memory of the process to disk, keys included.
    ///
    /// Without it, debuggers and profilers of other users than root cannot attach either.
    #[schemars(extend("default" = false))]
    pub(in crate::config) core_dumps: Setting<bool>,

    /// Write the secrets of clients' connections to the file that $SSLKEYLOGFILE names.
    ///
    /// Whoever has that file and the traffic can read all of it. The variable alone does nothing.
    #[schemars(extend("default" = false))]
    pub(in crate::config) key_log: Setting<bool>,

    /// Refuse to start or reload unless every chain is complete.
    ///
    /// Without it the best chain there is gets served and the log says what is missing. In a certificate directory only
    /// the host with the incomplete chain is refused.
    #[schemars(extend("default" = false))]
    pub(in crate::config) strict: Setting<bool>,

    /// Refuse clients that name no host or one that no certificate covers.
    ///
    /// Without it they get the first certificate: the first that is configured, else the first by name of a directory.
    #[schemars(extend("default" = false))]
    pub(in crate::config) strict_sni: Setting<bool>,

    /// Which of several complete chains is served: the shortest, or one that old clients find a root for.
    ///
    /// "compat" keeps up an unexpired cross-certificate, so that a client with an old root store still knows the root.
    #[schemars(extend("default" = "short"))]
    pub(in crate::config) policy: Setting<Policy>,

    /// Send an anchor that is not self-signed, being an intermediate of somebody else's root.
    ///
    /// A client that trusts only that other root needs it; one that trusts the anchor itself does not.
    #[schemars(extend("default" = true))]
    pub(in crate::config) send_intermediate_anchor: Setting<bool>,

    /// Files and directories with intermediates: the store that chains are assembled from.
    ///
    /// PEM, DER and PKCS#7, in any order and with any text around. What lies beside a leaf in its own file counts too.
    #[schemars(extend("default" = []))]
    pub(in crate::config) intermediates: List<PathBuf>,

    /// Trusted roots: "system", "none", or files and directories.
    ///
    /// Roots say where a chain ends; they are never sent.
    #[schemars(extend("default" = "system"))]
    pub(in crate::config) roots: List<Root>,

    /// OCSP responses are fetched and stapled where a certificate names a responder, or "off".
    ///
    /// In the background, ahead of time and never in a handshake. A certificate with a `staple` file has that instead.
    #[schemars(extend("default" = "staple"))]
    pub(in crate::config) ocsp: Setting<Ocsp>,

    /// SHA-256 of certificates and public keys that are never used.
    #[schemars(extend("default" = []))]
    pub(in crate::config) disallow: List<Sha256>,

    /// Whether missing intermediates are fetched from where certificates say they are published.
    ///
    /// "missing" fetches them (authorityInfoAccess, AIA) in the background, over plain HTTP, from public addresses
    /// only. What comes counts if its key made the signature.
    #[schemars(extend("default" = "off"))]
    pub(in crate::config) aia: Setting<Aia>,

    /// Fetch from addresses of this machine and its neighbourhood too: for a CA of one's own.
    #[schemars(extend("default" = false))]
    pub(in crate::config) aia_allow_private: Setting<bool>,

    /// Directory in which what was fetched survives a restart: "auto", "off" or a path.
    ///
    /// "auto" is $CACHE_DIRECTORY as systemd sets it, else fullchain in $XDG_CACHE_HOME, else .cache/fullchain in
    /// $HOME. It is made at the start, or when there is something to keep; where it cannot be written, what was fetched ends with the
    /// process.
    #[schemars(extend("default" = "auto"))]
    pub(in crate::config) cache_dir: Setting<CacheDirectory>,

    /// Directories whose files are certificates to serve, each named after its host.
    ///
    /// `www.example.com.pfx`, `_.example.com.pfx` for `*.example.com`; `.pem` with everything in it; `.crt`, `.cer` or
    /// `.pem` with a `.key` beside it; `host.rsa.pem` and `host.ecdsa.pem` for two kinds of key; folders as certbot and
    /// Kubernetes make them. A new file is served, a removed one no more, a broken one hurts its own host only.
    #[schemars(extend("default" = []))]
    pub(in crate::config) certificate_directory: List<PathBuf>,

    /// File whose first line is the password of all PKCS#12 files and encrypted keys in those directories.
    pub(in crate::config) certificate_directory_password_file: Setting<PathBuf>,

    /// Directory with session ticket keys that replicas share, so that a client of one resumes at another.
    ///
    /// Files of 48 or 80 random bytes, as for nginx' ssl_session_ticket_key; one such file will do. The one whose name is
    /// the last (10.key is after 9.key) seals, all of them open; one named `.next` only opens whatever its name. A
    /// ticket counts for 12 hours.
    pub(in crate::config) ticket_keys: Setting<PathBuf>,

    /// File with a secret that replicas share, which makes session ticket keys for 6 hours at a time.
    ///
    /// Random text of at least 32 bytes. Tickets of the 6 hours before count too, and those of the next, since clocks may
    /// differ.
    pub(in crate::config) ticket_secret_file: Setting<PathBuf>,

    /// The certificates to serve, one table each; the first is served where a client names no host.
    ///
    /// Several may be for the same name: a client gets the first whose kind of key (RSA, ECDSA, Ed25519) it accepts.
    #[schemars(with = "Vec<Certificate>")]
    pub(in crate::config) certificate: Vec<Spanned<Certificate>>,

    /// How clients prove who they are, one table for each kind of host.
    #[schemars(with = "Vec<ClientAuth>")]
    pub(in crate::config) client_auth: Vec<Spanned<ClientAuth>>,

    /// Addresses that are accepted on, one table each, where they need more said than the short keys can.
    #[schemars(with = "Vec<Listener>")]
    pub(in crate::config) listener: Vec<Spanned<Listener>>,

    /// Which requests go to which backend, one table for each kind.
    #[schemars(with = "Vec<Route>")]
    pub(in crate::config) route: Vec<Spanned<Route>>,

    /// Where requests go, one table for each set of servers.
    #[schemars(with = "Vec<Backend>")]
    pub(in crate::config) backend: Vec<Spanned<Backend>>,

    /// How long a request may take at each of its stages.
    pub(in crate::config) timeouts: Timeouts,

    /// How much a client may ask for.
    pub(in crate::config) limits: Limits,

    /// How renewed certificates are noticed and taken.
    pub(in crate::config) reload: Reload,

    /// How the process ends.
    pub(in crate::config) drain: Drain,

    /// What is logged, and where to.
    pub(in crate::config) log: Log,
}

/// A certificate to serve: `cert` with `key`, or `pfx` with `password_file`.
///
/// Given as flags or variables, these keys describe one certificate, which takes the place of all those in the file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Certificate {
    /// File with the certificate, and whatever lies beside it: PEM, DER or PKCS#7.
    ///
    /// The leaf is found by the key it fits, not by its place in the file.
    pub(in crate::config) cert: Setting<PathBuf>,

    /// File with the private key, where it is not in the same file as the certificate.
    pub(in crate::config) key: Setting<PathBuf>,

    /// PKCS#12 file with certificate and private key.
    pub(in crate::config) pfx: Setting<PathBuf>,

    /// File whose first line is the password of the PKCS#12 file or of the private key.
    ///
    /// There is no key and no flag for the password itself: it would show in process lists and backups.
    pub(in crate::config) password_file: Setting<PathBuf>,

    /// File with an OCSP response (DER) to staple in place of a fetched one.
    ///
    /// It is checked as a fetched one is, and not stapled beyond its nextUpdate: whoever wrote it writes the next one in
    /// time.
    pub(in crate::config) staple: Setting<PathBuf>,

    /// Serve a leaf even though it is a CA certificate.
    #[schemars(extend("default" = false))]
    pub(in crate::config) allow_ca_leaf: Setting<bool>,

    /// Which of several complete chains is served here, where it is not the `policy` of all.
    ///
    /// "compat" for a host that old clients visit, "short" for the others, or the reverse.
    pub(in crate::config) policy: Setting<Policy>,
}

/// How long a request may take at each of its stages.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Timeouts {
    /// From accepting a connection to the end of its TLS handshake.
    #[schemars(extend("default" = "10s"))]
    pub(in crate::config) handshake: Setting<Duration>,

    /// From the first byte of a request to the end of its header; a PROXY header has as long.
    #[schemars(extend("default" = "10s"))]
    pub(in crate::config) header: Setting<Duration>,

    /// How long a client connection without progress is kept.
    ///
    /// Between requests, and while the client takes nothing of a response.
    #[schemars(extend("default" = "60s"))]
    pub(in crate::config) idle: Setting<Duration>,

    /// How long the bodies of an exchange may stand still, a request's and its response's.
    #[schemars(extend("default" = "60s"))]
    pub(in crate::config) body: Setting<Duration>,

    /// Connecting to a server.
    #[schemars(extend("default" = "3s"))]
    pub(in crate::config) connect: Setting<Duration>,

    /// From sending a request upstream to the header of the response.
    #[schemars(extend("default" = "60s"))]
    pub(in crate::config) first_byte: Setting<Duration>,

    /// How long an unused connection to a server is kept; shorter than the server keeps it.
    #[schemars(extend("default" = "4s"))]
    pub(in crate::config) upstream_idle: Setting<Duration>,
}

/// How much a client may ask for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Limits {
    /// Size of a request's header.
    #[schemars(extend("default" = "128KiB"))]
    pub(in crate::config) header_bytes: Setting<ByteSize>,

    /// Fields in a request's header.
    #[schemars(extend("default" = 200))]
    pub(in crate::config) header_fields: Setting<usize>,

    /// Size of a request's body, or "off".
    ///
    /// One whose length is known is refused with 413 before anything of it is read; one that grows beyond it is cut. The
    /// nominal lengths of RPC over HTTP are none.
    #[schemars(extend("default" = "off"))]
    pub(in crate::config) body_bytes: Setting<BodyLimit>,

    /// Concurrent client connections, and as many to servers.
    ///
    /// "auto" is 45 % of the file descriptors allowed to the process.
    #[schemars(extend("default" = "auto"))]
    pub(in crate::config) connections: Setting<Automatic>,

    /// Concurrent connections of one client: an IPv4 address or an IPv6 /64.
    ///
    /// One more is closed at once.
    #[schemars(extend("default" = "off"))]
    pub(in crate::config) connections_per_client: Setting<Ceiling>,

    /// TLS handshakes begun in a second, of all clients together.
    ///
    /// Beyond that new connections wait in the queue of the kernel, up to 4096 on each listener.
    #[schemars(extend("default" = "off"))]
    pub(in crate::config) handshakes_per_second: Setting<Ceiling>,

    /// Requests a second of one client: an IPv4 address or an IPv6 /64.
    ///
    /// Beyond that it is answered with 429 and told when to try again.
    #[schemars(extend("default" = "off"))]
    pub(in crate::config) requests_per_second: Setting<Ceiling>,

    /// Requests of one client at once, after a time of silence; without it, ten seconds' worth.
    pub(in crate::config) requests_burst: Setting<NonZeroU32>,
}

/// How renewed certificates are noticed and taken.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Reload {
    /// Watch and poll the files; SIGHUP and `fullchain reload` work either way.
    #[schemars(extend("default" = true))]
    pub(in crate::config) watch: Setting<bool>,

    /// How often files are read even without a notice from the file system.
    #[schemars(extend("default" = "30s"))]
    pub(in crate::config) poll_interval: Setting<Duration>,

    /// How long files must be quiet before they are read.
    #[schemars(extend("default" = "500ms"))]
    pub(in crate::config) debounce: Setting<Duration>,

    /// Take a chain even if it is worse than the one served.
    ///
    /// Worse is: less complete, expiring earlier, with fewer names, without a type of key, or such that clients stumble
    /// over it.
    #[schemars(extend("default" = false))]
    pub(in crate::config) allow_worse: Setting<bool>,
}

/// How the process ends.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Drain {
    /// From failing /readyz to closing the listeners.
    #[schemars(extend("default" = "0s"))]
    pub(in crate::config) delay: Setting<Duration>,

    /// How long requests in progress may take once the listeners are closed.
    #[schemars(extend("default" = "30s"))]
    pub(in crate::config) grace: Setting<Duration>,
}

/// What is logged, and where to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Log {
    /// How lines look: "auto" is human on a terminal and JSON otherwise.
    #[schemars(extend("default" = "auto"))]
    pub(in crate::config) format: Setting<Format>,

    /// What is logged: off, error, warn, info, debug or trace, also for single modules.
    #[schemars(extend("default" = "info"))]
    pub(in crate::config) level: Setting<Filter>,

    /// Log each request.
    ///
    /// One line when the response, or the tunnel of a WebSocket, has ended. Status 499 is a client that left before it
    /// was answered.
    #[schemars(extend("default" = true))]
    pub(in crate::config) access: Setting<bool>,

    /// How these lines look: "auto", "json", "combined" as of Apache and nginx, or "w3c" as of IIS.
    ///
    /// "auto" is as the other log lines on standard error, where `level` decides on it too, and JSON in a file.
    /// "combined" has neither duration nor cause of failure. "w3c" has the default fields of IIS in its order, and more
    /// behind them.
    #[schemars(extend("default" = "auto"))]
    pub(in crate::config) access_format: Setting<AccessFormat>,

    /// File that the lines of requests are appended to, in place of standard error.
    ///
    /// Made with mode 0640 where there is none. It may be renamed at any time: SIGUSR1 opens it anew, and so does, within a
    /// second, that it is gone. Where it cannot be written, lines are dropped and counted, and requests served.
    pub(in crate::config) access_file: Setting<PathBuf>,

    /// Parameters of queries whose values are not logged; "*" is the whole query.
    ///
    /// Neither in the path of a request nor in its Referer. Upper or lower case, and percent-encoded or not. An empty list logs everything.
    #[schemars(extend("default" = [
        "access_token", "api_key", "apikey", "client_secret", "id_token", "passwd", "password", "pwd", "refresh_token",
        "secret", "sig", "signature", "token", "x-amz-security-token", "x-amz-signature", "x-goog-signature"
    ]))]
    pub(in crate::config) redact_query: List<Parameter>,
}
