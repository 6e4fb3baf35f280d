//! Bodies on their way through, frame by frame, none kept.
//!
//! Back-pressure is hyper's: a body is only polled when the other side takes bytes. What is added here are the
//! timeouts of either side.

mod request;
mod response;

use std::time::Duration;

use super::cause;

pub(super) use self::request::{RequestBody, Sent};
pub(super) use self::response::{First, ResponseBody, Taken, first};

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The client broke off, or its framing is malformed.
    #[error("the client's body is malformed or incomplete")]
    Request(#[source] hyper::Error),
    /// The client sent nothing for too long.
    #[error("the client sent nothing for {0:?}")]
    RequestStalled(Duration),
    /// The upstream broke off, or its framing is malformed.
    #[error("the upstream's body is malformed or incomplete")]
    Response(#[source] hyper::Error),
    /// The upstream sent nothing for too long.
    #[error("the upstream sent nothing for {0:?}")]
    ResponseStalled(Duration),
}

impl BodyError {
    /// The word for it in logs.
    pub(super) fn cause(&self) -> &'static str {
        match self {
            Self::Request(_) => "request-body",
            Self::RequestStalled(_) => "request-timeout",
            Self::Response(source) => cause::of_body(source),
            Self::ResponseStalled(_) => "idle-timeout",
        }
    }
}
