//! A TCP connection becomes a TLS connection, or a failure that is logged once, here.
//!
//! This is the one place where both the name the client asked for and the cause of a failure are known.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::memory::Memory;
use super::snapshot::Beginning;
use super::{HandshakeError, Hello, Snapshot};
use crate::live::Live;

/// How long a client that spoke plain HTTP has to read the answer and close: a round trip with room to spare.
const PLAIN_HTTP_LINGER: Duration = Duration::from_secs(1);

/// Takes connections through the TLS handshake with the snapshot of the moment.
#[derive(Debug)]
pub struct Handshaker {
    live: Arc<Live<Snapshot>>,
}

/// A connection after its handshake.
#[derive(Debug)]
pub struct Accepted<IO> {
    /// The decrypted stream; whoever ends it calls `shutdown`, so that the client sees close_notify.
    pub stream: TlsStream<IO>,
    /// What the client asked for.
    pub hello: Hello,
}

impl Handshaker {
    /// A handshaker that reads `live` once per connection.
    pub fn new(live: Arc<Live<Snapshot>>) -> Self {
        Self { live }
    }

    /// Whether clients of `host` have to show a certificate.
    pub fn requires_certificate_for(&self, host: &str) -> bool {
        self.live
            .with(|snapshot| snapshot.client_auth().requires_certificate_for(host))
    }

    /// Whether a request for `host`, without its port, may be answered on the connection that began with `hello`.
    pub fn may_serve(&self, hello: &Hello, host: &str) -> bool {
        self.live.with(|snapshot| hello.may_serve(host, snapshot.client_auth()))
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
        let snapshot = self.live.current();
        let limit = snapshot.handshake_timeout();
        let mut server_name = None;
        let handshake = negotiate(io, &snapshot, without_http2, &mut server_name);
        tokio::time::timeout(limit, handshake)
            .await
            .unwrap_or(Err(HandshakeError::TimedOut(limit)))
            .map(|(stream, beginning)| Accepted {
                hello: Hello::of(&stream, server_name.clone(), &beginning),
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
        .map_err(|error| HandshakeError::of(error, None, &Memory::default()))?;
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
            Err(HandshakeError::of(error, server_name.as_deref(), &beginning.memory))
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

#[cfg(test)]
mod tests {
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::server::{ClientHello, ResolvesServerCert};
    use rustls::sign::CertifiedKey;
    use rustls::{ClientConfig, RootCertStore, ServerConfig};
    use tokio::io::DuplexStream;
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::tls::ApplicationProtocol;
    use crate::tls::rig::{peer, run};

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
        assert_eq!(error.cause(), "protocol");
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
        assert_eq!(error.cause(), "unknown-name");
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
        assert_eq!(error.cause(), "no-server-name");
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
        assert_eq!(error.cause(), "refused");
    }

    #[test]
    fn plain_http_is_answered_in_plain_http() {
        let (answer, error) = speak(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(error.cause(), "plain-http");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 ") && head.contains(&format!("Content-Length: {}\r\n", body.len())));
        assert!(body.contains("https://"));
    }

    #[test]
    fn garbage_is_a_protocol_failure_and_silence_a_closed_connection() {
        assert_eq!(speak(b"\x16\x03\x01\x00\x04junk").1.cause(), "protocol");
        assert_eq!(speak(b"").1.cause(), "closed");
        assert_eq!(speak(b"\x16\x03").1.cause(), "closed");
    }

    #[test]
    fn a_client_that_takes_too_long_is_dropped() {
        let (handshaker, _) = pair(|config| config, Duration::from_millis(1));
        let error = run(async {
            let (_near, far) = tokio::io::duplex(64);
            handshaker.accept(far, peer(), |_| false).await.unwrap_err()
        });
        assert_eq!(error.cause(), "time");
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
        let settings = crate::tls::Settings {
            handshake_timeout: limit,
            strict_sni: false,
            key_log: false,
        };
        let live = Live::new(Snapshot::foreign(alter(server), &settings));
        (Handshaker::new(Arc::new(live)), Arc::new(client))
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
}
