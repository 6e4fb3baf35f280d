//! Why a request was not answered by the server, and what the client is told instead.

use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use http::StatusCode;

use super::body::BodyError;
use super::cause;
use super::headers::Refusal;
use super::upstream::ConnectError;

/// Why a request was not answered by the server.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The request's head is not one to pass on.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The request's body broke off, stalled or was malformed.
    #[error("the request body could not be read")]
    RequestBody(#[source] BodyError),
    /// The connection is for other hosts: RFC 9110 section 15.5.20.
    #[error(
        "the certificate shown on this connection is not for the host, or another would be asked of the client there"
    )]
    Misdirected,
    /// The host is for clients that show a certificate, and there is none without TLS.
    #[error("the host requires client certificates, which nobody can show over plain HTTP")]
    NoTls,
    /// The client has sent more requests than it may.
    #[error("too many requests: the next one may come in {0:?}")]
    TooManyRequests(Duration),
    /// There is no such token of ACME.
    #[error("no such ACME token")]
    NoToken,
    /// The configuration has no route for the request.
    #[error("no route takes this host and path")]
    NoRoute,
    /// The route is for HTTP/1.1 alone, and the request came over HTTP/2.
    #[error("`windows_auth` takes no HTTP/2")]
    Http11Required,
    /// The client's connection to the backend was in use by earlier requests for too long.
    #[error("earlier requests had the connection that is pinned to this client for {0:?}")]
    PinTimedOut(Duration),
    /// The server closed the connection in the midst of a handshake that authenticates connections.
    #[error("{server} has closed the connection that this client was authenticating")]
    HandshakeLost {
        /// Which.
        server: Rc<str>,
    },
    /// The route's backend has no server.
    #[error("no server is configured")]
    NoServer,
    /// Health checks say that every server is down, or none came up in time.
    #[error("no server is up")]
    NoServerUp {
        /// Seconds after which it may be otherwise.
        patience: u64,
    },
    /// Every server has as much to do as it may, and too many requests wait already.
    #[error("every server is busy and the queue is full")]
    QueueFull,
    /// Every server had as much to do as it may for all that time.
    #[error("every server was busy for {0:?}")]
    QueueTimedOut(Duration),
    /// The process has as many connections to servers as it may.
    #[error("no room for another connection to a server")]
    NoRoom,
    /// No server accepted a connection; the last one tried is named.
    #[error("cannot connect to {server}")]
    Connect {
        /// Where.
        server: Rc<str>,
        /// Why not.
        source: ConnectError,
    },
    /// The server ended the connection before it sent a byte of a response.
    #[error("{server} closed the connection without a response")]
    Lost {
        /// Which.
        server: Rc<str>,
        /// How.
        source: hyper::Error,
    },
    /// The server closed a new connection before anything of the request was sent.
    #[error("{server} closed a new connection at once")]
    Unsent {
        /// Which.
        server: Rc<str>,
    },
    /// The server says that it did nothing with the request.
    #[error("{server} refused the request before it did anything with it")]
    Unprocessed {
        /// Which.
        server: Rc<str>,
        /// What hyper makes of it.
        source: hyper::Error,
    },
    /// A server of HTTP/1.0 has to be told a body's length first.
    #[error("the server speaks HTTP/1.0, and the request does not say how long its body is")]
    LengthRequired,
    /// The server sent something that is no complete response head.
    #[error("{server} sent an invalid response")]
    InvalidResponse {
        /// Which.
        server: Rc<str>,
        /// What hyper makes of it.
        source: hyper::Error,
    },
    /// The server's response head is well formed but must not be passed on.
    #[error("{server} sent a response that is not passed on: {reason}")]
    UnacceptableResponse {
        /// Which.
        server: Rc<str>,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The server reads on and takes nothing of the request's body.
    #[error("{server} took nothing of the request body for {limit:?}")]
    Untaken {
        /// Which.
        server: Rc<str>,
        /// The timeout.
        limit: Duration,
    },
    /// The server took the request and did not answer in time.
    #[error("{server} sent no response within {limit:?}")]
    Silent {
        /// Which.
        server: Rc<str>,
        /// The timeout.
        limit: Duration,
    },
}

/// Whose doing it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The client's.
    Downstream,
    /// The backend's, or the way to it.
    Upstream,
}

impl Side {
    /// The one across.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Downstream => Self::Upstream,
            Self::Upstream => Self::Downstream,
        }
    }
}

/// Whether the request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// It never reached a server.
    Safe,
    /// It may have been acted on: only if doing it twice is doing it once (RFC 9110 section 9.2.2).
    IfIdempotent,
    /// It would not help, or the server has begun to answer.
    Never,
}

