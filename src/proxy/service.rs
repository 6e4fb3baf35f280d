//! The request: checked, passed on, and its response passed back.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body, Incoming};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;

use super::access_log::{Escaped, Record};
use super::acme::{self, Challenge};
use super::activity::{Activity, InProgress};
use super::body::{self, BodyError, First, RequestBody, ResponseBody, Taken, Upload};
use super::delivery::Delivered;
use super::error::{Causes, Error, Side};
use super::headers::client;
use super::headers::downstream::{Address, Downstream};
use super::headers::host::Host;
use super::headers::prefixes::Prefixes;
use super::headers::rewriting::{Own, Rewriting};
use super::headers::scheme::Scheme;
use super::headers::{Refusal, client_cert, framing, hop};
use super::introductions::Introductions;
use super::path;
use super::peer::Peer;
use super::redirect;
use super::response;
use super::routes::Found;
use super::rpc_over_http;
use super::settings::Redirect;
use super::upgrade::{Tunnel, Wanted};
use super::upstream::{Answer, AsClientWrote, Backend};
use super::windows_auth::{self, Pins, Whose};
use super::worker::Worker;
use crate::tls::Hello;

/// What the requests of one connection have in common.
#[derive(Debug)]
pub(super) struct Context {
    /// Where the connection came in.
    pub(super) worker: Rc<Worker>,
    /// The client.
    pub(super) peer: Peer,
    /// What it connected to; `None` on a Unix socket.
    pub(super) local: Option<SocketAddr>,
    /// What the handshake agreed on; `None` where it came over plain HTTP.
    pub(super) hello: Option<Rc<Hello>>,
    /// The way to https, where that is all there is to answer.
    pub(super) redirect: Option<Redirect>,
    /// What the connection is doing.
    pub(super) activity: Rc<Activity>,
    /// The address of who is connected.
    pub(super) client: Address,
    /// How.
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

impl Context {
    /// Whether a request for `host`, without its port, may be answered here. A plain connection is for every host.
    fn may_serve(&self, host: &[u8]) -> bool {
        self.hello
            .as_ref()
            .is_none_or(|hello| str::from_utf8(host).is_ok_and(|host| hello.may_serve(host)))
    }
}

/// A response, and where it came from.
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

/// Answers one request: with the upstream's response, or with our own where there is none to pass back.
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
    let mut record = Record::begin(writer, context.peer, context.local, context.hello.as_ref(), &head);
    let trusted = &context.worker.settings.trusted_proxies;
    let client = client::of(&context.client, trusted, &head.headers);
    if let (Some(record), Some(ip)) = (&mut record, client.ip)
        && client.ip != context.client.ip
    {
        record.speaks_for(ip);
    }
    let (version, unread) = (head.version, !body.is_end_stream());
    let place = Place::of(&head);
    let own = Cell::new(None);
    let mut outcome = forward(&context, client, head, body, &mut record, &in_progress, &own)
        .await
        .unwrap_or_else(|error| {
            place.log(context.peer, &error);
            if let Some(record) = &mut record {
                record.failed(&error);
            }
            let mut response = response::failure(&error, version, unread);
            if let Some(own) = own.take() {
                own.add(response.headers_mut());
            }
            Outcome::ours(response)
        });
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
    Ok(outcome.response.map(|body| body.until_end(in_progress, record, taken)))
}

