//! Pure chain assembly.

mod anchors;
mod certificate;
mod extensions;
mod name;
mod policy;
mod sha256;
mod store;

pub use anchors::Anchors;
pub use certificate::{Certificate, KeyAlgorithm, ParseError};
pub use extensions::AuthorityKeyIdentifier;
pub use name::Name;
pub use policy::Policy;
pub use sha256::{ParseSha256Error, Sha256};
pub use store::Store;
