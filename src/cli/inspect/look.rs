//! The handshakes: one for each version of TLS and one for the other kind of key, until it is known what a server sends
//! to whom.

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use rustls_pki_types::{CertificateDer, ServerName};

use crate::chain::{Certificate, KeyAlgorithm};
use crate::cli::with_causes;
use crate::tls::{KeyKind, Offer, PresentError, Presented, Version, presented};

/// What a server sends, to whomever it is.
#[derive(Debug)]
pub(super) struct Look {
    /// The address that answered.
    pub(super) address: SocketAddr,
    /// Each different list of certificates once; never empty.
    pub(super) shown: Vec<Shown>,
    /// The versions in which no handshake was made.
    pub(super) failed: Vec<(Version, PresentError)>,
}

/// One list of certificates, and the handshakes in which it was sent.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) handshakes: Vec<(Offer, Presented)>,
}

/// Why nothing was seen.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    #[error(transparent)]
    Present(#[from] PresentError),
    #[error("no handshake in TLS 1.3 ({newer}) nor in TLS 1.2 ({older}){}", hint(.newer, .older, *.has_name))]
    NoVersion {
        newer: Failure,
        older: Failure,
        has_name: bool,
    },
}

/// A failed handshake with its cause in one line.
#[derive(Debug)]
pub(super) struct Failure(Box<PresentError>);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&with_causes(&*self.0))
    }
}

fn hint(newer: &Failure, older: &Failure, has_name: bool) -> &'static str {
    let is_refused = |failure: &Failure| matches!(*failure.0, PresentError::Refused(_));
    if !has_name && is_refused(newer) && is_refused(older) {
        "; it may want to be asked for a name: --sni NAME"
    } else {
        ""
    }
}

impl Shown {
    /// To whom it was shown, in a few words.
    pub(super) fn label(&self) -> String {
        let labels: Vec<String> = self.handshakes.iter().map(|(offer, _)| label(*offer)).collect();
        labels.join(" and ")
    }
}

/// `TLSv1.3`, or `TLSv1.3 to clients of RSA alone`.
pub(super) fn label(offer: Offer) -> String {
    let version = offer.version.as_str();
    match offer.key {
        None => version.to_owned(),
        Some(KeyKind::Ecdsa) => format!("{version} to clients of ECDSA alone"),
        Some(KeyKind::Rsa) => format!("{version} to clients of RSA alone"),
    }
}

/// Looks at the first of `addresses` that takes connections.
pub(super) fn look(addresses: &[SocketAddr], name: &ServerName<'static>, deadline: Instant) -> Result<Look, LookError> {
    let (address, newer) = first_to_answer(addresses, name, deadline)?;
    let older = presented(address, name, any_key(Version::Tls12), deadline);
    let mut look = Look {
        address,
        shown: Vec::new(),
        failed: Vec::new(),
    };
    match (newer, older) {
        (Err(newer), Err(older)) => {
            return Err(LookError::NoVersion {
                newer: Failure(Box::new(newer)),
                older: Failure(Box::new(older)),
                has_name: matches!(name, ServerName::DnsName(_)),
            });
        }
        (newer, older) => {
            for (version, seen) in [(Version::Tls13, newer), (Version::Tls12, older)] {
                match seen {
                    Ok(seen) => look.add(any_key(version), seen),
                    Err(error) => look.failed.push((version, error)),
                }
            }
        }
    }
    look.add_other_key(name, deadline);
    Ok(look)
}

fn any_key(version: Version) -> Offer {
    Offer { version, key: None }
}

/// What the first address that answers says to TLS 1.3. An error is one that no other version would change.
fn first_to_answer(
    addresses: &[SocketAddr],
    name: &ServerName<'static>,
    deadline: Instant,
) -> Result<(SocketAddr, Result<Presented, PresentError>), PresentError> {
    let mut failed = PresentError::TimedOut;
    for (position, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        // Whoever does not answer leaves time for the others.
        let share = u32::try_from(addresses.len() - position).map_or(left, |others| left / others);
        match presented(*address, name, any_key(Version::Tls13), Instant::now() + share) {
            Err(error @ (PresentError::Connect { .. } | PresentError::TimedOut)) => failed = error,
            Err(error @ (PresentError::PlainHttp | PresentError::NotTls(_))) => return Err(error),
            seen => return Ok((*address, seen)),
        }
    }
    Err(failed)
}

impl Look {
    /// Whether `shown` is sent in TLS 1.2, where the order of certificates matters (RFC 5246 section 7.4.2). What was seen
    /// with the other kind of key in one version is sent in the other as well.
    pub(super) fn is_for_tls12(&self, shown: &Shown) -> bool {
        let is_tls12 = |(offer, _): &(Offer, Presented)| offer.version == Version::Tls12;
        let speaks_it = self.shown.iter().any(|shown| shown.handshakes.iter().any(is_tls12));
        let is_for_one_key = |(offer, _): &(Offer, Presented)| offer.key.is_some();
        let handshakes = &shown.handshakes;
        handshakes.iter().any(is_tls12) || speaks_it && handshakes.iter().any(is_for_one_key)
    }

    fn add(&mut self, offer: Offer, seen: Presented) {
        let same = |shown: &&mut Shown| shown.certificates == seen.certificates;
        match self.shown.iter_mut().find(same) {
            Some(shown) => shown.handshakes.push((offer, seen)),
            None => self.shown.push(Shown {
                certificates: seen.certificates.clone(),
                handshakes: vec![(offer, seen)],
            }),
        }
    }

    /// Asks for the kind of key that has not been seen yet. Most servers have none, so that a failure says nothing.
    fn add_other_key(&mut self, name: &ServerName<'static>, deadline: Instant) {
        let Some((offer, seen)) = self.shown.first().and_then(|shown| shown.handshakes.first()) else {
            return;
        };
        let leaf = seen.certificates.first().cloned();
        let leaf = leaf.and_then(|leaf| Certificate::from_der(leaf).ok());
        let other = match leaf.map(|leaf| leaf.key_algorithm()) {
            Some(KeyAlgorithm::Rsa { .. }) => KeyKind::Ecdsa,
            Some(KeyAlgorithm::Ec { .. } | KeyAlgorithm::Ed25519) => KeyKind::Rsa,
            Some(KeyAlgorithm::Other) | None => return,
        };
        let offer = Offer {
            key: Some(other),
            ..*offer
        };
        if let Ok(seen) = presented(self.address, name, offer, deadline) {
            let is_new = self.shown.iter().all(|shown| shown.certificates != seen.certificates);
            if is_new {
                self.add(offer, seen);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_next_address_is_asked_where_one_does_not_answer() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let last = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [closed, silent.local_addr().unwrap(), last.local_addr().unwrap()];
        let server = thread::spawn(move || {
            let (mut stream, _) = last.accept().unwrap();
            // Read first, or closing would reset the connection under the answer.
            let _ = stream.read(&mut [0; 16 * 1024]).unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        });
        let name = ServerName::try_from("a.test").unwrap();
        let seen = look(&addresses, &name, Instant::now() + Duration::from_secs(2));
        assert!(
            matches!(seen, Err(LookError::Present(PresentError::PlainHttp))),
            "{seen:?}"
        );
        server.join().unwrap();
        let seen = look(&addresses[..1], &name, Instant::now() + Duration::from_secs(2));
        assert!(
            matches!(seen, Err(LookError::Present(PresentError::Connect { .. }))),
            "{seen:?}"
        );
    }
}
