//! What client certificates are examined with: the CAs that may have issued them, and their CRLs.

use std::fmt;
use std::iter;
use std::sync::Arc;

use rustls::DistinguishedName;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, RevocationCheckDepth, RevocationOptionsBuilder,
    UnknownStatusPolicy, VerifiedPath, anchor_from_trusted_cert,
};

use super::ClientCertificates;
use super::told::Told;
use crate::certs::{ClientTrust, RevocationList};
use crate::chain::{Certificate, Sha256};

/// What is asked of a path beyond what verification asks.
type IsGood<'a> = dyn Fn(&VerifiedPath<'_>) -> Result<(), webpki::Error> + 'a;

/// What client certificates are examined with; immutable.
pub struct Examiner {
    anchors: Vec<TrustAnchor<'static>>,
    hints: Vec<DistinguishedName>,
    /// Newest first: verification takes the first that is its issuer's.
    lists: Vec<Arc<RevocationList>>,
    /// Whether two lists are of one name and of different keys: then the key decides which goes first.
    has_twins: bool,
    revocation: Option<Revocation>,
    told: Told,
    digest: Sha256,
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
            digest: digest(trust, revocation),
            told: Told::nothing(lists.iter().map(|list| list.next_update())),
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

    /// Of what it examines by, but for what the CRLs say: whoever stood another examination that has the same was asked the
    /// same.
    pub(super) fn digest(&self) -> Sha256 {
        self.digest
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
        // Of each way up to a CA the CRLs are asked by itself: one that is cross-signed may have another, where nothing is
        // revoked. Whether there is one at all goes before what its CAs may have said.
        let is_good = |path: &VerifiedPath<'_>| match self.revocation {
            None => Ok(()),
            Some(revocation) => {
                let path = intermediates(path);
                let ask = || self.ask(revocation, leaf, &certificate, &path, now);
                self.told.of(leaf, &path, now, ask)
            }
        };
        let path = self.verify(&certificate, others, now, None, Some(&is_good))?;
        Ok(ClientCertificates::new(leaf.clone().into_owned(), path))
    }

    /// What the CRLs say of `leaf`, which is the `certificate`, with its issuers `path`.
    fn ask(
        &self,
        revocation: Revocation,
        leaf: &CertificateDer<'_>,
        certificate: &EndEntityCert<'_>,
        path: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), webpki::Error> {
        let lists = self.lists_for(leaf, path);
        match options(&lists, revocation) {
            Some(options) => self.verify(certificate, path, now, Some(options), None).map(drop),
            // What is not there says nothing about anybody.
            None if revocation.policy == RevocationPolicy::Lenient => Ok(()),
            None => Err(webpki::Error::UnknownRevocationStatus),
        }
    }

    /// The certificates between `certificate` and an anchor, by a way that `is_good`.
    fn verify(
        &self,
        certificate: &EndEntityCert<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
        revocation: Option<webpki::RevocationOptions<'_>>,
        is_good: Option<&IsGood<'_>>,
    ) -> Result<Vec<CertificateDer<'static>>, webpki::Error> {
        let path = certificate.verify_for_usage(
            self.algorithms.all,
            &self.anchors,
            others,
            now,
            KeyUsage::client_auth(),
            revocation,
            is_good,
        )?;
        Ok(intermediates(&path))
    }

    /// The lists, those that the issuers of `leaf` and of the `others` above it signed first where others have their names.
    /// A CA that was given a new key keeps its name, and goes on signing a CRL with the old key for what that has issued.
    fn lists_for(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Vec<&CertRevocationList<'static>> {
        let mut rest: Vec<_> = self.lists.iter().collect();
        let mut ordered = Vec::with_capacity(rest.len());
        for certificate in iter::once(leaf).chain(others).filter(|_| self.has_twins) {
            let Some(key_id) = issuer_key_id(certificate) else {
                continue;
            };
            let (first, others): (Vec<_>, Vec<_>) = rest
                .into_iter()
                .partition(|list| list.key_id() == Some(key_id.as_slice()));
            ordered.extend(first);
            rest = others;
        }
        ordered.extend(rest);
        ordered.into_iter().map(|list| list.list()).collect()
    }
}

