//! What client certificates are examined with: the CAs that may have issued them, and their CRLs.

use std::fmt;
use std::sync::Arc;

use rustls::DistinguishedName;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, RevocationCheckDepth, RevocationOptionsBuilder,
    UnknownStatusPolicy, anchor_from_trusted_cert,
};

use super::ClientCertificates;
use crate::certs::{ClientTrust, RevocationList};
use crate::chain::{AuthorityKeyIdentifier, Certificate};

/// What client certificates are examined with; immutable.
pub struct Examiner {
    anchors: Vec<TrustAnchor<'static>>,
    hints: Vec<DistinguishedName>,
    /// Newest first: verification takes the first that is its issuer's.
    lists: Vec<Arc<RevocationList>>,
    /// Whether two lists are of one name and of different keys: then the key decides which goes first.
    has_twins: bool,
    revocation: Option<Revocation>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// How much a CRL counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revocation {
    /// What happens where there is none, or none that is up to date.
    pub policy: RevocationPolicy,
    /// Which certificates it is asked for.
    pub depth: RevocationDepth,
}

/// What happens where there is no CRL of an issuer, or none that is up to date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RevocationPolicy {
    /// The certificate is refused.
    #[default]
    Strict,
    /// One that is out of date still counts; where there is none, the certificate is refused.
    Stale,
    /// One that is out of date still counts; where there is none, nothing is asked.
    Lenient,
}

/// Which certificates CRLs are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RevocationDepth {
    /// The client's own and all between it and the CA.
    #[default]
    Chain,
    /// The client's own.
    Leaf,
}

/// Why clients cannot be examined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExaminerError {
    /// Without any CA every certificate would be refused.
    #[error("there is no CA that client certificates may come from")]
    NoAuthority,
    /// A certificate that verification cannot start from.
    #[error("{certificate} cannot be the CA of clients: {because}")]
    Anchor {
        /// Whose it is.
        certificate: Box<str>,
        /// Why not.
        because: webpki::Error,
    },
}

impl Examiner {
    /// An examiner that believes the CAs of `trust`. CRLs are asked where `revocation` says how.
    ///
    /// # Errors
    ///
    /// [`ExaminerError`] where there is no CA, or one that cannot be used.
    pub fn new(trust: &ClientTrust, revocation: Option<Revocation>) -> Result<Self, ExaminerError> {
        let anchors = trust.authorities.iter().map(anchor).collect::<Result<Vec<_>, _>>()?;
        if anchors.is_empty() {
            return Err(ExaminerError::NoAuthority);
        }
        let mut lists = trust.revocation_lists.clone();
        lists.sort_by_key(|list| std::cmp::Reverse(list.this_update().as_secs()));
        Ok(Self {
            hints: hints(&anchors),
            has_twins: has_twins(&lists),
            anchors,
            lists,
            revocation,
            algorithms: default_provider().signature_verification_algorithms,
        })
    }

    /// The names of the CAs, for the client to choose by; none where they are too many to be sent.
    pub(super) fn hints(&self) -> &[DistinguishedName] {
        &self.hints
    }

    /// Whether the names of the CAs are told to clients.
    pub fn names_authorities(&self) -> bool {
        !self.hints.is_empty()
    }

    pub(super) fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.algorithms
    }

    /// Verifies `leaf` with what came with it, at the instant `now`.
    pub(super) fn examine(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertificates, webpki::Error> {
        let certificate = EndEntityCert::try_from(leaf)?;
        let lists = self.lists_for(leaf);
        let revocation = match self.revocation {
            None => None,
            // What is not there says nothing about anybody.
            Some(Revocation { policy, .. }) if lists.is_empty() && policy != RevocationPolicy::Lenient => {
                // Whether it is of a known CA goes before what that CA may have said about it.
                self.verify(&certificate, others, now, None)?;
                return Err(webpki::Error::UnknownRevocationStatus);
            }
            Some(revocation) => options(&lists, revocation),
        };
        let path = self.verify(&certificate, others, now, revocation)?;
        Ok(ClientCertificates::new(leaf.clone().into_owned(), path))
    }

    /// The certificates between `certificate` and an anchor.
    fn verify(
        &self,
        certificate: &EndEntityCert<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
        revocation: Option<webpki::RevocationOptions<'_>>,
    ) -> Result<Vec<CertificateDer<'static>>, webpki::Error> {
        let path = certificate.verify_for_usage(
            self.algorithms.all,
            &self.anchors,
            others,
            now,
            KeyUsage::client_auth(),
            revocation,
            None,
        )?;
        let path = path.intermediate_certificates();
        Ok(path.map(|one| one.der().into_owned()).collect())
    }

    /// The lists, those that the issuer of `leaf` signed first where others have its name. A CA that was given a new key
    /// keeps its name, and goes on signing a CRL with the old key for what that has issued.
    fn lists_for(&self, leaf: &CertificateDer<'_>) -> Vec<&CertRevocationList<'static>> {
        let key_id = || {
            let certificate = Certificate::from_der(leaf.clone().into_owned()).ok()?;
            key_id(certificate.authority_key_id())
        };
        let key_id = self.has_twins.then(key_id).flatten();
        let is_its = |list: &&Arc<RevocationList>| key_id.is_some() && list.key_id() == key_id.as_deref();
        let (first, rest): (Vec<_>, Vec<_>) = self.lists.iter().partition(is_its);
        first.into_iter().chain(rest).map(|list| list.list()).collect()
    }
}

