//! A small language for certificate trees.
//!
//! ```ignore
//! let root = ca("R").self_signed();
//! let intermediate = ca("I1").valid(-300, 300).signed_by(&root);
//! let leaf = server("www.example.test").signed_by(&intermediate);
//! let assembly = Scene::of(&leaf).store([&intermediate]).roots([&root]).assemble();
//! assert_served(&assembly, [&leaf, &intermediate]);
//! ```
//!
//! Days count from [`NOW`]; a certificate is valid from day -100 to day 100 unless told otherwise, a CA from -1000 to
//! 1000.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use fullchain::chain::{
    Anchors, Assembly, Certificate, Change, Context, Disallowed, Policy, Sha256, Signatures, Store, assemble, forecast,
};
use rcgen::{
    CertificateParams, CertificateRevocationListParams, CustomExtension, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, GeneralSubtree, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, NameConstraints,
    RevokedCertParams, SanType, SerialNumber,
};
use rustls::pki_types::UnixTime;

/// The day on which every test takes place: 2026-06-01.
pub const NOW: u64 = 1_780_272_000;

const DAY: u64 = 86_400;

/// The instant `days` after [`NOW`].
pub fn day(days: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(NOW.saturating_add_signed(days * DAY as i64)))
}

/// A certificate with its key.
#[derive(Clone)]
pub struct Entity {
    pub certificate: Arc<Certificate>,
    pub key: Arc<KeyPair>,
    name: DistinguishedName,
}

impl Entity {
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", self.certificate.der())
    }

    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }
}

/// A PEM block of 64-character lines.
pub fn pem(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in der.chunks(3) {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for position in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * position) & 63) as usize];
            text.push(if position > three.len() { '=' } else { digit.into() });
        }
    }
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A certificate that is about to be issued.
pub struct Recipe {
    params: CertificateParams,
    key: Option<Arc<KeyPair>>,
    basic_constraints: Option<Vec<u8>>,
    subject_key_id: KeyIdentifier,
    authority_key_id: Authority,
    published_at: Vec<String>,
    responders_at: Vec<String>,
}

/// What stands in subjectKeyIdentifier.
#[derive(Clone)]
enum KeyIdentifier {
    OfKey,
    None,
}

/// What stands in authorityKeyIdentifier.
#[derive(Clone)]
pub enum Authority {
    /// The key identifier of the issuer.
    OfIssuer,
    /// These bytes as key identifier.
    KeyId(Vec<u8>),
    /// No key identifier, but issuer and serial number of this certificate.
    Certificate(Arc<Certificate>),
    /// No extension.
    None,
}

/// A CA certificate for `name`.
pub fn ca(name: &str) -> Recipe {
    let mut recipe = Recipe::new(name, -1000, 1000);
    recipe.params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    recipe.basic_constraints = Some(vec![0x30, 3, 1, 1, 0xff]);
    recipe
}

/// A leaf for the DNS name `name`.
pub fn server(name: &str) -> Recipe {
    let mut recipe = Recipe::new(name, -100, 100);
    recipe.params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
    recipe.params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    recipe.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    recipe.subject_key_id = KeyIdentifier::None;
    recipe
}

/// A leaf of the client `name`.
pub fn client(name: &str) -> Recipe {
    let mut recipe = Recipe::new(name, -100, 100);
    recipe.params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    recipe.subject_key_id = KeyIdentifier::None;
    recipe.for_clients_only()
}

