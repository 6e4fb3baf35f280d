//! What the tests of this room share: a PKI of one root, a snapshot of it, and a client to shake hands with in memory.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, PKCS_RSA_SHA256, RevokedCertParams, SerialNumber,
};
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, DEFAULT_VERSIONS, DistinguishedName, HandshakeKind, NamedGroup,
    ProtocolVersion, RootCertStore, ServerConnection, SideData, SignatureScheme, SupportedProtocolVersion,
};

use super::{
    ClientAuth, ClientAuthPolicy, ClientCertificates, Demand, Examiner, Identity, Revocation, Settings, Snapshot,
    TicketKey, Tickets,
};
use crate::certs::{ClientTrust, RevocationList};
use crate::chain::Certificate;

/// A root that issues leaves.
pub(super) struct Pki {
    root: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    pub(super) fn new() -> Self {
        Self::named("root")
    }

    /// One whose root has this name.
    pub(super) fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { root }
    }

    /// What a client says that names the root as authority.
    pub(super) fn authority(&self) -> DistinguishedName {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.der().clone()).unwrap();
        roots.subjects().remove(0)
    }

    /// An identity with an ECDSA P-256 key.
    pub(super) fn identity(&self, names: &[&str]) -> Identity {
        self.identity_with(names, KeyPair::generate().unwrap())
    }

    /// An identity with an RSA key of 2048 bits.
    pub(super) fn rsa_identity(&self, names: &[&str]) -> Identity {
        self.identity_with(names, KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap())
    }

    /// A chain of a leaf alone, and its key.
    pub(super) fn leaf(&self, names: &[&str], key: KeyPair) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let leaf = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &self.root)
            .unwrap();
        (vec![leaf.der().clone()], key.into())
    }

    /// What a client with the name `name` proves itself with; `serial` is what a CRL calls it by.
    pub(super) fn client(&self, name: &str, serial: u64) -> ClientIdentity {
        self.client_valid(name, serial, 2000..4000)
    }

    /// The same, valid in these years.
    pub(super) fn client_valid(&self, name: &str, serial: u64, years: std::ops::Range<i32>) -> ClientIdentity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(serial.into());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        let certificate = params.signed_by(&key, &self.root).unwrap();
        (vec![certificate.der().clone()], key.serialize_der())
    }

    /// An authority with a key of its own below this one.
    pub(super) fn below(&self, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.use_authority_key_identifier_extension = true;
        let root = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &self.root).unwrap();
        Self { root }
    }

    /// A certificate of this authority for the key of `other`, which is called `name`.
    pub(super) fn cross_sign(&self, other: &Self, name: &str) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.use_authority_key_identifier_extension = true;
        let signed = params.signed_by(other.root.key(), &self.root).unwrap();
        signed.der().clone()
    }

    /// The certificate of the authority itself.
    pub(super) fn certificate(&self) -> CertificateDer<'static> {
        self.root.der().clone()
    }

    /// Its CRL of the year `year`, which revokes `serials`.
    pub(super) fn crl(&self, serials: &[u64], year: i32) -> RevocationList {
        let serials: Vec<SerialNumber> = serials.iter().map(|serial| (*serial).into()).collect();
        self.crl_of(&serials, year)
    }

    /// The same, for serial numbers that are not small.
    pub(super) fn crl_of(&self, serials: &[SerialNumber], year: i32) -> RevocationList {
        let this_update = rcgen::date_time_ymd(year, 1, 1);
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: serial.clone(),
            revocation_time: this_update,
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update,
            next_update: rcgen::date_time_ymd(year + 1, 1, 1),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        RevocationList::from_der(params.signed_by(&self.root).unwrap().der()).unwrap()
    }

    /// What examines clients of this authority, without any CRL.
    pub(super) fn examiner(&self) -> Examiner {
        examiner(&[self], Vec::new(), None)
    }

    fn identity_with(&self, names: &[&str], key: KeyPair) -> Identity {
        let (chain, key) = self.leaf(names, key);
        Identity::new(chain, &key, names.iter().map(|name| Box::from(*name)).collect()).unwrap()
    }
}

