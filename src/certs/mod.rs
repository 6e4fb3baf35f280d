//! Files -> certificates and keys.
//!
//! [`Files`] reads every configured path as of one moment; [`Inventory`] makes of their bytes the bundles, the store
//! and the anchors. Whatever the format and whatever lies around it, a certificate that is there is found; whatever
//! is broken is reported with its path, what was expected and what was found. No task and no log; files
//! are read in `files` alone, where the one clock tells whether a file was written just now.

mod anchors;
mod answer;
mod arrangement;
mod bundle;
mod certificates;
mod client_trust;
mod contents;
mod der;
mod directories;
mod error;
mod files;
mod format;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod host;
mod inventory;
mod key;
mod origins;
mod password;
mod pbe;
mod pem;
mod pkcs12;
mod pkcs7;
mod revocation_list;
mod safes;
mod settings;
mod store;
#[cfg(test)]
mod testing;
mod ticket_keys;
mod uses;
mod work;

pub use answer::{AnswerError, certificates_in};
pub use bundle::Bundle;
pub use client_trust::{ClientTrust, LoadedClientTrust};
pub use contents::ContentsError;
pub use directories::{Gaps, Listing};
pub use error::Error;
pub use files::{Exposure, Files, Look, ReadError};
pub use format::FormatError;
pub use host::HostName;
pub use inventory::{Change, Inventory, LoadedBundle};
pub use key::{KeyError, KeyReader, PrivateKey};
pub use origins::Origins;
pub use password::{NotUtf8, Password};
pub use pbe::SchemeError;
pub use pem::PemError;
pub use pkcs7::Pkcs7Error;
pub use pkcs12::Pkcs12Error;
pub use revocation_list::{RevocationList, RevocationListError};
pub use settings::{BundleSettings, ClientTrustSettings, Origin, Roots, Settings, TicketSettings};
pub use ticket_keys::{LoadedTicketMaterial, TicketKeyFile, TicketMaterial};
pub use work::TooMuchWork;
