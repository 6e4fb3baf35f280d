//! A TLS-terminating reverse proxy that assembles certificate chains.
//!
//! The house has floors; a room imports only from floors below it (`tests/floors.rs` keeps it so,
//! `docs/ARCHITECTURE.md` says why):
//!
//! ```text
//! F7  cli                      arguments in, exit code out
//! F6  app                      wiring: build everything, spawn workers, wait, drain
//! F5  config                   file + environment + flags -> every room's Settings
//! F4  admin                    /livez /readyz /metrics /certificates /reload
//! F3  reload    proxy          disk -> snapshot        |  socket -> request -> upstream
//! F2  fetch     tls            missing issuers and OCSP over HTTP | rustls glue, snapshot
//! F1  certs     ocsp           files -> certificates   |  OCSP, pure
//! F0  chain  live  telemetry   pure assembly | one cell | logging, metrics
//! ```
//!
//! With `default-features = false` only [`chain`] is left: no tokio, no hyper, no file access. The feature `certs` adds
//! the reading of certificate and key files, and [`ocsp`].

pub mod chain;

#[cfg(feature = "certs")]
pub mod certs;
#[cfg(feature = "certs")]
pub mod ocsp;

#[cfg(feature = "proxy")]
pub mod admin;
#[cfg(feature = "proxy")]
pub mod app;
#[cfg(feature = "proxy")]
pub mod cli;
#[cfg(feature = "proxy")]
pub mod config;
#[cfg(feature = "proxy")]
pub mod fetch;
#[cfg(feature = "proxy")]
pub mod live;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(feature = "proxy")]
pub mod reload;
#[cfg(feature = "proxy")]
pub mod telemetry;
#[cfg(feature = "proxy")]
pub mod tls;