/// The DER of a CRL of `issuer` that revokes `revoked`, issued on one day and out of date on another, counted from [`NOW`].
pub fn crl<'e>(issuer: &Entity, revoked: impl IntoIterator<Item = &'e Entity>, days: std::ops::Range<i64>) -> Vec<u8> {
    let date = |days| time::OffsetDateTime::from_unix_timestamp(day(days).as_secs() as i64).unwrap();
    let revoked = revoked.into_iter().map(|entity| RevokedCertParams {
        serial_number: SerialNumber::from_slice(entity.certificate.serial()),
        revocation_time: date(days.start),
        reason_code: None,
        invalidity_date: None,
    });
    let list = CertificateRevocationListParams {
        this_update: date(days.start),
        next_update: date(days.end),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name = issuer.name.clone();
    let issuer = Issuer::from_params(&params, &*issuer.key);
    list.signed_by(&issuer).unwrap().der().to_vec()
}

impl Recipe {
    fn new(name: &str, from: i64, until: i64) -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(SerialNumber::from(SERIAL.fetch_add(1, Ordering::Relaxed)));
        Self {
            params,
            key: None,
            basic_constraints: None,
            subject_key_id: KeyIdentifier::OfKey,
            authority_key_id: Authority::OfIssuer,
            published_at: Vec::new(),
            responders_at: Vec::new(),
        }
        .valid(from, until)
    }

    /// The first and the last day of validity, counted from [`NOW`].
    pub fn valid(mut self, from: i64, until: i64) -> Self {
        let date = |days| time::OffsetDateTime::from_unix_timestamp(day(days).as_secs() as i64).unwrap();
        (self.params.not_before, self.params.not_after) = (date(from), date(until));
        self
    }

    /// The key of another certificate: a renewal or a cross-certificate.
    pub fn key_of(mut self, other: &Entity) -> Self {
        self.key = Some(other.key.clone());
        self
    }

    pub fn key(mut self, key: KeyPair) -> Self {
        self.key = Some(Arc::new(key));
        self
    }

    pub fn rsa(self) -> Self {
        let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        self.key(key)
    }

    pub fn ed25519(self) -> Self {
        self.key(KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap())
    }

    /// The subject's common name written as a PrintableString with these characters.
    pub fn printable(mut self, name: &str) -> Self {
        self.params.distinguished_name = DistinguishedName::new();
        let value = DnValue::PrintableString(name.try_into().unwrap());
        self.params.distinguished_name.push(DnType::CommonName, value);
        self
    }

    pub fn also_named(mut self, name: &str) -> Self {
        self.params
            .subject_alt_names
            .push(SanType::DnsName(name.try_into().unwrap()));
        self
    }

    pub fn address(mut self, address: std::net::IpAddr) -> Self {
        self.params.subject_alt_names.push(SanType::IpAddress(address));
        self
    }

    pub fn without_key_id(mut self) -> Self {
        self.subject_key_id = KeyIdentifier::None;
        self
    }

    pub fn authority(mut self, authority: Authority) -> Self {
        self.authority_key_id = authority;
        self
    }

    pub fn path_length(mut self, most: u8) -> Self {
        self.basic_constraints = Some(vec![0x30, 6, 1, 1, 0xff, 2, 1, most]);
        self
    }

    /// basicConstraints with CA false.
    pub fn not_a_ca(mut self) -> Self {
        self.basic_constraints = Some(vec![0x30, 0]);
        self
    }

    pub fn without_basic_constraints(mut self) -> Self {
        self.basic_constraints = None;
        self
    }

    pub fn without_cert_sign(mut self) -> Self {
        self.params.key_usages = vec![KeyUsagePurpose::CrlSign];
        self
    }

    /// extendedKeyUsage with clientAuth alone.
    pub fn for_clients_only(mut self) -> Self {
        self.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self
    }

    /// extendedKeyUsage with OCSPSigning alone.
    pub fn for_ocsp(mut self) -> Self {
        self.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
        self
    }

    /// The TLS feature extension with status_request (RFC 7633).
    pub fn must_staple(mut self) -> Self {
        let extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], vec![0x30, 3, 2, 1, 5]);
        self.params.custom_extensions.push(extension);
        self
    }

    pub fn permits(mut self, name: &str) -> Self {
        let permitted_subtrees = vec![GeneralSubtree::DnsName(name.into())];
        self.params.name_constraints = Some(NameConstraints {
            permitted_subtrees,
            excluded_subtrees: vec![],
        });
        self
    }

    pub fn excludes(mut self, name: &str) -> Self {
        let excluded_subtrees = vec![GeneralSubtree::DnsName(name.into())];
        self.params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![],
            excluded_subtrees,
        });
        self
    }

    pub fn permits_directory(mut self, common_name: &str) -> Self {
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, common_name);
        let permitted_subtrees = vec![GeneralSubtree::DirectoryName(name)];
        self.params.name_constraints = Some(NameConstraints {
            permitted_subtrees,
            excluded_subtrees: vec![],
        });
        self
    }

    /// A critical extension that nobody knows.
    pub fn with_unknown_critical_extension(mut self) -> Self {
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
        extension.set_criticality(true);
        self.params.custom_extensions.push(extension);
        self
    }

    /// Where the issuer's certificate is published; one more place with each call.
    pub fn published_at(mut self, url: &str) -> Self {
        self.published_at.push(url.to_owned());
        self
    }

    /// Where OCSP responders answer for the issuer.
    pub fn responders_at(mut self, urls: &[&str]) -> Self {
        self.responders_at.extend(urls.iter().map(|url| (*url).to_owned()));
        self
    }

    pub fn self_signed(mut self) -> Entity {
        let key = self.take_key();
        let own = self.params.clone();
        self.issue(&own, &key.clone(), key, None)
    }

    pub fn signed_by(mut self, issuer: &Entity) -> Entity {
        let key = self.take_key();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = issuer.name.clone();
        self.issue(
            &params,
            &issuer.key,
            key,
            issuer.certificate.subject_key_id().map(<[u8]>::to_vec),
        )
    }

    fn take_key(&mut self) -> Arc<KeyPair> {
        self.key
            .take()
            .unwrap_or_else(|| Arc::new(KeyPair::generate().unwrap()))
    }

    fn issue(
        mut self,
        issuer: &CertificateParams,
        issuer_key: &KeyPair,
        key: Arc<KeyPair>,
        issuer_key_id: Option<Vec<u8>>,
    ) -> Entity {
        let mut add = |oid: &[u64], critical: bool, content: Vec<u8>| {
            let mut extension = CustomExtension::from_oid_content(oid, content);
            extension.set_criticality(critical);
            self.params.custom_extensions.push(extension);
        };
        if let Some(constraints) = &self.basic_constraints {
            add(&[2, 5, 29, 19], true, constraints.clone());
        }
        if let KeyIdentifier::OfKey = self.subject_key_id {
            add(
                &[2, 5, 29, 14],
                false,
                tlv(4, &Sha256::of(key.public_key_raw()).0[..20]),
            );
        }
        let authority = match self.authority_key_id {
            Authority::OfIssuer => issuer_key_id.map(|key_id| tlv(0x80, &key_id)),
            Authority::KeyId(key_id) => Some(tlv(0x80, &key_id)),
            Authority::Certificate(certificate) => {
                let issuer = tlv(0xa1, &tlv(0xa4, certificate.issuer().der()));
                Some([issuer, tlv(0x82, certificate.serial())].concat())
            }
            Authority::None => None,
        };
        if let Some(content) = authority {
            add(&[2, 5, 29, 35], false, tlv(0x30, &content));
        }
        // id-ad-ocsp and id-ad-caIssuers, RFC 5280 section 4.2.2.1.
        let places = |method: u8, urls: &[String]| -> Vec<u8> {
            let method = tlv(6, &[0x2b, 6, 1, 5, 5, 7, 0x30, method]);
            let place = |url: &String| tlv(0x30, &[method.clone(), tlv(0x86, url.as_bytes())].concat());
            urls.iter().flat_map(place).collect()
        };
        let places = [places(1, &self.responders_at), places(2, &self.published_at)].concat();
        if !places.is_empty() {
            add(&[1, 3, 6, 1, 5, 5, 7, 1, 1], false, tlv(0x30, &places));
        }
        let issuer = Issuer::from_params(issuer, issuer_key);
        let issued = self.params.signed_by(&*key, &issuer).unwrap();
        Entity {
            certificate: Arc::new(Certificate::from_der(issued.der().clone()).unwrap()),
            key,
            name: self.params.distinguished_name,
        }
    }
}

