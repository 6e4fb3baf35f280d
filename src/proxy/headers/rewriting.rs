//! What is done to the header fields of one request and of its response, in order.

use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Uri, Version};

use super::by_server::{ByServer, ServerSite};
use super::downstream::Downstream;
use super::forwarded;
use super::hsts::{self, Hsts};
use super::places::Places;
use super::prefixes::Prefixes;
use super::request_id::{REQUEST_ID, RequestId, RequestIds};
use super::rules::HeaderRules;
use super::scheme::Scheme;
use super::template::Variable;
use super::upstream_host::UpstreamHost;
use super::{client_cert, content_security, cookies, identity, redirects, via};
use crate::tls::Hello;

/// The rules of a request's route, and what of the request its response takes.
#[derive(Debug)]
pub(in crate::proxy) struct Rewriting<'a> {
    rules: &'a HeaderRules,
    prefixes: Prefixes<'a>,
    downstream: Downstream,
    hello: Option<&'a Hello>,
    client_cert: &'a client_cert::Values,
    target: Uri,
    request_id: Option<HeaderValue>,
    /// The Host that the backend is sent; `None` where it is the server's own.
    host: Option<HeaderValue>,
}

impl<'a> Rewriting<'a> {
    /// For a request for `target`.
    pub(in crate::proxy) fn new(
        rules: &'a HeaderRules,
        prefixes: Prefixes<'a>,
        downstream: Downstream,
        hello: Option<&'a Hello>,
        client_cert: &'a client_cert::Values,
        target: &Uri,
        ids: &RequestIds,
    ) -> Self {
        let request_id = match rules.forwarding.request_id {
            RequestId::Off => None,
            RequestId::Upstream | RequestId::Both => Some(downstream.request_id.clone().unwrap_or_else(|| ids.next())),
        };
        let host = match &rules.upstream_host {
            UpstreamHost::Preserve => Some(downstream.requested.value().clone()),
            UpstreamHost::Literal(name) => Some(name.host().value().clone()),
            UpstreamHost::Upstream => None,
        };
        Self {
            rules,
            prefixes,
            downstream,
            hello,
            client_cert,
            target: target.clone(),
            request_id,
            host,
        }
    }

    /// Makes a request that came in `version` the backend's: the client's fields for the connection are gone from it,
    /// and its target is the backend's.
    pub(in crate::proxy) fn request(&self, head: &mut Parts, version: Version) {
        let (headers, rules) = (&mut head.headers, self.rules);
        identity::remove(headers);
        let certificates = self.hello.and_then(|hello| hello.client.as_deref());
        client_cert::set(headers, rules.client_cert, self.client_cert, certificates);
        forwarded::set(headers, &self.downstream, &rules.forwarding, version);
        forwarded::set_request_id(headers, self.request_id.as_ref());
        if let Some(app) = rules.app {
            app.tell(headers, self.downstream.site.scheme);
        }
        rules.request.apply(headers, |variable| self.value_of(variable));
        if let Some(host) = &self.host {
            headers.insert(HOST, host.clone());
        }
        let by_server = ByServer::of(
            self.host.is_none(),
            &head.method,
            headers,
            &self.downstream,
            self.prefixes,
        );
        if let Some(by_server) = by_server {
            head.extensions.insert(by_server);
        }
    }

    /// Makes a response of `server`, which came in `version`, the client's.
    pub(in crate::proxy) fn response(&self, headers: &mut HeaderMap, server: &ServerSite, version: Version) {
        let rules = self.rules;
        let scheme = self.downstream.site.scheme;
        let places = Places::of(&self.downstream, server.sent(self.host.as_ref()), self.prefixes);
        redirects::rewrite(headers, &rules.redirects, &places);
        cookies::rewrite(headers, &rules.cookies, scheme == Scheme::Https);
        if rules.upgrade_insecure_requests && scheme == Scheme::Https {
            content_security::upgrade_insecure_requests(headers);
        }
        if let Some(name) = &rules.forwarding.via {
            via::add(headers, version, name);
        }
        self.own().add(headers);
        rules.response.apply(headers, |variable| self.value_of(variable));
    }

    /// What responses to the request say whoever answers it.
    pub(in crate::proxy) fn own(&self) -> Own {
        let returned = self.rules.forwarding.request_id == RequestId::Both;
        Own {
            hsts: self.rules.hsts.clone(),
            scheme: self.downstream.site.scheme,
            request_id: self.request_id.clone().filter(|_| returned),
        }
    }

    fn value_of(&self, variable: Variable) -> &[u8] {
        match variable {
            Variable::ClientIp => self.downstream.client.value.as_bytes(),
            Variable::Host => self.downstream.site.host.name(),
            Variable::Scheme => self.downstream.site.scheme.as_str().as_bytes(),
            Variable::RequestId => self.request_id.as_ref().map_or(b"", HeaderValue::as_bytes),
            Variable::Path => self.target.path().as_bytes(),
            Variable::ServerName => {
                let name = self.hello.and_then(|hello| hello.server_name.as_deref());
                name.unwrap_or_default().as_bytes()
            }
            Variable::TlsVersion => self.hello.map_or("", |hello| hello.version).as_bytes(),
        }
    }
}

/// What responses to a request say whoever answers it, we ourselves too.
#[derive(Debug)]
pub(in crate::proxy) struct Own {
    hsts: Option<Hsts>,
    scheme: Scheme,
    request_id: Option<HeaderValue>,
}

impl Own {
    /// Says it.
    pub(in crate::proxy) fn add(self, headers: &mut HeaderMap) {
        if let Some(hsts) = &self.hsts {
            hsts::set(headers, hsts, self.scheme);
        }
        if let Some(id) = self.request_id {
            headers.insert(REQUEST_ID, id);
        }
    }
}
