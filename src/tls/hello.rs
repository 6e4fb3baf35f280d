//! What a handshake agreed on, and which hosts may be asked for afterwards.

use std::fmt;
use std::sync::Arc;

use rustls::{HandshakeKind, ProtocolVersion};
use tokio_rustls::server::TlsStream;

use super::memory::Scope;
use super::snapshot::Beginning;
use super::{ClientAuth, ClientCertificates};

/// What the handshake agreed on.
#[derive(Clone, Debug)]
pub struct Hello {
    /// The name of the server_name extension (RFC 6066 section 3), lower case.
    pub server_name: Option<Box<str>>,
    /// What ALPN chose; HTTP/1.1 where the client offers no ALPN.
    pub protocol: ApplicationProtocol,
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// Whether the session was resumed.
    pub resumed: bool,
    /// The certificates that the client has proved itself with, where it was asked and has any.
    pub client: Option<Arc<ClientCertificates>>,
    scope: Scope,
}

/// What is spoken inside TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplicationProtocol {
    /// `http/1.1`
    Http1,
    /// `h2`
    Http2,
}

#[cfg(test)]
impl Hello {
    /// A full handshake of TLS 1.3 on a connection where every host may be asked for.
    pub(crate) fn example(server_name: &str, protocol: ApplicationProtocol) -> Self {
        Self {
            server_name: Some(server_name.into()),
            protocol,
            version: "TLSv1.3",
            resumed: false,
            client: None,
            scope: Scope {
                names: None,
                asked: Default::default(),
            },
        }
    }
}

impl Hello {
    pub(super) fn of<IO>(stream: &TlsStream<IO>, server_name: Option<Box<str>>, beginning: &Beginning) -> Self {
        let (_, connection) = stream.get_ref();
        let memory = &beginning.memory;
        Self {
            server_name,
            client: memory.verdict.get().and_then(|verdict| verdict.clone().ok()),
            scope: Scope {
                names: memory.shown.get().cloned(),
                asked: beginning.asked,
            },
            protocol: match connection.alpn_protocol() {
                Some(b"h2") => ApplicationProtocol::Http2,
                _ => ApplicationProtocol::Http1,
            },
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "TLSv1.3",
            },
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }

    /// Whether a request for `host`, without its port, may be answered on this connection, where clients are authenticated as
    /// `client_auth` says by now. Where not, RFC 9110 section 15.5.20 has 421.
    ///
    /// No other certificate must be asked of the client for it, whatever the protocol, and whatever was asked when the
    /// connection began: a host that is guarded since would be open to all who are connected. Over HTTP/2 the identity that was
    /// shown must be for it besides, since clients take one connection for several hosts where its certificate covers
    /// them (RFC 9113 section 9.1.1), and are told so where they are mistaken. Over HTTP/1.1 none does: whoever names
    /// another host there means it, as a monitor does that connects by one name and asks for another.
    ///
    /// The name in the ClientHello itself may always be asked for, whatever identity there was to show; and a client that
    /// named none has coalesced nothing.
    pub(super) fn may_serve(&self, host: &str, client_auth: &ClientAuth) -> bool {
        let covers = self.protocol == ApplicationProtocol::Http1 || self.covers(host);
        covers && self.scope.is_enough_for(host, client_auth)
    }

    fn covers(&self, host: &str) -> bool {
        let named = host.strip_suffix('.').unwrap_or(host);
        let is_named = |name: &str| name.strip_suffix('.').unwrap_or(name).eq_ignore_ascii_case(named);
        self.server_name.as_deref().is_none_or(is_named) || self.scope.covers(host)
    }
}

impl fmt::Display for ApplicationProtocol {
    /// The ALPN identifier.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Http1 => "http/1.1",
            Self::Http2 => "h2",
        })
    }
}

#[cfg(test)]
mod tests {
    use rustls::ClientConfig;
    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::pki_types::ServerName;
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::live::Live;
    use crate::tls::rig::{self, Pki, peer, run};
    use crate::tls::witness::Witness;
    use crate::tls::{Demand, Handshaker, Snapshot};

