//! Requests through the proxy room: what the upstream sees, what the client gets, and what happens when either
//! misbehaves.

mod access_log;
mod acme;
mod bad_backends;
mod causes;
mod client_limits;
mod deadlines;
mod draining;
mod faults;
mod forwarding;
mod header_case;
mod legacy_responses;
mod listeners;
mod messages;
mod proxy_protocol;
mod refusals;
mod rewriting;
mod routing;
mod servers_http10;
mod servers_http2;
mod servers_proxy_protocol;
mod servers_tls;
mod servers_unix;
mod streams;
mod upgrades;