/// One DER value of up to 65,535 bytes.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    match content.len() {
        length @ 0..=127 => der.push(length as u8),
        length @ 128..=255 => der.extend([0x81, length as u8]),
        length => der.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    der.extend_from_slice(content);
    der
}

/// A leaf, what surrounds it, and the day.
pub struct Scene {
    leaf: Arc<Certificate>,
    store: Store,
    anchors: Anchors,
    disallowed: Vec<Sha256>,
    policy: Policy,
    at: UnixTime,
    allow_ca_leaf: bool,
    send_intermediate_anchor: bool,
    signatures: Signatures,
}

impl Scene {
    pub fn of(leaf: &Entity) -> Self {
        Self::of_certificate(&leaf.certificate)
    }

    pub fn of_certificate(leaf: &Arc<Certificate>) -> Self {
        Self {
            leaf: leaf.clone(),
            store: Store::new(),
            anchors: Anchors::new(),
            disallowed: Vec::new(),
            policy: Policy::Short,
            at: day(0),
            allow_ca_leaf: false,
            send_intermediate_anchor: true,
            signatures: Signatures::new(),
        }
    }

    pub fn store<'e>(mut self, entities: impl IntoIterator<Item = &'e Entity>) -> Self {
        self.store
            .extend(entities.into_iter().map(|entity| entity.certificate.clone()));
        self
    }

    pub fn roots<'e>(mut self, entities: impl IntoIterator<Item = &'e Entity>) -> Self {
        self.anchors
            .extend(entities.into_iter().map(|entity| entity.certificate.clone()));
        self
    }

    pub fn certificates(
        mut self,
        store: impl IntoIterator<Item = Arc<Certificate>>,
        roots: impl IntoIterator<Item = Arc<Certificate>>,
    ) -> Self {
        self.store.extend(store);
        self.anchors.extend(roots);
        self
    }

    pub fn disallow(mut self, digest: Sha256) -> Self {
        self.disallowed.push(digest);
        self
    }

    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    pub fn on_day(self, days: i64) -> Self {
        self.at(day(days))
    }

    pub fn at(mut self, at: UnixTime) -> Self {
        self.at = at;
        self
    }

    pub fn allow_ca_leaf(mut self) -> Self {
        self.allow_ca_leaf = true;
        self
    }

    pub fn without_sending_anchors(mut self) -> Self {
        self.send_intermediate_anchor = false;
        self
    }

    pub fn assemble(&self) -> Assembly {
        self.with(assemble)
    }

    /// What time does to the chain until `end`.
    pub fn forecast(&self, end: UnixTime) -> Vec<Change> {
        self.with(|_, store, context| forecast(&self.assemble(), store, context, end))
    }

    /// What `job` makes of the scene.
    pub fn with<T>(&self, job: impl FnOnce(&Arc<Certificate>, &Store, &Context<'_>) -> T) -> T {
        static PROVIDER: LazyLock<rustls::crypto::CryptoProvider> =
            LazyLock::new(rustls::crypto::aws_lc_rs::default_provider);
        let context = Context {
            anchors: &self.anchors,
            at: self.at,
            policy: self.policy,
            disallowed: &self.disallowed.iter().copied().collect::<Disallowed>(),
            algorithms: PROVIDER.signature_verification_algorithms.all,
            weak_algorithms: fullchain::tls::WEAK_ALGORITHMS,
            signatures: &self.signatures,
            allow_ca_leaf: self.allow_ca_leaf,
            send_intermediate_anchor: self.send_intermediate_anchor,
        };
        job(&self.leaf, &self.store, &context)
    }
}

