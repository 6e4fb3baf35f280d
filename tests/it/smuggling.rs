//! Requests made so that two readers see different requests: what the client gets, and what the backend received.

mod chunks;
mod heads;
mod http1;
mod http2;
mod lessons;
mod property;
mod upgrades;
