//! Bodies on their way through, frame by frame, and none kept but what is spooled for a backend that wants a length.
//!
//! Back-pressure is hyper's: a body is only polled when the other side takes bytes. What is added here are the timeouts
//! of either side and the limit of the client's.

mod request;
mod response;
mod spool;
mod upload;

use std::io;
use std::time::Duration;

use super::cause;

pub(super) use self::request::RequestBody;
pub(super) use self::response::{First, ResponseBody, Taken, first};
pub use self::spool::Spool;
pub(super) use self::spool::spool;
pub(super) use self::upload::{Continue, Upload};

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The client broke off, or its framing is malformed.
    #[error("the client's body is malformed or incomplete")]
    Request(#[source] hyper::Error),
    /// The same, told by somebody who does not know more.
    #[error("the client's body is malformed or incomplete")]
    RequestBroken,
    /// The client sent nothing for too long.
    #[error("the client sent nothing for {0:?}")]
    RequestStalled(Duration),
    /// The client sent more than it may.
    #[error("the client's body is longer than {0} bytes")]
    TooLarge(u64),
    /// The client's body could not be kept.
    #[error("the client's body cannot be spooled")]
    Spool(#[source] io::Error),
    /// The response was complete before the request, and the rest is of no use to anyone.
    #[error("the response was complete before the request")]
    Answered,
    /// The request is sent again on another connection.
    #[error("the request is sent again")]
    Recalled,
    /// The server broke off, or its framing is malformed.
    #[error("the server's body is malformed or incomplete")]
    Response(#[source] hyper::Error),
    /// The server sent nothing for too long.
    #[error("the server sent nothing for {0:?}")]
    ResponseStalled(Duration),
}

impl BodyError {
    /// The word for it in logs.
    pub(super) fn cause(&self) -> &'static str {
        match self {
            Self::Request(_) | Self::RequestBroken => "request-body",
            Self::RequestStalled(_) => "request-timeout",
            Self::Response(source) => cause::of_body(source),
            Self::TooLarge(_) => "body-too-large",
            Self::Spool(_) => "spool",
            Self::Answered | Self::Recalled => "answered",
            Self::ResponseStalled(_) => "idle-timeout",
        }
    }

    /// The same for somebody else. What it was made of is not kept where it cannot be cloned.
    fn copy(&self) -> Self {
        match self {
            Self::Request(_) | Self::RequestBroken => Self::RequestBroken,
            Self::RequestStalled(limit) => Self::RequestStalled(*limit),
            Self::TooLarge(limit) => Self::TooLarge(*limit),
            Self::Spool(source) => Self::Spool(source.kind().into()),
            Self::Recalled => Self::Recalled,
            Self::Answered | Self::Response(_) | Self::ResponseStalled(_) => Self::Answered,
        }
    }
}
