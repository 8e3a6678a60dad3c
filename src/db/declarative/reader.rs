//! The way from a text to entities that are ready to be served.

use std::cell::RefCell;
use std::fs;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::document::{self, Document};
use super::flatten::Collected;
use super::kinds::Kinds;
use super::recall::Recall;
use super::report::{self, Located};
use super::stored::Stored;
use super::{complete, flattened, ids, migration, validate};
use crate::db::off::{DEFAULT_WORKSPACE, Kept};
use crate::db::{DbError, Entities, Entity, Model};
use crate::entities::Registry;
use crate::schema::{AutoOptions, Context, Errors};

/// Reads declarative configurations by the schemas of one thread.
///
/// *Invariant*: schemas, plugins and vaults that are registered later are not known to it. So an item that is
/// written as it was in the configuration read before means what it meant then: it keeps its entities, their
/// times of creation included, and is not validated again.
///
/// *Cost*: about 20 µs for each entity that is new or changed, 1 µs for each other.
#[derive(Debug)]
pub struct Reader {
    kinds: Kinds,
    model: Arc<Model>,
    recall: RefCell<Recall>,
    stored: RefCell<Stored>,
    default_workspace: Option<Arc<Entity>>,
}

/// A configuration as it was written, flat and complete: the answer to `POST /config`.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// The entities, the default workspace among them.
    pub entities: Entities,
    /// The top-level keys that begin with `_`.
    pub meta: Map<String, Value>,
    /// The MD5 of the text, in 32 hexadecimal digits.
    pub hash: String,
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ConfigError {
    /// The text is not a document.
    #[error("{0}")]
    Text(String),
    /// The document is wrong.
    #[error("{}", report::pretty(.errors))]
    Document {
        /// What is wrong, as a tree.
        errors: Errors,
        /// The document, to name its entities by.
        document: Box<Map<String, Value>>,
    },
}

impl ConfigError {
    /// Where each error stands in the file it was read from, as `FILE:LINE: PATH: MESSAGE`; empty when the text is
    /// no document.
    pub fn places(&self, file: &str) -> Vec<String> {
        let ConfigError::Document { errors, .. } = self else { return Vec::new() };
        let text = fs::read_to_string(file).unwrap_or_default();
        report::locate(errors, &text)
            .into_iter()
            .map(|report::Located { path, message, line }| match line {
                Some(line) => format!("{file}:{line}: {path}: {message}"),
                None => format!("{file}: {path}: {message}"),
            })
            .collect()
    }
}

impl Reader {
    /// Takes the schemas of a registry.
    pub fn new(registry: &Registry) -> Self {
        let kinds = Kinds::new(&registry.sorted());
        let model = Arc::new(Model::of(registry.sorted().iter().map(AsRef::as_ref)));
        let default_workspace = default_workspace(&kinds);
        Reader { kinds, model, recall: RefCell::default(), stored: RefCell::default(), default_workspace }
    }

    /// Keys and relations of all kinds, as stores need them.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Reads a file: JSON or YAML by its suffix.
    ///
    /// # Errors
    /// A file that cannot be read, and what [`Reader::read`] refuses.
    pub fn read_file(&self, path: &str) -> Result<Configuration, ConfigError> {
        let bytes = fs::read(path).map_err(|error| {
            let reason = error.to_string();
            let reason = reason.split(" (os error").next().unwrap_or_default();
            ConfigError::Text(format!("{path}: {reason}"))
        })?;
        let Ok(text) = String::from_utf8(bytes) else {
            let reason = "failed parsing declarative configuration: 0:0: invalid leading UTF-8 octet";
            return Err(ConfigError::Text(reason.to_owned()));
        };
        self.read(&text, Some(path))
    }

