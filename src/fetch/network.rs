//! Names to addresses, addresses to connections: the two things asked of the operating system, and the seam between
//! them where addresses are judged.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::net::{TcpStream, lookup_host};

/// What comes of asking a [`Network`].
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// Resolves and connects. Another one than the operating system's lets a test stand a server in for any address.
pub trait Network: Send + Sync {
    /// The addresses of `host`.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Pending<'a, Vec<SocketAddr>>;

    /// A connection to `address`.
    fn connect(&self, address: SocketAddr) -> Pending<'_, TcpStream>;
}

/// The network of the operating system. No proxy is used, whatever the environment says.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Network for System {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Pending<'a, Vec<SocketAddr>> {
        Box::pin(async move { Ok(lookup_host((host, port)).await?.collect()) })
    }

    fn connect(&self, address: SocketAddr) -> Pending<'_, TcpStream> {
        Box::pin(TcpStream::connect(address))
    }
}
