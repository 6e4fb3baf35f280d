//! Connecting to a server: its socket, who the client is, TLS, in one deadline.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::names::Names;
use crate::proxy::cause;
use crate::proxy::settings::{Endpoint, Protocol, ServerAddress};
use crate::proxy::socket::{Socket, probe_silent_peer};
use crate::tls::{self, ApplicationProtocol, Connector};

/// How long one address has before the next is tried beside it: the Connection Attempt Delay of RFC 8305 section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Bytes to and from a server: as they are on the left, in TLS on the right.
pub(super) type Wire<IO> = Either<IO, Box<TlsStream<IO>>>;

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub(in crate::proxy) enum ConnectError {
    /// The resolver failed.
    #[error("the name does not resolve")]
    Resolve(#[source] Arc<io::Error>),
    /// The resolver has no address for the name.
    #[error("the name has no address")]
    NoAddress,
    /// The last address tried refused or cannot be reached.
    #[error("no address accepted the connection")]
    Connect(#[source] Arc<io::Error>),
    /// The Unix socket is not there, or nobody listens.
    #[error("the socket did not accept the connection")]
    Socket(#[source] Arc<io::Error>),
    /// It was accepted and then broke.
    #[error("the connection broke before the request")]
    Broken(#[source] Arc<io::Error>),
    /// The host is no name that a certificate could be for.
    #[error("the server's host is no name for TLS; tls_name says another")]
    Name,
    /// TLS was not agreed on.
    #[error("no TLS")]
    Tls(#[source] tls::ConnectError),
    /// All of it took too long.
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
    /// As many as there may be are connected.
    #[error("no room for another connection")]
    NoRoom,
}

impl ConnectError {
    /// Whether time ran out.
    pub(in crate::proxy) fn is_timeout(&self) -> bool {
        match self {
            Self::TimedOut(_) => true,
            Self::Connect(source) => source.kind() == io::ErrorKind::TimedOut,
            _ => false,
        }
    }

    /// Whether it looks as if nobody were there, or not yet.
    pub(in crate::proxy) fn means_absence(&self) -> bool {
        !matches!(self, Self::Name | Self::Tls(_) | Self::NoRoom)
    }

    /// The word for it in logs.
    pub(in crate::proxy) fn cause(&self) -> &'static str {
        match self {
            Self::Resolve(_) | Self::NoAddress => "resolve",
            Self::Connect(source) | Self::Socket(source) | Self::Broken(source) => cause::of_connect(source),
            Self::Name | Self::Tls(_) => "tls",
            Self::NoRoom => "no-room",
            Self::TimedOut(_) => "connect-timeout",
        }
    }
}

/// A server as what is connected to.
#[derive(Debug)]
pub(super) struct Target {
    place: Place,
    tls: Option<(Arc<Connector>, Option<ServerName<'static>>)>,
}

#[derive(Debug)]
enum Place {
    At(SocketAddr),
    Named(Names),
    Unix(PathBuf),
}

impl Target {
    /// The server at `address`. Its name, if it has one, is resolved from now on.
    pub(super) fn new(address: &ServerAddress, protocol: &Protocol, connector: Option<&Arc<Connector>>) -> Self {
        let name = match &address.endpoint {
            Endpoint::Tcp { host, .. } => ServerName::try_from(host.clone()).ok(),
            Endpoint::Unix(_) => None,
        };
        let name = protocol.tls.name.clone().or(name);
        let place = match &address.endpoint {
            Endpoint::Unix(path) => Place::Unix(path.clone()),
            Endpoint::Tcp { host, port } => match host.parse() {
                Ok(ip) => Place::At(SocketAddr::new(ip, *port)),
                Err(_) => Place::Named(names(host, *port, protocol.resolve_interval)),
            },
        };
        Self {
            place,
            tls: connector
                .filter(|_| address.tls)
                .map(|connector| (Arc::clone(connector), name)),
        }
    }

    /// Whether TLS is spoken.
    pub(super) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Connects within `limit`: says `introduction` first, then shakes hands, over what `wrap` makes of the socket.
    /// What ALPN chose comes back, if there was a choice; `rather_http1` leaves none where HTTP/1.1 may be spoken.
    pub(super) async fn connect<IO>(
        &self,
        introduction: Option<&[u8]>,
        rather_http1: bool,
        limit: Duration,
        wrap: impl FnOnce(Socket) -> IO,
    ) -> Result<(Wire<IO>, Option<ApplicationProtocol>), ConnectError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let connected = async {
            let mut io = wrap(self.socket().await?);
            if let Some(introduction) = introduction {
                let broken = |error| ConnectError::Broken(Arc::new(error));
                io.write_all(introduction).await.map_err(broken)?;
                io.flush().await.map_err(broken)?;
            }
            let Some((connector, name)) = &self.tls else {
                return Ok((Either::Left(io), None));
            };
            let name = name.clone().ok_or(ConnectError::Name)?;
            let (stream, protocol) = connector
                .connect(name, io, rather_http1)
                .await
                .map_err(ConnectError::Tls)?;
            Ok((Either::Right(Box::new(stream)), Some(protocol)))
        };
        let outcome = tokio::time::timeout(limit, connected)
            .await
            .unwrap_or(Err(ConnectError::TimedOut(limit)));
        if let (Err(_), Place::Named(names)) = (&outcome, &self.place) {
            names.refresh();
        }
        outcome
    }

    async fn socket(&self) -> Result<Socket, ConnectError> {
        let addresses = match &self.place {
            Place::At(address) => vec![*address],
            Place::Named(names) => names.addresses().await?,
            Place::Unix(path) => {
                let stream = UnixStream::connect(path).await;
                return stream
                    .map(Socket::Right)
                    .map_err(|error| ConnectError::Socket(Arc::new(error)));
            }
        };
        let stream = first_that_accepts(addresses.into_iter()).await?;
        // Neither changes what is sent; a socket without them is slower and forgets dead tunnels later.
        let _ = stream.set_nodelay(true);
        let _ = probe_silent_peer(SockRef::from(&stream));
        Ok(Socket::Left(stream))
    }
}

fn names(host: &str, port: u16, interval: Duration) -> Names {
    let name: Rc<str> = host.into();
    let asked = Rc::clone(&name);
    Names::follow(name, interval, move || {
        let name = Rc::clone(&asked);
        async move { Ok(lookup_host((&*name, port)).await?.collect()) }
    })
}

/// Tries one address after the other, the next beside one that is slow: a dead address must not hide a live one.
async fn first_that_accepts(mut addresses: impl Iterator<Item = SocketAddr>) -> Result<TcpStream, ConnectError> {
    let mut attempts = JoinSet::new();
    let mut last = ConnectError::NoAddress;
    let mut next = addresses.next();
    loop {
        if let Some(address) = next.take() {
            attempts.spawn_local(TcpStream::connect(address));
            next = addresses.next();
        }
        let attempt = match next {
            None => attempts.join_next().await,
            Some(_) => match tokio::time::timeout(ATTEMPT_DELAY, attempts.join_next()).await {
                Ok(attempt) => attempt,
                Err(_) => continue,
            },
        };
        match attempt {
            None => return Err(last),
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(error))) => last = ConnectError::Connect(Arc::new(error)),
            Some(Err(error)) => last = ConnectError::Connect(Arc::new(io::Error::other(error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};
    use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

    use super::*;

    #[test]
    fn a_refusal_a_name_without_an_address_and_a_socket_that_is_not_there_are_told_apart() {
        let runtime = runtime();
        let limit = Duration::from_secs(10);
        runtime.block_on(async {
            let closed = std::net::TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap();
            let failure = async |address: ServerAddress| {
                let target = Target::new(&address, &Protocol::default(), None);
                target.connect(None, false, limit, |socket| socket).await.unwrap_err()
            };
            let refused = failure(ServerAddress::http("127.0.0.1", closed.port())).await;
            assert!(matches!(refused, ConnectError::Connect(_)), "{refused:?}");
            let nameless = failure(ServerAddress::http("does-not-exist.invalid", 80)).await;
            assert!(
                matches!(nameless, ConnectError::Resolve(_) | ConnectError::NoAddress),
                "{nameless:?}"
            );
            let absent = failure(ServerAddress::unix("/does/not/exist")).await;
            assert!(matches!(absent, ConnectError::Socket(_)), "{absent:?}");
        });
    }

    #[test]
    fn an_address_that_is_dead_does_not_hide_one_that_is_alive() {
        let alive = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        // A full queue: the kernel answers no further connection.
        let dead = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        dead.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        dead.listen(0).unwrap();
        let full = dead.local_addr().unwrap();
        let _waiting: Vec<Socket> = (0..4)
            .map(|_| {
                let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                socket.set_nonblocking(true).unwrap();
                let _ = socket.connect(&full);
                socket
            })
            .collect();
        let addresses = [full.as_socket().unwrap(), alive.local_addr().unwrap()];
        runtime().block_on(async {
            let stream = tokio::time::timeout(Duration::from_secs(10), first_that_accepts(addresses.into_iter()))
                .await
                .unwrap()
                .unwrap();
            assert_eq!(stream.peer_addr().unwrap(), addresses[1]);
        });
    }

    fn runtime() -> LocalRuntime {
        Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
            .unwrap()
    }
}
