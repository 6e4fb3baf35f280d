//! What is sent again, and how often.

use http::{Method, Request};

use super::connection::Failure;
use super::settings::Retries;
use crate::proxy::body::RequestBody;
use crate::proxy::error::Retry;

/// What one request may still be tried.
#[derive(Debug)]
pub(super) struct Attempts {
    left: u32,
    sent_again: bool,
}

impl Attempts {
    /// All that `retries` allow.
    pub(super) fn new(retries: &Retries) -> Self {
        Self {
            left: retries.most,
            sent_again: false,
        }
    }

    /// Whether there is one left.
    pub(super) fn is_left(&self) -> bool {
        self.left > 0
    }

    /// Takes one more attempt after a failure of this kind, if there is one to take.
    pub(super) fn take(&mut self, retry: Retry) -> bool {
        let allowed = match retry {
            Retry::Safe => self.left > 0,
            Retry::IfIdempotent => self.left > 0 && !self.sent_again,
            Retry::Never => false,
        };
        if allowed {
            self.left -= 1;
            self.sent_again |= retry == Retry::IfIdempotent;
        }
        allowed
    }
}

/// A copy to send again should the connection turn out to be at its end after the request was written. Without a body
/// there is nothing that cannot be said twice.
pub(super) struct Again {
    copy: Option<Request<RequestBody>>,
    is_idempotent: bool,
}

impl Again {
    /// That of `request`, which is sent over HTTP/2 or not: only there a server can tell that it did nothing with it.
    pub(super) fn of(request: &Request<RequestBody>, http2: bool) -> Self {
        let is_idempotent = matches!(
            *request.method(),
            Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
        );
        let useful = request.body().is_empty() && (is_idempotent || http2);
        let copy = useful.then(|| {
            let mut copy = Request::new(RequestBody::empty());
            *copy.method_mut() = request.method().clone();
            *copy.uri_mut() = request.uri().clone();
            *copy.version_mut() = request.version();
            *copy.headers_mut() = request.headers().clone();
            *copy.extensions_mut() = request.extensions().clone();
            copy
        });
        Self { copy, is_idempotent }
    }

    /// The copy, if `failure` leaves no doubt that it does no harm: nothing was done with the request, or doing it twice
    /// is doing it once (RFC 9110 section 9.2.2).
    pub(super) fn after(self, failure: &Failure) -> Option<Request<RequestBody>> {
        match failure {
            Failure::Unprocessed(_) => self.copy,
            Failure::Lost(_) => self.copy.filter(|_| self.is_idempotent),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn attempts(most: u32) -> Attempts {
        let connect_for = Duration::ZERO;
        Attempts::new(&Retries { most, connect_for })
    }

    #[test]
    fn what_was_not_sent_is_tried_as_often_as_allowed() {
        let mut attempts = attempts(2);
        let taken: Vec<_> = (0..3).map(|_| attempts.take(Retry::Safe)).collect();
        assert_eq!(taken, [true, true, false]);
    }

    #[test]
    fn what_was_sent_is_sent_again_once() {
        let mut attempts = attempts(5);
        assert!(attempts.take(Retry::IfIdempotent));
        assert!(!attempts.take(Retry::IfIdempotent) && attempts.is_left());
        assert!(attempts.take(Retry::Safe));
    }

    #[test]
    fn nothing_is_sent_again_where_that_is_off_or_would_not_help() {
        assert!(!attempts(0).take(Retry::Safe) && !attempts(0).take(Retry::IfIdempotent));
        assert!(!attempts(5).take(Retry::Never));
    }

    #[test]
    fn only_idempotent_requests_may_be_done_twice() {
        for (method, again) in [
            ("GET", true),
            ("DELETE", true),
            ("POST", false),
            ("PATCH", false),
            ("LOCK", false),
        ] {
            let request = Request::builder()
                .method(method)
                .uri("/")
                .body(RequestBody::empty())
                .unwrap();
            let copy = |http2| Again::of(&request, http2);
            assert_eq!(copy(true).is_idempotent, again, "{method}");
            // What would not be sent again is not copied either.
            assert_eq!((copy(false).copy.is_some(), copy(true).copy.is_some()), (again, true));
        }
    }
}
