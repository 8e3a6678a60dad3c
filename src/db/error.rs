//! Errors of data access, with Kong's codes, names and words.

use serde_json::{Map, Value, json};

use super::lua_literal;

/// What kind of error it is; the number is part of the Admin API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ErrorCode {
    /// The primary key does not have the form of one.
    InvalidPrimaryKey = 1,
    /// The entity does not satisfy its schema.
    SchemaViolation = 2,
    /// There is an entity with this primary key already.
    PrimaryKeyViolation = 3,
    /// A foreign key leads nowhere, or another entity needs the one to be deleted.
    ForeignKeyViolation = 4,
    /// There is an entity with this value of a unique field already.
    UniqueViolation = 5,
    /// No such entity.
    NotFound = 6,
    /// The page's offset is not one that was handed out.
    InvalidOffset = 7,
    /// The store failed.
    DatabaseError = 8,
    /// The page's size is out of bounds.
    InvalidSize = 9,
    /// The value for a look-up by a unique field does not fit the field.
    InvalidUnique = 10,
    /// An option of the query is wrong.
    InvalidOptions = 11,
    /// The store does not do this.
    OperationUnsupported = 12,
    /// Foreign keys given by name lead nowhere.
    ForeignKeysUnresolved = 13,
    /// The declarative configuration is wrong.
    DeclarativeConfig = 14,
    /// A field could not be computed from others.
    TransformationError = 15,
    /// A foreign key does not have the form of one.
    InvalidForeignKey = 16,
    /// There is no such workspace.
    InvalidWorkspace = 17,
    /// A value that is unique within a workspace was looked up in all of them.
    InvalidUniqueGlobal = 18,
    /// Other entities name the one to be deleted.
    ReferencedByOthers = 19,
}

impl ErrorCode {
    /// The name that goes with the number.
    pub fn name(self) -> &'static str {
        match self {
            ErrorCode::InvalidPrimaryKey => "invalid primary key",
            ErrorCode::SchemaViolation => "schema violation",
            ErrorCode::PrimaryKeyViolation => "primary key violation",
            ErrorCode::ForeignKeyViolation => "foreign key violation",
            ErrorCode::UniqueViolation => "unique constraint violation",
            ErrorCode::NotFound => "not found",
            ErrorCode::InvalidOffset => "invalid offset",
            ErrorCode::DatabaseError => "database error",
            ErrorCode::InvalidSize => "invalid size",
            ErrorCode::InvalidUnique => "invalid unique",
            ErrorCode::InvalidOptions => "invalid options",
            ErrorCode::OperationUnsupported => "operation unsupported",
            ErrorCode::ForeignKeysUnresolved => "foreign keys unresolved",
            ErrorCode::DeclarativeConfig => "invalid declarative configuration",
            ErrorCode::TransformationError => "transformation error",
            ErrorCode::InvalidForeignKey => "invalid foreign key",
            ErrorCode::InvalidWorkspace => "invalid workspace",
            ErrorCode::InvalidUniqueGlobal => "invalid global query",
            ErrorCode::ReferencedByOthers => "referenced by others",
        }
    }

    /// The status with which the Admin API answers.
    pub fn http_status(self) -> u16 {
        match self {
            ErrorCode::UniqueViolation => 409,
            ErrorCode::NotFound => 404,
            ErrorCode::OperationUnsupported => 405,
            ErrorCode::DatabaseError | ErrorCode::TransformationError => 500,
            _ => 400,
        }
    }
}

/// An error as the Admin API and the DAO of plugins show it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct DbError {
    /// What kind it is.
    pub code: ErrorCode,
    /// Its name, which for some codes says more than [`ErrorCode::name`].
    pub name: String,
    /// The sentence for people.
    pub message: String,
    /// The fields it is about, as a tree; none for errors that are not about fields.
    pub fields: Option<Box<Map<String, Value>>>,
    /// Whether the database could not be reached.
    is_away: bool,
}

impl DbError {
    fn new(code: ErrorCode, message: String, fields: Option<Map<String, Value>>) -> Self {
        DbError { code, name: code.name().to_owned(), message, fields: fields.map(Box::new), is_away: false }
    }

    /// An entity that does not satisfy its schema; `errors` is the tree of the schema engine.
    pub fn schema_violation(errors: Map<String, Value>) -> Self {
        let found = violations(&errors);
        let message = match found.as_slice() {
            [only] => format!("schema violation ({only})"),
            all => format!("{} schema violations ({})", all.len(), all.join("; ")),
        };
        Self::new(ErrorCode::SchemaViolation, message, Some(errors))
    }

