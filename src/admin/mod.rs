//! The admin listener: plain HTTP/1.1, for probes, scripts and people on this machine.
//!
//! | Endpoint                 | Answers                                                                                 |
//! |--------------------------|-----------------------------------------------------------------------------------------|
//! | `GET /livez`             | `200`: the process runs                                                                 |
//! | `GET /readyz`            | `200`: it takes connections; `503` and the reason while it starts or drains             |
//! | `GET /certificates`      | `200`: what is served, as JSON                                                          |
//! | `GET /metrics`           | `200`: what is counted, as Prometheus reads it; `docs/OPERATIONS.md` has every metric   |
//! | `POST /reload[?force=1]` | `200`: every file was read again; `409`: something, or everything, stays as it was; `503`: no reload task. JSON `{outcome, details}` |
//!
//! Anything else is `404`, another method `405`. What a web page asks is `403`: no page has any business here, but a
//! page can reach loopback addresses. It is known by `Origin` or a `Sec-Fetch-Site` other than `none`, and where
//! neither is sent, as by a page whose name DNS rebinding has led here, by a `Host` that is neither an IP address nor
//! `localhost`.

mod certificates;
pub mod client;
mod client_auth;
mod endpoints;
mod metrics;
mod readiness;
mod server;
mod settings;
mod tickets;

pub use certificates::{JSON_VERSION, assembly, certificate, certificates, names, staple};
pub use client_auth::client_auth;
pub use endpoints::{CertificatesView, MetricsView, Sources};
pub use metrics::Metrics;
pub use readiness::Readiness;
pub use server::{BindError, Server};
pub use settings::Settings;
pub use tickets::tickets;
