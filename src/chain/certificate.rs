//! A certificate: its DER, and the fields that chain assembly asks for, read once.

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;

use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::asn1_rs::{Any, FromDer};
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::nom::Parser;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Version;

use super::extensions::{AuthorityKeyIdentifier, BasicConstraints, Extensions, GeneralName, NameConstraints};
use super::{Name, Sha256, Signed, hexadecimal};

/// An X.509 certificate (RFC 5280 section 4). Two are equal where their whole DER is.
#[derive(Clone)]
pub struct Certificate {
    der: CertificateDer<'static>,
    fingerprint: Sha256,
    key_fingerprint: Sha256,
    subject: Name,
    issuer: Name,
    not_before: UnixTime,
    not_after: UnixTime,
    key_algorithm: KeyAlgorithm,
    weak_signature: Option<&'static str>,
    is_version_1: bool,
    parts: Parts,
    extensions: Extensions,
}

/// Where the pieces that a signature check needs lie in the DER.
#[derive(Clone)]
struct Parts {
    serial: Range<usize>,
    tbs: Range<usize>,
    signature_algorithm: Range<usize>,
    signature: Range<usize>,
    key_info: Range<usize>,
    key_algorithm: Range<usize>,
    key: Range<usize>,
}

/// What kind of key a certificate certifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    /// RSA with a modulus of this many bits.
    Rsa {
        /// Length of the modulus in bits.
        bits: usize,
    },
    /// An elliptic curve key (RFC 5480) on a curve of this many bits.
    Ec {
        /// Length of the field in bits.
        bits: usize,
    },
    /// Ed25519 (RFC 8410).
    Ed25519,
    /// Anything else.
    Other,
}

/// Why bytes are not a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The bytes are not the DER of a certificate.
    #[error("not the DER of an X.509 certificate: {0}")]
    Certificate(String),
    /// Bytes follow the certificate.
    #[error("{0} bytes follow the certificate")]
    TrailingBytes(usize),
    /// The signature algorithm inside the signed part is not the one beside the signature (RFC 5280 section 4.1.1.2).
    #[error("the two signature algorithm fields differ")]
    SignatureAlgorithmsDiffer,
    /// An extension that assembly depends on cannot be read.
    #[error("the extension {0} cannot be read")]
    Extension(&'static str),
    /// An extension stands twice (RFC 5280 section 4.2 allows each once).
    #[error("the extension {0} stands twice")]
    DuplicateExtension(String),
}

impl Certificate {
    /// Reads the DER of one certificate.
    ///
    /// # Errors
    ///
    /// [`ParseError`] where `der` is anything but one whole certificate with readable extensions.
    pub fn from_der(der: impl Into<CertificateDer<'static>>) -> Result<Self, ParseError> {
        let der = der.into();
        let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
        let (rest, parsed) = parser
            .parse(&der)
            .map_err(|error| ParseError::Certificate(error.to_string()))?;
        if !rest.is_empty() {
            return Err(ParseError::TrailingBytes(rest.len()));
        }
        if parsed.tbs_certificate.signature != parsed.signature_algorithm {
            return Err(ParseError::SignatureAlgorithmsDiffer);
        }
        let parts = Parts::of(&der, &parsed)?;
        let tbs = &parsed.tbs_certificate;
        Ok(Self {
            fingerprint: Sha256::of(&der),
            key_fingerprint: Sha256::of(tbs.subject_pki.raw),
            subject: Name::new(&tbs.subject),
            issuer: Name::new(&tbs.issuer),
            not_before: unix_time(tbs.validity.not_before),
            not_after: unix_time(tbs.validity.not_after),
            key_algorithm: KeyAlgorithm::of(&parsed),
            weak_signature: weak_signature(&parsed.signature_algorithm.algorithm.to_id_string()),
            is_version_1: tbs.version == X509Version::V1,
            extensions: Extensions::read(tbs.extensions())?,
            parts,
            der,
        })
    }

    /// The common name of the subject and the first eight digits of the fingerprint, where all of both is too long.
    pub fn brief(&self) -> String {
        format!("{} [{:.8}]", self.subject.brief(), self.fingerprint.to_string())
    }

    /// The whole certificate.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// SHA-256 of the whole certificate.
    pub fn fingerprint(&self) -> Sha256 {
        self.fingerprint
    }

