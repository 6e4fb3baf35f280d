//! Requests through the proxy room: what the upstream sees, what the client gets, and what happens when either
//! misbehaves.

mod access_log;
mod causes;
mod deadlines;
mod draining;
mod faults;
mod forwarding;
mod messages;
mod refusals;
mod rewriting;
mod routing;
mod streams;
mod upgrades;
