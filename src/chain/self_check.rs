//! The self-check: what rustls-webpki, a client's verifier, says of the very bytes to be sent.

use std::sync::Arc;

use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::name_constraints::{only_dns_and_ip, violation};
use super::{Certificate, Chain, Context, End};

/// Verifies `chain` as a client would that trusts `anchor` alone and has no other certificate.
///
/// # Errors
///
/// What rustls-webpki finds wrong.
pub(super) fn verify(chain: &Chain, anchor: &Certificate, context: &Context<'_>) -> Result<(), webpki::Error> {
    let leaf = EndEntityCert::try_from(chain.leaf().der())?;
    let anchors = [anchor_from_trusted_cert(anchor.der())?];
    let ders: Vec<_> = chain
        .intermediates()
        .iter()
        .map(|certificate| certificate.der().clone())
        .collect();
    leaf.verify_for_usage(
        context.algorithms,
        &anchors,
        &ders,
        context.at,
        KeyUsage::server_auth(),
        None,
        None,
    )
    .map(|_| ())
}

/// Whether `error` comes of a rule that rustls-webpki tightens beyond RFC 5280, given that `chain` meets RFC 5280
/// itself.
///
/// Each case is one where the check is skipped by what the chain is, not by what the error says: an error that the
/// chain does not explain stays an error.
pub(super) fn stricter_rule(
    error: &webpki::Error,
    chain: &Chain,
    anchor: &Arc<Certificate>,
    context: &Context<'_>,
) -> Option<&'static str> {
    let certificates = || chain.certificates.iter().chain([anchor]);
    let constraints = || certificates().filter_map(|certificate| certificate.name_constraints());
    Some(match error {
        webpki::Error::MaximumPathDepthExceeded if chain.intermediates().len() > 6 => {
            "more than six intermediates: rustls and Firefox clients refuse the chain"
        }
        webpki::Error::NameConstraintViolation if constraints().any(|constraints| !only_dns_and_ip(constraints)) => {
            "name constraints other than DNS names and IP addresses: rustls clients refuse the chain"
        }
        // Having refused the path, webpki may report what it found on another: with self-issued certificates there is
        // one.
        webpki::Error::NameConstraintViolation
        | webpki::Error::PathLenConstraintViolated
        | webpki::Error::InvalidSignatureForPublicKey
        | webpki::Error::UnknownIssuer
            if exempts_self_issued(chain, anchor) =>
        {
            "a self-issued intermediate counts for constraints that it is exempt from: rustls clients refuse the chain"
        }
        webpki::Error::UnsupportedCriticalExtension
            if certificates().all(|certificate| certificate.unknown_critical_extension().is_none()) =>
        {
            "critical certificate policies: rustls clients refuse the chain"
        }
        webpki::Error::CaUsedAsEndEntity if context.allow_ca_leaf || chain.end == End::Leaf => {
            "a CA certificate as leaf: rustls and Firefox clients refuse it"
        }
        _ => return None,
    })
}

/// Whether a constraint in the chain holds only because self-issued certificates are exempt from it (RFC 5280
/// sections 4.2.1.9, 4.2.1.10).
fn exempts_self_issued(chain: &Chain, anchor: &Arc<Certificate>) -> bool {
    let path: Vec<_> = chain.certificates.iter().chain([anchor]).collect();
    path.iter().enumerate().skip(1).any(|(position, issuer)| {
        let below = &path[1..position];
        let mut self_issued = below
            .iter()
            .filter(|certificate| certificate.is_self_issued())
            .peekable();
        let exempts_from_length = issuer
            .basic_constraints()
            .and_then(|constraints| constraints.path_length)
            .is_some_and(|allowed| below.len() > allowed as usize)
            // The path length of an anchor is not looked at.
            && position < chain.certificates.len();
        self_issued.peek().is_some()
            && (exempts_from_length
                || issuer.name_constraints().is_some_and(|constraints| {
                    self_issued.any(|certificate| violation(constraints, certificate).is_some())
                }))
    })
}
