//! What the errors of sockets and of hyper come down to, in the words of the log.
//!
//! The words are a contract, as statuses are: searches and alarms hang on them. `error` has the whole list.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};

/// Why a connection was not made.
pub(super) fn of_connect(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::ConnectionRefused => "refused",
        ErrorKind::TimedOut => "connect-timeout",
        // A firewall that says no is heard of as a missing right.
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::AddrNotAvailable
        | ErrorKind::PermissionDenied => "unreachable",
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => "reset",
        // No socket by that name.
        ErrorKind::NotFound => "refused",
        _ => "connect",
    }
}

/// How a connection ended before anything was answered.
pub(super) fn of_end(error: &hyper::Error) -> &'static str {
    match io_kind(error) {
        Some(kind) if is_reset(kind) => "reset",
        Some(ErrorKind::TimedOut) => "write-timeout",
        _ => "closed",
    }
}

/// What is wrong with the header section of a response.
pub(super) fn of_response(error: &hyper::Error) -> &'static str {
    if error.is_parse_too_large() {
        return "oversized-header";
    }
    match io_kind(error) {
        Some(kind) if is_reset(kind) => "reset",
        _ if error.is_incomplete_message() => "incomplete-header",
        _ => "invalid-response",
    }
}

/// How the body of a response broke off.
pub(super) fn of_body(error: &hyper::Error) -> &'static str {
    match io_kind(error) {
        Some(kind) if is_reset(kind) => "reset",
        // A chunk that is none.
        Some(ErrorKind::InvalidInput | ErrorKind::InvalidData) => "invalid-response",
        _ => "closed",
    }
}

/// How the server's end of a tunnel broke.
pub(super) fn of_tunnel(error: &io::Error) -> &'static str {
    if is_reset(error.kind()) { "reset" } else { "closed" }
}

fn is_reset(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe
    )
}

/// The kind of the first error of the system, or of one that stands for one, among the causes of `error`.
fn io_kind(error: &hyper::Error) -> Option<ErrorKind> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        next = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_there_is_no_connection_is_told_by_the_system() {
        for (kind, cause) in [
            (ErrorKind::ConnectionRefused, "refused"),
            (ErrorKind::NotFound, "refused"),
            (ErrorKind::TimedOut, "connect-timeout"),
            (ErrorKind::HostUnreachable, "unreachable"),
            (ErrorKind::NetworkUnreachable, "unreachable"),
            (ErrorKind::PermissionDenied, "unreachable"),
            (ErrorKind::ConnectionReset, "reset"),
            (ErrorKind::Other, "connect"),
        ] {
            assert_eq!(of_connect(&kind.into()), cause);
        }
    }
}
