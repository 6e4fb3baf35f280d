//! Socket -> request -> upstream.
//!
//! ```text
//! server      binds every address, starts the workers, finishes them
//! worker      one thread each: its own sockets, runtime and upstream connections; nothing shared on a request's path
//! listener    accepts
//! connection  handshake (tls room), HTTP/1.1 or HTTP/2 as ALPN chose, a proper end
//! scanner     what HTTP/1.1 clients send, gone through strictly beside hyper
//! service     one request: headers -> route -> body -> backend, and back
//! routes      which route a request takes
//! headers     what becomes of header fields, on the way down and on the way up
//! upstream    backends, their servers, and the connections to them
//! error       every way it can fail, the one table of statuses, and the words for causes
//! access_log  one line for each request
//! ```

mod access_log;
mod activity;
mod alarm;
mod body;
mod cause;
mod connection;
mod connections;
mod contain;
pub mod drain;
mod ending;
mod error;
mod headers;
mod http2;
mod listener;
mod network;
mod path;
mod redirect;
mod response;
mod routes;
mod scanned;
mod scanner;
mod server;
mod service;
pub mod settings;
mod stream;
mod upgrade;
mod upstream;
mod worker;
mod worker_thread;

pub use self::access_log::{AccessFormat, AccessLog, Output as AccessOutput, Redaction};
pub use self::listener::BindError;
pub use self::network::{Network, NetworkError};
pub use self::server::{LocalAddress, Server, Workers};
pub use self::settings::Settings;
