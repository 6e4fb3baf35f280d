//! Why a certificate was refused as a link of a chain.

use std::fmt;

use rustls_pki_types::UnixTime;

use super::{Criterion, rfc3339};

/// Why a candidate was refused. The first group is never used; the second only where no chain does without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its fingerprint or that of its key is on the disallow list.
    Disallowed,
    /// basicConstraints does not make it a CA (RFC 5280 section 4.2.1.9).
    NotACa,
    /// keyUsage lacks keyCertSign (RFC 5280 section 4.2.1.3).
    MayNotSignCertificates,
    /// A self-signed certificate: a client has it as a root, or has no use for it.
    SelfSigned,
    /// Its key did not make the signature.
    SignatureInvalid,
    /// No algorithm at hand fits the signature and the key.
    SignatureUnsupported,
    /// Its subject and key are already in the chain (RFC 4158 section 5.2).
    Loop,

    /// A critical extension that is not processed (RFC 5280 section 4.2), as dotted decimals.
    UnknownCriticalExtension(String),
    /// extendedKeyUsage lacks serverAuth; every client takes it as a limit for what lies below.
    ExtendedKeyUsage,
    /// This name, of the leaf or of a certificate between, is outside its nameConstraints.
    NameConstraint(String),
    /// More intermediates below it than pathLenConstraint allows.
    PathLength {
        /// What pathLenConstraint says.
        allowed: u32,
    },
    /// A CA certificate in the place of the leaf.
    LeafIsCa,
    /// Not valid before this instant.
    NotYetValid(UnixTime),
    /// Not valid after this instant.
    Expired(UnixTime),
    /// The child's authorityKeyIdentifier names another key or certificate.
    KeyIdConflict,
    /// Its subject is the child's issuer in other bytes (RFC 5280 section 7.1 calls them equal, most clients do not).
    NameEncoding,
    /// Signed with an algorithm that clients refuse.
    WeakSignature(&'static str),
    /// A key that clients refuse.
    WeakKey(String),
    /// Expires at this instant, before the leaf does.
    ExpiresBeforeLeaf(UnixTime),
}

impl Refusal {
    /// The criterion that a chain with this certificate in it fails; `None` where it is never used.
    pub fn criterion(&self) -> Option<Criterion> {
        match self {
            Self::Disallowed
            | Self::NotACa
            | Self::MayNotSignCertificates
            | Self::SelfSigned
            | Self::SignatureInvalid
            | Self::SignatureUnsupported
            | Self::Loop => None,
            Self::UnknownCriticalExtension(_)
            | Self::ExtendedKeyUsage
            | Self::NameConstraint(_)
            | Self::PathLength { .. }
            | Self::LeafIsCa => Some(Criterion::Constraints),
            Self::NotYetValid(_) | Self::Expired(_) => Some(Criterion::Validity),
            Self::KeyIdConflict | Self::NameEncoding => Some(Criterion::Links),
            Self::WeakSignature(_) | Self::WeakKey(_) => Some(Criterion::Strength),
            Self::ExpiresBeforeLeaf(_) => Some(Criterion::OutlivesLeaf),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disallowed => f.write_str("on the disallow list"),
            Self::NotACa => f.write_str("not a CA certificate"),
            Self::MayNotSignCertificates => f.write_str("its key usage does not include signing certificates"),
            Self::SelfSigned => f.write_str("self-signed: a root is never sent"),
            Self::SignatureInvalid => f.write_str("its key did not make the signature"),
            Self::SignatureUnsupported => f.write_str("the signature algorithm is not supported"),
            Self::Loop => f.write_str("already in the chain"),
            Self::UnknownCriticalExtension(oid) => write!(f, "unknown critical extension {oid}"),
            Self::ExtendedKeyUsage => f.write_str("its extended key usage does not include TLS servers"),
            Self::NameConstraint(name) => write!(f, "its name constraints do not allow {name}"),
            Self::PathLength { allowed } => {
                write!(f, "its path length constraint allows {allowed} intermediates below it")
            }
            Self::LeafIsCa => f.write_str("a CA certificate, not one for a server"),
            Self::NotYetValid(from) => write!(f, "not valid before {}", rfc3339(*from)),
            Self::Expired(since) => write!(f, "expired on {}", rfc3339(*since)),
            Self::KeyIdConflict => f.write_str("its key id is not the one the certificate below names"),
            Self::NameEncoding => f.write_str("its name is encoded differently in the certificate below"),
            Self::WeakSignature(algorithm) => write!(f, "weak signature ({algorithm})"),
            Self::WeakKey(key) => write!(f, "weak key ({key})"),
            Self::ExpiresBeforeLeaf(at) => write!(f, "expires on {}, before the leaf", rfc3339(*at)),
        }
    }
}
