//! Resolving a server and connecting to it, in one deadline.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;

use crate::proxy::cause;
use crate::proxy::settings::ServerAddress;

/// How long one address has before the next is tried beside it: the Connection Attempt Delay of RFC 8305 section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(in crate::proxy) enum ConnectError {
    /// The resolver failed.
    #[error("the name does not resolve")]
    Resolve(#[source] io::Error),
    /// The resolver has no address for the name.
    #[error("the name has no address")]
    NoAddress,
    /// The last address tried refused or cannot be reached.
    #[error("no address accepted the connection")]
    Connect(#[source] io::Error),
    /// All of it took too long.
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
}

impl ConnectError {
    /// Whether time ran out.
    pub(in crate::proxy) fn is_timeout(&self) -> bool {
        match self {
            Self::TimedOut(_) => true,
            Self::Connect(source) => source.kind() == io::ErrorKind::TimedOut,
            Self::Resolve(_) | Self::NoAddress => false,
        }
    }

    /// The word for it in logs.
    pub(in crate::proxy) fn cause(&self) -> &'static str {
        match self {
            Self::Resolve(_) | Self::NoAddress => "resolve",
            Self::Connect(source) => cause::of_connect(source),
            Self::TimedOut(_) => "connect-timeout",
        }
    }
}

/// Connects to the first address of `server` that accepts, within `limit`.
pub(super) async fn connect(server: &ServerAddress, limit: Duration) -> Result<TcpStream, ConnectError> {
    tokio::time::timeout(limit, resolve_and_connect(server))
        .await
        .unwrap_or(Err(ConnectError::TimedOut(limit)))
}

async fn resolve_and_connect(server: &ServerAddress) -> Result<TcpStream, ConnectError> {
    let addresses = lookup_host((server.host.as_str(), server.port))
        .await
        .map_err(ConnectError::Resolve)?;
    let stream = first_that_accepts(addresses).await?;
    // Neither changes what is sent; a socket without them is slower and forgets dead tunnels later.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_keepalive(true);
    Ok(stream)
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
            Some(Ok(Err(error))) => last = ConnectError::Connect(error),
            Some(Err(error)) => last = ConnectError::Connect(io::Error::other(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};
    use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

    use super::*;

    #[test]
    fn a_refusal_is_told_apart_from_a_name_without_an_address() {
        let runtime = runtime();
        let limit = Duration::from_secs(10);
        runtime.block_on(async {
            let closed = std::net::TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap();
            let refused = ServerAddress {
                host: "127.0.0.1".to_owned(),
                port: closed.port(),
            };
            assert!(matches!(connect(&refused, limit).await, Err(ConnectError::Connect(_))));
            let nameless = ServerAddress {
                host: "does-not-exist.invalid".to_owned(),
                port: 80,
            };
            let error = connect(&nameless, limit).await.unwrap_err();
            assert!(!matches!(error, ConnectError::Connect(_)), "{error:?}");
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
