//! The schemas of this node, and the way from a text to a snapshot.

use super::Configuration;
use crate::conf::Conf;
use crate::db::declarative::{ConfigError, Reader, document};
use crate::db::off::{Changes, Dataset, Kept};
use crate::db::{DbError, Entities};
use crate::entities::Registry;
use crate::observability::{Level, log};
use crate::router::{Flavor, RouteError};
use crate::snapshot::{self, PluginKind, Snapshot};
use indexmap::IndexMap;
use std::path::Path;
use std::sync::Arc;

/// The schemas of the control thread, and what turns a configuration into a snapshot.
pub(super) struct EntitySource {
    /// Schemas of the core entities and of all enabled plugins.
    pub(super) registry: Registry,
    /// Reads configurations by these schemas.
    pub(super) reader: Reader,
    kinds: Arc<[PluginKind]>,
    flavor: Flavor,
}

/// A configuration that has been read: rows ready to be served, and the text they came from.
pub(super) struct Read {
    pub(super) rows: Entities,
    pub(super) hash: String,
    pub(super) text: String,
}

/// A configuration that only has to be published.
pub(super) struct Prepared {
    pub(super) snapshot: Snapshot,
    /// The routes that are left out.
    pub(super) refused: Vec<RouteError>,
    /// What the next start begins with.
    pub(super) kept: Kept,
}

impl Prepared {
    /// The hash of its text.
    pub(super) fn hash(&self) -> &str {
        &self.kept.hash
    }
}

/// Why a configuration cannot be served.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    /// The file, in Kong's words.
    #[error("error parsing declarative config file {file}:\n{error}")]
    File { file: String, error: ConfigError },
    /// `declarative_config_string`, in Kong's words.
    #[error("error parsing declarative string {text}:\n{error}")]
    Text { text: String, error: ConfigError },
    /// Rows that no dataset can be made of.
    #[error("{0}")]
    Rows(#[from] DbError),
}

impl SourceError {
    /// Where each error stands, as `FILE:LINE: PATH: MESSAGE`; empty when the text is no document.
    pub(super) fn places(&self) -> Vec<String> {
        match self {
            SourceError::File { file, error } => error.places(file),
            _ => Vec::new(),
        }
    }
}

impl EntitySource {
    /// Of schemas that are complete.
    pub(super) fn new(registry: Registry, kinds: Vec<PluginKind>, conf: &Conf) -> EntitySource {
        let reader = Reader::new(&registry);
        EntitySource {
            registry,
            reader,
            kinds: kinds.into(),
            flavor: Flavor::from_name(conf.router_flavor.as_str()).unwrap_or_default(),
        }
    }

    /// The installed plugins, in the order they run.
    pub(super) fn kinds(&self) -> &[PluginKind] {
        &self.kinds
    }

    /// The configuration that a start serves: the declarative file, else the string, else what was
    /// kept under the prefix, else nothing.
    pub(super) fn first(&self, conf: &Conf) -> Result<Read, SourceError> {
        if let Some(file) = &conf.declarative_config {
            return self.read_file(file);
        }
        if let Some(text) = &conf.declarative_config_string {
            return self.read_text(text);
        }
        Ok(self.kept(&conf.prefix).unwrap_or_else(|| self.empty()))
    }

    /// Reads a declarative file.
    fn read_file(&self, path: &Path) -> Result<Read, SourceError> {
        self.read_text_of(path, text_of(path)?)
    }

    /// Reads a declarative file; `None` if its text has that hash.
    pub(super) fn read_file_unless(&self, path: &Path, hash: &str) -> Result<Option<Read>, SourceError> {
        let text = text_of(path)?;
        if document::hash(&text) == hash {
            return Ok(None);
        }
        self.read_text_of(path, text).map(Some)
    }

    fn read_text_of(&self, path: &Path, text: String) -> Result<Read, SourceError> {
        let file = path.display().to_string();
        let refused = |error| SourceError::File { file: file.clone(), error };
        let configuration = self.reader.read(&text, Some(&file)).map_err(refused)?;
        let hash = configuration.hash.clone();
        Ok(Read { rows: self.reader.rows(configuration)?, hash, text })
    }

    fn read_text(&self, text: &str) -> Result<Read, SourceError> {
        let refused = |error| SourceError::Text { text: text.to_owned(), error };
        let configuration = self.reader.read(text, None).map_err(refused)?;
        let hash = configuration.hash.clone();
        Ok(Read { rows: self.reader.rows(configuration)?, hash, text: text.to_owned() })
    }

    /// What was kept under the prefix; a copy that cannot be used is told and passed over.
    pub(super) fn kept(&self, prefix: &Path) -> Option<Read> {
        let tell = |error: &dyn std::fmt::Display| {
            log::write(Level::Error, format_args!("the kept configuration is not used: {error}"));
        };
        let kept = Kept::load(prefix).inspect_err(|error| tell(error)).ok()??;
        let read = self.read_text(&kept.text).inspect_err(|error| tell(error)).ok()?;
        Some(Read { hash: kept.hash, ..read })
    }

    fn empty(&self) -> Read {
        let rows = self.reader.rows(self.reader.empty()).unwrap_or_default();
        Read { rows, hash: String::new(), text: String::new() }
    }

    /// Makes the snapshot of a configuration, taking over from the one in force what stays the same.
    ///
    /// Routes that the router cannot compile are left out.
    pub(super) fn prepare(&self, read: Read, shared: &Configuration) -> Result<Prepared, SourceError> {
        let (snapshot, refused) = self.build(read.rows, &read.hash, shared)?;
        Ok(Prepared { snapshot, refused, kept: Kept { hash: read.hash, text: read.text } })
    }

    /// Makes the snapshot of rows in the same way.
    pub(super) fn build(
        &self,
        rows: Entities,
        hash: &str,
        shared: &Configuration,
    ) -> Result<(Snapshot, Vec<RouteError>), DbError> {
        let before = shared.published.current();
        let model = self.reader.model().clone();
        let dataset = Dataset::build_after(before.dataset.as_deref(), model, rows, hash)?;
        Ok(snapshot::build_after(&before, Arc::new(dataset), self.kinds.clone(), self.flavor))
    }

    /// Makes the snapshot after the one in force, of which these rows changed, by their kinds.
    ///
    /// *Errors*: a kind that the model does not have, or that there is no snapshot yet.
    pub(super) fn change(
        &self,
        changes: &IndexMap<String, Changes>,
        hash: &str,
        shared: &Configuration,
    ) -> Result<(Snapshot, Vec<RouteError>), DbError> {
        let before = shared.published.current();
        let dataset = before.dataset.as_ref().ok_or_else(|| DbError::database("nothing is in force yet"))?;
        let dataset = Arc::new(dataset.with(changes, hash)?);
        Ok(snapshot::build_after(&before, dataset, self.kinds.clone(), self.flavor))
    }
}

fn text_of(path: &Path) -> Result<String, SourceError> {
    std::fs::read_to_string(path).map_err(|error| {
        let file = path.display().to_string();
        let error = ConfigError::Text(format!("{file}: {error}"));
        SourceError::File { file, error }
    })
}
