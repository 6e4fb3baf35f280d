//! TLS to servers: whom to trust, what to show, and what to speak.
//!
//! What a connection needs is in one cell and never changes; reading the files again publishes the next. Sessions are
//! resumed, which saves a legacy server an RSA operation per connection; they are those of one reading of the files, so
//! that a server that is no longer trusted cannot resume what was agreed with it.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::anyone::Anyone;
use super::distrust::ConnectError;
use super::server_config::groups;
use super::verifier::Verifier;
use super::{ApplicationProtocol, public_key};
use crate::certs::{self, BundleSettings, Files, Inventory, Look, Origin, Roots};
use crate::live::Live;

/// Whom to trust and what to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectorSettings {
    /// Which certificates of servers are taken.
    pub trust: Trust,
    /// The certificate that is shown to servers that ask for one.
    pub identity: Option<ClientIdentity>,
    /// What servers are asked for (SNI) and have to prove to be, where it is not the host they are reached by.
    pub name: Option<ServerName<'static>>,
}

/// Which certificates of servers are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those that lead to one of these roots, are valid now and have the server's name.
    Roots(Roots),
    /// Any: whoever sits between can read and change everything.
    Anyone,
}

/// Where the certificate is that is shown to servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// A file with the certificate and whatever issued it: PEM, DER, PKCS#7 or PKCS#12.
    pub certificate: std::path::PathBuf,
    /// The file with the key, where it is not in `certificate`.
    pub key: Option<std::path::PathBuf>,
    /// A file whose first line is the password of the key or the PKCS#12 file.
    pub password_file: Option<std::path::PathBuf>,
}

/// What of HTTP is offered by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2 alone; a server that does not choose it is given up.
    Http2,
    /// Both, HTTP/2 first.
    Both,
}

/// Speaks TLS to servers.
#[derive(Debug)]
pub struct Connector {
    current: Live<ClientConfig>,
    offered: Offered,
    /// Locked while files are read, never for a connection.
    sources: Mutex<Sources>,
}

#[derive(Debug)]
struct Sources {
    trust: Trust,
    settings: certs::Settings,
    files: Files,
}

