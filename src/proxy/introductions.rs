//! Who a client is, in the words in which servers are told so (PROXY protocol), put together once for a connection.

use std::cell::OnceCell;
use std::net::SocketAddr;

use super::peer::Peer;
use super::proxy_protocol::{ClientCertificate, Endpoints, Tls, version_1, version_2};
use super::settings::ProxyProtocol;
use super::upstream::Introduction;
use crate::tls::{ApplicationProtocol, Hello};

/// Who a client is, in either version of the PROXY protocol, as far as anybody asked.
#[derive(Debug, Default)]
pub(super) struct Introductions {
    version_1: OnceCell<Introduction>,
    version_2: OnceCell<Introduction>,
}

impl Introductions {
    /// The words in `version` for the client at `peer`, which connected to `local` and said `hello` in TLS.
    pub(super) fn of(
        &self,
        version: ProxyProtocol,
        peer: Peer,
        local: Option<SocketAddr>,
        hello: Option<&Hello>,
    ) -> Introduction {
        let endpoints = || match (peer, local) {
            (Peer::At(source), Some(destination)) => Some(Endpoints { source, destination }),
            _ => None,
        };
        let introduction = match version {
            ProxyProtocol::Version1 => self.version_1.get_or_init(|| Introduction::new(version_1(endpoints()))),
            ProxyProtocol::Version2 => self.version_2.get_or_init(|| {
                let name = hello.and_then(|hello| common_name(hello.client.as_deref()?.leaf()));
                let tls = hello.map(|hello| tls(hello, name.as_deref()));
                Introduction::new(version_2(endpoints(), tls.as_ref()))
            }),
        };
        introduction.clone()
    }
}

fn tls<'a>(hello: &'a Hello, common_name: Option<&'a str>) -> Tls<'a> {
    Tls {
        version: Some(hello.version),
        cipher: None,
        server_name: hello.server_name.as_deref(),
        alpn: Some(match hello.protocol {
            ApplicationProtocol::Http1 => b"http/1.1",
            ApplicationProtocol::Http2 => b"h2",
        }),
        client: hello.client.as_ref().map(|_| ClientCertificate {
            common_name,
            // Sessions are not resumed where certificates are asked for.
            on_this_connection: true,
        }),
    }
}

/// The common name of a certificate's subject.
fn common_name(certificate: &[u8]) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let mut names = certificate.subject().iter_common_name();
    names.next()?.as_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_introduced_with_what_is_known_of_its_tls() {
        let introductions = Introductions::default();
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (peer, local) = (Peer::from(address("192.0.2.1:4711")), Some(address("192.0.2.2:443")));
        let hello = Hello::example("a.test", ApplicationProtocol::Http2);
        let said = |version| introductions.of(version, peer, local, Some(&hello)).as_bytes().to_vec();
        assert_eq!(
            said(ProxyProtocol::Version1),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n"
        );
        let block = said(ProxyProtocol::Version2);
        for known in [&b"a.test"[..], b"TLSv1.3", b"h2", &[192, 0, 2, 1], &[192, 0, 2, 2]] {
            assert!(block.windows(known.len()).any(|window| window == known), "{known:?}");
        }
        assert_eq!(
            Introductions::default()
                .of(ProxyProtocol::Version1, Peer::Unix, None, None)
                .as_bytes(),
            b"PROXY UNKNOWN\r\n"
        );
    }
}