    /// A primary key that does not have the form of one.
    pub fn invalid_primary_key(errors: Map<String, Value>) -> Self {
        let message =
            format!("invalid primary key: '{}'", lua_literal::compact(&Value::Object(errors.clone())));
        Self::new(ErrorCode::InvalidPrimaryKey, message, Some(errors))
    }

    /// An offset that was not handed out by a page.
    pub fn invalid_offset(offset: &str, reason: &str) -> Self {
        let message = format!("'{offset}' is not a valid offset: {reason}");
        Self::new(ErrorCode::InvalidOffset, message, None)
    }

    /// A page size that is not a number or out of bounds.
    pub fn invalid_size(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidSize, message.into(), None)
    }

    /// A value that cannot be looked up in the unique field `name`.
    pub fn invalid_unique(name: &str, message: impl Into<String>) -> Self {
        let error = Self::new(ErrorCode::InvalidUnique, message.into(), None);
        DbError { name: format!("invalid unique {name}"), ..error }
    }

    /// Wrong options of a query, by name.
    pub fn invalid_options(errors: Map<String, Value>) -> Self {
        let found = violations(&errors);
        let message = match found.as_slice() {
            [only] => format!("invalid option ({only})"),
            all => format!("{} option violations ({})", all.len(), all.join("; ")),
        };
        Self::new(ErrorCode::InvalidOptions, message, Some(errors))
    }

    /// No entity with this primary key.
    pub fn not_found(primary_key: Map<String, Value>) -> Self {
        let literal = lua_literal::compact(&Value::Object(primary_key.clone()));
        let message = format!("could not find the entity with primary key '{literal}'");
        Self::new(ErrorCode::NotFound, message, Some(primary_key))
    }

    /// No entity with this value of a unique field.
    pub fn not_found_by_field(filter: Map<String, Value>) -> Self {
        let literal = lua_literal::compact(&Value::Object(filter.clone()));
        Self::new(ErrorCode::NotFound, format!("could not find the entity with '{literal}'"), Some(filter))
    }

    /// Something that this store does not do.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::OperationUnsupported, message.into(), None)
    }

    /// A wrong declarative configuration; `errors` is the tree of what is wrong with it.
    pub fn declarative_config(errors: Map<String, Value>) -> Self {
        let literal = lua_literal::compact(&Value::Object(errors.clone()));
        let message = format!("declarative config is invalid: {literal}");
        Self::new(ErrorCode::DeclarativeConfig, message, Some(errors))
    }

    /// A field that could not be computed from others.
    pub fn transformation(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::TransformationError, message.into(), None)
    }

    /// A foreign key that does not have the form of one.
    pub fn invalid_foreign_key(errors: Map<String, Value>) -> Self {
        let literal = lua_literal::compact(&Value::Object(errors.clone()));
        Self::new(ErrorCode::InvalidForeignKey, format!("invalid foreign key: '{literal}'"), Some(errors))
    }

    /// An entity with this primary key is there already.
    pub fn primary_key_violation(primary_key: Map<String, Value>) -> Self {
        let literal = lua_literal::compact(&Value::Object(primary_key.clone()));
        let message = format!("primary key violation on key '{literal}'");
        Self::new(ErrorCode::PrimaryKeyViolation, message, Some(primary_key))
    }

    /// An entity with these values of unique fields is there already.
    pub fn unique_violation(unique: Map<String, Value>) -> Self {
        let literal = lua_literal::compact(&Value::Object(unique.clone()));
        let literal = literal.replace("\"userdata: NULL\"", "null");
        Self::new(
            ErrorCode::UniqueViolation,
            format!("UNIQUE violation detected on '{literal}'"),
            Some(unique),
        )
    }

    /// The foreign field `name` points to an entity of kind `parent` that is not there.
    pub fn foreign_key_dangling(key: Map<String, Value>, name: &str, parent: &str) -> Self {
        let literal = lua_literal::compact(&Value::Object(key.clone()));
        let message =
            format!("the foreign key '{literal}' does not reference an existing '{parent}' entity.");
        let fields = Map::from_iter([(name.to_owned(), Value::Object(key))]);
        Self::new(ErrorCode::ForeignKeyViolation, message, Some(fields))
    }

    /// An entity of kind `child` points to the one of kind `parent` that was to be deleted.
    pub fn foreign_key_restricted(parent: &str, child: &str) -> Self {
        let message = format!("an existing '{child}' entity references this '{parent}' entity");
        let fields = Map::from_iter([("@referenced_by".to_owned(), Value::from(child))]);
        Self::new(ErrorCode::ForeignKeyViolation, message, Some(fields))
    }

    /// Foreign keys that were given by unique fields lead nowhere; `errors` has a text for each of these.
    pub fn foreign_keys_unresolved(errors: Map<String, Value>) -> Self {
        let found = violations(&errors);
        let message = match found.as_slice() {
            [only] => format!("foreign key unresolved ({only})"),
            all => format!("{} foreign keys unresolved ({})", all.len(), all.join("; ")),
        };
        Self::new(ErrorCode::ForeignKeysUnresolved, message, Some(errors))
    }

    /// There is no workspace with this id.
    pub fn invalid_workspace(id: &str) -> Self {
        Self::new(ErrorCode::InvalidWorkspace, format!("invalid workspace '{id}'"), None)
    }

    /// The field `name`, unique within a workspace, was asked for in all of them.
    pub fn invalid_unique_global(name: &str) -> Self {
        let message = format!("unique key {name} is invalid for global query");
        Self::new(ErrorCode::InvalidUniqueGlobal, message, None)
    }

    /// Other entities name the one to be deleted, in a field that is no foreign key.
    pub fn referenced_by_others(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ReferencedByOthers, message.into(), None)
    }

    /// A database that cannot be reached: there is no server, or no answer in time.
    pub fn away(message: impl Into<String>) -> Self {
        DbError { is_away: true, ..Self::database(message) }
    }

    /// Whether the database could not be reached: the same may succeed when it is back.
    pub fn is_away(&self) -> bool {
        self.is_away
    }

    /// The store failed or is away; `message` is its word.
    pub fn database(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::DatabaseError, message.into(), None)
    }

    /// The body of the Admin API's answer.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("code".to_owned(), json!(self.code as u8));
        body.insert("name".to_owned(), json!(self.name));
        body.insert("message".to_owned(), json!(self.message));
        if let Some(fields) = &self.fields {
            let key = if self.code == ErrorCode::InvalidOptions { "options" } else { "fields" };
            body.insert(key.to_owned(), Value::Object(fields.as_ref().clone()));
        }
        body
    }
}

