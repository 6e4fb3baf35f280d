//! A request made the backend's.

use std::time::Duration;

use http::request::Parts;
use http::{Method, Uri, Version};
use hyper::body::{Body, Incoming};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;

use super::Context;
use super::admission::Way;
use crate::proxy::activity::InProgress;
use crate::proxy::body::{BodyError, RequestBody};
use crate::proxy::error::Error;
use crate::proxy::headers::downstream::{Address, Downstream};
use crate::proxy::headers::prefixes::Prefixes;
use crate::proxy::headers::rewriting::Rewriting;
use crate::proxy::headers::{Refusal, framing, hop};
use crate::proxy::upgrade::Wanted;
use crate::proxy::upstream::{AsClientWrote, Backend};
use crate::proxy::worker::Setup;
use crate::proxy::{path, rpc_over_http};

/// What a request asks of the way its response takes, as the client said it.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) version: Version,
    /// The client waits to be asked for the body.
    pub(super) expects: bool,
    /// How long bodies may stand still.
    pub(super) patience: Duration,
    /// It is a channel of RPC over HTTP.
    pub(super) channel: bool,
    /// What else the client would speak.
    pub(super) upgrade: Option<Wanted>,
}

impl Asked {
    /// What a request asks that has been [admitted](super::admission::admit).
    pub(super) fn of(head: &Parts, body: &Incoming, way: &Way<'_>) -> Self {
        let channel = rpc_over_http::is_channel(way.route, &head.method);
        let patience = way.backend.progress_timeout();
        Self {
            method: head.method.clone(),
            version: head.version,
            expects: framing::expects_continue(head),
            patience: if channel {
                rpc_over_http::patience(patience)
            } else {
                patience
            },
            channel,
            upgrade: Wanted::of(head.version, &head.headers, body.is_end_stream()),
        }
    }
}

/// The body, with the patience for it and its largest size.
///
/// # Errors
///
/// [`Error::RequestBody`] where it says that it is larger.
pub(super) fn body(
    way: &Way<'_>,
    asked: &Asked,
    body: Incoming,
    in_progress: &InProgress,
) -> Result<RequestBody, Error> {
    let limit = way.route.body_bytes.filter(|_| !asked.channel);
    let body = RequestBody::new(body, asked.patience, limit, in_progress);
    match (limit, body.length()) {
        (Some(limit), Some(length)) if length > limit => Err(Error::RequestBody(BodyError::TooLarge(limit))),
        _ => Ok(body),
    }
}

/// What is done to the fields of a request of `client`, and of its response.
pub(super) fn rewriting<'a>(
    context: &'a Context,
    setup: &'a Setup,
    way: &Way<'a>,
    client: Address,
    head: &Parts,
) -> Rewriting<'a> {
    let downstream = Downstream::of(
        &context.peer_address,
        client,
        context.scheme,
        &way.host,
        &head.headers,
        &setup.settings.trusted_proxies,
    );
    Rewriting::new(
        &way.route.headers,
        Prefixes::of(way.route, way.prefix),
        downstream,
        context.hello.as_deref(),
        &context.client_cert,
        &head.uri,
        &context.worker.request_ids,
    )
}

/// Makes the head the backend's.
///
/// # Errors
///
/// [`Refusal::Path`] where the target cannot be rewritten.
pub(super) fn prepare(
    context: &Context,
    way: &Way<'_>,
    asked: &Asked,
    rewriting: &Rewriting<'_>,
    head: &mut Parts,
) -> Result<(), Refusal> {
    hop::strip_request(&mut head.headers);
    if let Some(wanted) = &asked.upgrade {
        wanted.ask(&mut head.headers);
    }
    address(head, way.backend);
    if let Some(version) = way.backend.proxy_protocol() {
        let hello = context.hello.as_deref();
        let introduction = context.introductions.of(version, context.peer, context.local, hello);
        head.extensions.insert(introduction);
    }
    if let Some(target) = path::rewritten(&head.uri, way.route, way.prefix)? {
        head.uri = target;
    }
    rewriting.request(head, asked.version);
    Ok(())
}

/// Puts the head into the form that an origin server expects: origin-form.
fn address(head: &mut Parts, backend: &Backend) {
    // The checks before have seen a path; the backend gets it as it is.
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
