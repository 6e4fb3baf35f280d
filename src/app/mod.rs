//! Wiring.

/// stub
#[derive(Debug, thiserror::Error)]
#[error("not written")]
pub struct Error;

/// stub
pub fn serve(_: crate::config::Config) -> Result<(), Error> {
    Err(Error)
}
