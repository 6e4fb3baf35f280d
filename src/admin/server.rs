//! The admin listener's socket and its connections, bounded in number and time.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use super::endpoints::{answer, text};
use super::{Settings, Sources};

/// The admin listener, bound but not yet served.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    local_address: SocketAddr,
}

/// The admin listener cannot bind where it was asked to.
#[derive(Debug, thiserror::Error)]
#[error("the admin listener cannot bind {address}")]
pub struct BindError {
    /// Where it was asked to.
    pub address: SocketAddr,
    /// Why it cannot.
    pub source: io::Error,
}

impl Server {
    /// Binds as `settings` say; `None` where there is to be no admin listener. Where the default address cannot be
    /// bound there is none either, and a warning.
    ///
    /// # Errors
    ///
    /// [`BindError`] where an address that was asked for cannot be bound.
    pub fn bind(settings: &Settings) -> Result<Option<Self>, BindError> {
        match *settings {
            Settings::Asked(address) => Self::bind_to(address).map(Some),
            Settings::Default(address) => Ok(Self::bind_to(address).map_or_else(
                |BindError { address, source }| {
                    tracing::warn!(%address, error = %source, "no admin listener: its default address cannot be bound");
                    None
                },
                Some,
            )),
            Settings::Off => Ok(None),
        }
    }

    /// Where it listens; the port is the one given by the operating system where 0 was asked for.
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// Answers requests from `sources` until the future is dropped, which ends all its connections.
    ///
    /// # Errors
    ///
    /// Where the socket cannot be given to the runtime it is called on.
    pub async fn run(self, sources: Sources) -> io::Result<Infallible> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let sources = Arc::new(sources);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(ended) = connections.join_next() => log_panic(ended),
                accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(serve(stream, Arc::clone(&sources), HEADER_TIMEOUT));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the admin listener cannot accept a connection");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn bind_to(address: SocketAddr) -> Result<Self, BindError> {
        let bind = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let local_address = listener.local_addr()?;
            Ok(Self {
                listener,
                local_address,
            })
        };
        bind().map_err(|source| BindError { address, source })
    }
}

/// Enough for probes, scrapers and people; far from what would hurt the proxy beside it.
const MAX_CONNECTIONS: usize = 64;

/// Without file descriptors `accept` fails at once each time; the pause keeps that from taking a whole core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// From accept to the end of the request's header section.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// From accept to close. A reload of thousands of certificates takes seconds.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

/// No endpoint takes a body; one this small is read and forgotten, so that the client gets to read the answer.
const MAX_BODY_BYTES: usize = 1024;

/// One request, one answer: connections on loopback cost nothing, idle ones take a place.
async fn serve(stream: TcpStream, sources: Arc<Sources>, header_timeout: Duration) {
    let service = service_fn(|request| respond(request, &sources));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "admin connection failed"),
        Err(_) => tracing::debug!("admin connection took too long"),
    }
}

async fn respond(request: Request<Incoming>, sources: &Sources) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    if Limited::new(body, MAX_BODY_BYTES).collect().await.is_err() {
        return Ok(text(StatusCode::PAYLOAD_TOO_LARGE, "no endpoint takes a body"));
    }
    Ok(answer(&Request::from_parts(head, ()), sources).await)
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a request to the admin listener panicked");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::yield_now;

    use super::*;
    use crate::admin::endpoints::tests::sources;
    use crate::reload::Outcome;

    #[tokio::test]
    async fn an_address_that_was_asked_for_and_is_taken_is_an_error() {
        let (address, _server) = started(sources(None));
        let error = Server::bind(&Settings::Asked(address)).unwrap_err();
        assert_eq!(error.address, address);
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn a_default_address_that_is_taken_is_done_without() {
        let (address, _server) = started(sources(None));
        assert!(Server::bind(&Settings::Default(address)).unwrap().is_none());
    }

    #[test]
    fn off_binds_nothing() {
        assert!(Server::bind(&Settings::Off).unwrap().is_none());
    }

    #[tokio::test]
    async fn a_request_is_answered_and_its_connection_closed() {
        let (address, _server) = started(sources(None));
        let answer = exchange(address, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
    }

    #[tokio::test]
    async fn head_is_answered_without_a_body() {
        let (address, _server) = started(sources(None));
        let answer = exchange(address, "HEAD /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );
    }

    #[tokio::test]
    async fn a_small_body_is_ignored_and_a_large_one_refused() {
        let (address, _server) = started(sources(Some(Outcome::Unchanged)));
        let post = |length: usize| {
            let body = "x".repeat(length);
            format!("POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")
        };
        assert!(exchange(address, &post(1024)).await.starts_with("HTTP/1.1 200 "));
        assert!(exchange(address, &post(1025)).await.starts_with("HTTP/1.1 413 "));
    }

    #[tokio::test]
    async fn a_request_that_panics_ends_alone() {
        let mut sources = sources(None);
        sources.certificates = Arc::new(|| -> serde_json::Value { std::panic::resume_unwind(Box::new(json!(null))) });
        let (address, _server) = started(sources);
        assert_eq!(
            exchange(address, "GET /certificates HTTP/1.1\r\nHost: localhost\r\n\r\n").await,
            ""
        );
        assert!(
            exchange(address, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .await
                .ends_with("ok\n")
        );
    }

    #[tokio::test]
    async fn one_connection_too_many_waits_for_another_to_end() {
        let (address, _server) = started(sources(None));
        let mut idle = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        let request = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let mut last = TcpStream::connect(address).await.unwrap();
        last.write_all(request.as_bytes()).await.unwrap();
        // Plenty of turns for the server to answer, were it to.
        for _ in 0..10_000 {
            yield_now().await;
        }
        assert_eq!(last.try_read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let mut first = idle.swap_remove(0);
        first.write_all(request.as_bytes()).await.unwrap();
        for stream in [&mut first, &mut last] {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.ends_with("ok\n"), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_client_that_sends_no_header_is_dropped() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream, Arc::new(sources(None)), Duration::from_millis(1)).await;
        let mut answer = String::new();
        silent.read_to_string(&mut answer).await.unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }

    fn started(sources: Sources) -> (SocketAddr, JoinSet<io::Result<Infallible>>) {
        let server = Server::bind(&Settings::Asked(([127, 0, 0, 1], 0).into()))
            .unwrap()
            .unwrap();
        let address = server.local_address();
        let mut running = JoinSet::new();
        running.spawn(server.run(sources));
        (address, running)
    }

    async fn exchange(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}
