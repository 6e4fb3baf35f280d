//! What rustls is told: versions, groups, ALPN, tickets, compression, and what is asked of clients.

use std::sync::Arc;

use rustls::compress::CompressionCache;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{KeyLogFile, ServerConfig};

use super::compression::compressors;
use super::{Error, Tickets};

/// The configuration of a server that shows clients what `resolver` finds and resumes sessions by `tickets`. Where it `logs_keys`,
/// the secrets of connections go to the file that `SSLKEYLOGFILE` names, if it does.
///
/// # Errors
///
/// [`Error::ServerConfig`] where the provider cannot speak the versions asked for.
pub(super) fn server_config(
    resolver: Arc<dyn ResolvesServerCert>,
    tickets: &Tickets,
    logs_keys: bool,
) -> Result<ServerConfig, Error> {
    let mut config = base(Arc::new(provider()), resolver, WebPkiClientVerifier::no_client_auth())?;
    config.ticketer = tickets.ticketer();
    if logs_keys {
        config.key_log = Arc::new(KeyLogFile::new());
    }
    Ok(config)
}

/// As `common`, for a client whose certificate `verifier` examines. Nothing is resumed: a ticket would outlive the
/// certificate, and its revocation.
///
/// # Errors
///
/// As [`server_config`].
pub(super) fn examining(
    common: &ServerConfig,
    resolver: Arc<dyn ResolvesServerCert>,
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, Error> {
    let mut config = base(Arc::clone(common.crypto_provider()), resolver, verifier)?;
    config.send_tls13_tickets = 0;
    config.key_log = Arc::clone(&common.key_log);
    Ok(config)
}

/// What both have in common; it resumes nothing.
fn base(
    provider: Arc<CryptoProvider>,
    resolver: Arc<dyn ResolvesServerCert>,
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(Error::ServerConfig)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ignore_client_order = true;
    // Tickets alone resume sessions. A store of session ids would belong to one snapshot and end with it.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // RFC 8446 section 8: early data can be replayed. Zero is rustls' default too; it is a promise here.
    config.max_early_data_size = 0;
    config.cert_compressors = compressors();
    config.cert_compression_cache = Arc::new(CompressionCache::Disabled);
    // What clients send is decompressed before anybody knows them; their chains are short.
    config.cert_decompressors = Vec::new();
    Ok(config)
}

/// Made here and not taken from the process-wide default, which any dependency may set.
fn provider() -> CryptoProvider {
    CryptoProvider {
        kx_groups: groups(),
        ..default_provider()
    }
}

/// The groups that keys are agreed on in; with the feature `fips`, those that it stands for.
pub(super) fn groups() -> Vec<&'static dyn SupportedKxGroup> {
    let is_allowed = |group: &&dyn SupportedKxGroup| !cfg!(feature = "fips") || group.fips();
    GROUPS.iter().copied().filter(is_allowed).collect()
}

/// Post-quantum first: what is recorded today may be opened in ten years.
const GROUPS: &[&dyn SupportedKxGroup] = &[
    kx_group::X25519MLKEM768,
    kx_group::X25519,
    kx_group::SECP256R1,
    kx_group::SECP384R1,
];

#[cfg(test)]
mod tests {
    use rustls::{NamedGroup, ProtocolVersion};

    use super::*;
    use crate::tls::rig::{Client, Pki, snapshot};

    #[test]
    fn the_post_quantum_group_is_agreed_with_a_client_that_offers_a_share_of_it() {
        let pki = Pki::new();
        let snapshot = snapshot([pki.identity(&["a.test"])]);
        let client = Client::of(&pki).groups(vec![kx_group::X25519MLKEM768, kx_group::X25519]);
        let agreed = client.handshake(&snapshot, "a.test").unwrap();
        assert_eq!(agreed.group, Some(NamedGroup::X25519MLKEM768));
    }

    // X25519 alone is none of FIPS.
    #[cfg(not(feature = "fips"))]
    #[test]
    fn classical_groups_remain_for_other_clients() {
        let pki = Pki::new();
        let snapshot = snapshot([pki.identity(&["a.test"])]);
        for group in [kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1] {
            let client = Client::of(&pki).groups(vec![group]);
            let agreed = client.handshake(&snapshot, "a.test").unwrap();
            assert_eq!(agreed.group, Some(group.name()));
        }
    }

    #[test]
    fn both_protocol_versions_are_spoken() {
        let pki = Pki::new();
        let snapshot = snapshot([pki.identity(&["a.test"])]);
        for (version, name) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
            let client = Client::of(&pki).version(version);
            assert_eq!(client.handshake(&snapshot, "a.test").unwrap().version, Some(name));
        }
    }

    #[test]
    fn http2_is_chosen_before_http1_whatever_the_client_prefers() {
        let pki = Pki::new();
        let snapshot = snapshot([pki.identity(&["a.test"])]);
        let offers = [
            (&["http/1.1", "h2"][..], Some("h2")),
            (&["http/1.1"], Some("http/1.1")),
            (&[], None),
        ];
        for (offered, chosen) in offers {
            let agreed = Client::of(&pki)
                .protocols(offered)
                .handshake(&snapshot, "a.test")
                .unwrap();
            assert_eq!(agreed.protocol.as_deref(), chosen.map(str::as_bytes));
        }
    }

    #[test]
    fn everything_is_of_fips_where_it_was_built_so() {
        let snapshot = snapshot([Pki::new().identity(&["a.test"])]);
        assert_eq!(snapshot.server_config().fips(), cfg!(feature = "fips"));
    }

    #[test]
    fn early_data_and_key_logging_are_off() {
        let snapshot = snapshot([Pki::new().identity(&["a.test"])]);
        assert_eq!(snapshot.server_config().max_early_data_size, 0);
        assert!(!snapshot.server_config().key_log.will_log("CLIENT_RANDOM"));
    }
}
