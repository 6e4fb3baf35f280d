//! What a server presents in a handshake: its certificates as they come, judged by nobody.
//!
//! A client that believes everything is of use for looking alone: it sends no request, and says goodbye as soon as the
//! handshake is done. Blocking, for the command line; whatever the other side does, it ends at the deadline.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ClientConfig, ClientConnection, SignatureAlgorithm, SignatureScheme};

use super::server_config::groups;
use super::wire::{Failure, Wire};
use super::witness::Witness;

/// What one handshake offers, so that the server shows what it keeps for such clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The only version spoken.
    pub version: Version,
    /// The only kind of key accepted in the leaf; any where there is none.
    pub key: Option<KeyKind>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// RFC 5246
    Tls12,
    /// RFC 8446
    Tls13,
}

/// The kinds of keys that servers keep side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA, and EdDSA with it.
    Ecdsa,
    /// RSA
    Rsa,
}

/// What a server presented, and what was agreed on beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The certificates in the order in which they came; never empty.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The stapled OCSP response (RFC 6066 section 8), unread.
    pub ocsp_response: Option<Vec<u8>>,
    /// The cipher suite.
    pub cipher_suite: Option<String>,
    /// The key exchange group.
    pub group: Option<String>,
    /// What ALPN chose.
    pub protocol: Option<String>,
}

