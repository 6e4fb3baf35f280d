//! The PKI that stands in for the real one.
//!
//! What the cost of assembly depends on is shaped as in the Web PKI and in large private ones: each issuing CA has a name, a
//! key and key identifiers of its own; half of them have RSA keys of 2048 bits and half P-256; their certificates come to
//! some 1,200 bytes of DER, of which policies and revocation addresses, which assembly does not look at, are represented by
//! a long issuer address. What is not faithful: only a handful of RSA keys are behind the RSA certificates, because making ten
//! thousand would take an hour. Signatures are remembered by certificate and key, never by key alone, so this saves nothing.

use fullchain::chain::{Anchors, Context, Disallowed, Policy, Signatures, Store, assemble};
use rustls::crypto::{CryptoProvider, aws_lc_rs};

use crate::pki::{Entity, ca, day, server};

/// How many issuing CAs stand below one root.
const PER_ROOT: usize = 50;

/// Roots and the intermediates below them.
pub struct StandIn {
    pub roots: Vec<Entity>,
    pub intermediates: Vec<Entity>,
}

impl StandIn {
    /// A PKI with this many intermediates.
    pub fn of(intermediates: usize) -> Self {
        let rsa_keys: Vec<_> = (0..8)
            .map(|number| ca(&format!("Key {number}")).rsa().self_signed())
            .collect();
        let keyed = |name: &str, number: usize| match number % 2 {
            0 => ca(name).key_of(&rsa_keys[number / 2 % rsa_keys.len()]),
            _ => ca(name),
        };
        let roots: Vec<_> = (0..intermediates.div_ceil(PER_ROOT))
            .map(|number| keyed(&format!("Example Trust Services Root CA {number:04}"), number).self_signed())
            .collect();
        let intermediates = (0..intermediates)
            .map(|number| {
                keyed(&format!("Example Trust Services TLS Issuing CA {number:05}"), number)
                    .published_at(&format!("http://pki.example.test/{number:05}/{}", "0".repeat(LONG)))
                    .signed_by(&roots[number % roots.len()])
            })
            .collect();
        Self { roots, intermediates }
    }

    /// Leaves of this many of its intermediates, spread evenly.
    pub fn leaves(&self, count: usize) -> Vec<Entity> {
        // Odd, so that both kinds of keys have their turn.
        let step = (self.intermediates.len() / count) | 1;
        (0..count)
            .map(|number| {
                let issuer = &self.intermediates[number * step % self.intermediates.len()];
                server(&format!("host-{number}.example.test")).signed_by(issuer)
            })
            .collect()
    }

    pub fn store(&self) -> Store {
        certificates(&self.intermediates).collect()
    }

    pub fn anchors(&self) -> Anchors {
        certificates(&self.roots).collect()
    }
}

/// How long the issuer address is, to make up for what else is in a real certificate.
const LONG: usize = 500;

fn certificates(entities: &[Entity]) -> impl Iterator<Item = std::sync::Arc<fullchain::chain::Certificate>> {
    entities.iter().map(|entity| entity.certificate.clone())
}

/// Assembles for one leaf after the other.
pub struct Assembler {
    pub store: Store,
    pub anchors: Anchors,
    provider: CryptoProvider,
    disallowed: Disallowed,
}

impl Assembler {
    pub fn new(store: Store, anchors: Anchors) -> Self {
        Self {
            store,
            anchors,
            provider: aws_lc_rs::default_provider(),
            disallowed: Disallowed::default(),
        }
    }

    /// Assembles for `leaf` as the proxy does, and returns how many certificates would be sent.
    ///
    /// # Panics
    ///
    /// Where the chain is not complete: then something else was measured.
    pub fn assemble(&self, leaf: &Entity, signatures: &Signatures) -> usize {
        let context = Context {
            anchors: &self.anchors,
            at: day(0),
            policy: Policy::Short,
            disallowed: &self.disallowed,
            algorithms: self.provider.signature_verification_algorithms.all,
            weak_algorithms: fullchain::tls::WEAK_ALGORITHMS,
            signatures,
            allow_ca_leaf: false,
            send_intermediate_anchor: true,
        };
        let assembly = assemble(&leaf.certificate, &self.store, &context);
        assert_eq!(
            assembly.status,
            fullchain::chain::Status::Complete,
            "{}",
            assembly.trail
        );
        assembly.chain.certificates.len()
    }
}
