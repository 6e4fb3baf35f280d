//! Reads one file without ever blocking or growing without bound, and says why where it cannot.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;
use rustix::process::{getegid, geteuid};
use zeroize::Zeroizing;

/// Why a file or directory cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The permissions forbid it.
    #[error("permission denied: this process runs as uid {uid} gid {gid}{}", mode_text(file, *uid))]
    Denied {
        /// The effective user id of this process.
        uid: u32,
        /// The effective group id of this process.
        gid: u32,
        /// Mode bits, owner and group of the file; `None` where a directory above it may not be entered.
        file: Option<(u32, u32, u32)>,
    },
    /// The operating system reports something else.
    #[error("{0}")]
    Io(Arc<io::Error>),
    /// It is no regular file.
    #[error("expected a regular file, found a {0}")]
    NotRegular(&'static str),
    /// It has more bytes than are read.
    #[error("expected at most {0} bytes, found more")]
    TooLarge(u64),
    /// A directory has more entries than are read.
    #[error("expected at most {0} files in the directory, found more")]
    TooManyFiles(usize),
    /// The files read before it leave no room.
    #[error("all files together have more than {0} bytes")]
    TooLargeTogether(u64),
    /// It changed each time it was read.
    #[error("it changed while it was read, {0} times in a row")]
    Unstable(u32),
}

fn mode_text(file: &Option<(u32, u32, u32)>, process: u32) -> String {
    let Some((mode, uid, gid)) = file else {
        return ", which may not enter a directory above the file".to_owned();
    };
    let is_allowed = mode & 0o004 != 0 || *uid == process && mode & 0o400 != 0 || process == 0;
    let hint = match is_allowed {
        true => "; that would do, so that a sandbox (`sandbox`, AppArmor, SELinux) forbids it".to_owned(),
        false if mode & 0o040 != 0 => {
            format!(
                "; a process of group {gid} may (in Kubernetes `fsGroup: {gid}`, for systemd `SupplementaryGroups=`)"
            )
        }
        false => "; give it to a group of this process, mode 0640 (in Kubernetes `fsGroup`, for systemd \
                  `SupplementaryGroups=`)"
            .to_owned(),
    };
    format!(", the file has mode {mode:04o}, owner {uid} and group {gid}{hint}")
}

/// File systems tell when a file changed to a few milliseconds; FAT and old NFS to two seconds.
const COARSEST_TICK_SECONDS: u64 = 2;

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Stamp {
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether the file changed so shortly before `now` that the next change may bear the same time.
    pub(super) fn is_young(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let changed = u64::try_from(self.changed.0).unwrap_or_default();
        // A change in the future was made by another clock.
        now.as_secs() <= changed + COARSEST_TICK_SECONDS
    }
}

/// The bytes of the regular file `path`, at most `limit` of them.
pub(super) fn file(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let explain = |error| explain(path, error);
    // Opening a device may do something, so it is looked at first; what was opened is looked at again.
    expect_regular(&fs::metadata(path).map_err(explain)?)?;
    let file = open(path).map_err(explain)?;
    let metadata = file.metadata().map_err(explain)?;
    expect_regular(&metadata)?;
    let length = metadata.len();
    if length > limit {
        return Err(ReadError::TooLarge(limit));
    }
    // The whole length at once: growing would leave copies of a key behind. It is at most `limit`.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1));
    file.take(limit + 1).read_to_end(&mut bytes).map_err(explain)?;
    if bytes.len() as u64 > limit {
        Err(ReadError::TooLarge(limit))
    } else {
        Ok(bytes)
    }
}

/// Opens `path` without waiting for the other end of a FIFO. The standard library sets O_CLOEXEC.
fn open(path: &Path) -> io::Result<File> {
    // The flag is the bit pattern of a C int.
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
}

fn expect_regular(metadata: &Metadata) -> Result<(), ReadError> {
    let kind = metadata.file_type();
    Err(ReadError::NotRegular(match kind {
        _ if kind.is_file() => return Ok(()),
        _ if kind.is_dir() => "directory",
        _ if kind.is_fifo() => "FIFO",
        _ if kind.is_socket() => "socket",
        _ if kind.is_char_device() || kind.is_block_device() => "device",
        _ => "special file",
    }))
}

/// `error`, with what explains it where permissions are to blame.
pub(super) fn explain(path: &Path, error: io::Error) -> ReadError {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return ReadError::Io(Arc::new(error));
    }
    ReadError::Denied {
        uid: geteuid().as_raw(),
        gid: getegid().as_raw(),
        file: fs::metadata(path)
            .ok()
            .map(|metadata| (metadata.mode() & 0o7777, metadata.uid(), metadata.gid())),
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        fs::write(&path, [7; 10]).unwrap();
        assert_eq!(**file(&path, 10).unwrap(), [7; 10]);
        assert!(matches!(file(&path, 9), Err(ReadError::TooLarge(9))));
    }

    #[test]
    fn what_is_no_regular_file_is_refused_without_blocking() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for (path, kind) in [
            (fifo.as_path(), "FIFO"),
            (directory.path(), "directory"),
            (Path::new("/dev/zero"), "device"),
        ] {
            let error = file(path, 100).unwrap_err();
            assert_eq!(error.to_string(), format!("expected a regular file, found a {kind}"));
        }
    }

    #[test]
    fn a_denial_says_who_asks_and_who_may() {
        let error = ReadError::Denied {
            uid: 65_534,
            gid: 100,
            file: Some((0o600, 0, 0)),
        };
        assert_eq!(
            error.to_string(),
            "permission denied: this process runs as uid 65534 gid 100, the file has mode 0600, owner 0 and group 0; \
             give it to a group of this process, mode 0640 (in Kubernetes `fsGroup`, for systemd `SupplementaryGroups=`)"
        );
        for (uid, mode, hint) in [
            (65_534, 0o640, "`fsGroup: 7`"),
            (65_534, 0o644, "a sandbox"),
            (0, 0o600, "a sandbox"),
        ] {
            let (gid, file) = (100, Some((mode, 1, 7)));
            let error = ReadError::Denied { uid, gid, file }.to_string();
            assert!(error.contains(hint), "{error}");
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o040)).unwrap();
        let denied = explain(&path, io::Error::from(io::ErrorKind::PermissionDenied));
        assert!(denied.to_string().contains("the file has mode 0040"), "{denied}");
    }

    #[test]
    fn a_missing_file_is_said_to_be_missing() {
        let error = file(Path::new("/nonexistent/tls.crt"), 100).unwrap_err();
        assert!(error.to_string().contains("No such file"), "{error}");
    }
}
