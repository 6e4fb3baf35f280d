//! The rig: what tests speak in.

pub mod pki;
