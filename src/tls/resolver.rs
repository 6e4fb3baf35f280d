//! Which identity a client is shown.
//!
//! 1. By name: the identities that carry the name of server_name (RFC 6066 section 3) exactly, then those that carry it
//!    by wildcard. A client that names no host, or one that nobody answers for, gets the default: the first identity
//!    configured, and whichever share a name with it. `strict_sni` refuses such a client instead.
//! 2. Of these, those that were made for this very name first and then in the order of configuration, the first whose key
//!    can sign with a scheme the client accepts.
//! 3. A client of TLS 1.3 may say which authorities it trusts (certificate_authorities, RFC 8446 section 4.2.4). Then of
//!    those that can sign, the first with a chain from one of them, and that chain; where there is none, it is as if
//!    the client had said nothing.
//!
//! The same client always gets the same identity. It runs inside the handshake: no lock, no await, no allocation.

use std::collections::HashSet;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, DistinguishedName, SignatureScheme};

use super::Identity;
use super::names::Names;

/// Finds the identity for a ClientHello.
#[derive(Debug)]
pub(super) struct Resolver {
    identities: Arc<[Identity]>,
    names: Arc<Names>,
    /// The first identity and those that stand beside it, such as its twin with another kind of key.
    default: Vec<usize>,
    strict_sni: bool,
}

impl Resolver {
    /// A resolver that prefers `identities` in the order given.
    pub(super) fn new(identities: Arc<[Identity]>, strict_sni: bool) -> Self {
        let names = identities
            .iter()
            .map(|identity| (identity.names(), identity.preferred_name()));
        Self {
            names: Arc::new(Names::new(names)),
            default: default_identities(&identities),
            identities,
            strict_sni,
        }
    }

    /// The same for other `identities`. Where they have the same names, as after a renewal, the index of them stays.
    pub(super) fn succeeded_by(&self, identities: Arc<[Identity]>, strict_sni: bool) -> Self {
        let is_named_alike = |(before, now): (&Identity, &Identity)| {
            before.names() == now.names() && before.preferred_name() == now.preferred_name()
        };
        let mut both = self.identities.iter().zip(&*identities);
        if self.identities.len() != identities.len() || !both.all(is_named_alike) {
            return Self::new(identities, strict_sni);
        }
        Self {
            names: Arc::clone(&self.names),
            default: self.default.clone(),
            identities,
            strict_sni,
        }
    }

    /// The identities in the order of preference.
    pub(super) fn identities(&self) -> &[Identity] {
        &self.identities
    }

