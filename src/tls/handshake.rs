//! A TCP connection becomes a TLS connection, or a failure that is classified and logged once, here.
//!
//! This is the one place where both the name the client asked for and the cause of a failure are known.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use rustls::server::Acceptor;
use rustls::{AlertDescription, HandshakeKind, ProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::memory::{Memory, Scope};
use super::snapshot::Beginning;
use super::{ClientCertificates, Error, RefusedCertificate, Settings, Snapshot};
use crate::live::Live;

/// How long a client that spoke plain HTTP has to read the answer and close: a round trip with room to spare.
const PLAIN_HTTP_LINGER: Duration = Duration::from_secs(1);

/// Takes connections through the TLS handshake with the snapshot of the moment.
#[derive(Debug)]
pub struct Handshaker {
    live: Arc<Live<Snapshot>>,
    settings: Settings,
}

/// A connection after its handshake.
#[derive(Debug)]
pub struct Accepted<IO> {
    /// The decrypted stream; whoever ends it calls `shutdown`, so that the client sees close_notify.
    pub stream: TlsStream<IO>,
    /// What the client asked for.
    pub hello: Hello,
}

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

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The client names no host and there is no identity to serve without a name.
    #[error("the client sent no server name and no certificate is configured for that")]
    NoServerName,
    /// No identity covers the name.
    #[error("no certificate covers the name")]
    UnknownName,
    /// A certificate is required and the client showed none.
    #[error("the client showed no certificate, and `client_auth` requires one for the host")]
    NoClientCertificate,
    /// The client's certificate did not stand the examination.
    #[error(transparent)]
    ClientCertificate(RefusedCertificate),
    /// TLS cannot be set up.
    #[error("the handshake cannot be set up")]
    SetUp(#[source] Error),
    /// The client ended the handshake with an alert, for instance because it does not trust the chain.
    #[error("the client refused: {0:?}")]
    Refused(AlertDescription),
    /// The two sides have no version, cipher suite or key exchange in common, or the bytes are no TLS.
    #[error("the TLS handshake failed")]
    Protocol(#[source] rustls::Error),
    /// A plain HTTP request on the TLS port; it has been answered.
    #[error("plain HTTP on the TLS port")]
    PlainHttp,
    /// The handshake took too long.
    #[error("the handshake took longer than {0:?}")]
    TimedOut(Duration),
    /// The client went away.
    #[error("the connection ended during the handshake")]
    Closed(#[source] io::Error),
}

impl Handshaker {
    /// A handshaker that reads `live` once per connection.
    pub fn new(live: Arc<Live<Snapshot>>, settings: Settings) -> Self {
        Self { live, settings }
    }

    /// Runs the handshake within its deadline. A failure has been logged, as one of `peer`, when it is returned.
    /// `without_http2` tells of a server name whether HTTP/2 is not to be offered for it.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`] where the client and the snapshot do not come together in time.
    pub async fn accept<IO>(
        &self,
        io: IO,
        peer: impl fmt::Display,
        without_http2: impl FnOnce(Option<&str>) -> bool,
    ) -> Result<Accepted<IO>, HandshakeError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let limit = self.settings.handshake_timeout;
        let snapshot = self.live.current();
        let mut server_name = None;
        let handshake = negotiate(io, &snapshot, without_http2, &mut server_name);
        tokio::time::timeout(limit, handshake)
            .await
            .unwrap_or(Err(HandshakeError::TimedOut(limit)))
            .map(|(stream, beginning)| Accepted {
                hello: Hello::of(&stream, server_name.clone(), &snapshot, &beginning),
                stream,
            })
            .inspect_err(|error| error.log(&peer, server_name.as_deref()))
    }
}

/// The handshake itself; `server_name` is filled in as soon as it is known, so that a failure can tell it.
async fn negotiate<IO>(
    mut io: IO,
    snapshot: &Snapshot,
    without_http2: impl FnOnce(Option<&str>) -> bool,
    server_name: &mut Option<Box<str>>,
) -> Result<(TlsStream<IO>, Beginning), HandshakeError>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    // No more than a record's header (RFC 8446 section 5.1): enough to tell TLS from HTTP before rustls writes an
    // alert.
    let mut start = [0; 5];
    let length = io.read(&mut start).await.map_err(HandshakeError::Closed)?;
    let mut start = start.get(..length).unwrap_or_default();
    match start.first() {
        None => return Err(HandshakeError::Closed(io::ErrorKind::UnexpectedEof.into())),
        // Records begin with a content type below 64; HTTP methods with a capital letter.
        Some(b'A'..=b'Z') => {
            // The client is wrong already; that it may not hear why changes nothing.
            let _ = answer_plain_http(&mut io).await;
            return Err(HandshakeError::PlainHttp);
        }
        Some(_) => {}
    }
    let mut acceptor = Acceptor::default();
    acceptor.read_tls(&mut start).map_err(HandshakeError::Closed)?;
    let handshake = LazyConfigAcceptor::new(acceptor, io)
        .await
        .map_err(|error| classify(error, None, &Memory::default()))?;
    *server_name = handshake
        .client_hello()
        .server_name()
        .map(|name| name.to_ascii_lowercase().into_boxed_str());
    let beginning = snapshot.begin(server_name.as_deref()).map_err(HandshakeError::SetUp)?;
    let mut config = Arc::clone(&beginning.config);
    if without_http2(server_name.as_deref()) {
        Arc::make_mut(&mut config).alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    match handshake.into_stream(config).into_fallible().await {
        Ok(stream) => Ok((stream, beginning)),
        Err((error, mut io)) => {
            // The alert is out; a FIN rather than a reset lets the client read it.
            let _ = io.shutdown().await;
            Err(classify(error, server_name.as_deref(), &beginning.memory))
        }
    }
}

/// Tells a client that speaks plain HTTP what to do instead.
async fn answer_plain_http<IO>(io: &mut IO) -> io::Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    const ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 53\r\n\
        Connection: close\r\n\r\nThis port speaks TLS: ask again with an https:// URL\n";
    io.write_all(ANSWER).await?;
    io.shutdown().await?;
    // Bytes left unread would turn the close into a reset that overtakes the answer.
    let mut sink = tokio::io::sink();
    let rest = tokio::io::copy(io, &mut sink);
    tokio::time::timeout(PLAIN_HTTP_LINGER, rest).await?.map(drop)
}

/// What kind of failure `error` is, given the name the client asked for and what had come of the handshake.
fn classify(error: io::Error, server_name: Option<&str>, memory: &Memory) -> HandshakeError {
    match error
        .get_ref()
        .and_then(|source| source.downcast_ref::<rustls::Error>())
    {
        None => HandshakeError::Closed(error),
        // In a handshake this variant has one cause: the resolver had no identity to give.
        Some(rustls::Error::General(_)) if server_name.is_some() => HandshakeError::UnknownName,
        Some(rustls::Error::General(_)) => HandshakeError::NoServerName,
        Some(rustls::Error::AlertReceived(alert)) => HandshakeError::Refused(*alert),
        Some(rustls::Error::NoCertificatesPresented) => HandshakeError::NoClientCertificate,
        Some(cause) => match memory.verdict.get() {
            Some(Err(refused)) => HandshakeError::ClientCertificate(refused.clone()),
            _ => HandshakeError::Protocol(cause.clone()),
        },
    }
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
                client_auth: Arc::default(),
                policy: 0,
            },
        }
    }
}

