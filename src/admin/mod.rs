//! The admin listener: plain HTTP/1.1, for probes, scripts and people.
//!
//! | Endpoint                 | Answers                                                                                 |
//! |--------------------------|-----------------------------------------------------------------------------------------|
//! | `GET /`                  | `200`: the status page                                                                  |
//! | `GET /livez`             | `200`: the process runs                                                                 |
//! | `GET /readyz`            | `200`: it takes connections; `503` and the reason while it starts or drains, a listener is down, or a certificate ends within `ready_days` |
//! | `GET /status`            | `200`: how the process fares, as JSON                                                   |
//! | `GET /certificates`      | `200`: what is served, as JSON                                                          |
//! | `GET /metrics`           | `200`: what is counted, as Prometheus reads it; `docs/OPERATIONS.md` has every metric   |
//! | `GET /config`            | `200`: the configuration in force, as TOML                                              |
//! | `POST /reload[?force=1]` | `200`: every file was read again; `409`: something, or everything, stays as it was; `503`: no reload task. JSON `{outcome, details}` |
//!
//! Anything else is `404`, another method `405`. Where there is a token, whoever does not show it hears `401`, but for
//! `/livez` and `/readyz`. What a web page of somebody else asks is `403`: no such page has any business here, but it can
//! reach loopback addresses (`access` says how it is known).
//!
//! ```text
//! server        the socket and its connections
//! access        who may ask
//! endpoints     what each endpoint answers
//! status        how the process fares, all in one; diagnosis: what is wrong with that, and what to do
//! page          the same for people
//! certificates  what is served, as JSON
//! client        asks a running process, for the command line
//! ```

mod access;
pub mod advice;
mod certificates;
pub mod client;
mod client_auth;
mod diagnosis;
mod endpoints;
mod metrics;
mod page;
mod readiness;
mod server;
mod settings;
mod status;
mod tickets;
mod token;

pub use certificates::{JSON_VERSION, assembly, certificate, certificates, names, staple};
pub use client_auth::client_auth;
pub use endpoints::{ConfigurationView, MetricsView, ProxyView, Sources};
pub use metrics::Metrics;
pub use readiness::Readiness;
pub use server::{BindError, Server};
pub use settings::{Address, Settings};
pub use tickets::tickets;
pub use token::{InvalidToken, Token};
