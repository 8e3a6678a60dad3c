//! The copy of the configuration under the prefix, for restarts without a declarative file.
//!
//! One file in the folder `dbless.lmdb`, in a format of our own: a header line with the format and the
//! hash of the text, then the text as it was loaded. It is replaced by a rename, so that a crash leaves the
//! old copy or the new one.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A configuration text as it was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The hash the configuration was known by.
    pub hash: String,
    /// The document: JSON, or YAML as Kong reads it.
    pub text: String,
}

/// Why the copy could not be written or read.
#[derive(Debug, Error)]
pub enum KeptError {
    /// The file system's word.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// What happened.
        source: io::Error,
    },
    /// A file that is not ours, or only half of one.
    #[error("{path}: not a configuration kept by this version")]
    Format {
        /// The file.
        path: String,
    },
}

const FOLDER: &str = "dbless.lmdb";
const FILE: &str = "configuration";
const MAGIC: &str = "kong-declarative-1";

impl Kept {
    /// Writes the copy under `prefix`.
    ///
    /// # Errors
    /// What the file system refuses; the copy that was there before is untouched then.
    pub fn store(&self, prefix: &Path) -> Result<(), KeptError> {
        let folder = prefix.join(FOLDER);
        let temporary = folder.join(format!("{FILE}.new"));
        fs::create_dir_all(&folder).map_err(io_error(&folder))?;
        self.write(&temporary).map_err(io_error(&temporary))?;
        let target = folder.join(FILE);
        fs::rename(&temporary, &target).map_err(io_error(&target))
    }

    /// Reads the copy under `prefix`; `None` if there is none.
    ///
    /// # Errors
    /// What the file system refuses, and a file that is not such a copy.
    pub fn load(prefix: &Path) -> Result<Option<Self>, KeptError> {
        let path = prefix.join(FOLDER).join(FILE);
        let content = match fs::read_to_string(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(&path)(error)),
        };
        let parsed = parse(&content).ok_or_else(|| KeptError::Format { path: path.display().to_string() })?;
        Ok(Some(parsed))
    }

    fn write(&self, path: &PathBuf) -> io::Result<()> {
        let mut file = fs::File::create(path)?;
        writeln!(file, "{MAGIC} {} {}", self.hash, self.text.len())?;
        file.write_all(self.text.as_bytes())?;
        file.sync_all()
    }
}

fn parse(content: &str) -> Option<Kept> {
    let (header, text) = content.split_once('\n')?;
    let mut words = header.split(' ');
    let (magic, hash, length) = (words.next()?, words.next()?, words.next()?);
    let complete = magic == MAGIC && length.parse() == Ok(text.len());
    complete.then(|| Kept { hash: hash.to_owned(), text: text.to_owned() })
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> KeptError {
    let path = path.display().to_string();
    move |source| KeptError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_again_and_replaced_as_a_whole() {
        let prefix = tempfile::tempdir().unwrap();
        assert_eq!(Kept::load(prefix.path()).unwrap(), None);
        for text in ["_format_version: '3.0'\n", "{\"_format_version\":\"2.1\"}"] {
            let kept = Kept { hash: "abc".to_owned(), text: text.to_owned() };
            kept.store(prefix.path()).unwrap();
            assert_eq!(Kept::load(prefix.path()).unwrap(), Some(kept));
        }
    }

    #[test]
    fn half_a_file_is_refused() {
        let prefix = tempfile::tempdir().unwrap();
        Kept { hash: "abc".to_owned(), text: "services: []\n".to_owned() }.store(prefix.path()).unwrap();
        let path = prefix.path().join(FOLDER).join(FILE);
        let content = fs::read_to_string(&path).unwrap();
        fs::write(&path, &content[..content.len() - 3]).unwrap();
        assert!(matches!(Kept::load(prefix.path()), Err(KeptError::Format { .. })));
    }
}
