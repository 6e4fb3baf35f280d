//! Pure chain assembly.

mod policy;
mod sha256;

pub use policy::Policy;
pub use sha256::Sha256;
