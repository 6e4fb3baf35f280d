//! A body put aside until all of it is here: in memory first, then in a file that has no name.
//!
//! Only so can a backend be told the length of what a client sends without one. Files are read and written on other
//! threads: a slow disk holds up this request and nobody else's.

use std::fs::File;
use std::future::{Future, poll_fn};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use tokio::task::{JoinHandle, spawn_blocking};

use super::BodyError;
use super::request::RequestBody;
use super::upload::Upload;

/// Bytes that are written to the file, and read from it, in one go: large enough that changing threads costs nothing
/// beside the copying, small enough for a buffer for each of a thousand uploads.
const BLOCK: usize = 128 * 1024;

/// How bodies are put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spool {
    /// Bytes of a body that are kept in memory; the rest goes to a file.
    pub memory: usize,
    /// Bytes of a body in all; one that is longer is answered with 413.
    pub limit: u64,
    /// Where the files are; `None` for the system's directory for such things.
    pub directory: Option<PathBuf>,
}

impl Default for Spool {
    fn default() -> Self {
        Self {
            // What a form or a call of an API takes; a thousand uploads at once are 64 MiB.
            memory: 64 * 1024,
            // What people upload to a web application, and little enough that a disk takes some of them at once.
            limit: 1024 * 1024 * 1024,
            directory: None,
        }
    }
}

/// A body all of which is here.
#[derive(Debug)]
pub(super) struct Spooled {
    memory: Bytes,
    file: Option<Reader>,
    /// Bytes that have not been handed over.
    left: u64,
    upload: Upload,
}

/// Reads what was written to a file.
#[derive(Debug)]
struct Reader {
    file: Arc<File>,
    position: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

/// Writes what does not fit into memory.
#[derive(Debug)]
struct Writer {
    file: Arc<File>,
    position: u64,
    /// What has come since the last write.
    block: BytesMut,
}

/// Reads all of `body`, whose length is known afterwards.
///
/// # Errors
///
/// [`BodyError`] where it breaks off, is too long or cannot be kept.
pub(in crate::proxy) async fn spool(mut body: RequestBody, rules: &Spool) -> Result<RequestBody, BodyError> {
    let too_large = || BodyError::TooLarge(rules.limit);
    if body.length().is_some_and(|length| length > rules.limit) {
        return Err(too_large());
    }
    // A copy: a part of a larger buffer would keep all of it.
    let mut memory = BytesMut::new();
    let mut length: u64 = 0;
    let mut file: Option<Writer> = None;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame?.into_data() else { break };
        length += data.len() as u64;
        if length > rules.limit {
            return Err(too_large());
        }
        match &mut file {
            None if memory.len() + data.len() <= rules.memory => memory.extend_from_slice(&data),
            None => {
                let file = file.insert(Writer::new(rules.directory.clone()).await?);
                file.add(data).await?;
            }
            Some(file) => file.add(data).await?,
        }
    }
    if length == 0 {
        return Ok(RequestBody::empty());
    }
    let file = match file {
        Some(file) => Some(file.end().await?),
        None => None,
    };
    Ok(RequestBody::spooled(Spooled {
        memory: memory.freeze(),
        file,
        left: length,
        upload: Upload::default(),
    }))
}

impl Spooled {
    /// Bytes that have not been handed over.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// The body seen from elsewhere.
    pub(super) fn upload(&self) -> &Upload {
        &self.upload
    }

    /// The next part.
    pub(super) fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = match &mut self.file {
            _ if !self.memory.is_empty() => std::mem::take(&mut self.memory),
            Some(file) if self.left > 0 => match ready!(file.poll(context, self.left)) {
                Ok(data) => data,
                Err(error) => return Poll::Ready(Some(Err(BodyError::Spool(error)))),
            },
            _ => {
                self.upload.completed();
                return Poll::Ready(None);
            }
        };
        self.left -= next.len() as u64;
        if self.left == 0 {
            self.upload.completed();
        }
        Poll::Ready(Some(Ok(Frame::data(next))))
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        self.upload.given_up();
    }
}

impl Writer {
    async fn new(directory: Option<PathBuf>) -> Result<Self, BodyError> {
        let file = blocking(move || nameless(directory.as_deref())).await?;
        Ok(Self {
            file: Arc::new(file),
            position: 0,
            block: BytesMut::new(),
        })
    }

    async fn add(&mut self, data: Bytes) -> Result<(), BodyError> {
        self.block.extend_from_slice(&data);
        if self.block.len() < BLOCK {
            return Ok(());
        }
        self.write().await
    }

    async fn write(&mut self) -> Result<(), BodyError> {
        let (file, at) = (Arc::clone(&self.file), self.position);
        let mut block = std::mem::take(&mut self.block);
        self.position += block.len() as u64;
        self.block = blocking(move || {
            file.write_all_at(&block, at)?;
            block.clear();
            Ok(block)
        })
        .await?;
        Ok(())
    }

    async fn end(mut self) -> Result<Reader, BodyError> {
        self.write().await?;
        Ok(Reader {
            file: self.file,
            position: 0,
            reading: None,
        })
    }
}

/// A file for its owner alone that is in no directory and ends with its last handle: `O_TMPFILE`, or removed at once
/// where the file system has none.
fn nameless(directory: Option<&Path>) -> io::Result<File> {
    match directory {
        Some(directory) => tempfile::tempfile_in(directory),
        None => tempfile::tempfile(),
    }
}

impl Reader {
    /// Some of the `left` bytes that have not been read.
    fn poll(&mut self, context: &mut Context<'_>, left: u64) -> Poll<io::Result<Bytes>> {
        let reading = self.reading.get_or_insert_with(|| {
            let (file, at) = (Arc::clone(&self.file), self.position);
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(BLOCK);
            spawn_blocking(move || {
                let mut block = BytesMut::zeroed(count);
                file.read_exact_at(&mut block, at)?;
                Ok(block.freeze())
            })
        });
        let block = ready!(Pin::new(reading).poll(context)).map_err(io::Error::other)??;
        self.reading = None;
        self.position += block.len() as u64;
        Poll::Ready(Ok(block))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, BodyError> {
    let done = spawn_blocking(work).await;
    done.map_err(io::Error::other).flatten().map_err(BodyError::Spool)
}
