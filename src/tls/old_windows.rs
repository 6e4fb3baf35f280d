//! Which hosts old Windows cannot reach.
//!
//! Up to Windows 8.1 and Server 2012 R2, Schannel offers for RSA certificates no cipher suite that rustls speaks: key
//! exchange by RSA, finite-field Diffie-Hellman, or CBC; ECDHE_RSA with AES-GCM came with Windows 10. For ECDSA
//! certificates it offers ECDHE_ECDSA with AES-GCM, which rustls speaks, on P-256 and P-384
//! (learn.microsoft.com/windows/win32/secauthn/tls-cipher-suites-in-windows-8-1, and the same of 7 and 8).

use std::collections::BTreeSet;
use std::fmt;

use crate::chain::{Certificate, KeyAlgorithm};

/// Host names with an RSA certificate, and no ECDSA certificate that lets old Windows in. Shown as a sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutOfReach(BTreeSet<String>);

impl OutOfReach {
    /// What old Windows cannot reach where these leaves are served.
    pub fn of<'c>(leaves: impl IntoIterator<Item = &'c Certificate>) -> Self {
        let (mut reached, mut rsa) = (BTreeSet::new(), BTreeSet::new());
        for leaf in leaves {
            let names = leaf.dns_names().map(str::to_ascii_lowercase);
            match leaf.key_algorithm() {
                KeyAlgorithm::Ec { bits: 256 | 384 } => reached.extend(names),
                KeyAlgorithm::Rsa { .. } => rsa.extend(names),
                KeyAlgorithm::Ec { .. } | KeyAlgorithm::Ed25519 | KeyAlgorithm::Other => {}
            }
        }
        rsa.retain(|name| !is_covered(name, &reached));
        Self(rsa)
    }

    /// Whether there is no such host.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Those that are not among `known`.
    pub fn without(mut self, known: &Self) -> Self {
        self.0.retain(|name| !known.0.contains(name));
        self
    }
}

/// Whether `names` have `name`, itself or by wildcard.
fn is_covered(name: &str, names: &BTreeSet<String>) -> bool {
    let wildcard = || name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
    names.contains(name) || wildcard().is_some_and(|wildcard| names.contains(&wildcard))
}

impl fmt::Display for OutOfReach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<_> = self.names().take(MOST_SHOWN).collect();
        write!(
            f,
            "old Windows (up to 8.1 and Server 2012 R2) cannot connect to {}",
            shown.join(", ")
        )?;
        if let Some(more @ 1..) = self.0.len().checked_sub(MOST_SHOWN) {
            write!(f, " and {more} more")?;
        }
        f.write_str(
            ": for RSA certificates it has no cipher suite that is spoken here; add an ECDSA certificate (P-256 or P-384) \
             for the same names",
        )
    }
}

/// Names in a sentence; of ten thousand nobody reads more.
const MOST_SHOWN: usize = 10;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcgen::{
        CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256,
        SignatureAlgorithm,
    };

    use super::*;

    fn leaf(names: &[&str], key: &'static SignatureAlgorithm) -> Arc<Certificate> {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate_for(key).unwrap();
        let leaf = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        Arc::new(Certificate::from_der(leaf.der().clone()).unwrap())
    }

    fn out_of_reach(leaves: &[Arc<Certificate>]) -> Vec<String> {
        let out_of_reach = OutOfReach::of(leaves.iter().map(|leaf| &**leaf));
        out_of_reach.names().map(str::to_owned).collect()
    }

    #[test]
    fn a_host_with_an_rsa_certificate_alone_is_out_of_reach_until_it_has_an_ecdsa_one() {
        let mut leaves = vec![leaf(&["A.test", "b.test", "192.0.2.1"], &PKCS_RSA_SHA256)];
        assert_eq!(out_of_reach(&leaves), ["a.test", "b.test"]);
        leaves.push(leaf(&["a.test"], &PKCS_ECDSA_P256_SHA256));
        assert_eq!(out_of_reach(&leaves), ["b.test"]);
        leaves.push(leaf(&["*.test"], &PKCS_ECDSA_P256_SHA256));
        assert_eq!(out_of_reach(&leaves), [""; 0]);
    }

    #[test]
    fn keys_that_old_windows_does_not_know_let_nobody_in() {
        let rsa = leaf(&["a.test"], &PKCS_RSA_SHA256);
        for key in [&PKCS_ED25519, &PKCS_ECDSA_P521_SHA512] {
            let other = leaf(&["a.test"], key);
            assert_eq!(out_of_reach(&[rsa.clone(), other.clone()]), ["a.test"]);
            assert_eq!(out_of_reach(&[other]), [""; 0], "nobody expects old clients there");
        }
    }

    #[test]
    fn the_sentence_names_a_few_hosts_and_counts_the_rest() {
        let names: Vec<String> = (0..13).map(|number| format!("{number:02}.test")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let rsa = leaf(&names, &PKCS_RSA_SHA256);
        let text = OutOfReach::of([&*rsa]).to_string();
        assert!(text.contains("connect to 00.test, 01.test,"), "{text}");
        assert!(text.contains("09.test and 3 more: "), "{text}");
        let known = OutOfReach::of([&*leaf(&names[1..], &PKCS_RSA_SHA256)]);
        let text = OutOfReach::of([&*rsa]).without(&known).to_string();
        assert!(text.contains("connect to 00.test: "), "{text}");
    }
}