/// Why servers cannot be spoken to over TLS.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// A file cannot be used.
    #[error(transparent)]
    File(Box<certs::Error>),
    /// The client certificate cannot be used.
    #[error("the client certificate cannot be used")]
    Identity(#[source] rustls::Error),
    /// No certificate could ever be accepted.
    #[error("there are no roots to trust: {0}")]
    NoRoots(&'static str),
    /// A root is none that chains are verified with.
    #[error("a root cannot be used: {name}")]
    Root {
        /// Which.
        name: String,
        /// Why not.
        source: rustls::Error,
    },
    /// rustls takes no such settings.
    #[error("TLS to servers cannot be set up")]
    Setup(#[source] rustls::Error),
}

impl From<certs::Error> for ConnectorError {
    fn from(error: certs::Error) -> Self {
        Self::File(Box::new(error))
    }
}

impl Default for Trust {
    fn default() -> Self {
        Self::Roots(Roots::System)
    }
}

impl Connector {
    /// Reads the files that `settings` name.
    ///
    /// # Errors
    ///
    /// [`ConnectorError`] for the first thing that is wrong with them.
    pub fn new(settings: &ConnectorSettings, offered: Offered) -> Result<Self, ConnectorError> {
        let mut sources = Sources::read(settings);
        let config = sources.config(offered)?;
        Ok(Self {
            current: Live::new(config),
            offered,
            sources: Mutex::new(sources),
        })
    }

    /// Reads again what has changed, and tells whether anything has. Takes as long as a slow file system does; what
    /// is connecting meanwhile does so with what was read before, and so does everybody where something is wrong.
    ///
    /// # Errors
    ///
    /// [`ConnectorError`] for the first thing that is wrong.
    pub fn read_again(&self) -> Result<bool, ConnectorError> {
        // Nobody panics with it; if ever, what it holds is whole.
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let Sources { settings, files, .. } = &mut *sources;
        if !files.read_again(settings, &Look::Everywhere) {
            return Ok(false);
        }
        self.current.publish(sources.config(self.offered)?);
        Ok(true)
    }

    /// Shakes hands with the server at the other end of `io`, which has to prove to be `name`. Says what ALPN chose;
    /// `rather_http1` offers HTTP/1.1 alone where both would be.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] where the two do not agree, or the server is not trusted.
    pub async fn connect<IO>(
        &self,
        name: ServerName<'static>,
        io: IO,
        rather_http1: bool,
    ) -> Result<(TlsStream<IO>, ApplicationProtocol), ConnectError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let mut config = self.current.current();
        if rather_http1 && self.offered == Offered::Both {
            Arc::make_mut(&mut config).alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        let stream = TlsConnector::from(config).connect(name, io).await?;
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => ApplicationProtocol::Http2,
            _ if self.offered == Offered::Http2 => return Err(ConnectError::NoHttp2),
            _ => ApplicationProtocol::Http1,
        };
        Ok((stream, protocol))
    }
}

impl Sources {
    fn read(settings: &ConnectorSettings) -> Self {
        let bundle = settings.identity.as_ref().map(|identity| BundleSettings {
            origin: Origin::Configuration,
            certificate: identity.certificate.clone(),
            key: identity.key.clone(),
            password_file: identity.password_file.clone(),
            staple: None,
            // What a client shows is for the server to judge.
            allow_ca_leaf: true,
            policy: None,
        });
        let certs = certs::Settings {
            bundles: bundle.into_iter().collect(),
            roots: match &settings.trust {
                Trust::Roots(roots) => roots.clone(),
                Trust::Anyone => Roots::None,
            },
            ..certs::Settings::default()
        };
        Self {
            trust: settings.trust.clone(),
            files: Files::read(&certs),
            settings: certs,
        }
    }

    fn config(&mut self, offered: Offered) -> Result<ClientConfig, ConnectorError> {
        let mut inventory = Inventory::read(&self.settings, &self.files, &|key| public_key(key).ok());
        self.files.forget();
        let provider = Arc::new(CryptoProvider {
            kx_groups: groups(),
            ..default_provider()
        });
        let verifier: Arc<dyn ServerCertVerifier> = match &self.trust {
            Trust::Anyone => Arc::new(Anyone::new(&provider)),
            Trust::Roots(roots) => {
                let roots = root_store(roots, &mut inventory)?;
                Arc::new(Verifier::new(roots, Arc::clone(&provider)).map_err(ConnectorError::Setup)?)
            }
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(ConnectorError::Setup)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match inventory.bundles.pop() {
            None => builder.with_no_client_auth(),
            Some((_, bundle)) => {
                let bundle = bundle?;
                // Whoever asks for a certificate has its root.
                let issuers = bundle.beside.iter().filter(|certificate| !certificate.is_self_issued());
                let chain: Vec<CertificateDer<'static>> = std::iter::once(&bundle.leaf)
                    .chain(issuers)
                    .map(|certificate| certificate.der().clone())
                    .collect();
                builder
                    .with_client_auth_cert(chain, bundle.key.der().clone_key())
                    .map_err(ConnectorError::Identity)?
            }
        };
        config.alpn_protocols = match offered {
            Offered::Http1 => vec![b"http/1.1".to_vec()],
            Offered::Http2 => vec![b"h2".to_vec()],
            Offered::Both => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        };
        Ok(config)
    }
}

/// The roots as rustls takes them. A file of the operator's has to be right; of the system's roots some are older than
/// what can be read, and the others will do.
fn root_store(roots: &Roots, inventory: &mut Inventory) -> Result<RootCertStore, ConnectorError> {
    let is_named = matches!(roots, Roots::Files(_));
    if is_named && let Some(problem) = inventory.problems.pop() {
        return Err(problem.into());
    }
    let mut store = RootCertStore::empty();
    for anchor in inventory.anchors.iter() {
        if let Err(source) = store.add(anchor.der().clone())
            && is_named
        {
            let name = anchor.brief();
            return Err(ConnectorError::Root { name, source });
        }
    }
    match store.is_empty() {
        true if is_named => Err(ConnectorError::NoRoots("the files hold no certificate")),
        true => Err(ConnectorError::NoRoots("this system has none")),
        false => Ok(store),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_root_that_cannot_be_read_and_a_file_without_any_are_faults() {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("roots.pem");
        let error = Connector::new(&trusting(&file), Offered::Http1).unwrap_err();
        assert!(error.to_string().contains("roots.pem"), "{error}");
        fs::write(&file, "nothing in here").unwrap();
        Connector::new(&trusting(&file), Offered::Http1).unwrap_err();
    }

    #[test]
    fn a_damaged_file_leaves_what_was_read_before() {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("roots.pem");
        fs::write(&file, root()).unwrap();
        let connector = Connector::new(&trusting(&file), Offered::Http1).unwrap();
        let before = connector.current.current();
        assert!(!connector.read_again().unwrap());
        fs::write(&file, "torn").unwrap();
        connector.read_again().unwrap_err();
        assert!(Arc::ptr_eq(&before, &connector.current.current()));
        fs::write(&file, root()).unwrap();
        assert!(connector.read_again().unwrap());
        assert!(!Arc::ptr_eq(&before, &connector.current.current()));
    }

    fn trusting(file: &Path) -> ConnectorSettings {
        ConnectorSettings {
            trust: Trust::Roots(Roots::Files(vec![file.to_owned()])),
            ..ConnectorSettings::default()
        }
    }

    fn root() -> String {
        rcgen::generate_simple_self_signed(["root.test".to_owned()])
            .unwrap()
            .cert
            .pem()
    }
}