/// One text for each error, in the order Kong lists them: those of the entity, then fields by name.
fn violations(errors: &Map<String, Value>) -> Vec<String> {
    let mut found: Vec<String> = match errors.get("@entity") {
        Some(Value::Array(entity)) => entity.iter().map(text).collect(),
        Some(other) => vec![text(other)],
        None => Vec::new(),
    };
    let mut names: Vec<&String> = errors.keys().filter(|name| *name != "@entity").collect();
    names.sort();
    for name in names {
        match errors.get(name) {
            Some(Value::Object(nested)) => {
                let mut inner: Vec<(&String, &Value)> = nested.iter().collect();
                inner.sort_by_key(|(key, _)| lua_literal::sort_key(key));
                for (key, error) in inner {
                    found.push(format!("{name}.{}: {}", lua_literal::key_text(key), text(error)));
                }
            }
            Some(Value::Array(nested)) => {
                let numbered = nested.iter().enumerate().filter(|(_, error)| !error.is_null());
                found.extend(numbered.map(|(index, error)| format!("{name}.{}: {}", index + 1, text(error))));
            }
            Some(error) => found.push(format!("{name}: {}", text(error))),
            None => {}
        }
    }
    found
}

fn text(error: &Value) -> String {
    match error {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => lua_literal::indented(error),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_single_violation_is_told_without_a_count() {
        let error = DbError::schema_violation(tree(json!({"host": "required field missing"})));
        assert_eq!(error.message, "schema violation (host: required field missing)");
        assert_eq!(Value::Object(error.to_json())["code"], 2);
    }

    #[test]
    fn several_violations_are_counted_with_those_of_the_entity_first() {
        let error = DbError::schema_violation(tree(json!({
            "port": "x", "config": {"b": "y", "a": "z"}, "@entity": ["first"],
        })));
        assert_eq!(error.message, "4 schema violations (first; config.a: z; config.b: y; port: x)");
    }

    #[test]
    fn options_stand_under_their_own_key() {
        let error = DbError::invalid_options(tree(json!({"tags": "cannot be null"})));
        assert_eq!(error.message, "invalid option (tags: cannot be null)");
        assert_eq!(Value::Object(error.to_json())["options"]["tags"], "cannot be null");
    }
}