/// Certificates, leaf first, and the DER of the key.
pub(super) type ClientIdentity = (Vec<CertificateDer<'static>>, Vec<u8>);

/// What examines clients of these authorities.
pub(super) fn examiner(authorities: &[&Pki], lists: Vec<RevocationList>, revocation: Option<Revocation>) -> Examiner {
    let authority = |pki: &&Pki| Arc::new(Certificate::from_der(pki.certificate()).unwrap());
    let trust = ClientTrust {
        authorities: authorities.iter().map(authority).collect(),
        revocation_lists: lists.into_iter().map(Arc::new).collect(),
    };
    Examiner::new(&trust, revocation).unwrap()
}

/// One policy for each of these hosts; a host without a name stands for all others.
pub(super) fn client_auth<const N: usize>(policies: [(&str, Demand); N]) -> Arc<ClientAuth> {
    let policies = policies.into_iter().map(|(host, demand)| ClientAuthPolicy {
        hosts: [host]
            .into_iter()
            .filter(|host| !host.is_empty())
            .map(Box::from)
            .collect(),
        demand,
    });
    Arc::new(ClientAuth::new(policies.collect()))
}

pub(super) fn settings() -> Settings {
    Settings {
        handshake_timeout: Duration::from_secs(10),
        strict_sni: false,
        key_log: false,
    }
}

/// A snapshot with ticket keys of its own.
pub(super) fn snapshot<const N: usize>(identities: [Identity; N]) -> Snapshot {
    Snapshot::new(identities.into(), &Tickets::new().unwrap(), &settings()).unwrap()
}

/// A clock that stands at so many hours after the beginning of an epoch of ticket keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct At(pub(super) u64);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        let begin = Duration::from_secs(1_780_272_000);
        Some(UnixTime::since_unix_epoch(begin + Duration::from_secs(self.0 * 3600)))
    }
}

/// Tickets under keys of files, each full of one byte.
pub(super) fn shared_keys(sealing: u8, others: &[u8], clock: Arc<dyn TimeProvider>) -> Tickets {
    let key = |byte: u8| TicketKey::of_file(&[byte; 80]).unwrap();
    Tickets::of_keys(key(sealing), others.iter().copied().map(key).collect(), clock)
}

/// A client that trusts one root and remembers its sessions.
pub(super) struct Client {
    roots: Arc<RootCertStore>,
    provider: CryptoProvider,
    versions: Vec<&'static SupportedProtocolVersion>,
    protocols: Vec<Vec<u8>>,
    server_name: bool,
    identity: Option<ClientIdentity>,
    sessions: Arc<dyn ClientSessionStore>,
    /// One for all handshakes: rustls resumes a session only under the verifier that it began with.
    config: OnceLock<Arc<ClientConfig>>,
}

/// What client and server agreed on.
#[derive(Debug)]
pub(super) struct Agreed {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) group: Option<NamedGroup>,
    pub(super) kind: Option<HandshakeKind>,
    pub(super) protocol: Option<Vec<u8>>,
    pub(super) version: Option<ProtocolVersion>,
    pub(super) client: Option<Arc<ClientCertificates>>,
}

