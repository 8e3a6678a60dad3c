//! Why a configuration was refused.

use std::path::PathBuf;

/// An error of the configuration, in Kong's wording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfError {
    /// The file that was asked for does not exist.
    #[error("no file at: {}", .0.display())]
    NoFile(PathBuf),
    /// The file exists and cannot be read.
    #[error("could not load config file: {path}: {reason}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        reason: String,
    },
    /// A reference cannot be resolved although the process is about to start.
    #[error("failed to dereference '{reference}': {reason} for config option '{option}'")]
    Dereference {
        /// The reference.
        reference: String,
        /// Why not.
        reason: String,
        /// The property, with its index for a list.
        option: String,
    },
    /// Values that do not pass; every one of them, each naming its property.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
    /// The configured store is not part of this build.
    #[error("{0}")]
    Store(String),
    /// A file or directory of the prefix cannot be made.
    #[error("{0}")]
    Prefix(String),
}

impl ConfError {
    /// The messages, one per finding.
    pub fn messages(&self) -> Vec<String> {
        match self {
            ConfError::Invalid(messages) => messages.clone(),
            other => vec![other.to_string()],
        }
    }
}
