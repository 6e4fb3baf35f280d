//! Clients that go through the handshake and no further.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

use super::family::NAME;
use super::pki::Entity;
use super::{PATIENCE, eventually};

/// A client that trusts `root`, speaks these versions, and resumes sessions where the same one is used again.
pub(crate) fn client_config(root: &Entity, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(root.certificate.der().clone()).unwrap();
    let config = ClientConfig::builder_with_protocol_versions(versions)
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// Connects and goes through the handshake.
///
/// # Errors
///
/// What rustls says against the server; a connection that breaks is a failed test.
pub(crate) fn handshake(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    name: &str,
) -> Result<ClientConnection, rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    while connection.is_handshaking() {
        if let Err(error) = connection.complete_io(&mut socket) {
            return Err(match error.downcast::<rustls::Error>() {
                Ok(error) => error,
                Err(error) => rustls::Error::General(error.to_string()),
            });
        }
    }
    Ok(connection)
}

/// One handshake after the other, each of them full.
pub(crate) struct Trickle {
    ended: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<rustls::Error>>,
}

impl Trickle {
    pub(crate) fn start(address: SocketAddr, mut config: Arc<ClientConfig>) -> Self {
        Arc::make_mut(&mut config).resumption = Resumption::disabled();
        let (ended, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let thread = thread::spawn({
            let (ended, done) = (Arc::clone(&ended), Arc::clone(&done));
            move || {
                let mut failures = Vec::new();
                while !ended.load(Ordering::Relaxed) {
                    failures.extend(handshake(address, &config, NAME).err());
                    done.fetch_add(1, Ordering::Relaxed);
                    super::pause();
                }
                failures
            }
        });
        Self { ended, done, thread }
    }

    /// Fails where a handshake has failed, or none was made.
    #[track_caller]
    pub(crate) fn assert_none_failed(self) {
        eventually("a handshake is made", || self.done.load(Ordering::Relaxed) > 0);
        self.ended.store(true, Ordering::Relaxed);
        assert_eq!(self.thread.join().unwrap(), []);
    }
}
