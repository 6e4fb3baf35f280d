//! One check: a connection of its own, a request, and a look at the answer.

use std::rc::Rc;
use std::time::Duration;

use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::proxy::body::RequestBody;
use crate::proxy::upstream::connect::ConnectError;
use crate::proxy::upstream::connection::Failure;
use crate::proxy::upstream::opener::Opener;
use crate::proxy::upstream::settings::HealthCheck;
use crate::telemetry::Causes;

/// How far a body is looked through: status pages are small, and a check should not cost what a download does.
const LOOKED_THROUGH: usize = 64 * 1024;

/// What access logs of servers show.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("fullchain-health/", env!("CARGO_PKG_VERSION")));

/// Why a server is not well.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unwell {
    #[error("{}", Causes(.0))]
    Connect(ConnectError),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("it closed the connection at once")]
    Closed,
    #[error("{}", Causes(.0))]
    Exchange(hyper::Error),
    #[error("it answers {}", .0.as_u16())]
    Status(StatusCode),
    #[error("the body has no {0:?} in its first 64 KiB")]
    Body(Box<str>),
}

/// Asks the server that `opener` connects to how it is; `host` is the Host field.
pub(super) async fn check(opener: &Rc<Opener>, host: &HeaderValue, settings: &HealthCheck) -> Result<(), Unwell> {
    let outcome = tokio::time::timeout(settings.timeout, ask(opener, host, settings)).await;
    // One of HTTP/2 would be kept.
    opener.streams().clear();
    outcome.unwrap_or(Err(Unwell::TimedOut(settings.timeout)))
}

async fn ask(opener: &Rc<Opener>, host: &HeaderValue, settings: &HealthCheck) -> Result<(), Unwell> {
    let mut connection = opener.open(None).await.map_err(Unwell::Connect)?;
    let response = connection
        .send(request(host, settings), settings.timeout)
        .await
        .map_err(|failure| Unwell::of(failure, settings.timeout))?;
    if !settings.status.contain(response.status().as_u16()) {
        return Err(Unwell::Status(response.status()));
    }
    match &settings.body {
        Some(wanted) if !has(response.into_body(), wanted).await? => Err(Unwell::Body(wanted.clone())),
        _ => Ok(()),
    }
}

impl Unwell {
    fn of(failure: Failure, limit: Duration) -> Self {
        match failure {
            Failure::Silent => Self::TimedOut(limit),
            Failure::Lost(error) | Failure::Invalid(error) | Failure::Unprocessed(error) => Self::Exchange(error),
            // A check has no body that could give out or stay behind.
            Failure::Unsent(_) | Failure::Body(_) | Failure::Untaken(_) => Self::Closed,
        }
    }
}

fn request(host: &HeaderValue, settings: &HealthCheck) -> Request<RequestBody> {
    let mut request = Request::new(RequestBody::empty());
    *request.uri_mut() = Uri::from(settings.path.clone());
    let headers = request.headers_mut();
    headers.insert(HOST, settings.host.as_ref().unwrap_or(host).clone());
    headers.insert(USER_AGENT, AGENT);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    request
}

/// Whether the beginning of `body` has `wanted` in it; the rest is not waited for.
async fn has(mut body: Incoming, wanted: &str) -> Result<bool, Unwell> {
    let mut read = Vec::new();
    while read.len() < LOOKED_THROUGH {
        let Some(frame) = body.frame().await else {
            return Ok(false);
        };
        let Ok(data) = frame.map_err(Unwell::Exchange)?.into_data() else {
            continue;
        };
        // It may have begun in what came before.
        let from = read.len().saturating_sub(wanted.len());
        read.extend_from_slice(&data);
        read.truncate(LOOKED_THROUGH);
        let fresh = read.get(from..).unwrap_or_default();
        if fresh
            .windows(wanted.len().max(1))
            .any(|window| window == wanted.as_bytes())
        {
            return Ok(true);
        }
    }
    Ok(false)
}
