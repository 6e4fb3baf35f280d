//! The line among the other log lines: an event that goes where they go and looks as they do.

use super::escape::Escaped;
use super::line::{Line, milliseconds};

/// The target of the events, for filters.
pub(super) const TARGET: &str = "fullchain::access";

/// Whether anybody listens.
pub(super) fn is_wanted() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::INFO)
}

/// Logs the line.
pub(super) fn emit(of: &Line<'_>) {
    let [host, user, request_id, user_agent, referer] = [of.host, of.user, of.request_id, of.user_agent, of.referer]
        .map(|value| value.map(|value| Escaped(value).text()));
    tracing::info!(
        target: TARGET,
        peer = %of.peer,
        client = of.client.map(tracing::field::display),
        method = of.method,
        host = host.as_deref(),
        path = %Escaped(of.target),
        protocol = of.protocol,
        scheme = of.scheme,
        status = of.status,
        bytes = of.bytes,
        bytes_in = of.bytes_in,
        duration_ms = milliseconds(of.duration),
        end = of.end.word(),
        cause = of.cause,
        server = of.server,
        server_ms = of.server_time.map(milliseconds),
        tls = of.tls,
        resumed = of.resumed,
        server_name = of.server_name,
        user = user.as_deref(),
        request_id = request_id.as_deref(),
        user_agent = user_agent.as_deref(),
        referer = referer.as_deref(),
        "request"
    );
}
