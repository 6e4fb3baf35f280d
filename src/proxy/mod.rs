//! Socket -> request -> upstream.
//!
//! ```text
//! server      binds every address, starts the workers, finishes them
//! blueprint   what one configuration makes of all this; another may take its place while everything runs (reconfigurer)
//! worker      one thread each: its own sockets, runtime and upstream connections; nothing shared on a request's path
//! listener    accepts: TCP, Unix sockets, what systemd hands over
//! client      who is at the other end: the socket's word or a balancer's (proxy_protocol), and what it may have (clients)
//! connection  handshake (tls room), HTTP/1.1 or HTTP/2 as ALPN chose, a proper end
//! scanner     what HTTP/1.1 clients send, gone through strictly beside hyper
//! service     one request: headers -> route -> body -> backend, and back
//! delivery    how a request's body gets to a backend: as it comes, with its length, or once more
//! routes      which route a request takes
//! headers     what becomes of header fields, on the way down and on the way up
//! windows_auth which connection, where it is the connection that is authenticated
//! upstream    backends, their servers, and the connections to them
//! error       every way it can fail, the one table of statuses, and the words for causes
//! access_log  one line for each request
//! metrics     what is counted, apart for each worker
//! observer    how listeners (vitals) and servers fare, for people and probes
//! ```

mod access_log;
mod acme;
mod activity;
mod alarm;
mod blueprint;
mod body;
mod cause;
mod client;
mod clients;
mod connection;
mod connections;
mod contain;
mod delivery;
pub mod drain;
mod ending;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod headers;
mod http2;
mod introductions;
mod listener;
mod metrics;
mod network;
mod observer;
mod path;
mod peer;
mod proxy_protocol;
mod pulse;
mod reconfigurer;
mod redirect;
mod response;
mod routes;
mod rpc_over_http;
mod scanned;
mod scanner;
mod server;
mod service;
pub mod settings;
mod socket;
mod stream;
mod upgrade;
mod upstream;
mod vitals;
mod windows_auth;
mod worker;
mod worker_thread;

pub use self::access_log::{AccessFormat, AccessLog, Output as AccessOutput, Redaction};
pub use self::body::Spool;
pub use self::delivery::{Buffering, Delivery, Expect};
pub use self::listener::{BindError, Inherited};
pub use self::metrics::{Metrics, State, Totals};
pub use self::network::{Network, NetworkError};
pub use self::observer::{BackendState, ListenerState, Observation, Observer, ServerState};
pub use self::pulse::Pulse;
pub use self::reconfigurer::{Reconfiguration, Reconfigurer};
pub use self::server::{LocalAddress, Server, StartError, Workers};
pub use self::settings::Settings;
pub use self::upstream::{BackendError, check_trust};
pub use self::windows_auth::WindowsAuth;
