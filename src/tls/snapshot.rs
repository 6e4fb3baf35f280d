//! Everything a handshake can see.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

use super::client_auth::{Asked, ClientAuth, Demand, Examination};
use super::memory::{Memory, Noting};
use super::resolver::Resolver;
use super::server_config::{examining, server_config};
use super::tickets::Bound;
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
            server_config: Arc::new(server_config(Arc::clone(&resolver) as _, tickets, settings.key_log)?),
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
                config.ticketer = Arc::new(Bound::new(config.ticketer, Arc::clone(&memory)));
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
    use rustls::time_provider::TimeProvider;
    use rustls::version::{TLS12, TLS13};

    use super::*;
    use crate::tls::rig::{At, Client, Pki, client_auth, settings, shared_keys, snapshot};

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
    fn a_session_resumes_on_another_replica_that_shares_the_keys() {
        let pki = Pki::new();
        let of_keys = |sealing: u8, others: &'static [u8]| move |clock| shared_keys(sealing, others, clock);
        let of_secret = |secret: &'static [u8]| move |clock| Tickets::of_secret(secret, clock).unwrap();
        type Replica<'a> = &'a dyn Fn(Arc<dyn TimeProvider>) -> Tickets;
        let cases: [(Replica<'_>, Replica<'_>, _); 5] = [
            (&of_keys(1, &[]), &of_keys(1, &[]), Resumed),
            (&of_keys(1, &[2]), &of_keys(2, &[1]), Resumed),
            (&of_keys(2, &[1]), &of_keys(1, &[]), Full),
            (&of_secret(b"the secret"), &of_secret(b"the secret"), Resumed),
            (&of_secret(b"the secret"), &of_secret(b"no secret"), Full),
        ];
        for version in [&TLS12, &TLS13] {
            for (one, other, expected) in &cases {
                let replica =
                    |tickets: &Tickets| Snapshot::new(vec![pki.identity(&["a.test"])], tickets, &settings()).unwrap();
                let client = Client::of(&pki).version(version);
                let clock = || Arc::new(At(0)) as _;
                let first = client.handshake(&replica(&one(clock())), "a.test").unwrap();
                let second = client.handshake(&replica(&other(clock())), "a.test").unwrap();
                assert_eq!((first.kind, second.kind), (Some(Full), Some(*expected)));
            }
        }
    }

    #[test]
    fn a_ticket_that_is_too_old_costs_a_full_handshake_and_nothing_else() {
        let pki = Pki::new();
        for version in [&TLS12, &TLS13] {
            for (hours, expected) in [(11, Resumed), (13, Full)] {
                for of_secret in [false, true] {
                    let client = Client::of(&pki).version(version);
                    let at = |hours: u64| match of_secret {
                        true => Tickets::of_secret(b"the secret", Arc::new(At(hours))).unwrap(),
                        false => shared_keys(1, &[], Arc::new(At(hours))),
                    };
                    let replica = |hours| {
                        let identities = vec![pki.identity(&["a.test"])];
                        Snapshot::new(identities, &at(hours), &settings()).unwrap()
                    };
                    assert_eq!(client.handshake(&replica(0), "a.test").unwrap().kind, Some(Full));
                    let later = client.handshake(&replica(hours), "a.test").unwrap();
                    assert_eq!(later.kind, Some(expected), "{hours} {of_secret}");
                }
            }
        }
    }

    /// As where staging and production share keys by mistake: whoever leads a client astray must not be able to have it
    /// greeted like an old friend.
    #[test]
    fn a_session_resumes_only_where_the_certificate_is_for_the_same_names() {
        let pki = Pki::new();
        let tickets = shared_keys(1, &[], Arc::new(At(0)));
        let replica = |identity| Snapshot::new(vec![identity], &tickets, &settings()).unwrap();
        for version in [&TLS12, &TLS13] {
            let client = Client::of(&pki).version(version);
            let here = client.handshake(&replica(pki.identity(&["a.test", "b.test"])), "a.test");
            assert_eq!(here.unwrap().kind, Some(Full));
            let elsewhere = client.handshake(&replica(pki.identity(&["b.test"])), "a.test");
            assert!(elsewhere.is_err(), "it has no certificate for the name");
            let client = Client::of(&pki).version(version);
            for (identity, expected) in [
                (pki.identity(&["a.test", "b.test"]), Full),
                (pki.identity(&["a.test"]), Full),
                (pki.identity(&["a.test", "b.test"]), Full),
                (pki.identity(&["b.test", "a.test"]), Resumed),
            ] {
                let agreed = client.handshake(&replica(identity), "a.test").unwrap();
                assert_eq!(agreed.kind, Some(expected));
            }
        }
    }

    #[test]
    fn shared_keys_resume_nothing_under_another_name_nor_where_certificates_are_asked_for() {
        let pki = Pki::new();
        let tickets = shared_keys(1, &[], Arc::new(At(0)));
        let examiner = || Arc::new(pki.examiner());
        let replica = |demand| {
            let identity = pki.identity(&["a.test", "b.test"]);
            let snapshot = Snapshot::new(vec![identity], &tickets, &settings()).unwrap();
            snapshot.with_client_auth(client_auth([("a.test", demand)]))
        };
        for version in [&TLS12, &TLS13] {
            let client = Client::of(&pki).version(version).that_confuses_names();
            let open = || replica(Demand::Nothing);
            assert_eq!(client.handshake(&open(), "a.test").unwrap().kind, Some(Full));
            assert_eq!(client.handshake(&open(), "b.test").unwrap().kind, Some(Full));
            for demand in [Demand::Optional(examiner()), Demand::Required(examiner())] {
                let asking = replica(demand);
                // Neither does what one replica gives out where nothing is asked count where another asks, nor the reverse.
                for handshakes in [
                    &[(&open(), Full), (&asking, Full)][..],
                    &[(&asking, Full), (&asking, Full), (&open(), Full), (&open(), Resumed)],
                ] {
                    let client = Client::of(&pki).version(version).showing(pki.client("known", 1));
                    for (snapshot, expected) in handshakes {
                        let agreed = client.handshake(snapshot, "a.test").unwrap();
                        assert_eq!(agreed.kind, Some(*expected));
                        assert_eq!(agreed.client.is_some(), std::ptr::eq(*snapshot, &asking));
                    }
                }
            }
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
