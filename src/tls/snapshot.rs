//! Everything a handshake can see.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

use super::client_auth::{Asked, ClientAuth, Demand, Examination};
use super::memory::{Memory, Noting};
use super::resolver::Resolver;
use super::server_config::{examining, server_config};
use super::{Error, Identity, Settings, Tickets};

/// Everything a handshake can see; immutable.
#[derive(Debug)]
pub struct Snapshot {
    /// For clients of whom no certificate is asked.
    server_config: Arc<ServerConfig>,
    resolver: Arc<Resolver>,
    client_auth: Arc<ClientAuth>,
    handshake_timeout: Duration,
    /// Whether the configuration was made elsewhere and shows what it likes.
    is_foreign: bool,
}

/// How one handshake goes.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) config: Arc<ServerConfig>,
    /// What the client is asked.
    pub(super) asked: Asked,
    /// What comes of it.
    pub(super) memory: Arc<Memory>,
}

impl Snapshot {
    /// A snapshot that shows `identities`: the first is the default, and of several with one name the earlier is
    /// preferred. Without any, every handshake fails with an alert.
    ///
    /// # Errors
    ///
    /// [`Error::ServerConfig`] where rustls cannot be set up.
    pub fn new(identities: Vec<Identity>, tickets: &Tickets, settings: &Settings) -> Result<Self, Error> {
        let resolver = Resolver::new(identities.into(), settings.strict_sni);
        Self::of(resolver, Arc::default(), tickets, settings)
    }

    /// The same, with clients authenticated as `client_auth` says.
    #[must_use]
    pub fn with_client_auth(self, client_auth: Arc<ClientAuth>) -> Self {
        Self { client_auth, ..self }
    }

    /// The snapshot that comes after this one: as [`new`](Self::new), but what both have in common is not made again, and
    /// clients are authenticated alike.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn succeeded_by(
        &self,
        identities: Vec<Identity>,
        tickets: &Tickets,
        settings: &Settings,
    ) -> Result<Self, Error> {
        Self::of(
            self.resolver.succeeded_by(identities.into(), settings.strict_sni),
            Arc::clone(&self.client_auth),
            tickets,
            settings,
        )
    }

    /// A snapshot of a configuration made elsewhere; it names no identities, and what they cover is not known.
    pub fn foreign(server_config: ServerConfig, settings: &Settings) -> Self {
        Self {
            server_config: Arc::new(server_config),
            resolver: Arc::new(Resolver::new(Arc::new([]), settings.strict_sni)),
            client_auth: Arc::default(),
            handshake_timeout: settings.handshake_timeout,
            is_foreign: true,
        }
    }

    fn of(
        resolver: Resolver,
        client_auth: Arc<ClientAuth>,
        tickets: &Tickets,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let resolver = Arc::new(resolver);
        Ok(Self {
            server_config: Arc::new(server_config(Arc::clone(&resolver) as _, tickets)?),
            resolver,
            client_auth,
            handshake_timeout: settings.handshake_timeout,
            is_foreign: false,
        })
    }

    /// How the handshake of a client goes that asks for `server_name`.
    ///
    /// # Errors
    ///
    /// [`Error::ServerConfig`] where rustls cannot be set up.
    pub(super) fn begin(&self, server_name: Option<&str>) -> Result<Beginning, Error> {
        let policy = self.client_auth.place_for(server_name);
        let memory = Arc::<Memory>::default();
        let resolver = || {
            Arc::new(Noting {
                resolver: Arc::clone(&self.resolver),
                memory: Arc::clone(&memory),
            })
        };
        let examined = |examiner: &Arc<_>, is_required| {
            let verdict = Arc::clone(&memory.verdict);
            let examination = Examination::new(Arc::clone(examiner), is_required, verdict);
            examining(&self.server_config, resolver(), Arc::new(examination)).map(Arc::new)
        };
        let config = match self.client_auth.demand(policy) {
            Demand::Optional(examiner) => examined(examiner, false)?,
            Demand::Required(examiner) => examined(examiner, true)?,
            Demand::Nothing if self.is_foreign => Arc::clone(&self.server_config),
            Demand::Nothing => {
                let mut config = ServerConfig::clone(&self.server_config);
                config.cert_resolver = resolver();
                Arc::new(config)
            }
        };
        Ok(Beginning {
            config,
            asked: self.client_auth.asked_of(server_name),
            memory,
        })
    }

    /// How long a handshake may take.
    pub(super) fn handshake_timeout(&self) -> Duration {
        self.handshake_timeout
    }

    /// How clients are authenticated.
    pub(super) fn client_auth(&self) -> &Arc<ClientAuth> {
        &self.client_auth
    }

    /// What rustls is told for each handshake in which no certificate is asked for.
    pub fn server_config(&self) -> &Arc<ServerConfig> {
        &self.server_config
    }

    /// The identities in the order of preference.
    pub fn identities(&self) -> &[Identity] {
        self.resolver.identities()
    }
}