    fn choose(&self, server_name: Option<&str>, offer: Offer<'_>) -> Option<Choice<'_>> {
        let named = server_name.map(|name| self.names.find(name));
        match named {
            Some(named) if named.clone().next().is_some() => self.best_for(named, offer),
            _ if self.strict_sni => None,
            _ => self.best_for(self.default.iter().copied(), offer),
        }
    }

    fn best_for(&self, candidates: impl Iterator<Item = usize> + Clone, offer: Offer<'_>) -> Option<Choice<'_>> {
        let candidates = candidates.filter_map(|candidate| self.identities.get(candidate));
        if let Some(authorities) = offer.authorities {
            let mut that_sign = candidates.clone().filter(|identity| offer.surely_accepts(identity));
            let from = |identity| Some((identity, Identity::chain_from(identity, authorities)?));
            if let Some(choice) = that_sign.find_map(from) {
                return Some(choice);
            }
        }
        let surely = candidates.clone().find(|identity| offer.surely_accepts(identity));
        surely
            .or_else(|| candidates.clone().find(|identity| offer.accepts(identity)))
            // Where no key fits, rustls says so better than an absent identity would.
            .or_else(|| candidates.clone().next())
            .map(|identity| (identity, identity.default_chain()))
    }
}

/// An identity and the one of its chains that is shown.
type Choice<'a> = (&'a Identity, &'a Arc<CertifiedKey>);

impl Resolver {
    /// What a client with this `client_hello` is shown.
    pub(super) fn answer(&self, client_hello: &ClientHello<'_>) -> Option<Choice<'_>> {
        let offer = Offer {
            schemes: client_hello.signature_schemes(),
            tls13: client_hello.cipher_suites().iter().any(is_tls13),
            authorities: client_hello.certificate_authorities(),
        };
        self.choose(client_hello.server_name(), offer)
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.answer(&client_hello).map(|(_, chain)| Arc::clone(chain))
    }
}

/// What a client accepts.
#[derive(Clone, Copy)]
struct Offer<'a> {
    /// Its signature_algorithms extension; rustls has taken out what its TLS 1.2 cipher suites cannot use.
    schemes: &'a [SignatureScheme],
    /// Whether it speaks TLS 1.3.
    tls13: bool,
    /// Its certificate_authorities extension; in TLS 1.2 there is none.
    authorities: Option<&'a [DistinguishedName]>,
}

impl Offer<'_> {
    /// Whether the client accepts a signature by `identity`, whichever protocol version comes about.
    ///
    /// RFC 8446 section 4.2.3: in TLS 1.3 the RSA PKCS#1 schemes say what certificates may be signed with, not what the
    /// handshake may.
    fn surely_accepts(&self, identity: &Identity) -> bool {
        identity
            .schemes()
            .iter()
            .any(|scheme| !(self.tls13 && is_rsa_pkcs1(*scheme)) && self.schemes.contains(scheme))
    }

    fn accepts(&self, identity: &Identity) -> bool {
        identity.schemes().iter().any(|scheme| self.schemes.contains(scheme))
    }
}

fn default_identities(identities: &[Identity]) -> Vec<usize> {
    let Some(first) = identities.first() else {
        return Vec::new();
    };
    let names: HashSet<&str> = first.names().iter().map(AsRef::as_ref).collect();
    let beside = |identity: &Identity| identity.names().iter().any(|name| names.contains(&**name));
    identities
        .iter()
        .enumerate()
        .filter(|(position, identity)| *position == 0 || beside(identity))
        .map(|(position, _)| position)
        .collect()
}

fn is_rsa_pkcs1(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA256 | SignatureScheme::RSA_PKCS1_SHA384 | SignatureScheme::RSA_PKCS1_SHA512
    )
}

