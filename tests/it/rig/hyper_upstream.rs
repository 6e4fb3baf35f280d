//! A backend made of hyper's server: HTTP/2 or HTTP/1.1, in TLS or not, that remembers what it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What a backend answers with.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A backend that lives as long as the test process.
pub(crate) struct HyperUpstream {
    pub(crate) address: SocketAddr,
    hellos: Arc<Mutex<Vec<Hello>>>,
    requests: Arc<Mutex<Vec<Seen>>>,
}

/// What a connection began with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The name asked for.
    pub(crate) server_name: Option<String>,
    /// The certificate shown.
    pub(crate) certificate: Option<Vec<u8>>,
    /// Whether a session was resumed.
    pub(crate) resumed: bool,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// How many connections came before its own.
    pub(crate) connection: usize,
    pub(crate) version: Version,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

/// How a backend speaks.
pub(crate) struct Speech {
    pub(crate) tls: Option<ServerConfig>,
    pub(crate) http2: bool,
    /// How many requests it takes at once on a connection of HTTP/2.
    pub(crate) streams: u32,
}

impl Speech {
    /// HTTP/2 with prior knowledge.
    pub(crate) fn h2c() -> Self {
        Self {
            tls: None,
            http2: true,
            streams: 200,
        }
    }

    /// TLS with `config`; HTTP/2 where ALPN chooses it.
    pub(crate) fn tls(config: ServerConfig) -> Self {
        Self {
            tls: Some(config),
            http2: false,
            streams: 200,
        }
    }
}

impl HyperUpstream {
    /// A backend that speaks as `speech` says and answers by `answer`.
    pub(crate) fn start<F>(speech: Speech, answer: impl Fn(Seen) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let upstream = Self {
            address: listener.local_addr().unwrap(),
            hellos: Arc::default(),
            requests: Arc::default(),
        };
        let (hellos, requests) = (Arc::clone(&upstream.hellos), Arc::clone(&upstream.requests));
        let acceptor = speech.tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let answer = Arc::new(answer);
        let serve = async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (acceptor, answer) = (acceptor.clone(), Arc::clone(&answer));
                let (hellos, requests) = (Arc::clone(&hellos), Arc::clone(&requests));
                tokio::spawn(async move {
                    let Some(acceptor) = acceptor else {
                        let number = enter(&hellos, Hello::default());
                        return talk(socket, speech.http2, speech.streams, number, requests, answer).await;
                    };
                    // Whether the proxy accepts what it is shown is what some tests are about.
                    let Ok(stream) = acceptor.accept(socket).await else {
                        return;
                    };
                    let tls = stream.get_ref().1;
                    let http2 = tls.alpn_protocol() == Some(b"h2");
                    let hello = Hello {
                        server_name: tls.server_name().map(str::to_owned),
                        certificate: tls.peer_certificates().map(|chain| chain[0].to_vec()),
                        resumed: tls.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
                    };
                    let number = enter(&hellos, hello);
                    talk(stream, http2, speech.streams, number, requests, answer).await;
                });
            }
        };
        thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(serve);
        });
        upstream
    }

    /// A backend that answers every request with 200 and `ok`.
    pub(crate) fn answering_ok(speech: Speech) -> Self {
        Self::start(speech, |_| async { Response::new(full("ok")) })
    }

    /// What the connections began with.
    pub(crate) fn hellos(&self) -> Vec<Hello> {
        self.hellos.lock().unwrap().clone()
    }

    /// The requests that came whole.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.requests.lock().unwrap().clone()
    }
}

/// A body with this text.
pub(crate) fn full(text: &'static str) -> Body {
    Full::from(text).boxed_unsync()
}

fn enter(hellos: &Mutex<Vec<Hello>>, hello: Hello) -> usize {
    let mut hellos = hellos.lock().unwrap();
    hellos.push(hello);
    hellos.len() - 1
}

async fn talk<IO, A, F>(
    io: IO,
    http2: bool,
    streams: u32,
    connection: usize,
    requests: Arc<Mutex<Vec<Seen>>>,
    answer: Arc<A>,
) where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    A: Fn(Seen) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (requests, answer) = (Arc::clone(&requests), Arc::clone(&answer));
        async move {
            let (head, body) = request.into_parts();
            // The proxy may give up in the middle.
            let body = body.collect().await?;
            let trailers = body.trailers().cloned();
            let seen = Seen {
                connection,
                version: head.version,
                method: head.method,
                uri: head.uri,
                headers: head.headers,
                body: body.to_bytes(),
                trailers,
            };
            requests.lock().unwrap().push(seen.clone());
            Ok::<_, hyper::Error>(answer(seen).await)
        }
    });
    // How it ends is for the proxy to say.
    let _ = match http2 {
        true => {
            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .max_concurrent_streams(streams)
                .serve_connection(TokioIo::new(io), service)
                .await
        }
        false => {
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(io), service)
                .await
        }
    };
}
