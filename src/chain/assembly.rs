//! What comes of assembling a chain.

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, UnixTime};

use super::{Certificate, Criterion, Name, Policy, Refusal, Sought, Trail, hexadecimal, rfc3339};

/// The best chain there is for a leaf, what it is worth, and why it is this one.
#[derive(Clone, Debug)]
pub struct Assembly {
    /// The certificates to send. Never empty: the leaf is always there.
    pub chain: Chain,
    /// What a client will make of it.
    pub status: Status,
    /// The issuer that was looked for in vain at the end of the chain.
    pub wanted: Option<Wanted>,
    /// What makes the chain [`Status::Invalid`].
    pub flaws: Vec<Flaw>,
    /// What some clients stumble over, or what will go wrong before the leaf expires.
    pub warnings: Vec<Warning>,
    /// The best chains through other certificates, none of them better by the order of preference.
    pub alternatives: Vec<Alternative>,
    /// What decided between chains that are equally good for a modern client.
    pub policy: Policy,
    /// The best chain to each other anchor in reach, the oldest anchor first, for clients that say which they have (RFC
    /// 8446 section 4.2.4). Each is valid now, free of warnings about its links, and passes the self-check.
    pub to_other_anchors: Vec<Chain>,
    /// Every candidate weighed for this chain, and why it was chosen, refused or passed over.
    pub trail: Trail,
    /// The first instant for which the same certificates may give another answer: one that was looked at begins or
    /// ends. `None` where time changes nothing any more.
    pub until: Option<UnixTime>,
    /// Whose certificates were looked for: others in the store change nothing.
    pub sought: Sought,
}

impl Assembly {
    /// Every chain that some client may be sent: the chosen one first.
    pub fn chains(&self) -> impl Iterator<Item = &Chain> {
        std::iter::once(&self.chain).chain(&self.to_other_anchors)
    }

    /// Those of `certificates` that are neither sent nor the end of the chain.
    pub fn unused<'c>(&self, certificates: &'c [Arc<Certificate>]) -> impl Iterator<Item = &'c Arc<Certificate>> {
        let end = match &self.chain.end {
            End::Anchor(end) | End::SelfSigned(end) => Some(end.clone()),
            End::Cycle | End::Leaf | End::Open => None,
        };
        let sent = self.chain.certificates.clone();
        certificates
            .iter()
            .filter(move |certificate| !sent.contains(certificate) && end.as_ref() != Some(certificate))
    }
}

/// Certificates in the order sent (RFC 8446 section 4.4.2, RFC 5246 section 7.4.2: each certifies the one before it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The leaf first, then its issuer, and so on; never a root.
    pub certificates: Vec<Arc<Certificate>>,
    /// Where the chain ends.
    pub end: End,
}

/// A chain that was not chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// The chain.
    pub chain: Chain,
    /// The first criterion by which the chosen one is better.
    pub criterion: Criterion,
}

/// What the last certificate of a chain was issued by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// By this configured anchor.
    Anchor(Arc<Certificate>),
    /// By certificates that are in the chain already: CAs that certify one another and no root among them.
    Cycle,
    /// The leaf stands for itself: it is self-signed, or an anchor.
    Leaf,
    /// By somebody whose certificate is not there.
    Open,
    /// By this self-signed certificate, which is no configured anchor.
    SelfSigned(Arc<Certificate>),
}

impl Chain {
    /// The leaf.
    pub fn leaf(&self) -> &Arc<Certificate> {
        // The constructor in `assemble` starts every chain with the leaf.
        &self.certificates[0]
    }

    /// What lies above the leaf.
    pub fn intermediates(&self) -> &[Arc<Certificate>] {
        &self.certificates[1..]
    }

    /// The certificate that issued the leaf: the next one, or the root where that is not sent.
    pub fn issuer(&self) -> Option<&Arc<Certificate>> {
        self.intermediates().first().or(match &self.end {
            End::Anchor(issuer) | End::SelfSigned(issuer) => Some(issuer),
            End::Cycle | End::Leaf | End::Open => None,
        })
    }

    /// The certificates as rustls takes them.
    pub fn to_der(&self) -> Vec<CertificateDer<'static>> {
        self.certificates
            .iter()
            .map(|certificate| certificate.der().clone())
            .collect()
    }

    /// The certificate that is the first to expire.
    pub fn first_to_expire(&self) -> &Arc<Certificate> {
        self.certificates
            .iter()
            .min_by_key(|certificate| certificate.not_after().as_secs())
            .unwrap_or_else(|| self.leaf())
    }

    /// Bytes of the Certificate message that carries the chain in a full handshake of TLS 1.3 (RFC 8446 sections 4 and
    /// 4.4.2), without staple and before compression. TLS 1.2 takes two less for each certificate, and one besides.
    pub fn size(&self) -> usize {
        message_size(self.certificates.iter().map(|certificate| certificate.der().as_ref()))
    }
}

