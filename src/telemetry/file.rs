//! A file that lines are appended to, for as long as there is room, and wherever it is moved.
//!
//! Who rotates logs renames the file and says so (SIGUSR1, as with nginx), or renames it and says nothing: once a second
//! it is looked at whether the path still leads to the open file. Where the disk is full, or the file cannot be written for
//! another reason, that is said once; lines are dropped and counted until it can be, and serving goes on.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::lines::Header;
use super::queue::Output;

/// For the owner, and the group that reads logs: they say who was where.
const MODE: u32 = 0o640;

/// How often it is looked at whether the path still leads to the file.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long after a complaint the next failure is not said again: a disk on the verge of full would fill what is left.
const SAID_INTERVAL: Duration = Duration::from_secs(60);

/// An open file, and what has become of the lines for it.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    opened: Opened,
    header: Option<Header>,
    /// The header is yet to be written.
    headless: bool,
    /// The last write ended within a line.
    torn: bool,
    looked: Instant,
    /// The path leads elsewhere, and that could not be opened.
    astray: bool,
    /// Lines that could not be written since the last that could.
    dropped: u64,
    /// The failure was said, at that time.
    said: Option<Instant>,
}

#[derive(Debug)]
struct Opened {
    file: File,
    device: u64,
    inode: u64,
}

impl LogFile {
    /// Opens the file, or makes it. A `header` stands before the first line after each opening.
    ///
    /// # Errors
    ///
    /// Where it can be neither opened nor made.
    pub(super) fn open(path: &Path, header: Option<Header>) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            opened: Opened::open(path)?,
            header,
            headless: true,
            torn: false,
            looked: Instant::now(),
            astray: false,
            dropped: 0,
            said: None,
        })
    }

    /// Opens the file anew if it was renamed or removed.
    fn look(&mut self, now: Instant) {
        if now.duration_since(self.looked) < LOOK_INTERVAL {
            return;
        }
        self.looked = now;
        match fs::metadata(&self.path) {
            Ok(found) if self.opened.is(&found) => self.astray = false,
            Ok(_) => self.open_anew(),
            Err(error) if error.kind() == ErrorKind::NotFound => self.open_anew(),
            // Whoever cannot look at the path cannot open it either.
            Err(_) => {}
        }
    }

    /// The old file stays where the new one cannot be opened: its lines are not lost.
    fn open_anew(&mut self) {
        match Opened::open(&self.path) {
            Ok(opened) => {
                self.opened = opened;
                (self.headless, self.torn, self.astray) = (true, false, false);
            }
            Err(error) => {
                if !std::mem::replace(&mut self.astray, true) {
                    let file = self.path.display();
                    tracing::error!(%file, %error, "a log file cannot be opened anew: the old one is written on");
                }
            }
        }
    }

    /// Writes what comes before `lines`, then those.
    fn put(&mut self, lines: &[u8], now: Instant) {
        let mut start = Vec::new();
        if self.torn {
            start.push(b'\n');
        }
        if let Some(header) = self.header.filter(|_| self.headless) {
            start.extend_from_slice(&header());
        }
        let (written, outcome) = write_all(&self.opened.file, &start);
        self.torn = ends_within_a_line(start.get(..written), self.torn);
        if let Err(error) = outcome {
            return self.failed(lines, &error, now);
        }
        self.headless = false;
        let (written, outcome) = write_all(&self.opened.file, lines);
        self.torn = ends_within_a_line(lines.get(..written), self.torn);
        match outcome {
            Ok(()) => self.succeeded(),
            Err(error) => self.failed(lines.get(written..).unwrap_or_default(), &error, now),
        }
    }

    fn failed(&mut self, lines: &[u8], error: &io::Error, now: Instant) {
        let first = self.dropped == 0;
        self.dropped += lines.iter().filter(|byte| **byte == b'\n').count() as u64;
        let lately = self.said.is_some_and(|said| now.duration_since(said) < SAID_INTERVAL);
        if first && !lately {
            self.said = Some(now);
            let file = self.path.display();
            tracing::error!(%file, %error, "a log file cannot be written: its lines are dropped until it can be");
        }
    }

    fn succeeded(&mut self) {
        let lost = std::mem::take(&mut self.dropped);
        if lost > 0 {
            tracing::warn!(file = %self.path.display(), lost, "a log file can be written again; lines were lost");
        }
    }
}

impl Output for LogFile {
    fn write(&mut self, lines: &[u8]) {
        let now = Instant::now();
        self.look(now);
        self.put(lines, now);
    }

    fn say_lost(&mut self, count: u64) {
        tracing::warn!(file = %self.path.display(), lost = count, "log lines were lost: the disk takes them too slowly");
    }

    fn reopen(&mut self) {
        // Whoever asks wants to be told each time.
        self.astray = false;
        self.open_anew();
    }
}

impl Opened {
    fn open(path: &Path) -> io::Result<Self> {
        let nonblocking = OFlags::NONBLOCK;
        let flags = i32::try_from(nonblocking.bits()).map_err(io::Error::other)?;
        // A named pipe that nobody reads would not open before somebody does.
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(MODE)
            .custom_flags(flags)
            .open(path)?;
        // Once open it is written by a thread that may wait.
        fcntl_setfl(&file, fcntl_getfl(&file)? - nonblocking)?;
        let found = file.metadata()?;
        Ok(Self {
            file,
            device: found.dev(),
            inode: found.ino(),
        })
    }