fn intermediates(path: &VerifiedPath<'_>) -> Vec<CertificateDer<'static>> {
    let intermediates = path.intermediate_certificates();
    intermediates.map(|one| one.der().into_owned()).collect()
}

fn digest(trust: &ClientTrust, revocation: Option<Revocation>) -> Sha256 {
    let fingerprint = |authority: &Arc<Certificate>| authority.fingerprint().to_string();
    let mut parts: Vec<String> = trust.authorities.iter().map(fingerprint).collect();
    parts.sort_unstable();
    let revocation = revocation.map(|Revocation { policy, depth }| format!("{policy} {depth}"));
    parts.extend(revocation);
    Sha256::of(parts.join(" ").as_bytes())
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
        let is_twin =
            |other: &Arc<RevocationList>| other.issuer() == first.issuer() && other.key_id() != first.key_id();
        if others.iter().any(is_twin) {
            return true;
        }
        rest = others;
    }
    false
}

/// Which key signed `certificate`, by its own account.
fn issuer_key_id(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let certificate = Certificate::from_der(certificate.clone().into_owned()).ok()?;
    certificate.authority_key_id().key_id.as_deref().map(<[u8]>::to_vec)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::SerialNumber;

    use super::*;
    use crate::tls::rig::{ClientIdentity, Pki, examiner};

    const DAY: u64 = 86_400;

    /// The first of June of `year`.
    fn in_june(year: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(
            (year - 1970) * 365 * DAY + (year - 1969) / 4 * DAY + 151 * DAY,
        ))
    }

    fn examined(examiner: &Examiner, client: &ClientIdentity, year: u64) -> Result<usize, webpki::Error> {
        let (leaf, others) = client.0.split_first().unwrap();
        let certificates = examiner.examine(leaf, others, in_june(year))?;
        assert_eq!(certificates.leaf(), leaf);
        Ok(certificates.intermediates().len())
    }

    fn revocation(policy: RevocationPolicy, depth: RevocationDepth) -> Option<Revocation> {
        Some(Revocation { policy, depth })
    }

    #[test]
    fn a_certificate_of_a_known_ca_passes_in_its_time_and_no_other() {
        let (pki, stranger) = (Pki::new(), Pki::named("stranger"));
        let examiner = pki.examiner();
        let client = pki.client_valid("c", 1, 2025..2028);
        assert_eq!(examined(&examiner, &client, 2026), Ok(0));
        assert!(matches!(
            examined(&examiner, &client, 2030),
            Err(webpki::Error::CertExpired { .. })
        ));
        assert!(matches!(
            examined(&examiner, &client, 2020),
            Err(webpki::Error::CertNotValidYet { .. })
        ));
        let unknown = examined(&examiner, &stranger.client("c", 1), 2026);
        assert_eq!(unknown, Err(webpki::Error::UnknownIssuer));
    }

    #[test]
    fn the_certificates_in_between_come_in_order_and_without_strangers() {
        let root = Pki::new();
        let upper = root.below("upper");
        let lower = upper.below("lower");
        let (mut chain, key) = lower.client("c", 1);
        chain.extend([
            upper.certificate(),
            Pki::named("stranger").certificate(),
            lower.certificate(),
            root.certificate(),
        ]);
        let certificates = root.examiner().examine(&chain[0], &chain[1..], in_june(2026)).unwrap();
        assert_eq!(certificates.intermediates(), [lower.certificate(), upper.certificate()]);
        // An intermediate that is trusted itself ends the chain.
        assert_eq!(
            examined(&examiner(&[&root, &lower], Vec::new(), None), &(chain, key), 2026),
            Ok(0)
        );
    }

    #[test]
    fn what_is_revoked_is_refused_whatever_the_policy() {
        let pki = Pki::new();
        for policy in [
            RevocationPolicy::Strict,
            RevocationPolicy::Stale,
            RevocationPolicy::Lenient,
        ] {
            let examiner = examiner(
                &[&pki],
                vec![pki.crl(&[7], 2026)],
                revocation(policy, RevocationDepth::Chain),
            );
            assert_eq!(examined(&examiner, &pki.client("good", 6), 2026), Ok(0));
            assert_eq!(
                examined(&examiner, &pki.client("bad", 7), 2026),
                Err(webpki::Error::CertRevoked)
            );
        }
    }

    #[test]
    fn a_list_that_is_out_of_date_or_missing_counts_as_the_policy_says() {
        let (pki, other) = (Pki::new(), Pki::named("other"));
        let lists = || vec![pki.crl(&[7], 2020)];
        let unknown = || Err(webpki::Error::UnknownRevocationStatus);
        for (policy, stale, missing) in [
            (RevocationPolicy::Strict, false, unknown()),
            (RevocationPolicy::Stale, true, unknown()),
            (RevocationPolicy::Lenient, true, Ok(0)),
        ] {
            let revocation = revocation(policy, RevocationDepth::Chain);
            let old = examiner(&[&pki, &other], lists(), revocation);
            let good = examined(&old, &pki.client("good", 6), 2026);
            assert_eq!(good == Ok(0), stale, "{policy}");
            assert_eq!(
                matches!(good, Err(webpki::Error::CrlExpired { .. })),
                !stale,
                "{policy}"
            );
            assert!(examined(&old, &pki.client("bad", 7), 2026).is_err(), "{policy}");
            assert_eq!(examined(&old, &other.client("good", 6), 2026), missing, "{policy}");
            let none = examiner(&[&pki], Vec::new(), revocation);
            assert_eq!(examined(&none, &pki.client("good", 6), 2026), missing, "{policy}");
            let stranger = Pki::named("stranger").client("c", 1);
            assert_eq!(
                examined(&none, &stranger, 2026),
                Err(webpki::Error::UnknownIssuer),
                "{policy}"
            );
        }
    }

    #[test]
    fn intermediates_are_asked_for_unless_the_leaf_alone_is() {
        let root = Pki::new();
        let issuing = root.below("issuing");
        let (mut chain, key) = issuing.client("c", 1);
        chain.push(issuing.certificate());
        let client = (chain, key);
        let lists = || vec![issuing.crl(&[], 2026)];
        let of = |depth| examiner(&[&root], lists(), revocation(RevocationPolicy::Strict, depth));
        assert_eq!(
            examined(&of(RevocationDepth::Chain), &client, 2026),
            Err(webpki::Error::UnknownRevocationStatus)
        );
        assert_eq!(examined(&of(RevocationDepth::Leaf), &client, 2026), Ok(1));
    }

    #[test]
    fn where_one_way_up_is_revoked_another_counts_if_the_client_sent_it() {
        let (one, other) = (Pki::named("one"), Pki::named("other"));
        let issuing = one.below("issuing");
        let crossed = other.cross_sign(&issuing, "issuing");
        let serial = SerialNumber::from_slice(Certificate::from_der(issuing.certificate()).unwrap().serial());
        let lists = vec![
            one.crl_of(&[serial], 2026),
            other.crl(&[], 2026),
            issuing.crl(&[], 2026),
        ];
        let strict = revocation(RevocationPolicy::Strict, RevocationDepth::Chain);
        let examiner = examiner(&[&one, &other], lists, strict);
        let (leaf, key) = issuing.client("c", 1);
        let sent = |others: &[&CertificateDer<'static>]| {
            let chain = leaf.iter().chain(others.iter().copied()).cloned().collect();
            examined(&examiner, &(chain, key.clone()), 2026)
        };
        let own = issuing.certificate();
        // What is known of one way says nothing about the other.
        for _ in 0..2 {
            assert_eq!(sent(&[&own]), Err(webpki::Error::CertRevoked));
            assert_eq!(sent(&[&own, &crossed]), Ok(1));
            assert_eq!(sent(&[&crossed]), Ok(1));
        }
    }

    /// A CRL that is hashed for each copy of its issuer keeps a worker busy for whoever sends eighty of them.
    #[test]
    fn the_lists_are_asked_once_of_a_chain_however_often_its_issuer_is_sent() {
        let root = Pki::new();
        let issuing = root.below("issuing");
        let (leaf, key) = issuing.client("c", 7);
        let strict = revocation(RevocationPolicy::Strict, RevocationDepth::Chain);
        let lists = vec![root.crl(&[], 2026), issuing.crl(&[7], 2026)];
        let examiner = examiner(&[&root], lists, strict);
        let copies = iter::repeat_n(issuing.certificate(), 20);
        let client = (leaf.into_iter().chain(copies).collect(), key);
        for _ in 0..2 {
            assert_eq!(examined(&examiner, &client, 2026), Err(webpki::Error::CertRevoked));
            assert_eq!(examiner.told.chains_known(), 1);
        }
    }

    #[test]
    fn the_newest_list_counts_wherever_it_stands() {
        let pki = Pki::new();
        let strict = revocation(RevocationPolicy::Strict, RevocationDepth::Chain);
        for years in [[2025, 2026], [2026, 2025]] {
            let lists = years.map(|year| pki.crl(if year == 2026 { &[7] } else { &[] }, year));
            let examiner = examiner(&[&pki], lists.into(), strict);
            assert_eq!(
                examined(&examiner, &pki.client("bad", 7), 2026),
                Err(webpki::Error::CertRevoked)
            );
            assert_eq!(examined(&examiner, &pki.client("good", 6), 2026), Ok(0));
        }
    }

    #[test]
    fn a_ca_with_a_new_key_has_a_list_for_each_of_its_keys() {
        let (old, new) = (Pki::named("ca"), Pki::named("ca"));
        let strict = revocation(RevocationPolicy::Strict, RevocationDepth::Chain);
        let lists = vec![old.crl(&[1], 2026), new.crl(&[2], 2026)];
        let examiner = examiner(&[&old, &new], lists, strict);
        for (ca, revoked, good) in [(&old, 1, 2), (&new, 2, 1)] {
            assert_eq!(
                examined(&examiner, &ca.client("bad", revoked), 2026),
                Err(webpki::Error::CertRevoked)
            );
            assert_eq!(examined(&examiner, &ca.client("good", good), 2026), Ok(0));
        }
    }

    #[test]
    fn an_issuer_of_intermediates_with_a_new_key_has_a_list_for_each_of_its_keys_too() {
        let (old, new) = (Pki::named("ca"), Pki::named("ca"));
        let strict = revocation(RevocationPolicy::Strict, RevocationDepth::Chain);
        for ca in [&old, &new] {
            let (issuing, revoked) = (ca.below("issuing"), ca.below("revoked"));
            // Neither is newer than the other.
            for twins in [[&old, &new], [&new, &old]] {
                let serial = SerialNumber::from_slice(Certificate::from_der(revoked.certificate()).unwrap().serial());
                let mut lists: Vec<_> = twins
                    .map(|twin| twin.crl_of(std::slice::from_ref(&serial), 2026))
                    .into();
                lists.extend([issuing.crl(&[7], 2026), revoked.crl(&[], 2026)]);
                let examiner = examiner(&[&old, &new], lists, strict);
                let examined = |below: &Pki, serial| {
                    let (mut chain, key) = below.client("c", serial);
                    chain.push(below.certificate());
                    examined(&examiner, &(chain, key), 2026)
                };
                assert_eq!(examined(&issuing, 6), Ok(1));
                assert_eq!(examined(&issuing, 7), Err(webpki::Error::CertRevoked));
                assert_eq!(examined(&revoked, 6), Err(webpki::Error::CertRevoked));
            }
        }
    }

    #[test]
    fn the_names_of_the_cas_are_told_unless_they_are_too_many() {
        let pki = Pki::new();
        let few = examiner(&[&pki, &Pki::new(), &Pki::named("other")], Vec::new(), None);
        assert_eq!(few.hints().len(), 2, "each name once");
        assert_eq!(few.hints()[0].as_ref(), pki.authority().as_ref());
        let many: Vec<Pki> = (0..100).map(|number| Pki::named(&format!("{number:0>200}"))).collect();
        let many = examiner(&many.iter().collect::<Vec<_>>(), Vec::new(), None);
        assert!(!many.names_authorities());
    }

    #[test]
    fn without_a_ca_there_is_no_examiner() {
        let nothing = ClientTrust {
            authorities: Vec::new(),
            revocation_lists: Vec::new(),
        };
        assert_eq!(Examiner::new(&nothing, None).unwrap_err(), ExaminerError::NoAuthority);
    }
}