#[cfg(test)]
mod tests {
    use rustls::HandshakeKind::{Full, Resumed};
    use rustls::SignatureScheme;
    use rustls::version::{TLS12, TLS13};

    use super::*;
    use crate::tls::rig::{Client, Pki, settings, snapshot};

    #[test]
    fn a_client_is_shown_the_identity_of_the_name_it_asks_for() {
        let pki = Pki::new();
        let identities = [
            pki.identity(&["default.test"]),
            pki.identity(&["*.example.test"]),
            pki.identity(&["exact.example.test"]),
        ];
        let snapshot = snapshot(identities.clone());
        let client = Client::of(&pki);
        let asked = [
            ("default.test", 0),
            ("any.example.test", 1),
            ("exact.example.test", 2),
            ("EXACT.Example.TEST", 2),
        ];
        for (name, identity) in asked {
            let agreed = client.handshake(&snapshot, name).unwrap();
            assert_eq!(agreed.chain, identities[identity].chain(), "{name}");
        }
    }

    #[test]
    fn a_client_without_server_name_is_shown_the_first_identity() {
        let pki = Pki::new();
        let identities = [pki.identity(&["a.test"]), pki.identity(&["b.test"])];
        let agreed = Client::of(&pki)
            .without_server_name()
            .handshake(&snapshot(identities.clone()), "a.test");
        assert_eq!(agreed.unwrap().chain, identities[0].chain());
    }

    #[test]
    fn the_key_follows_the_clients_signature_schemes_in_both_versions() {
        let pki = Pki::new();
        let identities = [pki.rsa_identity(&["a.test"]), pki.identity(&["a.test"])];
        let snapshot = snapshot(identities.clone());
        for version in [&TLS12, &TLS13] {
            let client = |schemes: &'static [SignatureScheme]| Client::of(&pki).version(version).schemes(schemes);
            let rsa = client(&[SignatureScheme::RSA_PSS_SHA256]).handshake(&snapshot, "a.test");
            assert_eq!(rsa.unwrap().chain, identities[0].chain());
            let ecdsa = client(&[SignatureScheme::ECDSA_NISTP256_SHA256]).handshake(&snapshot, "a.test");
            assert_eq!(ecdsa.unwrap().chain, identities[1].chain());
        }
    }

    #[test]
    fn a_session_resumes_across_snapshots_in_both_versions() {
        let pki = Pki::new();
        let tickets = Tickets::new().unwrap();
        for version in [&TLS12, &TLS13] {
            let client = Client::of(&pki).version(version);
            let new = || Snapshot::new(vec![pki.identity(&["a.test"])], &tickets, &settings()).unwrap();
            assert_eq!(client.handshake(&new(), "a.test").unwrap().kind, Some(Full));
            assert_eq!(client.handshake(&new(), "a.test").unwrap().kind, Some(Resumed));
        }
    }

    #[test]
    fn a_session_does_not_resume_with_the_tickets_of_another_process() {
        let pki = Pki::new();
        for version in [&TLS12, &TLS13] {
            let client = Client::of(&pki).version(version);
            for _ in 0..2 {
                let snapshot = snapshot([pki.identity(&["a.test"])]);
                assert_eq!(client.handshake(&snapshot, "a.test").unwrap().kind, Some(Full));
            }
        }
    }

    #[test]
    fn a_session_does_not_resume_under_another_name() {
        let pki = Pki::new();
        let snapshot = snapshot([pki.identity(&["a.test"]), pki.identity(&["b.test"])]);
        for version in [&TLS12, &TLS13] {
            let client = Client::of(&pki).version(version).that_confuses_names();
            assert_eq!(client.handshake(&snapshot, "a.test").unwrap().kind, Some(Full));
            assert_eq!(client.handshake(&snapshot, "b.test").unwrap().kind, Some(Full));
            assert_eq!(client.handshake(&snapshot, "b.test").unwrap().kind, Some(Resumed));
        }
    }

    #[test]
    fn strict_sni_ends_the_handshake_of_an_unknown_name() {
        let pki = Pki::new();
        let strict = Settings {
            strict_sni: true,
            ..settings()
        };
        let snapshot = Snapshot::new(vec![pki.identity(&["a.test"])], &Tickets::new().unwrap(), &strict).unwrap();
        let client = Client::of(&pki);
        assert!(client.handshake(&snapshot, "a.test").is_ok());
        assert!(client.handshake(&snapshot, "b.test").is_err());
    }

    #[test]
    fn without_identities_every_handshake_fails_cleanly() {
        let failed = Client::of(&Pki::new()).handshake(&snapshot([]), "a.test");
        assert!(failed.is_err());
    }
}
