//! The request body: unread, in memory, or in a spool file.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

/// Where the bytes of a request body come from: one per protocol, written by the proxy.
pub trait BodySource {
    /// Appends the next bytes of the body to `into`; `Ok(false)` after the last.
    ///
    /// *Cancel safety*: bytes are either in `into` or still to come.
    fn poll_fill(&mut self, cx: &mut Context<'_>, into: &mut Vec<u8>) -> Poll<Result<bool, BodyError>>;

    /// The length the client declared, if it did.
    fn declared_len(&self) -> Option<u64>;

    /// The whole body, where the client declared no length and all of it is at hand.
    ///
    /// *Errors*: what is at hand is broken.
    fn take_whole(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        Ok(None)
    }
}

/// Why a request body could not be read whole.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than `client_max_body_size` allows: 413.
    #[error("client intended to send too large body")]
    TooLarge,
    /// Its framing is broken: 400.
    #[error("client sent invalid chunked body")]
    Malformed,
    /// The client was silent for `client_body_timeout`: 408.
    #[error("client timed out")]
    Timeout,
    /// The connection ended before the body did.
    #[error("client prematurely closed connection")]
    Closed(#[source] Option<io::Error>),
    /// The spool file could not be written: 500.
    #[error("request body could not be spooled")]
    Spool(#[source] io::Error),
}

/// The body of a request, as far as it has been read.
#[derive(Default)]
pub enum RequestBody {
    /// The request has none.
    #[default]
    Empty,
    /// Nothing has been read of it.
    Unread(Box<dyn BodySource>),
    /// Somebody is reading it, or it went to the upstream as it came.
    Taken,
    /// Read whole, in memory.
    Memory(Vec<u8>),
    /// Read whole, larger than `client_body_buffer_size`.
    Spooled(SpoolFile),
}

impl RequestBody {
    /// Whether the body waits to be read.
    pub fn is_unread(&self) -> bool {
        matches!(self, RequestBody::Unread(_))
    }

    /// The body's bytes when they are in memory; empty for a request without one.
    pub fn in_memory(&self) -> Option<&[u8]> {
        match self {
            RequestBody::Memory(bytes) => Some(bytes),
            RequestBody::Empty => Some(&[]),
            _ => None,
        }
    }

    /// Takes an unread source out, leaving [`RequestBody::Taken`].
    pub fn take_source(&mut self) -> Option<Box<dyn BodySource>> {
        if !self.is_unread() {
            return None;
        }
        match std::mem::replace(self, RequestBody::Taken) {
            RequestBody::Unread(source) => Some(source),
            _ => None,
        }
    }

    /// Reads a source to its end: into memory up to `memory` bytes, into a file in `spool` beyond.
    ///
    /// *Errors*: the source's own, or [`BodyError::Spool`].
    pub async fn read_all(
        mut source: Box<dyn BodySource>,
        memory: usize,
        spool: &Path,
    ) -> Result<RequestBody, BodyError> {
        let mut bytes =
            Vec::with_capacity(source.declared_len().map_or(1024, |n| n.min(memory as u64) as usize));
        let mut spooled: Option<SpoolFile> = None;
        while std::future::poll_fn(|cx| source.poll_fill(cx, &mut bytes)).await? {
            if bytes.len() > memory || (spooled.is_some() && bytes.len() >= SPOOL_STEP) {
                let file = match &mut spooled {
                    Some(file) => file,
                    None => spooled.insert(SpoolFile::create(spool).map_err(BodyError::Spool)?),
                };
                file.append(&bytes).map_err(BodyError::Spool)?;
                bytes.clear();
            }
        }
        let Some(mut file) = spooled else { return Ok(RequestBody::Memory(bytes)) };
        file.append(&bytes).and_then(|()| file.file.rewind()).map_err(BodyError::Spool)?;
        Ok(RequestBody::Spooled(file))
    }
}

/// Bytes gathered before they go to the spool file.
const SPOOL_STEP: usize = 64 * 1024;

/// A body in a file of its own, which goes when this does.
pub struct SpoolFile {
    /// The open file, positioned at its start once the body is whole.
    pub file: File,
    /// Its name, which `ngx.req.get_body_file()` tells.
    pub path: PathBuf,
    /// Its length in bytes.
    pub len: u64,
}

impl SpoolFile {
    fn create(folder: &Path) -> io::Result<SpoolFile> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("{:020}", fastrand::u64(..)));
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        Ok(SpoolFile { file, path, len: 0 })
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.len += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        // Nothing is left to tell when the file is gone already.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pieces(Vec<&'static [u8]>);

    impl BodySource for Pieces {
        fn poll_fill(&mut self, _: &mut Context<'_>, into: &mut Vec<u8>) -> Poll<Result<bool, BodyError>> {
            let Some(piece) = self.0.pop() else { return Poll::Ready(Ok(false)) };
            into.extend_from_slice(piece);
            Poll::Ready(Ok(true))
        }

        fn declared_len(&self) -> Option<u64> {
            None
        }
    }

    #[tokio::test]
    async fn a_small_body_stays_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let body = RequestBody::read_all(Box::new(Pieces(vec![b"b", b"a"])), 8, folder.path()).await.unwrap();
        assert_eq!(body.in_memory(), Some(&b"ab"[..]));
    }

    #[tokio::test]
    async fn a_large_body_is_spooled_and_its_file_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let body =
            RequestBody::read_all(Box::new(Pieces(vec![b"fgh", b"abcde"])), 4, folder.path()).await.unwrap();
        let RequestBody::Spooled(spool) = &body else { panic!("not spooled") };
        assert_eq!(spool.len, 8);
        assert_eq!(std::fs::read(&spool.path).unwrap(), b"abcdefgh");
        let path = spool.path.clone();
        drop(body);
        assert!(!path.exists());
    }
}