/// Why a server shows no certificates.
#[derive(Debug, thiserror::Error)]
pub enum PresentError {
    /// Nobody takes the connection.
    #[error("cannot connect to {address}")]
    Connect {
        /// Who was asked.
        address: SocketAddr,
        /// Why there is no connection.
        source: io::Error,
    },
    /// The connection broke, or the server ended it without a word.
    #[error("the connection ended during the handshake")]
    Closed(#[source] io::Error),
    /// The server answers TLS with HTTP.
    #[error("it speaks plain HTTP there, not TLS")]
    PlainHttp,
    /// The server speaks something else; the text is how it began.
    #[error("it does not speak TLS there; it says \"{0}\"")]
    NotTls(String),
    /// The server ended the handshake with an alert.
    #[error("the server refused: {0:?}")]
    Refused(AlertDescription),
    /// The two sides have nothing in common, or the server breaks the protocol.
    #[error("the TLS handshake failed")]
    Protocol(#[source] rustls::Error),
    /// The time is over.
    #[error("no handshake in time")]
    TimedOut,
}

impl Version {
    /// The version as logs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }
}

impl KeyKind {
    /// Whether a handshake may be signed by `scheme`.
    fn signs(self, scheme: SignatureScheme) -> bool {
        match self {
            Self::Rsa => scheme_is_rsa(scheme),
            Self::Ecdsa => !scheme_is_rsa(scheme),
        }
    }

    /// The kind's algorithm in cipher suites of TLS 1.2 (RFC 8422 section 5.10: EdDSA goes by ECDSA there).
    fn algorithm(self) -> SignatureAlgorithm {
        match self {
            Self::Rsa => SignatureAlgorithm::RSA,
            Self::Ecdsa => SignatureAlgorithm::ECDSA,
        }
    }
}

/// What the server at `address` presents to a client that asks for `server_name` with `offer`, all before `deadline`.
///
/// # Errors
///
/// [`PresentError`] where no certificate comes.
pub fn presented(
    address: SocketAddr,
    server_name: &ServerName<'static>,
    offer: Offer,
    deadline: Instant,
) -> Result<Presented, PresentError> {
    let witness = Arc::new(Witness::new(schemes(offer.key)));
    let config = client_config(offer, Arc::clone(&witness)).map_err(PresentError::Protocol)?;
    let mut connection =
        ClientConnection::new(Arc::new(config), server_name.clone()).map_err(PresentError::Protocol)?;
    let mut wire = Wire::connect(address, deadline)?;
    let ended = shake_hands(&mut connection, &mut wire);
    // A server that wants a certificate of ours, say, goes on to fail; it has shown its own all the same.
    let Some(testimony) = witness.testimony() else {
        return Err(match ended {
            Ok(()) => PresentError::Protocol(rustls::Error::NoCertificatesPresented),
            Err(failure) => wire.explain(failure),
        });
    };
    say_goodbye(&mut connection, &mut wire);
    Ok(Presented {
        certificates: testimony.certificates.clone(),
        ocsp_response: testimony.ocsp_response.clone(),
        cipher_suite: connection
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str().map(str::to_owned)),
        group: connection
            .negotiated_key_exchange_group()
            .map(|group| format!("{:?}", group.name())),
        protocol: connection
            .alpn_protocol()
            .map(|protocol| protocol.escape_ascii().to_string()),
    })
}

fn client_config(offer: Offer, witness: Arc<Witness>) -> Result<ClientConfig, rustls::Error> {
    // As browsers offer them: what a server makes of the post-quantum group is worth seeing.
    let mut provider = CryptoProvider {
        kx_groups: groups(),
        ..default_provider()
    };
    let version = match offer.version {
        Version::Tls12 => &TLS12,
        Version::Tls13 => &TLS13,
    };
    if let (Some(key), Version::Tls12) = (offer.key, offer.version) {
        let algorithm = key.algorithm();
        provider
            .cipher_suites
            .retain(|suite| suite.usable_for_signature_algorithm(algorithm));
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])?
        .dangerous()
        .with_custom_certificate_verifier(witness)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Every scheme there is, the weak ones too: what such a server presents is to be seen. Nothing is ever believed.
fn schemes(key: Option<KeyKind>) -> Vec<SignatureScheme> {
    use SignatureScheme as Scheme;
    let all = [
        Scheme::ECDSA_NISTP256_SHA256,
        Scheme::ECDSA_NISTP384_SHA384,
        Scheme::ECDSA_NISTP521_SHA512,
        Scheme::ED25519,
        Scheme::ED448,
        Scheme::RSA_PSS_SHA256,
        Scheme::RSA_PSS_SHA384,
        Scheme::RSA_PSS_SHA512,
        Scheme::RSA_PKCS1_SHA256,
        Scheme::RSA_PKCS1_SHA384,
        Scheme::RSA_PKCS1_SHA512,
        Scheme::ECDSA_SHA1_Legacy,
        Scheme::RSA_PKCS1_SHA1,
    ];
    let is_offered = |scheme: &Scheme| key.is_none_or(|key| key.signs(*scheme));
    all.into_iter().filter(is_offered).collect()
}

fn scheme_is_rsa(scheme: SignatureScheme) -> bool {
    use SignatureScheme as Scheme;
    matches!(
        scheme,
        Scheme::RSA_PSS_SHA256
            | Scheme::RSA_PSS_SHA384
            | Scheme::RSA_PSS_SHA512
            | Scheme::RSA_PKCS1_SHA256
            | Scheme::RSA_PKCS1_SHA384
            | Scheme::RSA_PKCS1_SHA512
            | Scheme::RSA_PKCS1_SHA1
    )
}

fn shake_hands(connection: &mut ClientConnection, wire: &mut Wire) -> Result<(), Failure> {
    while connection.is_handshaking() {
        while connection.wants_write() {
            connection.write_tls(wire).map_err(Failure::Wire)?;
        }
        if connection.is_handshaking() {
            if connection.read_tls(wire).map_err(Failure::Wire)? == 0 {
                return Err(Failure::Wire(io::ErrorKind::UnexpectedEof.into()));
            }
            if let Err(error) = connection.process_new_packets() {
                // The alert that says why; whether it arrives changes nothing.
                let _ = connection.write_tls(wire);
                return Err(Failure::Tls(error));
            }
        }
    }
    Ok(())
}

/// The client's last flight and close_notify. That the server does not stay to hear them changes nothing.
fn say_goodbye(connection: &mut ClientConnection, wire: &mut Wire) {
    connection.send_close_notify();
    while connection.wants_write() {
        if connection.write_tls(wire).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    use rustls::ServerConnection;

    use super::*;
    use crate::tls::Snapshot;
    use crate::tls::rig::{Pki, snapshot};

    const ANY: Offer = Offer {
        version: Version::Tls13,
        key: None,
    };

    #[test]
    fn each_version_shows_the_certificates_and_what_was_agreed_on() {
        let pki = Pki::new();
        let server = Serving::start(snapshot([pki.identity(&["a.test"])]));
        let leaf = server.leaf(0);
        for version in [Version::Tls12, Version::Tls13] {
            let seen = server.show(Offer { version, key: None }).unwrap();
            assert_eq!(seen.certificates, std::slice::from_ref(&leaf));
            assert_eq!(seen.ocsp_response, None);
            assert_eq!(seen.protocol.as_deref(), Some("h2"));
            assert!(
                seen.cipher_suite.unwrap().starts_with("TLS") && seen.group.is_some(),
                "{version:?}"
            );
        }
    }

    #[test]
    fn a_server_with_two_kinds_of_keys_shows_each_to_whoever_accepts_nothing_else() {
        let pki = Pki::new();
        let server = Serving::start(snapshot([pki.identity(&["a.test"]), pki.rsa_identity(&["a.test"])]));
        for version in [Version::Tls12, Version::Tls13] {
            for (position, key) in [KeyKind::Ecdsa, KeyKind::Rsa].into_iter().enumerate() {
                let seen = server.show(Offer {
                    version,
                    key: Some(key),
                });
                assert_eq!(
                    seen.unwrap().certificates,
                    [server.leaf(position)],
                    "{version:?} {key:?}"
                );
            }
        }
    }

    #[test]
    fn a_server_without_such_a_key_refuses() {
        let server = Serving::start(snapshot([Pki::new().identity(&["a.test"])]));
        let seen = server.show(Offer {
            key: Some(KeyKind::Rsa),
            ..ANY
        });
        assert!(matches!(seen, Err(PresentError::Refused(_))), "{seen:?}");
    }

    #[test]
    fn whatever_is_no_tls_is_told_by_how_it_begins() {
        let http = answered(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        assert!(matches!(http, Err(PresentError::PlainHttp)), "{http:?}");
        let mail = answered(b"220 mx.a.test ESMTP\r\n");
        assert!(
            matches!(&mail, Err(PresentError::NotTls(text)) if text == "220 mx.a.test ESMTP"),
            "{mail:?}"
        );
        let garbage = answered(&[0xff; 4096]);
        assert!(matches!(garbage, Err(PresentError::NotTls(_))), "{garbage:?}");
        let nothing = answered(b"");
        assert!(matches!(nothing, Err(PresentError::Closed(_))), "{nothing:?}");
        let broken = answered(&[22, 3, 3, 0, 4, 2, 0, 0, 0]);
        assert!(matches!(broken, Err(PresentError::Protocol(_))), "{broken:?}");
    }

    #[test]
    fn a_silent_server_is_left_at_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let seen = show(listener.local_addr().unwrap(), ANY, Duration::from_millis(20));
        assert!(matches!(seen, Err(PresentError::TimedOut)), "{seen:?}");
    }

    #[test]
    fn a_server_that_dribbles_without_end_is_left_at_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // The head of a long record, and then one byte of it after another.
            let mut bytes: &[u8] = &[22, 3, 3, 0x40, 0];
            while stream.write_all(bytes).is_ok() {
                bytes = &[0];
                thread::park_timeout(Duration::from_millis(1));
            }
        });
        let seen = show(address, ANY, Duration::from_millis(100));
        assert!(matches!(seen, Err(PresentError::TimedOut)), "{seen:?}");
        server.join().unwrap();
    }

    #[test]
    fn nobody_listening_is_said() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let seen = show(address, ANY, PATIENCE);
        assert!(matches!(seen, Err(PresentError::Connect { .. })), "{seen:?}");
    }

    const PATIENCE: Duration = Duration::from_secs(10);

    fn show(address: SocketAddr, offer: Offer, patience: Duration) -> Result<Presented, PresentError> {
        let name = ServerName::try_from("a.test").unwrap();
        presented(address, &name, offer, Instant::now() + patience)
    }

    /// What comes of a server that answers everything with `bytes` and closes.
    fn answered(bytes: &'static [u8]) -> Result<Presented, PresentError> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // Read first, or closing would reset the connection under the answer.
            let _ = stream.read(&mut [0; 16 * 1024]).unwrap();
            stream.write_all(bytes).unwrap();
        });
        let seen = show(address, ANY, PATIENCE);
        server.join().unwrap();
        seen
    }

    /// A server of one snapshot; it ends with the test.
    struct Serving {
        address: SocketAddr,
        snapshot: Arc<Snapshot>,
    }

    impl Serving {
        fn start(snapshot: Snapshot) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let serving = Self {
                address: listener.local_addr().unwrap(),
                snapshot: Arc::new(snapshot),
            };
            let snapshot = Arc::clone(&serving.snapshot);
            thread::spawn(move || {
                for mut stream in listener.incoming().map_while(Result::ok) {
                    let mut connection = ServerConnection::new(Arc::clone(snapshot.server_config())).unwrap();
                    // Until the client has gone.
                    while connection.complete_io(&mut stream).is_ok_and(|(read, _)| read > 0) {}
                }
            });
            serving
        }

        fn leaf(&self, position: usize) -> CertificateDer<'static> {
            self.snapshot.identities()[position].chain()[0].clone()
        }

        fn show(&self, offer: Offer) -> Result<Presented, PresentError> {
            show(self.address, offer, PATIENCE)
        }
    }
}