/// The same for any certificates.
pub(super) fn message_size<'d>(ders: impl Iterator<Item = &'d [u8]>) -> usize {
    // Type and length of a handshake message, certificate_request_context (empty in the handshake: its length alone),
    // the length of certificate_list.
    const MESSAGE: usize = 1 + 3 + 1 + 3;
    // The lengths of cert_data and of the extensions, of which there are none.
    const ENTRY: usize = 3 + 2;
    MESSAGE + ders.map(|der| ENTRY + der.len()).sum::<usize>()
}

/// What a client will make of a chain, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Expired, outside a constraint, weak, or refused by the self-check.
    Invalid,
    /// An issuer is missing: clients that do not happen to know it refuse the server.
    Incomplete,
    /// The leaf is self-signed and no anchor.
    SelfSigned,
    /// Ends at a root or an unknown issuer that is in no anchor set: a private PKI, as long as its clients have the
    /// root.
    Unanchored,
    /// A client that trusts the anchors accepts it.
    Complete,
}

impl Status {
    /// The status as config, logs and metrics write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Incomplete => "incomplete",
            Self::SelfSigned => "self-signed",
            Self::Unanchored => "unanchored",
            Self::Complete => "complete",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An issuer that is not there: enough to find it by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The certificate whose issuer is missing.
    pub issuer_of: Arc<Certificate>,
    /// The issuer's subject.
    pub subject: Name,
    /// The issuer's subjectKeyIdentifier.
    pub key_id: Option<Box<[u8]>>,
    /// Where the issuer's certificate is said to be published.
    pub ca_issuers: Vec<String>,
}

impl Wanted {
    pub(super) fn by(child: &Arc<Certificate>) -> Self {
        Self {
            subject: child.issuer().clone(),
            key_id: child.authority_key_id().key_id.clone(),
            ca_issuers: child.ca_issuers().to_vec(),
            issuer_of: child.clone(),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.subject)?;
        if let Some(key_id) = &self.key_id {
            write!(f, ", key id {}", hexadecimal(key_id))?;
        }
        for url in &self.ca_issuers {
            write!(f, ", published at {}", url.escape_default())?;
        }
        Ok(())
    }
}

/// What makes a chain invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// This certificate is in the chain for want of a better one.
    Certificate {
        /// The certificate.
        certificate: Arc<Certificate>,
        /// What is wrong with it.
        refusal: Refusal,
    },
    /// rustls-webpki, given the chain as it will be sent and the anchor, refuses it.
    SelfCheck(webpki::Error),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate { certificate, refusal } => write!(f, "{certificate}: {refusal}"),
            Self::SelfCheck(error) => write!(f, "refused as a client would refuse it: {error:?}"),
        }
    }
}

/// What some clients stumble over, or what will go wrong before the leaf expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The anchor itself is no longer valid: OpenSSL and others look at that, rustls does not.
    AnchorExpired {
        /// The anchor.
        anchor: Arc<Certificate>,
    },
    /// There are more intermediates than the pathLenConstraint of the anchor allows: RFC 5280 does not look at it,
    /// OpenSSL and Go do.
    AnchorPathLength {
        /// The anchor.
        anchor: Arc<Certificate>,
    },
    /// Another certificate of the chain expires before the leaf.
    ExpiresBeforeLeaf {
        /// The certificate.
        certificate: Arc<Certificate>,
        /// Its last instant.
        at: UnixTime,
    },
    /// The authorityKeyIdentifier of `child` does not fit `issuer`, though its key made the signature.
    KeyIdConflict {
        /// The certificate below.
        child: Arc<Certificate>,
        /// Its issuer.
        issuer: Arc<Certificate>,
    },
    /// Issuer and subject are equal by RFC 5280 section 7.1 but not byte for byte, as most clients compare them.
    NamesEncodedDifferently {
        /// The certificate below.
        child: Arc<Certificate>,
        /// Its issuer.
        issuer: Arc<Certificate>,
    },
    /// rustls-webpki refuses what RFC 5280 allows.
    StricterThanRfc5280 {
        /// Its error.
        error: webpki::Error,
        /// Which rule it tightens, and who else does.
        rule: &'static str,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnchorExpired { anchor } => write!(
                f,
                "the root {anchor} is not valid now (until {}): OpenSSL clients will refuse it",
                rfc3339(anchor.not_after())
            ),
            Self::AnchorPathLength { anchor } => write!(
                f,
                "the path length constraint of the root {anchor} allows fewer intermediates: OpenSSL and Go clients will refuse the chain"
            ),
            Self::ExpiresBeforeLeaf { certificate, at } => {
                write!(f, "{certificate} expires on {}, before the leaf", rfc3339(*at))
            }
            Self::KeyIdConflict { child, issuer } => write!(
                f,
                "the authority key id of {child} is not that of its issuer {issuer}: OpenSSL and Windows clients will reject the chain"
            ),
            Self::NamesEncodedDifferently { child, issuer } => write!(
                f,
                "the issuer name in {child} is encoded differently in {issuer}: clients that compare names byte for byte (rustls, Firefox, Go) will refuse the chain"
            ),
            Self::StricterThanRfc5280 { error, rule } => write!(f, "{rule} ({error:?})"),
        }
    }
}