    fn is(&self, found: &Metadata) -> bool {
        (self.device, self.inode) == (found.dev(), found.ino())
    }
}

/// Writes as much as can be written; how much that was.
fn write_all(mut file: &File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match Write::write(&mut file, rest) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// Whether the file ends within a line after `written`, given how it ended before.
fn ends_within_a_line(written: Option<&[u8]>, before: bool) -> bool {
    written.and_then(<[u8]>::last).map_or(before, |byte| *byte != b'\n')
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn lines_are_appended_and_the_file_is_not_for_everybody() {
        let (directory, path) = place();
        fs::write(&path, "before\n").unwrap();
        let mut file = LogFile::open(&path, None).unwrap();
        file.write(b"one\n");
        file.write(b"two\n");
        assert_eq!(read(&path), "before\none\ntwo\n");
        let made = directory.path().join("made.log");
        LogFile::open(&made, None).unwrap();
        assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o137, 0);
    }

    #[test]
    fn a_renamed_file_is_left_when_told_to_and_a_new_one_has_its_header() {
        let (directory, path) = place();
        let mut file = LogFile::open(&path, Some(|| b"#header\n".to_vec())).unwrap();
        file.write(b"one\n");
        let old = directory.path().join("old.log");
        fs::rename(&path, &old).unwrap();
        file.write(b"two\n");
        file.reopen();
        file.write(b"three\n");
        file.write(b"four\n");
        assert_eq!(read(&old), "#header\none\ntwo\n");
        assert_eq!(read(&path), "#header\nthree\nfour\n");
    }

    #[test]
    fn a_file_that_was_renamed_or_removed_is_missed_within_a_second() {
        let (directory, path) = place();
        let mut file = LogFile::open(&path, None).unwrap();
        let old = directory.path().join("old.log");
        fs::rename(&path, &old).unwrap();
        file.look(file.looked + LOOK_INTERVAL / 2);
        assert!(!path.exists());
        file.look(file.looked + LOOK_INTERVAL);
        file.put(b"one\n", Instant::now());
        assert_eq!((read(&old), read(&path)), (String::new(), "one\n".to_owned()));
        fs::remove_file(&path).unwrap();
        file.look(file.looked + LOOK_INTERVAL);
        file.put(b"two\n", Instant::now());
        assert_eq!(read(&path), "two\n");
        // Where nothing has changed nothing is opened.
        let inode = file.opened.inode;
        file.look(file.looked + LOOK_INTERVAL);
        assert_eq!(file.opened.inode, inode);
    }

    #[test]
    fn the_old_file_is_written_on_where_no_new_one_can_be_opened() {
        let (directory, path) = place();
        let mut file = LogFile::open(&path, None).unwrap();
        let old = directory.path().join("old.log");
        fs::rename(&path, &old).unwrap();
        fs::create_dir(&path).unwrap();
        file.reopen();
        file.write(b"one\n");
        assert!(file.astray);
        assert_eq!(read(&old), "one\n");
    }

    #[test]
    fn a_full_disk_costs_lines_that_are_counted() {
        let mut file = LogFile::open(Path::new("/dev/full"), Some(|| b"#header\n".to_vec())).unwrap();
        file.write(b"one\ntwo\n");
        file.write(b"three\n");
        assert_eq!(file.dropped, 3);
        assert!(file.headless && file.said.is_some());
        let (_directory, path) = place();
        file.path = path.clone();
        file.reopen();
        file.write(b"four\n");
        assert_eq!((read(&path).as_str(), file.dropped), ("#header\nfour\n", 0));
    }

    #[test]
    fn a_failure_that_comes_and_goes_is_said_once_in_a_while() {
        let mut file = LogFile::open(Path::new("/dev/full"), None).unwrap();
        let now = Instant::now();
        file.put(b"one\n", now);
        file.succeeded();
        file.put(b"two\n", now + SAID_INTERVAL / 2);
        assert_eq!(file.said, Some(now));
        file.succeeded();
        file.put(b"three\n", now + SAID_INTERVAL);
        assert_eq!(file.said, Some(now + SAID_INTERVAL));
    }

    #[test]
    fn a_line_after_a_torn_one_stands_on_its_own() {
        let (_directory, path) = place();
        let mut file = LogFile::open(&path, None).unwrap();
        file.put(b"tor", Instant::now());
        file.put(b"one\n", Instant::now());
        file.put(b"two\n", Instant::now());
        assert_eq!(read(&path), "tor\none\ntwo\n");
    }

    #[test]
    fn a_directory_and_a_pipe_that_nobody_reads_are_no_log_files() {
        let (directory, path) = place();
        assert!(LogFile::open(directory.path(), None).is_err());
        assert!(LogFile::open(&path.join("below/nothing"), None).is_err());
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        assert!(LogFile::open(&path, None).is_err());
    }

    fn place() -> (TempDir, PathBuf) {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("access.log");
        (directory, path)
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }
}
