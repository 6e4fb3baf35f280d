//! Socket -> request -> upstream.
//!
//! ```text
//! server      binds every address, starts the workers, finishes them
//! worker      one thread each: its own sockets, runtime and upstream connections; nothing shared on a request's path
//! listener    accepts
//! connection  handshake (tls room), HTTP/1.1 or HTTP/2 as ALPN chose, a proper end
//! scanner     what HTTP/1.1 clients send, gone through strictly beside hyper
//! service     one request: headers -> body -> upstream, and back
//! error       every way it can fail, and the one table of statuses
//! ```

mod access_log;
mod activity;
mod alarm;
mod body;
mod connection;
mod connections;
mod contain;
pub mod drain;
mod ending;
mod error;
mod headers;
mod http2;
mod listener;
mod redirect;
mod response;
mod scanned;
mod scanner;
mod server;
mod service;
mod settings;
mod stream;
mod upgrade;
mod upstream;
mod worker;
mod worker_thread;

pub use self::listener::BindError;
pub use self::server::{LocalAddresses, Server, Workers};
pub use self::settings::{Limits, Settings, Timeouts, UpstreamAddress};
