//! Which of several chains that are equally good for a modern client is preferred.

use std::fmt;

/// What decides between chains that are valid, anchored and free of defects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// The fewest certificates, as IIS does: fewer bytes in every handshake.
    #[default]
    Short,
    /// The chain that ends at the oldest anchor, kept up by an unexpired cross-certificate, so that clients with an
    /// old root store still find a root they know.
    Compat,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "short",
            Self::Compat => "compat",
        })
    }
}
