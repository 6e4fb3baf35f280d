//! What is known of one file.

use std::collections::HashMap;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::read::ReadError;
use crate::chain::Sha256;

/// What is known of one file.
pub(super) enum Content {
    /// It was read.
    Bytes {
        bytes: Zeroizing<Vec<u8>>,
        digest: Sha256,
        /// It had just been written: another write in the same tick of the file system's clock would leave no trace.
        is_young: bool,
    },
    /// It was read, and its bytes have been given up.
    Known { digest: Sha256, is_young: bool },
    /// It cannot be read.
    Unreadable(ReadError),
}

impl Content {
    /// Whether a file that looks as it did when this was read still holds the same. An error is tried again: what
    /// forbids to read a file need not show in it.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            Self::Bytes { is_young, .. } | Self::Known { is_young, .. } => !is_young,
            Self::Unreadable(_) => false,
        }
    }

    /// The same without its bytes.
    pub(super) fn without_bytes(&self) -> Self {
        match self {
            Self::Bytes { digest, is_young, .. } | Self::Known { digest, is_young } => Self::Known {
                digest: *digest,
                is_young: *is_young,
            },
            Self::Unreadable(error) => Self::Unreadable(error.clone()),
        }
    }

    pub(super) fn forget(&mut self) {
        if matches!(self, Self::Bytes { .. }) {
            *self = self.without_bytes();
        }
    }

    /// Whether both hold the same bytes, or neither can be read for the same reason.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Bytes { digest, .. } | Self::Known { digest, .. },
                Self::Bytes { digest: other, .. } | Self::Known { digest: other, .. },
            ) => digest == other,
            (Self::Unreadable(error), Self::Unreadable(other)) => error.to_string() == other.to_string(),
            _ => false,
        }
    }
}

/// Whether the same files hold the same.
pub(super) fn are_same(one: &HashMap<PathBuf, Content>, other: &HashMap<PathBuf, Content>) -> bool {
    let is_in_other =
        |(path, content): (&PathBuf, &Content)| other.get(path).is_some_and(|other| content.is_same(other));
    one.len() == other.len() && one.iter().all(is_in_other)
}