fn is_tls13(suite: &CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS13_AES_256_GCM_SHA384
            | CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::rig::Pki;

    const ECDSA: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;
    const PKCS1: SignatureScheme = SignatureScheme::RSA_PKCS1_SHA256;
    const PSS: SignatureScheme = SignatureScheme::RSA_PSS_SHA256;

    #[test]
    fn of_one_name_the_first_configured_key_that_can_sign_is_shown_each_time() {
        let pki = Pki::new();
        let resolver = resolver(&[pki.rsa_identity(&["a.test"]), pki.identity(&["a.test"])], false);
        for _ in 0..100 {
            assert_eq!(shown(&resolver, Some("a.test"), &[ECDSA, PSS], true), Some(0));
            assert_eq!(shown(&resolver, Some("a.test"), &[ECDSA], true), Some(1));
        }
    }

    #[test]
    fn the_index_of_names_stays_where_the_names_do_and_only_there() {
        let pki = Pki::new();
        let before = resolver(&[pki.identity(&["a.test"]), pki.identity(&["b.test"])], false);
        let renewed: Vec<_> = [pki.identity(&["a.test"]), pki.rsa_identity(&["b.test"])].into();
        let after = before.succeeded_by(renewed.into(), false);
        assert!(Arc::ptr_eq(&before.names, &after.names));
        assert_eq!(shown(&after, Some("b.test"), &[PSS], true), Some(1));
        let other: Vec<_> = [pki.identity(&["a.test"]), pki.identity(&["c.test"])].into();
        let other = after.succeeded_by(other.into(), true);
        assert_eq!(shown(&other, Some("c.test"), &[ECDSA], true), Some(1));
        assert_eq!(shown(&other, Some("b.test"), &[ECDSA], true), None);
        let made_for: Vec<_> = [pki.identity(&["a.test"]), pki.identity(&["c.test"]).made_for("a.test")].into();
        let made_for = other.succeeded_by(made_for.into(), true);
        assert_eq!(shown(&made_for, Some("a.test"), &[ECDSA], true), Some(1));
    }

    #[test]
    fn pkcs1_counts_only_for_a_client_without_tls_1_3() {
        let pki = Pki::new();
        let resolver = resolver(&[pki.rsa_identity(&["a.test"]), pki.identity(&["a.test"])], false);
        assert_eq!(shown(&resolver, Some("a.test"), &[PKCS1, ECDSA], true), Some(1));
        assert_eq!(shown(&resolver, Some("a.test"), &[PKCS1, ECDSA], false), Some(0));
        assert_eq!(shown(&resolver, Some("a.test"), &[PKCS1], true), Some(0));
    }

    #[test]
    fn a_wildcard_helps_out_where_the_exact_names_key_cannot_sign() {
        let pki = Pki::new();
        let resolver = resolver(&[pki.identity(&["*.test"]), pki.rsa_identity(&["a.test"])], false);
        assert_eq!(shown(&resolver, Some("a.test"), &[ECDSA, PSS], true), Some(1));
        assert_eq!(shown(&resolver, Some("a.test"), &[ECDSA], true), Some(0));
    }

    #[test]
    fn no_name_and_an_unknown_name_get_the_first_identity_or_its_twin() {
        let pki = Pki::new();
        let identities = [
            pki.rsa_identity(&["a.test", "b.test"]),
            pki.identity(&["c.test"]),
            pki.identity(&["b.test"]),
        ];
        let resolver = resolver(&identities, false);
        for name in [None, Some("unknown.test")] {
            assert_eq!(shown(&resolver, name, &[PSS, ECDSA], true), Some(0));
            assert_eq!(shown(&resolver, name, &[ECDSA], true), Some(2));
        }
    }

    #[test]
    fn a_named_authority_decides_among_the_identities_that_sign_and_no_others() {
        let (pki, older) = (Pki::new(), Pki::named("older"));
        let identities = [
            pki.identity(&["a.test"]),
            older.rsa_identity(&["a.test"]),
            older.identity(&["a.test"]),
            older.identity(&["b.test"]),
        ];
        let resolver = resolver(&identities, false);
        let shown_from = |authority: &Pki, schemes: &[SignatureScheme]| {
            let offer = Offer {
                schemes,
                tls13: true,
                authorities: Some(&[authority.authority()]),
            };
            place(&resolver, resolver.choose(Some("a.test"), offer)?.1)
        };
        assert_eq!(shown_from(&older, &[ECDSA, PSS]), Some(1));
        assert_eq!(shown_from(&older, &[ECDSA]), Some(2));
        assert_eq!(shown_from(&pki, &[ECDSA, PSS]), Some(0));
        assert_eq!(shown_from(&pki, &[PSS]), Some(1), "as if it had named none");
        assert_eq!(shown_from(&Pki::named("stranger"), &[ECDSA, PSS]), Some(0));
    }

    #[test]
    fn strict_sni_refuses_no_name_and_an_unknown_name() {
        let resolver = resolver(&[Pki::new().identity(&["a.test"])], true);
        assert_eq!(shown(&resolver, Some("a.test"), &[ECDSA], true), Some(0));
        assert_eq!(shown(&resolver, Some("unknown.test"), &[ECDSA], true), None);
        assert_eq!(shown(&resolver, None, &[ECDSA], true), None);
    }

    #[test]
    fn a_client_that_accepts_no_key_still_meets_the_identity_of_its_name() {
        let pki = Pki::new();
        let resolver = resolver(&[pki.identity(&["a.test"]), pki.identity(&["b.test"])], false);
        assert_eq!(shown(&resolver, Some("b.test"), &[PSS], true), Some(1));
    }

    #[test]
    fn without_identities_nothing_is_shown() {
        assert_eq!(shown(&resolver(&[], false), None, &[ECDSA], true), None);
    }

    fn resolver(identities: &[Identity], strict_sni: bool) -> Resolver {
        Resolver::new(identities.into(), strict_sni)
    }

    fn shown(resolver: &Resolver, name: Option<&str>, schemes: &[SignatureScheme], tls13: bool) -> Option<usize> {
        let offer = Offer {
            schemes,
            tls13,
            authorities: None,
        };
        place(resolver, resolver.choose(name, offer)?.1)
    }

    /// Whose chain it is.
    fn place(resolver: &Resolver, chain: &Arc<CertifiedKey>) -> Option<usize> {
        let mut identities = resolver.identities.iter();
        identities.position(|identity| Arc::ptr_eq(identity.default_chain(), chain))
    }
}