    /// Reads a text: by the suffix of its file, or as JSON and then as YAML when there is none.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn read(&self, text: &str, file: Option<&str>) -> Result<Configuration, ConfigError> {
        self.resolve(Document::read(text, file).map_err(ConfigError::Text)?)
    }

    /// Reads the copy of a configuration that an earlier process kept; it has the hash it had then.
    ///
    /// # Errors
    /// All that is wrong with it, which can only be if plugins or their schemas have changed since.
    pub fn read_kept(&self, kept: &Kept) -> Result<Configuration, ConfigError> {
        let document = Document::read(&kept.text, None).map_err(ConfigError::Text)?;
        self.resolve(Document { hash: kept.hash.clone(), ..document })
    }

    /// A configuration without entities.
    pub fn empty(&self) -> Configuration {
        let mut entities = Entities::new();
        self.add_default_workspace(&mut entities);
        let meta = Map::from_iter([
            ("_format_version".to_owned(), json!("3.0")),
            ("_transform".to_owned(), json!(true)),
        ]);
        Configuration { entities, meta, hash: String::new() }
    }

    /// Says what is wrong with a document, as it stands: nothing is migrated, and references are texts.
    ///
    /// # Errors
    /// The tree of what is wrong with its lists; how entities go together is [`Reader::resolve`]'s.
    pub fn check(&self, document: &Map<String, Value>) -> Result<(), Errors> {
        validate::first_look(&self.kinds, document)
    }

    /// The document with the values that schemas supply, in its own form.
    ///
    /// # Errors
    /// Shorthand fields that are wrong.
    pub fn complete(&self, document: &Map<String, Value>) -> Result<Map<String, Value>, Errors> {
        complete::complete(&self.kinds, document)
    }

    /// Makes entities of a document; a document without a hash gets one of what it says.
    ///
    /// # Errors
    /// All that is wrong with it, as a tree.
    pub fn resolve(&self, document: Document) -> Result<Configuration, ConfigError> {
        let Document { mut table, mut hash } = document;
        migration::migrate(&mut table);
        table.entry("_transform").or_insert(Value::Bool(true));
        if hash.is_empty() {
            hash = document::hash(&Value::Object(table.clone()).to_string());
        }
        let mut entities = match self.entities(&table) {
            Ok(entities) => entities,
            Err(Fault::Invalid(errors)) => {
                return Err(ConfigError::Document { errors, document: Box::new(table) });
            }
            Err(Fault::Inconsistent(errors)) => {
                ids::generate(&self.kinds, &mut table);
                return Err(ConfigError::Document { errors, document: Box::new(table) });
            }
        };
        let meta = table.iter().filter(|(key, _)| key.starts_with('_'));
        let meta = meta.map(|(key, value)| (key.clone(), value.clone())).collect();
        self.add_default_workspace(&mut entities);
        Ok(Configuration { entities, meta, hash })
    }

    fn entities(&self, document: &Map<String, Value>) -> Result<Entities, Fault> {
        let blocks = validate::frame(&self.kinds, document)
            .and_then(|()| self.recall.borrow().blocks(&self.kinds, document));
        let (blocks, recall) = match blocks {
            Ok(blocks) => blocks,
            Err(errors) => {
                return Err(Fault::Invalid(
                    validate::validate(&self.kinds, document).err().unwrap_or(errors),
                ));
            }
        };
        let collected = Collected::of(&self.kinds, &blocks);
        if !collected.is_accepted(document) {
            validate::validate(&self.kinds, document).map_err(Fault::Invalid)?;
        }
        let entities = collected.entities().map_err(Fault::Inconsistent)?;
        self.recall.replace(recall);
        Ok(entities)
    }

    /// The entities as they are stored: secrets transformed unless the document says that they are,
    /// absent fields null.
    ///
    /// # Errors
    /// A transformation that failed, with the kind of the entity.
    pub fn rows(&self, configuration: Configuration) -> Result<Entities, DbError> {
        let transforms = configuration.meta.get("_transform") != Some(&Value::Bool(false));
        let mut rows = configuration.entities;
        self.stored.borrow_mut().store(&self.kinds, &mut rows, transforms)?;
        Ok(rows)
    }

    fn add_default_workspace(&self, entities: &mut Entities) {
        let workspaces = entities.entry("workspaces".to_owned()).or_default();
        let is_default =
            |workspace: &Arc<Entity>| workspace.get("name").is_some_and(|name| name == "default");
        if let Some(default) =
            self.default_workspace.as_ref().filter(|_| !workspaces.values().any(is_default))
        {
            workspaces.insert(DEFAULT_WORKSPACE.into(), Arc::clone(default));
        }
    }
}

/// Why a document has no entities.
enum Fault {
    /// Something in it is not as schemas want it.
    Invalid(Errors),
    /// Its entities do not go together.
    Inconsistent(Errors),
}

fn default_workspace(kinds: &Kinds) -> Option<Arc<Entity>> {
    let Value::Object(default) = json!({"name": "default", "id": DEFAULT_WORKSPACE}) else { return None };
    let schema = &kinds.named("workspaces")?.schema;
    let processed = schema.process_auto_fields(default, Context::Insert, &AutoOptions::default());
    processed.ok().map(|processed| Arc::new(processed.data))
}

impl ConfigError {
    /// The message of a start that is refused, for a file or for a text from kong.conf.
    pub fn start_message(&self, file: Option<&str>, text: &str) -> String {
        match file {
            Some(file) => format!("error parsing declarative config file {file}:\n{self}"),
            None => format!("error parsing declarative string {text}:\n{self}"),
        }
    }

    /// All errors of the document with the lines of its text they are about.
    pub fn locate(&self, text: &str) -> Vec<Located> {
        match self {
            ConfigError::Text(_) => Vec::new(),
            ConfigError::Document { errors, .. } => report::locate(errors, text),
        }
    }

    /// The error as the Admin API answers with it.
    pub fn to_db_error(&self) -> DbError {
        match self {
            ConfigError::Text(message) => DbError::declarative_config(Map::from_iter([(
                "error".to_owned(),
                Value::from(message.as_str()),
            )])),
            ConfigError::Document { errors, .. } => DbError::declarative_config(errors.clone()),
        }
    }

    /// The same with a flat list of the wrong entities.
    pub fn to_flattened(&self, model: &Model) -> Map<String, Value> {
        match self {
            ConfigError::Text(_) => self.to_db_error().to_json(),
            ConfigError::Document { errors, document } => {
                flattened::flattened(model, errors.clone(), document.as_ref().clone())
            }
        }
    }
}