fn anchor(authority: &Arc<Certificate>) -> Result<TrustAnchor<'static>, ExaminerError> {
    let anchor = anchor_from_trusted_cert(authority.der()).map_err(|because| ExaminerError::Anchor {
        certificate: authority.to_string().into(),
        because,
    })?;
    Ok(anchor.to_owned())
}

/// Windows takes 16 KiB of names (Schannel, KB 933430), others up to 64 KiB. Where there are more, none are sent: a client
/// "MAY send any certificate" then (RFC 5246 section 7.4.4), and the examination is the same.
const MOST_HINT_BYTES: usize = 16 << 10;

fn hints(anchors: &[TrustAnchor<'_>]) -> Vec<DistinguishedName> {
    let mut hints: Vec<DistinguishedName> = Vec::with_capacity(anchors.len());
    for anchor in anchors {
        let name = DistinguishedName::in_sequence(&anchor.subject);
        if !hints.iter().any(|hint| hint.as_ref() == name.as_ref()) {
            hints.push(name);
        }
    }
    // Each goes with its length in two bytes.
    let bytes: usize = hints.iter().map(|hint| hint.as_ref().len() + 2).sum();
    match bytes <= MOST_HINT_BYTES {
        true => hints,
        false => Vec::new(),
    }
}

fn has_twins(lists: &[Arc<RevocationList>]) -> bool {
    let mut rest = lists;
    while let Some((first, others)) = rest.split_first() {
        let is_twin = |other: &Arc<RevocationList>| other.issuer() == first.issuer() && other.key_id() != first.key_id();
        if others.iter().any(is_twin) {
            return true;
        }
        rest = others;
    }
    false
}

fn key_id(authority: &AuthorityKeyIdentifier) -> Option<Vec<u8>> {
    authority.key_id.as_deref().map(<[u8]>::to_vec)
}

/// `None` where there are no lists.
fn options<'a>(
    lists: &'a [&'a CertRevocationList<'static>],
    revocation: Revocation,
) -> Option<webpki::RevocationOptions<'a>> {
    let (expiration, unknown) = match revocation.policy {
        RevocationPolicy::Strict => (ExpirationPolicy::Enforce, UnknownStatusPolicy::Deny),
        RevocationPolicy::Stale => (ExpirationPolicy::Ignore, UnknownStatusPolicy::Deny),
        RevocationPolicy::Lenient => (ExpirationPolicy::Ignore, UnknownStatusPolicy::Allow),
    };
    let depth = match revocation.depth {
        RevocationDepth::Chain => RevocationCheckDepth::Chain,
        RevocationDepth::Leaf => RevocationCheckDepth::EndEntity,
    };
    let builder = RevocationOptionsBuilder::new(lists).ok()?;
    let builder = builder.with_depth(depth).with_expiration_policy(expiration);
    Some(builder.with_status_policy(unknown).build())
}

impl fmt::Debug for Examiner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examiner")
            .field("anchors", &self.anchors.len())
            .field("lists", &self.lists)
            .field("revocation", &self.revocation)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for RevocationPolicy {
    /// As it is configured.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strict => "strict",
            Self::Stale => "stale",
            Self::Lenient => "lenient",
        })
    }
}

impl fmt::Display for RevocationDepth {
    /// As it is configured.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chain => "chain",
            Self::Leaf => "leaf",
        })
    }
}
