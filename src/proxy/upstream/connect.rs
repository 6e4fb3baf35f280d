//! Resolving an upstream and connecting to it, in one deadline.

use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpStream, lookup_host};

use super::UpstreamAddress;

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
}

/// Connects to the first address of `upstream` that accepts, within `limit`.
pub(super) async fn connect(upstream: &UpstreamAddress, limit: Duration) -> Result<TcpStream, ConnectError> {
    tokio::time::timeout(limit, first_that_accepts(upstream))
        .await
        .unwrap_or(Err(ConnectError::TimedOut(limit)))
}

async fn first_that_accepts(upstream: &UpstreamAddress) -> Result<TcpStream, ConnectError> {
    let addresses = lookup_host((upstream.host.as_str(), upstream.port))
        .await
        .map_err(ConnectError::Resolve)?;
    let mut last = ConnectError::NoAddress;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Neither changes what is sent; a socket without them is slower and forgets dead tunnels later.
                let _ = stream.set_nodelay(true);
                let _ = SockRef::from(&stream).set_keepalive(true);
                return Ok(stream);
            }
            Err(error) => last = ConnectError::Connect(error),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_apart_from_a_name_without_an_address() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let limit = Duration::from_secs(10);
        runtime.block_on(async {
            let closed = std::net::TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap();
            let refused = UpstreamAddress {
                host: "127.0.0.1".to_owned(),
                port: closed.port(),
            };
            assert!(matches!(connect(&refused, limit).await, Err(ConnectError::Connect(_))));
            let nameless = UpstreamAddress {
                host: "does-not-exist.invalid".to_owned(),
                port: 80,
            };
            let error = connect(&nameless, limit).await.unwrap_err();
            assert!(!matches!(error, ConnectError::Connect(_)), "{error:?}");
        });
    }
}