impl Error {
    /// Whose doing it was.
    pub(super) fn side(&self) -> Side {
        match self {
            Self::RequestBody(BodyError::Spool(_)) => Side::Upstream,
            Self::Refused(_)
            | Self::RequestBody(_)
            | Self::LengthRequired
            | Self::TooManyRequests(_)
            | Self::NoToken
            | Self::Misdirected
            | Self::NoTls
            | Self::NoRoute
            | Self::Http11Required => Side::Downstream,
            Self::NoServer
            | Self::NoServerUp { .. }
            | Self::QueueFull
            | Self::QueueTimedOut(_)
            | Self::NoRoom
            | Self::PinTimedOut(_)
            | Self::HandshakeLost { .. }
            | Self::Connect { .. }
            | Self::Lost { .. }
            | Self::Unsent { .. }
            | Self::Unprocessed { .. }
            | Self::InvalidResponse { .. }
            | Self::UnacceptableResponse { .. }
            | Self::Untaken { .. }
            | Self::Silent { .. } => Side::Upstream,
        }
    }

    /// Whether what comes next on an HTTP/1.1 connection is not to be trusted.
    pub(super) fn taints_connection(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::RequestBody(_))
    }

    /// What the client is told. This is the one table of statuses.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) => match refusal {
                Refusal::HostMissing
                | Refusal::HostRepeated
                | Refusal::HostInvalid
                | Refusal::HostMismatch
                | Refusal::Target
                | Refusal::Path
                | Refusal::Ambiguous
                | Refusal::PrematureUpgrade
                | Refusal::Destination
                | Refusal::TransferEncoding => StatusCode::BAD_REQUEST,
                Refusal::Method => StatusCode::METHOD_NOT_ALLOWED,
                Refusal::Expectation => StatusCode::EXPECTATION_FAILED,
                Refusal::TooManyFields | Refusal::TooLarge(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            },
            // RFC 9110 section 15.5.20: "unable or unwilling to produce an authoritative response" for this scheme.
            Self::Misdirected | Self::NoTls => StatusCode::MISDIRECTED_REQUEST,
            Self::LengthRequired => StatusCode::LENGTH_REQUIRED,
            Self::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NoRoute | Self::NoToken => StatusCode::NOT_FOUND,
            // RFC 9110 section 15.6.6: refused, and for the version. Nobody but the log sees it.
            Self::Http11Required => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::RequestBody(error) => match error {
                BodyError::RequestStalled(_) => StatusCode::REQUEST_TIMEOUT,
                BodyError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
                BodyError::Spool(source) => match source.kind() {
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StatusCode::SERVICE_UNAVAILABLE,
                    _ => StatusCode::INTERNAL_SERVER_ERROR,
                },
                _ => StatusCode::BAD_REQUEST,
            },
            Self::NoServer
            | Self::NoServerUp { .. }
            | Self::QueueFull
            | Self::QueueTimedOut(_)
            | Self::PinTimedOut(_)
            | Self::NoRoom
            | Self::Unprocessed { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Connect { source, .. } if source.is_timeout() => StatusCode::GATEWAY_TIMEOUT,
            Self::Silent { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Connect { .. }
            | Self::Lost { .. }
            | Self::Unsent { .. }
            | Self::InvalidResponse { .. }
            | Self::HandshakeLost { .. }
            | Self::Untaken { .. }
            | Self::UnacceptableResponse { .. } => StatusCode::BAD_GATEWAY,
        }
    }

    /// Why, in a word that stays the same: for whoever searches or counts logs. What there is to say beside it is in the
    /// text of the error.
    pub(super) fn cause(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => match refusal {
                Refusal::HostMissing | Refusal::HostRepeated | Refusal::HostInvalid | Refusal::HostMismatch => "host",
                Refusal::Target | Refusal::Path | Refusal::Destination => "target",
                Refusal::Ambiguous | Refusal::TransferEncoding => "framing",
                Refusal::PrematureUpgrade => "upgrade",
                Refusal::Method => "method",
                Refusal::Expectation => "expectation",
                Refusal::TooManyFields => "too-many-fields",
                Refusal::TooLarge(_) => "header-too-large",
            },
            Self::RequestBody(source) => source.cause(),
            Self::TooManyRequests(_) => "too-many-requests",
            Self::NoToken => "no-token",
            Self::Misdirected => "misdirected",
            Self::NoTls => "no-tls",
            Self::LengthRequired => "length-required",
            Self::NoRoute => "no-route",
            Self::Http11Required => "http-1.1-required",
            Self::PinTimedOut(_) => "pin-timeout",
            Self::HandshakeLost { .. } => "handshake-lost",
            Self::NoServer => "no-server",
            Self::NoServerUp { .. } => "no-server-up",
            Self::QueueFull => "queue-full",
            Self::QueueTimedOut(_) => "queue-timeout",
            Self::NoRoom => "no-room",
            Self::Connect { source, .. } => source.cause(),
            Self::Lost { source, .. } => cause::of_end(source),
            Self::Unsent { .. } => "closed",
            Self::Unprocessed { .. } => "unprocessed",
            Self::InvalidResponse { source, .. } => cause::of_response(source),
            Self::UnacceptableResponse { .. } => "invalid-response",
            Self::Untaken { .. } => "write-timeout",
            Self::Silent { .. } => "first-byte-timeout",
        }
    }

    /// The server that failed, if it was one.
    pub(super) fn server(&self) -> Option<&Rc<str>> {
        match self {
            Self::Connect { server, .. }
            | Self::Lost { server, .. }
            | Self::Unsent { server }
            | Self::Unprocessed { server, .. }
            | Self::InvalidResponse { server, .. }
            | Self::UnacceptableResponse { server, .. }
            | Self::HandshakeLost { server }
            | Self::Untaken { server, .. }
            | Self::Silent { server, .. } => Some(server),
            Self::Refused(_)
            | Self::RequestBody(_)
            | Self::Misdirected
            | Self::NoTls
            | Self::LengthRequired
            | Self::TooManyRequests(_)
            | Self::NoToken
            | Self::NoRoute
            | Self::Http11Required
            | Self::PinTimedOut(_)
            | Self::NoServer
            | Self::NoServerUp { .. }
            | Self::QueueFull
            | Self::QueueTimedOut(_)
            | Self::NoRoom => None,
        }
    }

    /// Seconds after which the client may try again, where that is likely to help (RFC 9110 section 10.2.3). Rounded up:
    /// too early is refused again.
    pub(super) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests(wait) => Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)),
            Self::NoServerUp { patience } => Some(*patience),
            Self::QueueFull | Self::QueueTimedOut(_) | Self::NoRoom | Self::Unprocessed { .. } => Some(1),
            _ => None,
        }
    }

    /// Whether the server is to blame: one that fails so again and again is better left alone.
    pub(super) fn blames_server(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::Lost { .. }
                | Self::Unsent { .. }
                | Self::InvalidResponse { .. }
                | Self::Untaken { .. }
                | Self::Silent { .. }
        )
    }

    /// Whether it looks as if the server were not there, or not there yet.
    pub(super) fn means_absence(&self) -> bool {
        match self {
            Self::Connect { source, .. } => source.means_absence(),
            Self::NoServerUp { .. } | Self::Unsent { .. } => true,
            _ => false,
        }
    }

    /// Whether the request may be sent again.
    pub(super) fn retry(&self) -> Retry {
        match self {
            Self::Connect { .. } | Self::Unsent { .. } | Self::Unprocessed { .. } => Retry::Safe,
            Self::Lost { .. } => Retry::IfIdempotent,
            _ => Retry::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_a_504_and_everything_else_upstream_a_502() {
        let server: Rc<str> = "backend:80".into();
        let connect = |source| Error::Connect {
            server: Rc::clone(&server),
            source,
        };
        let limit = Duration::from_secs(3);
        assert_eq!(connect(ConnectError::TimedOut(limit)).status(), 504);
        assert_eq!(connect(ConnectError::NoAddress).status(), 502);
        let silent = Error::Silent { server, limit };
        assert_eq!(
            (silent.status().as_u16(), silent.side(), silent.retry()),
            (504, Side::Upstream, Retry::Never)
        );
    }

    #[test]
    fn a_request_of_which_nothing_was_sent_may_go_elsewhere() {
        let server = "backend:80".into();
        let error = Error::Unsent { server };
        assert_eq!((error.retry(), error.status().as_u16()), (Retry::Safe, 502));
        assert_eq!(
            (error.cause(), error.server().map(|server| &**server)),
            ("closed", Some("backend:80"))
        );
    }

    #[test]
    fn a_503_that_will_pass_says_when_to_try_again() {
        for (error, seconds) in [
            (Error::NoServerUp { patience: 5 }, Some(5)),
            (Error::QueueFull, Some(1)),
            (Error::QueueTimedOut(Duration::from_secs(10)), Some(1)),
            (Error::NoRoom, Some(1)),
            (Error::NoServer, None),
        ] {
            assert_eq!(
                (error.status().as_u16(), error.retry_after()),
                (503, seconds),
                "{error}"
            );
        }
    }

    #[test]
    fn a_stalled_upload_is_a_408() {
        let error = Error::RequestBody(BodyError::RequestStalled(Duration::from_secs(60)));
        assert_eq!((error.status().as_u16(), error.side()), (408, Side::Downstream));
    }

    #[test]
    fn a_full_disk_may_have_room_later_and_a_broken_one_is_our_own_fault() {
        let status = |kind: ErrorKind| {
            let error = Error::RequestBody(BodyError::Spool(kind.into()));
            (error.status().as_u16(), error.side())
        };
        assert_eq!(status(ErrorKind::StorageFull), (503, Side::Upstream));
        assert_eq!(status(ErrorKind::PermissionDenied), (500, Side::Upstream));
    }
}