/// Fails unless exactly these are served, in this order; the message shows names and the trail.
#[track_caller]
pub fn assert_served<'e>(assembly: &Assembly, expected: impl IntoIterator<Item = &'e Entity>) {
    let expected: Vec<_> = expected.into_iter().map(|entity| entity.certificate.clone()).collect();
    assert_eq!(
        names(&assembly.chain.certificates),
        names(&expected),
        "status {}, flaws {:?}\n{}",
        assembly.status,
        assembly.flaws,
        assembly.trail
    );
}

fn names(certificates: &[Arc<Certificate>]) -> Vec<String> {
    certificates.iter().map(ToString::to_string).collect()
}

/// Hands out CAs by name, so that a test can draw a mesh by its edges.
#[derive(Default)]
pub struct Mesh {
    authorities: HashMap<String, Entity>,
}

impl Mesh {
    /// A self-signed certificate of the CA `name`, with the key that it has in all its certificates.
    pub fn authority(&mut self, name: &str) -> Entity {
        self.authorities
            .entry(name.to_owned())
            .or_insert_with(|| ca(name).self_signed())
            .clone()
    }

    /// The certificate that `issuer` issues to `subject`.
    pub fn edge(&mut self, subject: &str, issuer: &str) -> Entity {
        let (subject_ca, issuer_ca) = (self.authority(subject), self.authority(issuer));
        ca(subject).key_of(&subject_ca).signed_by(&issuer_ca)
    }
}