    /// A connection may be used for another host if its certificate is for that too (RFC 9113 section 9.1.1), and if no
    /// other certificate would be asked of the client there.
    #[test]
    fn a_connection_serves_what_its_certificate_is_for_and_its_client_was_asked_for() {
        let pki = Pki::new();
        let required = || Demand::Required(Arc::new(pki.examiner()));
        let may_serve = |protocol: &str, server_name: Option<&str>, host: &str| {
            let identities = [
                pki.identity(&["a.test", "b.test", "*.c.test", "guarded.c.test"]),
                pki.identity(&["d.test"]),
            ];
            let snapshot =
                rig::snapshot(identities).with_client_auth(rig::client_auth([("guarded.c.test", required())]));
            let client_auth = Arc::clone(snapshot.client_auth());
            hello(snapshot, protocol, server_name).may_serve(host, &client_auth)
        };
        for protocol in ["h2", "http/1.1"] {
            let may_serve = |server_name, host| may_serve(protocol, server_name, host);
            for host in ["a.test", "A.test.", "b.test", "x.c.test"] {
                assert!(may_serve(Some("a.test"), host), "{host}");
            }
            // One that would have been asked for.
            for host in ["guarded.c.test", "GUARDED.c.test."] {
                assert!(!may_serve(Some("a.test"), host) && !may_serve(None, host), "{host}");
            }
            // Another certificate, and no certificate: that a host is asked for on such a connection is a mistake of
            // coalescing, which there is in HTTP/2 alone.
            for host in ["d.test", "e.test", "x.y.c.test"] {
                assert_eq!(
                    may_serve(Some("a.test"), host),
                    protocol == "http/1.1",
                    "{protocol} {host}"
                );
            }
            // What was asked for by name is served by whatever there was to show.
            assert!(may_serve(Some("e.test"), "e.test") && may_serve(Some("e.test"), "a.test"));
            // A client without a name has coalesced nothing.
            for host in ["d.test", "192.0.2.1"] {
                assert!(may_serve(None, host), "{host}");
            }
        }
    }

    #[test]
    fn a_connection_does_not_serve_a_host_that_is_guarded_since_or_otherwise() {
        let pki = Pki::new();
        let guarding = |pki: &Pki| rig::client_auth([("b.test", Demand::Optional(Arc::new(pki.examiner())))]);
        let (guarded, otherwise) = (guarding(&pki), guarding(&Pki::named("other")));
        let open = ClientAuth::default();
        let hello = |name, client_auth: &Arc<ClientAuth>| {
            let snapshot = rig::snapshot([pki.identity(&["a.test", "b.test"])]);
            hello(snapshot.with_client_auth(Arc::clone(client_auth)), "h2", Some(name))
        };
        let asked_nothing = hello("a.test", &guarded);
        assert!(asked_nothing.may_serve("b.test", &open) && !asked_nothing.may_serve("b.test", &guarded));
        let asked = hello("b.test", &guarded);
        assert!(asked.may_serve("b.test", &guarded) && !asked.may_serve("b.test", &otherwise));
        assert!(
            !asked.may_serve("b.test", &open),
            "it would tell of a certificate that nobody asks for"
        );
    }

    /// What is agreed with a client that asks for `server_name` and puts up with any certificate of it.
    fn hello(snapshot: Snapshot, protocol: &str, server_name: Option<&str>) -> Hello {
        let handshaker = Handshaker::new(Arc::new(Live::new(snapshot)));
        let schemes = default_provider().signature_verification_algorithms.supported_schemes();
        let mut config = ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Witness::new(schemes)))
            .with_no_client_auth();
        config.enable_sni = server_name.is_some();
        config.alpn_protocols = vec![protocol.into()];
        let name = ServerName::try_from(server_name.unwrap_or("a.test").to_owned()).unwrap();
        run(async {
            let (near, far) = tokio::io::duplex(16 * 1024);
            let connect = TlsConnector::from(Arc::new(config)).connect(name, near);
            let (accepted, _client) = tokio::join!(handshaker.accept(far, peer(), |_| false), connect);
            accepted.unwrap().hello
        })
    }
}
