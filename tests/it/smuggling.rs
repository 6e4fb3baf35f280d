//! Requests made so that two readers see different requests: what the client gets, and what the backend received.

mod http1;
mod http2;
mod lessons;
mod property;
