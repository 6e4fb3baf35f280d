//! Whether a request is passed on, and where to: every check that needs its head alone.

use http::request::Parts;
use http::{HeaderValue, Response, Version};

use super::Context;
use crate::proxy::acme::{self, Challenge};
use crate::proxy::body::ResponseBody;
use crate::proxy::error::Error;
use crate::proxy::headers::downstream::{self, Address};
use crate::proxy::headers::host::Host;
use crate::proxy::headers::scheme::Scheme;
use crate::proxy::headers::size::size;
use crate::proxy::headers::{Refusal, framing, webdav};
use crate::proxy::metrics::Meter;
use crate::proxy::routes::Found;
use crate::proxy::settings::{PathPrefix, Route};
use crate::proxy::upstream::Backend;
use crate::proxy::worker::Setup;
use crate::proxy::{redirect, response};

/// What becomes of a request that is not refused.
pub(super) enum Admitted<'a> {
    /// It is answered here.
    Answered(Box<Response<ResponseBody>>),
    /// It is passed on.
    To(Way<'a>),
}

/// Where a request goes.
pub(super) struct Way<'a> {
    /// The host it is for.
    pub(super) host: Host,
    pub(super) route: &'a Route,
    /// The prefix that the route was found by.
    pub(super) prefix: &'a PathPrefix,
    pub(super) backend: &'a Backend,
}

/// Decides about a request of `client`, and tells `meter` which route it takes.
///
/// # Errors
///
/// Why it is refused.
pub(super) async fn admit<'a>(
    context: &Context,
    setup: &'a Setup,
    client: &Address,
    head: &Parts,
    meter: &mut Meter,
) -> Result<Admitted<'a>, Error> {
    let settings = &setup.settings;
    setup.clients.request(client.ip).map_err(Error::TooManyRequests)?;
    let limits = &settings.limits;
    if head.headers.len() > limits.header_fields {
        return Err(Refusal::TooManyFields.into());
    }
    // That of HTTP/1.1 was measured as it came.
    if head.version == Version::HTTP_2 && size(head) > limits.header_bytes {
        return Err(Refusal::TooLarge(limits.header_bytes).into());
    }
    let host = host(context, setup, head)?;
    framing::check(head)?;
    let challenge = settings.acme.challenge(head);
    if let Some(Challenge::Token(directory, token)) = challenge {
        let content = acme::look_up(directory, token).await.ok_or(Error::NoToken)?;
        return Ok(Admitted::Answered(response::plain(content).into()));
    }
    // Where a trusted proxy has ended TLS the client is where it should be.
    let is_secure = || {
        let trusted = settings.trusted_proxies.include(context.peer_address.ip);
        trusted && downstream::scheme(&head.headers) == Some(Scheme::Https)
    };
    if let (Some(to), None) = (context.redirect, &challenge)
        && !is_secure()
    {
        return Ok(Admitted::Answered(redirect::answer(head, host.as_ref(), to)?.into()));
    }
    if response::is_options_of_server(&head.method, head.uri.path()) {
        return Ok(Admitted::Answered(response::options().into()));
    }
    let host = host.map_or_else(|| Host::new(HeaderValue::from_static("localhost")), Ok)?;
    // A CA comes to port 80 and has no certificate to show.
    if challenge.is_none() || context.hello.is_some() {
        check_client_auth(context, host.name(), is_secure)?;
    }
    let Found {
        route,
        prefix,
        position,
    } = match challenge {
        Some(Challenge::Route(found)) => found,
        _ => {
            let found = setup.routes.find(Some(host.name()), head.uri.path())?;
            found.ok_or(Error::NoRoute)?
        }
    };
    if let Some(metrics) = position.and_then(|position| setup.routes.metrics(position)) {
        meter.takes(metrics);
    }
    if let Some(destination) = webdav::destination(head, &host) {
        let there = setup.routes.find(Some(host.name()), destination.path())?;
        if there.is_none_or(|there| there.position != position) {
            return Err(Refusal::Destination.into());
        }
    }
    if let Some(position) = position {
        let within = setup.clients.request_to(position, client.ip);
        within.map_err(Error::TooManyRequests)?;
    }
    if route.is_without_http2() && head.version == Version::HTTP_2 {
        return Err(Error::Http11Required);
    }
    let backend = setup.backends.at(route.backend).ok_or(Error::NoServer)?;
    Ok(Admitted::To(Way {
        host,
        route,
        prefix,
        backend,
    }))
}

/// The host that a request is for; `None` for an HTTP/1.0 client whom nobody can say it for.
fn host(context: &Context, setup: &Setup, head: &Parts) -> Result<Option<Host>, Refusal> {
    if let Some(host) = Host::of(head)? {
        return Ok(Some(host));
    }
    // An HTTP/1.0 client that names no host: what the operator says, else the name it asked for in TLS.
    if let Some(name) = &setup.settings.default_host {
        return Ok(Some(name.host().clone()));
    }
    let hello = context.hello.as_deref();
    let named = hello.and_then(|hello| HeaderValue::from_str(hello.server_name.as_deref()?).ok());
    Ok(named.and_then(|value| Host::new(value).ok()))
}

/// Whether a request for `host`, without its port, may be answered on this connection. A plain one is for every host but
/// those whose clients have to show a certificate, unless it `is_secure`: a trusted proxy has ended TLS and seen it.
fn check_client_auth(context: &Context, host: &[u8], is_secure: impl FnOnce() -> bool) -> Result<(), Error> {
    let host = str::from_utf8(host).map_err(|_| Error::Misdirected)?;
    let handshaker = &context.worker.handshaker;
    match &context.hello {
        Some(hello) if handshaker.may_serve(hello, host) => Ok(()),
        Some(_) => Err(Error::Misdirected),
        None if !handshaker.requires_certificate_for(host) || is_secure() => Ok(()),
        None => Err(Error::NoTls),
    }
}
