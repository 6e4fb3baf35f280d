//! A socket with a path, and the file it leaves behind.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use super::BACKLOG;
use crate::proxy::settings::LONGEST_PATH;

/// The file of a socket, removed when dropped unless another socket has taken its place.
#[derive(Debug)]
pub(in crate::proxy) struct SocketFile {
    path: PathBuf,
    mark: Mark,
    /// Whether it goes with this value.
    is_ours: bool,
}

/// What tells a file from another of the same name, which may even get the same inode.
type Mark = (u64, u64, i64, i64);

/// Listens at `path` and lets those in whom `mode` lets write. What a process that is gone left there is replaced.
///
/// # Errors
///
/// Also where another process listens there and `takeover` is not set, and where there is something else than a socket.
pub(super) fn bind(path: &Path, mode: u32, takeover: bool) -> io::Result<(UnixListener, SocketFile)> {
    if is_taken(path)? && !takeover {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    // Made aside and moved to its place when it can be used: nobody finds it closed, or open to all.
    let aside = aside(path);
    remove_if_there(&aside)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(&aside)?)?;
    let placed = fs::set_permissions(&aside, fs::Permissions::from_mode(mode))
        .and_then(|()| socket.listen(BACKLOG))
        .and_then(|()| fs::rename(&aside, path))
        .and_then(|()| fs::symlink_metadata(path));
    let placed = placed.inspect_err(|_| drop(fs::remove_file(&aside)))?;
    let file = SocketFile {
        path: path.to_owned(),
        mark: mark(&placed),
        is_ours: true,
    };
    Ok((socket.into(), file))
}

impl SocketFile {
    /// The file at `path` that belongs to another process until [`taken`](Self::taken); `None` where there is none.
    pub(super) fn of_another(path: &Path) -> Option<Self> {
        let metadata = fs::symlink_metadata(path).ok()?;
        Some(Self {
            path: path.to_owned(),
            mark: mark(&metadata),
            is_ours: false,
        })
    }

    /// It goes with this value from now on.
    pub(in crate::proxy) fn taken(mut self) -> Self {
        self.is_ours = true;
        self
    }

    /// It stays: another process has it from now on.
    pub(in crate::proxy) fn left(mut self) {
        self.is_ours = false;
    }
}

/// Whether somebody listens at `path`.
fn is_taken(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "there is a file that is no socket",
            ));
        }
        Ok(_) => {}
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A full queue is a listener too, and no reason to wait.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        _ => Ok(true),
    }
}

/// A name in the directory of `path`, cut off where it would be longer than that of a socket may be.
fn aside(path: &Path) -> PathBuf {
    let process = format!(".{}", std::process::id());
    let directory = path.as_os_str().len() - path.file_name().map_or(0, OsStr::len);
    let mut aside = path.as_os_str().as_bytes().to_owned();
    aside.truncate(directory.max(LONGEST_PATH.saturating_sub(process.len())));
    aside.extend(process.bytes());
    OsString::from_vec(aside).into()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn mark(metadata: &fs::Metadata) -> Mark {
    (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = self.is_ours && fs::symlink_metadata(&self.path).is_ok_and(|there| mark(&there) == self.mark);
        if ours {
            // Whoever comes next replaces what cannot be removed.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::proxy::settings::ListenAddress;

    #[test]
    fn a_socket_has_its_mode_and_its_file_goes_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let (_socket, file) = bind(&path, 0o660, false).unwrap();
        UnixStream::connect(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        drop(file);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_dead_process_left_is_replaced_and_what_a_living_one_has_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        drop(UnixListener::bind(&path).unwrap());
        let (_socket, _file) = bind(&path, 0o600, false).unwrap();
        let error = bind(&path, 0o600, false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_path_may_be_as_long_as_that_of_a_socket() {
        let directory = tempfile::tempdir().unwrap();
        let room = LONGEST_PATH - directory.path().as_os_str().len() - 1;
        for name in ["n".repeat(room), "n".repeat(room - 3)] {
            let path = directory.path().join(name);
            let (_socket, _file) = bind(&path, 0o600, false).unwrap();
            UnixStream::connect(&path).unwrap();
        }
        let deep = directory.path().join("d".repeat(room - ".4194304".len() - 1));
        fs::create_dir(&deep).unwrap();
        let path = deep.join("n");
        assert_eq!(path.as_os_str().len(), ListenAddress::longest_path(&path));
        let (_socket, _file) = bind(&path, 0o600, false).unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "precious").unwrap();
        for takeover in [false, true] {
            assert!(bind(&path, 0o600, takeover).is_err());
        }
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn whoever_took_over_keeps_the_path() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let (old, old_file) = bind(&path, 0o600, false).unwrap();
        let (new, _new_file) = bind(&path, 0o600, true).unwrap();
        drop((old, old_file));
        UnixStream::connect(&path).unwrap();
        assert!(new.accept().is_ok());
    }
}
