//! What in a request depends on the server it goes to, which is chosen last and may be chosen again.

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, Request};

use super::downstream::{Downstream, Site};
use super::host::Host;
use super::places::{BackendSite, Places};
use super::prefixes::Prefixes;
use super::scheme::Scheme;
use super::webdav;
use crate::proxy::settings::{Endpoint, ServerAddress};

/// How a server is reached, as URLs have it.
#[derive(Debug)]
pub(in crate::proxy) struct ServerSite {
    scheme: Scheme,
    name: Box<str>,
    port: u16,
    /// The Host field of a request that is meant for it.
    authority: HeaderValue,
}

/// An extension of a request whose fields name its server. It keeps what they were, for the next server.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct ByServer {
    host: bool,
    site: Site,
    requested: Host,
    public: Box<str>,
    upstream: Box<str>,
    urls: Vec<(http::HeaderName, HeaderValue)>,
}

impl ServerSite {
    /// The site of a server.
    pub(in crate::proxy) fn of(address: &ServerAddress) -> Self {
        let scheme = if address.tls { Scheme::Https } else { Scheme::Http };
        let (name, port) = match &address.endpoint {
            Endpoint::Tcp { host, port } => (host.as_str(), *port),
            // It has none; this is what clients of such sockets (curl) say.
            Endpoint::Unix(_) => ("localhost", scheme.port()),
        };
        let host = if name.contains(':') {
            format!("[{name}]")
        } else {
            name.to_owned()
        };
        let authority = if port == scheme.port() {
            host
        } else {
            format!("{host}:{port}")
        };
        Self {
            scheme,
            name: name.into(),
            port,
            // The configuration took it out of a URL.
            authority: HeaderValue::try_from(authority).unwrap_or(HeaderValue::from_static("localhost")),
        }
    }

    /// The Host field of a request that is meant for it.
    pub(in crate::proxy) fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// The same as one that is sent `host`, or its own where that is `None`.
    pub(super) fn sent<'a>(&'a self, host: Option<&'a HeaderValue>) -> BackendSite<'a> {
        BackendSite {
            scheme: self.scheme,
            address: (&self.name, self.port),
            host: host.unwrap_or(&self.authority),
        }
    }
}

impl ByServer {
    /// What there is to do for each server that a request may go to; `None` where there is nothing. `host` tells that
    /// it is sent its own name.
    pub(super) fn of(
        host: bool,
        method: &Method,
        headers: &HeaderMap,
        downstream: &Downstream,
        prefixes: Prefixes<'_>,
    ) -> Option<Self> {
        let urls: Vec<_> = webdav::fields(method)
            .filter_map(|name| Some((name.clone(), headers.get(&name)?.clone())))
            .collect();
        (host || !urls.is_empty()).then(|| Self {
            host,
            site: downstream.site.clone(),
            requested: downstream.requested.clone(),
            public: prefixes.public.into(),
            upstream: prefixes.upstream.into(),
            urls,
        })
    }
}

/// Puts into a request what its server is called, where it has to name that.
pub(in crate::proxy) fn address<B>(request: &mut Request<B>, server: &ServerSite) {
    let Some(by_server) = request.extensions().get::<ByServer>().cloned() else {
        return;
    };
    let headers = request.headers_mut();
    if by_server.host {
        headers.insert(HOST, server.authority.clone());
    }
    let host = headers.get(HOST).cloned();
    let places = Places {
        public: &by_server.site,
        requested: &by_server.requested,
        backend: server.sent(host.as_ref()),
        prefixes: Prefixes {
            public: &by_server.public,
            upstream: &by_server.upstream,
        },
    };
    for (name, url) in &by_server.urls {
        let value = webdav::translated(name, url, &places).unwrap_or_else(|| url.clone());
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::headers::downstream::Address;
    use crate::proxy::settings::Peers;

    #[test]
    fn a_request_names_the_server_that_it_goes_to_each_time() {
        let peer = Address::of([192, 0, 2, 1].into());
        let host = Host::new(HeaderValue::from_static("a.test")).unwrap();
        let mut request = Request::builder()
            .method("MOVE")
            .header("host", "a.test")
            .header("destination", "https://a.test/x")
            .body(())
            .unwrap();
        let downstream = Downstream::of(
            &peer,
            peer.clone(),
            Scheme::Https,
            &host,
            request.headers(),
            &Peers::default(),
        );
        let by_server = ByServer::of(
            true,
            request.method(),
            request.headers(),
            &downstream,
            Prefixes::default(),
        );
        request.extensions_mut().insert(by_server.unwrap());
        for (server, authority) in [
            (ServerAddress::http("one", 80), "one"),
            (ServerAddress::http("::1", 8080), "[::1]:8080"),
            (ServerAddress::https("::1", 443), "[::1]"),
            (ServerAddress::https("two", 80), "two:80"),
            (ServerAddress::unix("/run/app.sock"), "localhost"),
        ] {
            let scheme = if server.tls { "https" } else { "http" };
            address(&mut request, &ServerSite::of(&server));
            assert_eq!(request.headers()["host"], authority);
            assert_eq!(request.headers()["destination"], format!("{scheme}://{authority}/x"));
        }
    }

    #[test]
    fn an_ordinary_request_depends_on_no_server() {
        let peer = Address::of([192, 0, 2, 1].into());
        let host = Host::new(HeaderValue::from_static("a.test")).unwrap();
        let headers = HeaderMap::new();
        let downstream = Downstream::of(&peer, peer.clone(), Scheme::Https, &host, &headers, &Peers::default());
        assert!(ByServer::of(false, &Method::GET, &headers, &downstream, Prefixes::default()).is_none());
    }
}