    /// SHA-256 of the subjectPublicKeyInfo.
    pub fn key_fingerprint(&self) -> Sha256 {
        self.key_fingerprint
    }

    /// Whom the certificate is for.
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// Who signed it.
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// The serial number: the content octets of the INTEGER, big-endian.
    pub fn serial(&self) -> &[u8] {
        &self.der[self.parts.serial.clone()]
    }

    /// The serial number as lower-case hexadecimal digits.
    pub fn serial_text(&self) -> String {
        hexadecimal(self.serial())
    }

    /// The first instant of validity.
    pub fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// The last instant of validity (RFC 5280 section 4.1.2.5: inclusive).
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// The kind and size of the certified key.
    pub fn key_algorithm(&self) -> KeyAlgorithm {
        self.key_algorithm
    }

    /// The DER of the subjectPublicKeyInfo.
    pub fn subject_public_key_info(&self) -> &[u8] {
        &self.der[self.parts.key_info.clone()]
    }

    /// The names of the subjectAltName extension that are DNS names, in lower case.
    pub fn dns_names(&self) -> impl Iterator<Item = &str> {
        self.extensions.subject_alt_names.iter().filter_map(|name| match name {
            GeneralName::Dns(name) => Some(&**name),
            _ => None,
        })
    }

    /// The names of the subjectAltName extension that are IP addresses.
    pub fn ip_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.extensions.subject_alt_names.iter().filter_map(|name| match name {
            GeneralName::Ip(octets) => match &octets[..] {
                [a, b, c, d] => Some(IpAddr::from([*a, *b, *c, *d])),
                octets => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
            },
            _ => None,
        })
    }

    /// The URLs at which the issuer's certificate is published (authorityInfoAccess, caIssuers).
    pub fn ca_issuers(&self) -> &[String] {
        &self.extensions.ca_issuers
    }

    /// The URLs of the issuer's OCSP responders (authorityInfoAccess, id-ad-ocsp).
    pub fn ocsp_responders(&self) -> &[String] {
        &self.extensions.ocsp_responders
    }

    /// Whether clients may insist on a stapled OCSP response (the TLS feature extension with status_request, RFC 7633).
    pub fn must_staple(&self) -> bool {
        self.extensions.must_staple
    }

    /// Whether extendedKeyUsage lets the key sign OCSP responses for its issuer (RFC 6960 section 4.2.2.2).
    pub fn may_sign_ocsp(&self) -> bool {
        self.extensions.ocsp_signing
    }

    /// Whether basicConstraints says that this is a CA certificate.
    pub fn is_ca(&self) -> bool {
        self.extensions
            .basic_constraints
            .is_some_and(|constraints| constraints.ca)
    }

    /// Whether this is a self-issued certificate of version 1: that has no basicConstraints, and whether it is of a CA is
    /// for whoever trusts it to know (RFC 5280 section 6.1.4 (k)).
    pub fn is_version_1_root(&self) -> bool {
        self.is_version_1 && self.is_self_issued()
    }

    /// Whether issuer and subject are the same name (RFC 5280 section 3.2).
    pub fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// The subjectKeyIdentifier.
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        self.extensions.subject_key_id.as_deref()
    }

    /// What the authorityKeyIdentifier says of the issuer's key and certificate.
    pub fn authority_key_id(&self) -> &AuthorityKeyIdentifier {
        &self.extensions.authority_key_id
    }

    /// The certified key itself: the content of the BIT STRING.
    pub fn key(&self) -> &[u8] {
        &self.der[self.parts.key.clone()]
    }

    /// The signature on this certificate, and what it was made over.
    pub fn signed(&self) -> Signed<'_> {
        Signed {
            message: &self.der[self.parts.tbs.clone()],
            algorithm: &self.der[self.parts.signature_algorithm.clone()],
            signature: &self.der[self.parts.signature.clone()],
        }
    }

    /// The first critical extension that this crate does not process, as dotted decimals.
    pub fn unknown_critical_extension(&self) -> Option<&str> {
        self.extensions.unknown_critical.as_deref()
    }

    pub(super) fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.extensions.basic_constraints
    }

    /// Whether keyUsage lets the key sign certificates. A certificate without keyUsage does not restrict its key (RFC
    /// 5280 section 4.2.1.3).
    pub(super) fn may_sign_certificates(&self) -> bool {
        self.extensions.key_cert_sign.unwrap_or(true)
    }

    /// Whether extendedKeyUsage, where there is one, names TLS servers.
    pub(super) fn may_serve_tls(&self) -> bool {
        self.extensions.server_auth.unwrap_or(true)
    }

    pub(super) fn name_constraints(&self) -> Option<&NameConstraints> {
        self.extensions.name_constraints.as_deref()
    }

    pub(super) fn subject_alt_names(&self) -> &[GeneralName] {
        &self.extensions.subject_alt_names
    }

    /// The name of the algorithm of the signature on this certificate, where it is one that clients refuse.
    pub(super) fn weak_signature(&self) -> Option<&'static str> {
        self.weak_signature
    }

    /// The content of the AlgorithmIdentifier of the certified key.
    pub(super) fn key_algorithm_identifier(&self) -> &[u8] {
        &self.der[self.parts.key_algorithm.clone()]
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({self})")
    }
}

