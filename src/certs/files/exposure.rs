//! Whether a file is open to more than those who need it.

use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::{getegid, geteuid};

/// Everybody may read it.
const READABLE_BY_ALL: u32 = 0o004;
/// More than the owner may write it.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A file that more may read or write than have to. That a group may read it is none: that is how keys are given to
/// services (`fsGroup` of Kubernetes, `ssl-cert` of Debian).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposure {
    mode: u32,
    owner: u32,
    group: u32,
}

impl Exposure {
    /// How the file at `path` is exposed, if it is.
    pub(in crate::certs) fn of(path: &Path) -> Option<Self> {
        fs::metadata(path)
            .ok()
            .and_then(|metadata| Self::of_metadata(&metadata))
    }

    fn of_metadata(metadata: &Metadata) -> Option<Self> {
        let exposure = Self {
            mode: metadata.mode() & 0o7777,
            owner: metadata.uid(),
            group: metadata.gid(),
        };
        exposure.is_one().then_some(exposure)
    }

    fn is_one(self) -> bool {
        self.mode & (READABLE_BY_ALL | WRITABLE_BY_OTHERS) != 0
    }
}

impl fmt::Display for Exposure {
    /// What is wrong, who the file and the process belong to, and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, owner, group } = self;
        let what = match mode & READABLE_BY_ALL {
            0 => "others than its owner may write it",
            _ => "everybody may read it",
        };
        write!(
            f,
            "{what}: mode {mode:04o}, owner {owner} and group {group}; this process runs as uid {} gid {}. 0640 with a group of this \
             process is enough (in Kubernetes `defaultMode: 0440` and `fsGroup`)",
            geteuid().as_raw(),
            getegid().as_raw()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_everybody_may_read_or_others_may_write_is_exposed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tls.key");
        fs::write(&path, "key").unwrap();
        for (mode, wrong) in [
            (0o600, None),
            (0o440, None),
            (0o640, None),
            (0o644, Some("everybody may read it: mode 0644")),
            (0o660, Some("others than its owner may write it: mode 0660")),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let exposure = Exposure::of(&path).map(|exposure| exposure.to_string());
            match (exposure, wrong) {
                (None, None) => {}
                (Some(told), Some(wrong)) => assert!(told.starts_with(wrong), "{told}"),
                other => panic!("{mode:o}: {other:?}"),
            }
        }
    }
}
