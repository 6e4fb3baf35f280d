//! The request: admitted, passed on, and its response passed back.

mod admission;
mod failure;
mod passing_back;
mod passing_on;

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::{Request, Response, Version};
use hyper::body::{Body, Incoming};
use tokio::time::Instant;

use super::access_log::Record;
use super::activity::{Activity, InProgress};
use super::body::{ResponseBody, Taken};
use super::delivery::{Delivered, Manner};
use super::error::Error;
use super::headers::client;
use super::headers::client_cert;
use super::headers::downstream::Address;
use super::headers::rewriting::Own;
use super::headers::scheme::Scheme;
use super::introductions::Introductions;
use super::metrics::Meter;
use super::peer::Peer;
use super::response;
use super::settings::{Redirect, Settings};
use super::upgrade::Tunnel;
use super::windows_auth::{self, Pins, Whose};
use super::worker::{Setup, Worker};
use crate::tls::Hello;

use admission::{Admitted, admit};
use failure::Place;
use passing_on::Asked;

/// What the requests of one connection have in common.
#[derive(Debug)]
pub(super) struct Context {
    /// Where the connection came in.
    pub(super) worker: Rc<Worker>,
    /// What the configuration said when it did: for deadlines and sizes, which it keeps.
    pub(super) settings: Arc<Settings>,
    /// Who is connected.
    pub(super) peer: Peer,
    /// What it connected to; `None` on a Unix socket.
    pub(super) local: Option<SocketAddr>,
    /// What the handshake agreed on; `None` where it came over plain HTTP.
    pub(super) hello: Option<Rc<Hello>>,
    /// The way to https, where that is all there is to answer.
    pub(super) redirect: Option<Redirect>,
    /// What the connection is doing.
    pub(super) activity: Rc<Activity>,
    /// The address of that. Whom it speaks for, if it may, differs from request to request.
    pub(super) peer_address: Address,
    /// http or https, as it came in.
    pub(super) scheme: Scheme,
    /// What backends are told about the client's certificate.
    pub(super) client_cert: client_cert::Values,
    /// The tunnel that a 101 begins, once that is on its way to the client.
    pub(super) tunnel: RefCell<Option<Tunnel>>,
    /// What servers that want to know are told of the client.
    pub(super) introductions: Introductions,
    /// The connections to servers that this client has for itself.
    pub(super) pins: Pins,
}

/// Answers one request: with the server's response, or with our own where there is none to pass back.
///
/// `taken` is how the driver of an HTTP/2 stream follows the response's body.
pub(super) async fn answer(
    context: Rc<Context>,
    request: Request<Incoming>,
    taken: Option<Taken>,
) -> Result<Response<ResponseBody>, Infallible> {
    let in_progress = context.activity.begin();
    let (head, body) = request.into_parts();
    let writer = &context.worker.access_log;
    let begun = Instant::now();
    let hello = context.hello.as_ref();
    let record = Record::begin(writer, context.peer, context.local, hello, &head, begun);
    let meter = Meter::begin(&context.worker.metrics, head.version, begun);
    let mut kept = Kept {
        record,
        meter,
        own: None,
    };
    let setup = context.worker.setup();
    let trusted = &setup.settings.trusted_proxies;
    let client = client::of(&context.peer_address, trusted, &head.headers);
    if let (Some(record), Some(ip)) = (&mut kept.record, client.ip)
        && client.ip != context.peer_address.ip
    {
        record.speaks_for(ip);
    }
    let (version, unread) = (head.version, !body.is_end_stream());
    let place = Place::of(&head);
    let request = Request::from_parts(head, body);
    let mut outcome = forward(&context, &setup, client, request, &in_progress, &mut kept)
        .await
        .unwrap_or_else(|error| {
            place.log(context.peer, &error);
            Outcome::ours(kept.failed(&error, version, unread))
        });
    let Kept {
        mut record, mut meter, ..
    } = kept;
    meter.answered(outcome.response.status());
    if outcome.server.is_none() {
        response::close_unless_read(&mut outcome.response, version, unread);
    }
    if let Some(record) = &mut record {
        record.answered(outcome.response.status(), outcome.server);
    }
    if let Some(tunnel) = &mut *context.tunnel.borrow_mut() {
        // It is over when the tunnel is.
        tunnel.record = record.take();
    }
    Ok(outcome
        .response
        .map(|body| body.until_end(in_progress, record, meter, taken)))
}

/// What is kept of a request whatever becomes of it.
struct Kept {
    /// What its access line will say.
    record: Option<Box<Record>>,
    /// What counts it.
    meter: Meter,
    /// What its response says whoever answers it; known once there is a route.
    own: Option<Own>,
}

impl Kept {
    /// The response of a request that failed with `error`: see [`response::failure`].
    fn failed(&mut self, error: &Error, version: Version, unread: bool) -> Response<ResponseBody> {
        if let Some(record) = &mut self.record {
            record.failed(error);
        }
        let mut response = response::failure(error, version, unread);
        if let Some(own) = self.own.take() {
            own.add(response.headers_mut());
        }
        response
    }
}

/// A response, and the server it came from.
struct Outcome {
    response: Response<ResponseBody>,
    server: Option<Rc<str>>,
}

impl Outcome {
    /// A response of our own.
    fn ours(response: Response<ResponseBody>) -> Self {
        Self { response, server: None }
    }
}

/// The steps down to a server and back up.
async fn forward(
    context: &Context,
    setup: &Setup,
    client: Address,
    request: Request<Incoming>,
    in_progress: &InProgress,
    kept: &mut Kept,
) -> Result<Outcome, Error> {
    let (mut head, body) = request.into_parts();
    let way = match admit(context, setup, &client, &head, &mut kept.meter).await? {
        Admitted::Answered(response) => return Ok(Outcome::ours(*response)),
        Admitted::To(way) => way,
    };
    let whose = Whose {
        backend: way.backend.id(),
        client: client.ip,
    };
    let asked = Asked::of(&head, &body, &way);
    let body = passing_on::body(&way, &asked, body, in_progress)?;
    let rewriting = passing_on::rewriting(context, setup, &way, client, &head);
    kept.own = Some(rewriting.own());
    passing_on::prepare(context, &way, &asked, &rewriting, &mut head)?;
    let body = match &mut kept.record {
        Some(record) => record.passed_on(&head.headers, body),
        None => body,
    };
    let send = async |head, body| {
        let request = Request::from_parts(head, body);
        windows_auth::exchange(&context.pins, way.route.windows_auth, whose, way.backend, request).await
    };
    let courier = way.backend.courier();
    let manner = Manner {
        expects: asked.expects,
        takes_chunked: way.backend.takes_chunked(),
        streams: asked.channel,
    };
    let Delivered { answer, upload } = courier.deliver(head, body, manner, send).await?;
    passing_back::pass_back(context, answer, upload, &asked, &rewriting).await
}
