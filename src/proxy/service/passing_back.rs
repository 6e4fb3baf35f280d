//! A response made ours.

use std::rc::Rc;

use http::header::{CONNECTION, SET_COOKIE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderValue, Method, Response, StatusCode, Version};
use hyper::body::{Body, Incoming};

use super::passing_on::Asked;
use super::{Context, Outcome};
use crate::proxy::body::{self, First, ResponseBody, Upload};
use crate::proxy::error::Error;
use crate::proxy::headers::rewriting::Rewriting;
use crate::proxy::headers::{framing, hop};
use crate::proxy::upgrade::Tunnel;
use crate::proxy::upstream::Answer;

/// Makes the answer of a backend's server to what was `asked` ours. `upload` is the body it answers.
///
/// # Errors
///
/// Where what came is no response that can be passed on.
pub(super) async fn pass_back(
    context: &Context,
    answer: Answer,
    upload: Option<Upload>,
    asked: &Asked,
    rewriting: &Rewriting<'_>,
) -> Result<Outcome, Error> {
    let Answer {
        mut response,
        lease,
        server,
        site,
        cookie,
    } = answer;
    let agreed = check(&response, asked).map_err(|reason| Error::UnacceptableResponse {
        server: Rc::clone(&server),
        reason,
    })?;
    let last = hop::is_last(&response);
    let tunnel = agreed.is_some().then(|| hyper::upgrade::on(&mut response));
    let (mut head, mut body) = response.into_parts();
    // A chunk that is none from the start is a 502 as long as nothing has been sent.
    let first = match head.headers.contains_key(TRANSFER_ENCODING) && !body.is_end_stream() {
        true => body::first(&mut body).await.map_err(|source| Error::InvalidResponse {
            server: Rc::clone(&server),
            source,
        })?,
        false => First::Nothing,
    };
    hop::strip_response(&mut head.headers);
    framing::clear_response(&mut head.headers, head.status, asked.method == Method::HEAD);
    rewriting.response(&mut head.headers, &site, head.version);
    if let Some(cookie) = cookie {
        head.headers.append(SET_COOKIE, cookie);
    }
    // Not the server's: an HTTP/1.0 backend does not make the client's connection one.
    head.version = Version::HTTP_11;
    if let Some(agreed) = agreed {
        head.headers.insert(UPGRADE, agreed);
        head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        *context.tunnel.borrow_mut() = tunnel.map(Tunnel::to);
    }
    let body = ResponseBody::upstream(body, Rc::clone(&server), first, lease, asked.patience);
    let mut response = Response::from_parts(head, body);
    if let Some(upload) = upload {
        response = end_upload(response, upload, last, asked.version);
    }
    Ok(Outcome {
        response,
        server: Some(server),
    })
}

/// Checks that a response ends somewhere, and comes to what was asked; to which protocol it switches.
///
/// # Errors
///
/// A sentence that says what is wrong.
fn check(response: &Response<Incoming>, asked: &Asked) -> Result<Option<HeaderValue>, &'static str> {
    framing::check_response(response.headers())?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(None);
    }
    let agreed = asked
        .upgrade
        .as_ref()
        .and_then(|wanted| wanted.agreed(response.headers()));
    agreed.map(Some).ok_or("it switches to a protocol nobody asked for")
}

/// Sees to what is left of a request's body once it is answered. `last` tells that the server reads nothing after its
/// response.
///
/// Over HTTP/1.1 the rest has to come, or the connection has to end, since nobody can tell it from the next request. Over
/// HTTP/2 it could be refused at once (RFC 9113 section 8.1: RST_STREAM with NO_ERROR), but curl up to 7.88 takes that for
/// a failure: it may go on for a while there too.
fn end_upload(
    mut response: Response<ResponseBody>,
    upload: Upload,
    last: bool,
    version: Version,
) -> Response<ResponseBody> {
    let http2 = version == Version::HTTP_2;
    upload.response_began(last, http2);
    if last && !upload.is_complete() && !http2 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response.map(|body| body.answering(upload))
}
