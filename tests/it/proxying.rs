//! Requests through the proxy room: what the upstream sees, what the client gets, and what happens when either
//! misbehaves.

mod access_log;
mod acme;
mod causes;
mod client_limits;
mod deadlines;
mod draining;
mod faults;
mod forwarding;
mod listeners;
mod messages;
mod proxy_protocol;
mod refusals;
mod rewriting;
mod routing;
mod streams;
mod upgrades;
