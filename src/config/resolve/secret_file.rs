//! Files with secrets, as they are read.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// A secret is some dozens of bytes; whatever is larger is another file, named by mistake.
const LARGEST: u64 = 64 << 10;

/// What to tell whoever has none that will do.
pub(super) const HOW_TO_MAKE_ONE: &str = "make one with: openssl rand -hex 32";

/// What is in the file at `path`.
///
/// # Errors
///
/// What the operating system says, or that it is no file.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe would be waited for.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}