/// Subject and the first eight digits of the fingerprint: enough to tell twins apart.
impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{:.8}]", self.subject, self.fingerprint.to_string())
    }
}

impl Parts {
    fn of(der: &CertificateDer<'_>, parsed: &X509Certificate<'_>) -> Result<Self, ParseError> {
        let outer = value_of(der)?;
        let tbs = parsed.tbs_certificate.as_ref();
        let after_tbs = outer
            .get(tbs.len()..)
            .ok_or_else(|| ParseError::Certificate("truncated".into()))?;
        let key_info = parsed.tbs_certificate.subject_pki.raw;
        let place = |part: &[u8]| {
            let start = part.as_ptr() as usize - der.as_ptr() as usize;
            start..start + part.len()
        };
        Ok(Self {
            serial: place(parsed.tbs_certificate.raw_serial()),
            tbs: place(tbs),
            signature_algorithm: place(value_of(after_tbs)?),
            signature: place(&parsed.signature_value.data),
            key_info: place(key_info),
            key_algorithm: place(value_of(value_of(key_info)?)?),
            key: place(&parsed.tbs_certificate.subject_pki.subject_public_key.data),
        })
    }
}

/// The content octets of the DER value that `der` starts with.
fn value_of(der: &[u8]) -> Result<&[u8], ParseError> {
    Any::from_der(der)
        .map(|(_, value)| value.data)
        .map_err(|error| ParseError::Certificate(error.to_string()))
}

impl KeyAlgorithm {
    fn of(parsed: &X509Certificate<'_>) -> Self {
        match parsed.public_key().parsed() {
            Ok(PublicKey::RSA(key)) => Self::Rsa { bits: key.key_size() },
            Ok(PublicKey::EC(key)) => Self::Ec { bits: key.key_size() },
            // id-Ed25519, RFC 8410 section 3.
            Ok(PublicKey::Unknown(_)) if parsed.public_key().algorithm.algorithm.to_id_string() == "1.3.101.112" => {
                Self::Ed25519
            }
            _ => Self::Other,
        }
    }

    /// Why clients refuse a key of this kind: the CA/Browser Forum's baseline (6.1.5) and rustls-webpki ask for 2048
    /// bits.
    pub(super) fn weakness(self) -> Option<String> {
        match self {
            Self::Rsa { bits } if bits < 2048 => Some(format!("RSA key of {bits} bits")),
            _ => None,
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::Ec { bits } => write!(f, "EC {bits}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other => f.write_str("other key"),
        }
    }
}

/// Signature algorithms with broken digests: no current client accepts them in a chain.
fn weak_signature(algorithm: &str) -> Option<&'static str> {
    match algorithm {
        "1.2.840.113549.1.1.2" => Some("md2WithRSAEncryption"),
        "1.2.840.113549.1.1.3" => Some("md4WithRSAEncryption"),
        "1.2.840.113549.1.1.4" => Some("md5WithRSAEncryption"),
        "1.2.840.113549.1.1.5" => Some("sha1WithRSAEncryption"),
        "1.2.840.10045.4.1" => Some("ecdsa-with-SHA1"),
        "1.2.840.10040.4.3" => Some("dsa-with-sha1"),
        _ => None,
    }
}

/// Seconds since 1970; a certificate from before that was valid then.
fn unix_time(time: ASN1Time) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(
        u64::try_from(time.timestamp()).unwrap_or(0),
    ))
}
