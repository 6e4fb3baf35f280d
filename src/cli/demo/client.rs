//! A client that trusts the root and knows nothing else, as curl or a telephone would.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};

/// How long it waits for each step.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects anew for each request.
pub(super) struct Client {
    config: Arc<ClientConfig>,
    address: SocketAddr,
}

/// What came back.
pub(super) struct Answer {
    /// The certificates as the server sent them.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// The whole response.
    pub(super) response: String,
}

impl Client {
    /// A client that trusts `root` alone and talks to `address` under the name localhost.
    pub(super) fn new(root: CertificateDer<'static>, address: SocketAddr) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(root)?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Every request is to see the certificate of its moment.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self {
            config: Arc::new(config),
            address,
        })
    }

    /// One request over a connection of its own.
    ///
    /// # Errors
    ///
    /// Where the server cannot be reached, its certificate is refused, or the response is not a 200 to its end.
    pub(super) fn request(&self) -> io::Result<Answer> {
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let mut tls = ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        let mut tcp = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        let mut stream = Stream::new(&mut tls, &mut tcp);
        write!(stream, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        if !response.starts_with("HTTP/1.1 200 ") {
            let line = response.lines().next().unwrap_or_default();
            return Err(io::Error::other(format!("answered with {line:?}")));
        }
        let chain = tls.peer_certificates().unwrap_or_default();
        Ok(Answer {
            chain: chain
                .iter()
                .map(|certificate| certificate.clone().into_owned())
                .collect(),
            response,
        })
    }
}
