//! Pure chain assembly: from a leaf, a store of intermediates and anchors to the chain that a server should send.
//!
//! The promise of this module: no IO, no clock (the instant is an argument), no task, no log; the same input gives
//! the same output. It asks instead of fetching: where an issuer is missing, [`Assembly::wanted`] names it and where
//! it is published.
//!
//! ```
//! use std::sync::Arc;
//!
//! use fullchain::chain::{Anchors, Certificate, Context, Disallowed, Policy, Signatures, Status, Store, assemble};
//! use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
//! use rustls::pki_types::{PrivateKeyDer, UnixTime};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let ca = |name: &str| -> Result<CertificateParams, rcgen::Error> {
//! #     let mut params = CertificateParams::new(vec![])?;
//! #     params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
//! #     params.distinguished_name.push(rcgen::DnType::CommonName, name);
//! #     Ok(params)
//! # };
//! # let root = CertifiedIssuer::self_signed(ca("Root")?, KeyPair::generate()?)?;
//! # let intermediate = CertifiedIssuer::signed_by(ca("Intermediate")?, KeyPair::generate()?, &root)?;
//! # let key = KeyPair::generate()?;
//! # let mut params = CertificateParams::new(vec!["www.example.test".into()])?;
//! # params.use_authority_key_identifier_extension = true;
//! # let leaf = params.signed_by(&key, &intermediate)?;
//!
//! let store: Store = [Arc::new(Certificate::from_der(intermediate.der().clone())?)].into_iter().collect();
//! let anchors: Anchors = [Arc::new(Certificate::from_der(root.der().clone())?)].into_iter().collect();
//! let provider = rustls::crypto::aws_lc_rs::default_provider();
//! let context = Context {
//!     anchors: &anchors,
//!     at: UnixTime::now(),
//!     policy: Policy::Short,
//!     disallowed: &Disallowed::default(),
//!     algorithms: provider.signature_verification_algorithms.all,
//!     weak_algorithms: &[],
//!     signatures: &Signatures::new(),
//!     allow_ca_leaf: false,
//!     send_intermediate_anchor: true,
//! };
//! let leaf = Arc::new(Certificate::from_der(leaf.der().clone())?);
//! let assembly = assemble(&leaf, &store, &context);
//! assert_eq!(assembly.status, Status::Complete);
//!
//! let key = PrivateKeyDer::try_from(key.serialize_der())?;
//! let config = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
//!     .with_safe_default_protocol_versions()?
//!     .with_no_client_auth()
//!     .with_single_cert(assembly.chain.to_der(), key)?;
//! # let _ = config;
//! # Ok(())
//! # }
//! ```

mod anchors;
mod assemble;
mod assembly;
mod budget;
mod certificate;
mod context;
mod criterion;
mod extensions;
mod finding;
mod forecast;
mod graph;
mod hexadecimal;
mod instant;
mod judge;
mod key_id;
mod name;
mod name_constraints;
mod policy;
mod reachable;
mod refusal;
mod review;
mod search;
mod self_check;
mod sha256;
mod signatures;
mod sought;
mod store;
mod trail;
mod weigh;

pub use anchors::Anchors;
pub use assemble::assemble;
pub use assembly::{Alternative, Assembly, Chain, End, Flaw, Status, Wanted, Warning};
pub use certificate::{Certificate, KeyAlgorithm, ParseError};
pub use context::{Context, Disallowed};
pub use criterion::Criterion;
pub use extensions::AuthorityKeyIdentifier;
pub use finding::{Finding, Severity};
pub use forecast::{Cause, Change, Effect, Place, forecast};
pub use hexadecimal::hexadecimal;
pub use instant::{in_words, rfc3339};
pub use key_id::KeyIdMatch;
pub use name::Name;
pub use policy::Policy;
pub use refusal::Refusal;
pub use review::{Expectations, Purpose, Review, ReviewError, Sent};
pub use sha256::{ParseSha256Error, Sha256};
pub use signatures::{SignatureCheck, Signatures, Signed};
pub use sought::Sought;
pub use store::Store;
pub use trail::{Step, Trail, Verdict};
