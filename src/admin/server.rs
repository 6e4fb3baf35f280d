//! The admin listener's socket and its connections, bounded in number and time.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
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
use tokio::task::{AbortHandle, JoinError, JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use super::endpoints::{answer, text};
use super::{Address, Settings, Sources};

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
        let bound = match settings.address {
            Address::Asked(address) => Self::bind_to(address).map(Some),
            Address::Default(address) => Ok(Self::bind_to(address).map_or_else(
                |BindError { address, source }| {
                    tracing::warn!(%address, error = %source, "no admin listener: its default address cannot be bound");
                    None
                },
                Some,
            )),
            Address::Off => Ok(None),
        };
        bound.inspect(|server| server.iter().for_each(|server| server.warn_if_open(settings)))
    }

    /// Says so where neither the address nor a token keeps anybody out.
    fn warn_if_open(&self, settings: &Settings) {
        let address = self.local_address;
        if settings.token.is_none() && !address.ip().to_canonical().is_loopback() {
            tracing::warn!(
                %address,
                "the admin listener can be asked from other machines and takes no token: whoever reaches it sees every \
                 certificate and the configuration, and can reload; set admin_token_file, or see to it that nobody else does"
            );
        }
    }

    /// Listens at a socket that does so already.
    ///
    /// # Errors
    ///
    /// Where it is no such socket.
    pub fn of_listener(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let local_address = listener.local_addr()?;
        Ok(Self {
            listener,
            local_address,
        })
    }

    /// Its socket once more, for a process that is to listen there too.
    ///
    /// # Errors
    ///
    /// Where there are no more descriptors.
    pub fn socket(&self) -> io::Result<OwnedFd> {
        self.listener.try_clone().map(OwnedFd::from)
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
        let mut oldest_first = VecDeque::new();
        loop {
            tokio::select! {
                Some(ended) = connections.join_next() => log_panic(ended),
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        make_room(&mut oldest_first).await;
                        oldest_first.push_back(connections.spawn(serve(stream, Arc::clone(&sources), PATIENCE)));
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
        let bound = TcpListener::bind(address).and_then(Self::of_listener);
        bound.map_err(|source| BindError { address, source })
    }
}

/// Ends the oldest connection where there are as many as there may be. A new one is more likely a probe, which ends in
/// a moment; were it to wait, clients that never finish their requests would silence the probes.
async fn make_room(oldest_first: &mut VecDeque<AbortHandle>) {
    if oldest_first.len() >= MAX_CONNECTIONS {
        // Many may have been accepted in one go: whoever has asked already is to be answered first.
        yield_now().await;
        oldest_first.retain(|connection| !connection.is_finished());
    }
    if oldest_first.len() < MAX_CONNECTIONS {
        return;
    }
    if let Some(oldest) = oldest_first.pop_front() {
        tracing::debug!("an admin connection was ended to make room for another");
        oldest.abort();
    }
}

/// Enough for probes, scrapers and people; far from what would hurt the proxy beside it.
const MAX_CONNECTIONS: usize = 64;

/// Without file descriptors `accept` fails at once each time; the pause keeps that from taking a whole core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a client may take over its request.
#[derive(Clone, Copy)]
struct Patience {
    /// From accept to the end of the header section.
    header: Duration,
    /// From there to the end of the body.
    body: Duration,
}

const PATIENCE: Patience = Patience {
    header: Duration::from_secs(5),
    body: Duration::from_secs(1),
};

/// From accept to close. A reload of thousands of certificates takes seconds.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

/// No endpoint takes a body; one this small is read and forgotten, so that the client gets to read the answer.
const MAX_BODY_BYTES: usize = 1024;

/// One request, one answer: connections on loopback cost nothing, idle ones take a place.
async fn serve(stream: TcpStream, sources: Arc<Sources>, patience: Patience) {
    let service = service_fn(|request| respond(request, &sources, patience.body));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.header)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "admin connection failed"),
        Err(_) => tracing::debug!("admin connection took too long"),
    }
}

async fn respond(
    request: Request<Incoming>,
    sources: &Sources,
    patience: Duration,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    Ok(
        match timeout(patience, Limited::new(body, MAX_BODY_BYTES).collect()).await {
            Ok(Ok(_)) => answer(&Request::from_parts(head, ()), sources).await,
            Ok(Err(_)) => text(StatusCode::PAYLOAD_TOO_LARGE, "no endpoint takes a body"),
            Err(_) => text(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"),
        },
    )
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a request to the admin listener panicked");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::admin::endpoints::tests::sources;
    use crate::reload::Outcome;

    #[tokio::test]
    async fn an_address_that_was_asked_for_and_is_taken_is_an_error() {
        let (address, _server) = started(sources(None));
        let error = Server::bind(&Settings::at(Address::Asked(address))).unwrap_err();
        assert_eq!(error.address, address);
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn a_default_address_that_is_taken_is_done_without() {
        let (address, _server) = started(sources(None));
        assert!(
            Server::bind(&Settings::at(Address::Default(address)))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn off_binds_nothing() {
        assert!(Server::bind(&Settings::at(Address::Off)).unwrap().is_none());
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
        sources.configuration = Arc::new(|| -> String { std::panic::resume_unwind(Box::new("")) });
        let (address, _server) = started(sources);
        assert_eq!(
            exchange(address, "GET /config HTTP/1.1\r\nHost: localhost\r\n\r\n").await,
            ""
        );
        assert!(
            exchange(address, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .await
                .ends_with("ok\n")
        );
    }

    #[tokio::test]
    async fn one_connection_too_many_ends_the_oldest_and_probes_get_through() {
        let (address, _server) = started(sources(None));
        let mut unfinished = Vec::new();
        for _ in 0..2 * MAX_CONNECTIONS {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let head = "POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            unfinished.push(stream);
        }
        let probe = exchange(address, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert!(probe.ends_with("ok\n"), "{probe}");
        // Ended without an answer, perhaps with a reset for what was not read.
        let ended = unfinished[0].read(&mut [0]).await;
        assert!(!matches!(ended, Ok(1..)), "{ended:?}");
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let patience = Patience {
            body: Duration::from_millis(1),
            ..PATIENCE
        };
        let (mut client, stream) = pair().await;
        let head = "POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n";
        client.write_all(head.as_bytes()).await.unwrap();
        serve(stream, Arc::new(sources(None)), patience).await;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }

    #[tokio::test]
    async fn a_client_that_sends_no_header_is_dropped() {
        let patience = Patience {
            header: Duration::from_millis(1),
            ..PATIENCE
        };
        let (mut silent, stream) = pair().await;
        serve(stream, Arc::new(sources(None)), patience).await;
        let mut answer = String::new();
        silent.read_to_string(&mut answer).await.unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }

    /// The two ends of a connection.
    async fn pair() -> (TcpStream, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (client, server)
    }

    fn started(sources: Sources) -> (SocketAddr, JoinSet<io::Result<Infallible>>) {
        let server = Server::bind(&Settings::at(Address::Asked(([127, 0, 0, 1], 0).into())))
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
