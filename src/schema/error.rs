//! Why a schema cannot be used.

use thiserror::Error;

use super::messages;

/// A fault in a schema, as opposed to one in the values it describes.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SchemaError {
    /// The definition is no table.
    #[error("{}", messages::NO_DEFINITION)]
    NoDefinition,
    /// The definition has no fields.
    #[error("{}", messages::NO_FIELDS)]
    NoFields,
    /// A foreign field points to an entity that does not exist.
    #[error("{}", messages::bad_reference(.0))]
    BadReference(String),
    /// The parent takes no subschemas.
    #[error("error in definition of '{key}': entities of type '{parent}' cannot have subschemas")]
    NoSubschemas {
        /// The subschema.
        key: String,
        /// The parent schema.
        parent: String,
    },
    /// A subschema does not fit its parent.
    #[error("error in definition of '{key}': {field}: {fault}")]
    Subschema {
        /// The subschema.
        key: String,
        /// The field that does not fit.
        field: String,
        /// Why it does not.
        fault: &'static str,
    },
    /// The definition breaks rules of the schema of schemas.
    #[error("{}", super::errors_to_string(.0).unwrap_or_default())]
    Violation(super::Errors),
    /// A field of an entity has a form that entities cannot have.
    #[error("{0}: {1}")]
    Entity(String, &'static str),
    /// A pattern of the definition does not compile.
    #[error("{0}: {1}")]
    Pattern(String, super::lua_pattern::PatternError),
    /// The definition does not have the form of a schema.
    #[error("{0}")]
    Definition(String),
}