impl Client {
    pub(super) fn of(pki: &Pki) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(pki.root.der().clone()).unwrap();
        Self {
            roots: Arc::new(roots),
            provider: default_provider(),
            versions: DEFAULT_VERSIONS.to_vec(),
            protocols: Vec::new(),
            server_name: true,
            identity: None,
            sessions: Arc::new(ClientSessionMemoryCache::new(8)),
            config: OnceLock::new(),
        }
    }

    pub(super) fn groups(mut self, groups: Vec<&'static dyn SupportedKxGroup>) -> Self {
        self.provider.kx_groups = groups;
        self
    }

    pub(super) fn protocols(mut self, protocols: &[&str]) -> Self {
        self.protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self
    }

    /// The signature schemes the handshake may use; certificates may be signed with any.
    pub(super) fn schemes(mut self, schemes: &[SignatureScheme]) -> Self {
        let algorithms = &mut self.provider.signature_verification_algorithms;
        let kept = algorithms.mapping.iter().filter(|(scheme, _)| schemes.contains(scheme));
        algorithms.mapping = kept.copied().collect::<Vec<_>>().leak();
        self
    }

    /// Offers every session to every host.
    pub(super) fn that_confuses_names(mut self) -> Self {
        self.sessions = Arc::new(Confused(ClientSessionMemoryCache::new(8)));
        self
    }

    pub(super) fn version(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.versions = vec![version];
        self
    }

    /// What it shows where a certificate is asked for.
    pub(super) fn showing(mut self, identity: ClientIdentity) -> Self {
        self.identity = Some(identity);
        self
    }

    pub(super) fn without_server_name(mut self) -> Self {
        self.server_name = false;
        self
    }

    /// A handshake with `snapshot`, verified for `name`, up to the arrival of the session tickets.
    pub(super) fn handshake(&self, snapshot: &Snapshot, name: &str) -> Result<Agreed, rustls::Error> {
        let server_name = self.server_name.then(|| name.to_ascii_lowercase());
        let beginning = snapshot.begin(server_name.as_deref()).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let config = self.config.get_or_init(|| Arc::new(self.config()));
        let mut client = ClientConnection::new(Arc::clone(config), name).unwrap();
        let mut server = ServerConnection::new(Arc::clone(&beginning.config)).unwrap();
        while client.wants_write() || server.wants_write() {
            transfer(&mut client, &mut server)?;
            transfer(&mut server, &mut client)?;
        }
        assert!(!client.is_handshaking() && !server.is_handshaking());
        Ok(Agreed {
            chain: client.peer_certificates().unwrap_or_default().to_vec(),
            group: client.negotiated_key_exchange_group().map(|group| group.name()),
            kind: server.handshake_kind(),
            protocol: server.alpn_protocol().map(<[u8]>::to_vec),
            version: server.protocol_version(),
            client: beginning.memory.verdict.get().and_then(|verdict| verdict.clone().ok()),
        })
    }

    fn config(&self) -> ClientConfig {
        let config = ClientConfig::builder_with_provider(Arc::new(self.provider.clone()))
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(Arc::clone(&self.roots));
        let mut config = match &self.identity {
            Some((chain, key)) => {
                let key = PrivateKeyDer::Pkcs8(key.clone().into());
                config.with_client_auth_cert(chain.clone(), key).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = self.protocols.clone();
        config.enable_sni = self.server_name;
        config.resumption = Resumption::store(Arc::clone(&self.sessions));
        config
    }
}

fn transfer<From: SideData, To: SideData>(
    from: &mut ConnectionCommon<From>,
    to: &mut ConnectionCommon<To>,
) -> Result<(), rustls::Error> {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    let mut unread = &*bytes;
    while !unread.is_empty() {
        to.read_tls(&mut unread).unwrap();
        to.process_new_packets()?;
    }
    Ok(())
}

/// Keeps all sessions under one name.
#[derive(Debug)]
struct Confused(ClientSessionMemoryCache);

impl Confused {
    fn name() -> ServerName<'static> {
        ServerName::try_from("any.test").unwrap()
    }
}

impl ClientSessionStore for Confused {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(Self::name(), group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(&Self::name())
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_tls12_session(Self::name(), value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(&Self::name())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.0.remove_tls12_session(&Self::name());
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(Self::name(), value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(&Self::name())
    }
}

/// Somebody who is connected.
pub(super) fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4711))
}

/// Runs a future to its end.
pub(super) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}