impl Hello {
    fn of<IO>(
        stream: &TlsStream<IO>,
        server_name: Option<Box<str>>,
        snapshot: &Snapshot,
        beginning: &Beginning,
    ) -> Self {
        let (_, connection) = stream.get_ref();
        let memory = &beginning.memory;
        Self {
            server_name,
            client: memory.verdict.get().and_then(|verdict| verdict.clone().ok()),
            scope: Scope {
                names: memory.shown.get().cloned(),
                client_auth: Arc::clone(snapshot.client_auth()),
                policy: beginning.policy,
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

    /// Whether a request for `host`, without its port, may be answered on this connection. Where not, RFC 9110 section
    /// 15.5.20 has 421.
    ///
    /// No other certificate must be asked of the client for it, whatever the protocol. Over HTTP/2 the identity that was
    /// shown must be for it besides, since clients take one connection for several hosts where its certificate covers
    /// them (RFC 9113 section 9.1.1), and are told so where they are mistaken. Over HTTP/1.1 none does: whoever names
    /// another host there means it, as a monitor does that connects by one name and asks for another.
    ///
    /// The name in the ClientHello itself may always be asked for, whatever identity there was to show; and a client that
    /// named none has coalesced nothing.
    pub fn may_serve(&self, host: &str) -> bool {
        let covers = self.protocol == ApplicationProtocol::Http1 || self.covers(host);
        covers && self.scope.asks_alike_for(host)
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

impl HandshakeError {
    /// One word for logs and counters.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NoServerName => "no-server-name",
            Self::UnknownName => "unknown-name",
            Self::NoClientCertificate => "no-client-certificate",
            Self::ClientCertificate(refused) => refused.because.kind(),
            Self::SetUp(_) => "set-up",
            Self::Refused(_) => "refused",
            Self::Protocol(_) => "protocol",
            Self::PlainHttp => "plain-http",
            Self::TimedOut(_) => "time",
            Self::Closed(_) => "closed",
        }
    }

    fn log(&self, peer: &impl fmt::Display, server_name: Option<&str>) {
        let kind = self.kind();
        let cause = std::error::Error::source(self).map(tracing::field::display);
        match self {
            // Port scans and health checks connect and leave: no news.
            Self::Closed(_) => tracing::debug!(%peer, server_name, kind, cause, error = %self, "handshake failed"),
            _ => tracing::info!(%peer, server_name, kind, cause, error = %self, "handshake failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::server::{ClientHello, ResolvesServerCert};
    use rustls::sign::CertifiedKey;
    use rustls::{ClientConfig, RootCertStore, ServerConfig};
    use tokio::io::DuplexStream;
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::tls::Demand;
    use crate::tls::rig::{self, Pki};
    use crate::tls::witness::Witness;

    #[test]
    fn the_hello_says_what_was_agreed() {
        let (handshaker, client) = pair(|config| config, Duration::from_secs(5));
        let accepted = run(async {
            let (near, far) = tokio::io::duplex(16 * 1024);
            let connect = TlsConnector::from(client).connect(ServerName::try_from("A.Test").unwrap(), near);
            let (accepted, _client) = tokio::join!(handshaker.accept(far, peer(), |_| false), connect);
            accepted.unwrap()
        });
        let hello = accepted.hello;
        assert_eq!(hello.server_name.as_deref(), Some("a.test"));
        assert_eq!((hello.protocol, hello.version), (ApplicationProtocol::Http2, "TLSv1.3"));
        assert!(!hello.resumed && hello.client.is_none());
    }

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
            hello(snapshot, protocol, server_name).may_serve(host)
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

    /// What is agreed with a client that asks for `server_name` and puts up with any certificate of it.
    fn hello(snapshot: Snapshot, protocol: &str, server_name: Option<&str>) -> Hello {
        let handshaker = Handshaker::new(Arc::new(Live::new(snapshot)), rig::settings());
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

    #[test]
    fn a_name_may_be_without_http2_and_a_client_that_speaks_nothing_else_is_refused() {
        let (handshaker, both) = pair(|config| config, Duration::from_secs(5));
        let mut both = ClientConfig::clone(&both);
        both.alpn_protocols.push(b"http/1.1".to_vec());
        let both = Arc::new(both);
        let agreed = |name: &'static str| {
            let accepted = run(async {
                let (near, far) = tokio::io::duplex(16 * 1024);
                let connect = TlsConnector::from(Arc::clone(&both)).connect(ServerName::try_from(name).unwrap(), near);
                let without = |name: Option<&str>| name == Some("b.test");
                let (accepted, _client) = tokio::join!(handshaker.accept(far, peer(), without), connect);
                accepted.unwrap()
            });
            accepted.hello.protocol
        };
        assert_eq!(agreed("a.test"), ApplicationProtocol::Http2);
        assert_eq!(agreed("B.Test"), ApplicationProtocol::Http1);
        assert_eq!(agreed("a.test"), ApplicationProtocol::Http2);

        let (handshaker, http2) = pair(|config| config, Duration::from_secs(5));
        let error = run(async {
            let (near, far) = tokio::io::duplex(16 * 1024);
            let connect = TlsConnector::from(http2).connect(ServerName::try_from("a.test").unwrap(), near);
            tokio::join!(handshaker.accept(far, peer(), |_| true), connect)
                .0
                .unwrap_err()
        });
        assert_eq!(error.kind(), "protocol");
    }

    #[test]
    fn a_name_that_the_resolver_refuses_is_unknown() {
        let (handshaker, client) = pair(without_identity, Duration::from_secs(5));
        let error = run(async {
            let (near, far) = tokio::io::duplex(16 * 1024);
            let connect = TlsConnector::from(client).connect(ServerName::try_from("b.test").unwrap(), near);
            tokio::join!(handshaker.accept(far, peer(), |_| false), connect)
                .0
                .unwrap_err()
        });
        assert_eq!(error.kind(), "unknown-name");
    }

    #[test]
    fn a_client_without_a_name_is_told_apart() {
        let (handshaker, client) = pair(without_identity, Duration::from_secs(5));
        let error = run(async {
            let (near, far) = tokio::io::duplex(16 * 1024);
            let connect = TlsConnector::from(client).connect(ServerName::try_from("127.0.0.1").unwrap(), near);
            tokio::join!(handshaker.accept(far, peer(), |_| false), connect)
                .0
                .unwrap_err()
        });
        assert_eq!(error.kind(), "no-server-name");
    }

    #[test]
    fn a_client_that_distrusts_the_chain_is_a_refusal() {
        let (handshaker, _) = pair(|config| config, Duration::from_secs(5));
        let (_, stranger) = pair(|config| config, Duration::from_secs(5));
        let error = run(async {
            let (near, far) = tokio::io::duplex(16 * 1024);
            let connect = TlsConnector::from(stranger).connect(ServerName::try_from("a.test").unwrap(), near);
            tokio::join!(handshaker.accept(far, peer(), |_| false), connect)
                .0
                .unwrap_err()
        });
        assert_eq!(error.kind(), "refused");
    }

    #[test]
    fn plain_http_is_answered_in_plain_http() {
        let (answer, error) = speak(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(error.kind(), "plain-http");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 ") && head.contains(&format!("Content-Length: {}\r\n", body.len())));
        assert!(body.contains("https://"));
    }

    #[test]
    fn garbage_is_a_protocol_failure_and_silence_a_closed_connection() {
        assert_eq!(speak(b"\x16\x03\x01\x00\x04junk").1.kind(), "protocol");
        assert_eq!(speak(b"").1.kind(), "closed");
        assert_eq!(speak(b"\x16\x03").1.kind(), "closed");
    }

    #[test]
    fn a_client_that_takes_too_long_is_dropped() {
        let (handshaker, _) = pair(|config| config, Duration::from_millis(1));
        let error = run(async {
            let (_near, far) = tokio::io::duplex(64);
            handshaker.accept(far, peer(), |_| false).await.unwrap_err()
        });
        assert_eq!(error.kind(), "time");
    }

    /// Sends `bytes`, ends the sending side and returns what came back with the failure.
    fn speak(bytes: &'static [u8]) -> (String, HandshakeError) {
        let (handshaker, _) = pair(|config| config, Duration::from_secs(5));
        run(async {
            let (mut near, far) = tokio::io::duplex(16 * 1024);
            let client = async move {
                near.write_all(bytes).await.unwrap();
                near.shutdown().await.unwrap();
                let mut answer = Vec::new();
                near.read_to_end(&mut answer).await.unwrap();
                String::from_utf8_lossy(&answer).into_owned()
            };
            let server = async {
                handshaker
                    .accept::<DuplexStream>(far, peer(), |_| false)
                    .await
                    .unwrap_err()
            };
            tokio::join!(client, server)
        })
    }

    /// A handshaker for `a.test` whose server configuration goes through `alter`, and a client that trusts it.
    fn pair(alter: fn(ServerConfig) -> ServerConfig, limit: Duration) -> (Handshaker, Arc<ClientConfig>) {
        let certified = rcgen::generate_simple_self_signed(["a.test".to_owned(), "b.test".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
        let mut roots = RootCertStore::empty();
        roots.add(certified.cert.der().clone()).unwrap();
        let mut server = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut client = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![b"h2".to_vec()];
        let live = Arc::new(Live::new(Snapshot::from(alter(server))));
        let settings = Settings {
            handshake_timeout: limit,
            strict_sni: false,
        };
        (Handshaker::new(live, settings), Arc::new(client))
    }

    fn without_identity(mut config: ServerConfig) -> ServerConfig {
        config.cert_resolver = Arc::new(Nothing);
        config
    }

    #[derive(Debug)]
    struct Nothing;

    impl ResolvesServerCert for Nothing {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            None
        }
    }

    fn peer() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 4711))
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(future)
    }
}