/// The steps down to the upstream and back up. What a failure has to say too is left in `own` as soon as it is known.
async fn forward(
    context: &Context,
    client: Address,
    mut head: Parts,
    body: Incoming,
    record: &mut Option<Box<Record>>,
    in_progress: &InProgress,
    own: &Cell<Option<Own>>,
) -> Result<Outcome, Error> {
    let settings = &context.worker.settings;
    context
        .worker
        .clients
        .request(client.ip)
        .map_err(Error::TooManyRequests)?;
    if head.headers.len() > settings.limits.header_fields {
        return Err(Refusal::TooManyFields.into());
    }
    let host = host(context, &head)?;
    framing::check(&head)?;
    let challenge = settings.acme.challenge(&head);
    if let Some(Challenge::Token(directory, token)) = challenge {
        let content = acme::look_up(directory, token).await.ok_or(Error::NoToken)?;
        return Ok(Outcome::ours(response::plain(content)));
    }
    if let (Some(to), None) = (context.redirect, &challenge) {
        return Ok(Outcome::ours(redirect::answer(&head, host.as_ref(), to)?));
    }
    if response::is_options_of_server(&head.method, head.uri.path()) {
        return Ok(Outcome::ours(response::options()));
    }
    let host = host.map_or_else(|| Host::new(HeaderValue::from_static("localhost")), Ok)?;
    if !context.may_serve(host.name()) {
        return Err(Error::Misdirected);
    }
    let Found { route, prefix } = match challenge {
        Some(Challenge::Route(found)) => found,
        _ => {
            let found = context.worker.routes.find(Some(host.name()), head.uri.path())?;
            found.ok_or(Error::NoRoute)?
        }
    };
    if route.is_without_http2() && head.version == Version::HTTP_2 {
        return Err(Error::Http11Required);
    }
    let backend = context.worker.backends.at(route.backend).ok_or(Error::NoServer)?;
    let whose = Whose {
        backend: route.backend,
        client: client.ip,
    };
    let idle = rpc_over_http::patience(&head.method, settings.timeouts.idle);
    let progress = rpc_over_http::patience(&head.method, backend.progress_timeout());
    let limit = route.body_bytes.filter(|_| !rpc_over_http::is_channel(&head.method));
    let body = RequestBody::new(body, idle, limit, in_progress);
    if let (Some(limit), Some(length)) = (limit, body.length())
        && length > limit
    {
        return Err(Error::RequestBody(BodyError::TooLarge(limit)));
    }
    let expects = framing::expects_continue(&head);
    let wanted = Wanted::of(head.version, &head.headers, body.is_empty());
    let downstream = Downstream::of(
        &context.client,
        client,
        context.scheme,
        &host,
        &head.headers,
        &settings.trusted_proxies,
    );
    let prefixes = Prefixes::of(route, prefix);
    let rewriting = Rewriting::new(
        &route.headers,
        prefixes,
        downstream,
        context.hello.as_deref(),
        &context.client_cert,
        &head.uri,
        &context.worker.request_ids,
    );
    own.set(Some(rewriting.own()));
    hop::strip_request(&mut head.headers);
    if let Some(wanted) = &wanted {
        wanted.ask(&mut head.headers);
    }
    let version = head.version;
    address(&mut head, backend);
    if let Some(version) = backend.proxy_protocol() {
        let hello = context.hello.as_deref();
        let introduction = context.introductions.of(version, context.peer, context.local, hello);
        head.extensions.insert(introduction);
    }
    if let Some(target) = path::rewritten(&head.uri, route, prefix)? {
        head.uri = target;
    }
    rewriting.request(&mut head, version);
    let body = match record {
        Some(record) => record.passed_on(&head.headers, body),
        None => body,
    };
    let to_head = head.method == Method::HEAD;
    let send = async |head, body| {
        let request = Request::from_parts(head, body);
        windows_auth::exchange(&context.pins, route.windows_auth, whose, backend, request).await
    };
    let Delivered { answer, upload } = backend
        .courier()
        .deliver(head, body, expects, backend.takes_chunked(), send)
        .await?;
    let last = hop::is_last(&answer.response);
    let mut outcome = pass_back(context, answer, &rewriting, progress, to_head, wanted).await?;
    if let Some(upload) = upload {
        outcome.response = end_upload(outcome.response, upload, last, version);
    }
    Ok(outcome)
}

/// Sees to what is left of a request's body once it is answered. `last` tells that the upstream reads nothing after its
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
        response.headers_mut().insert(http::header::CONNECTION, close);
    }
    response.map(|body| body.answering(upload))
}

/// The host that a request is for; `None` for an HTTP/1.0 client whom nobody can say it for.
fn host(context: &Context, head: &Parts) -> Result<Option<Host>, Refusal> {
    if let Some(host) = Host::of(head)? {
        return Ok(Some(host));
    }
    // An HTTP/1.0 client that names no host: what the operator says, else the name it asked for in TLS.
    if let Some(name) = &context.worker.settings.default_host {
        return Ok(Some(name.host().clone()));
    }
    let hello = context.hello.as_deref();
    let named = hello.and_then(|hello| HeaderValue::from_str(hello.server_name.as_deref()?).ok());
    Ok(named.and_then(|value| Host::new(value).ok()))
}

/// Puts the head into the form that an origin server expects: origin-form.
fn address(head: &mut Parts, backend: &Backend) {
    // The checks before have seen a path; the upstream gets it as it is.
    if head.uri.authority().is_some() {
        head.uri = head.uri.path_and_query().cloned().map_or_else(Uri::default, Uri::from);
    }
    head.version = Version::HTTP_11;
    if backend.preserves_header_case() {
        head.extensions.remove::<OnUpgrade>();
        head.extensions.remove::<Protocol>();
        // What is left is what hyper remembers of the client's spelling.
        if !head.extensions.is_empty() {
            head.extensions.insert(AsClientWrote);
        }
    } else {
        head.extensions.clear();
    }
}

/// Makes the upstream's response ours.
async fn pass_back(
    context: &Context,
    answer: Answer,
    rewriting: &Rewriting<'_>,
    progress: Duration,
    to_head: bool,
    wanted: Option<Wanted>,
) -> Result<Outcome, Error> {
    let Answer {
        mut response,
        lease,
        server,
        site,
        cookie,
    } = answer;
    let unacceptable = |reason| Error::UnacceptableResponse {
        server: Rc::clone(&server),
        reason,
    };
    framing::check_response(response.headers()).map_err(unacceptable)?;
    let agreed = match response.status() {
        StatusCode::SWITCHING_PROTOCOLS => {
            let agreed = wanted.and_then(|wanted| wanted.agreed(response.headers()));
            Some(agreed.ok_or_else(|| unacceptable("it switches to a protocol nobody asked for"))?)
        }
        _ => None,
    };
    let tunnel = agreed.is_some().then(|| hyper::upgrade::on(&mut response));
    let (mut head, mut body) = response.into_parts();
    // A chunk that is none from the start is a 502 as long as nothing has been sent.
    let first = match head.headers.contains_key(http::header::TRANSFER_ENCODING) && !body.is_end_stream() {
        true => body::first(&mut body).await.map_err(|source| Error::InvalidResponse {
            server: Rc::clone(&server),
            source,
        })?,
        false => First::Nothing,
    };
    hop::strip_response(&mut head.headers);
    framing::clear_response(&mut head.headers, head.status, to_head);
    rewriting.response(&mut head.headers, &site, head.version);
    if let Some(cookie) = cookie {
        head.headers.append(http::header::SET_COOKIE, cookie);
    }
    // Not the upstream's: an HTTP/1.0 backend does not make the client's connection one.
    head.version = Version::HTTP_11;
    if let Some(agreed) = agreed {
        head.headers.insert(http::header::UPGRADE, agreed);
        let connection = HeaderValue::from_static("upgrade");
        head.headers.insert(http::header::CONNECTION, connection);
        *context.tunnel.borrow_mut() = tunnel.map(Tunnel::to);
    }
    Ok(Outcome {
        response: Response::from_parts(head, ResponseBody::upstream(body, first, lease, progress)),
        server: Some(server),
    })
}

/// Where a request went, for the line about its failure.
struct Place {
    method: Method,
    host: Option<HeaderValue>,
    target: Uri,
}

impl Place {
    fn of(head: &Parts) -> Self {
        Self {
            method: head.method.clone(),
            host: head.headers.get(http::header::HOST).cloned(),
            target: head.uri.clone(),
        }
    }

    fn log(&self, peer: Peer, error: &Error) {
        let (method, status, cause) = (&self.method, error.status().as_u16(), error.cause());
        let authority = self.target.authority().map(|authority| authority.as_str().as_bytes());
        let host = authority
            .or_else(|| self.host.as_ref().map(HeaderValue::as_bytes))
            .unwrap_or_default();
        let (host, path) = (Escaped(host), Escaped(self.target.path().as_bytes()));
        let error_text = Causes(error);
        match error.side() {
            // Anyone can send nonsense; only what is ours or the backend's to mend is a warning.
            Side::Downstream => {
                tracing::info!(%peer, %method, %host, %path, status, cause, error = %error_text, "request refused");
            }
            Side::Upstream => {
                tracing::warn!(%peer, %method, %host, %path, status, cause, error = %error_text, "request failed");
            }
        }
    }
}
