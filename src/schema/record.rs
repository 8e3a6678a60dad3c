//! The fields of an entity or of a record field, with the rules that hold between them.

use std::rc::Rc;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use serde_json::Value;

use super::callback::{Expansion, Transform};
use super::check::Check;
use super::field::{Deprecation, Field};

/// Fields by name, in the order the schema lists them.
///
/// Names are looked up for every field of every entity; a configuration of ten thousand routes does so a
/// million times, hence the fast hash.
pub type Fields = IndexMap<String, Field, RandomState>;

/// The fields of a table and the rules between them.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The fields.
    pub fields: Fields,
    /// Rules that look at several fields.
    pub entity_checks: Vec<Check>,
    /// Other ways to write fields.
    pub shorthand_fields: Vec<Shorthand>,
    /// Fields computed from others when an entity is written or read.
    pub transformations: Vec<Transformation>,
}

/// A name that stands for the values of other fields.
#[derive(Debug, Clone)]
pub struct Shorthand {
    /// The name.
    pub name: String,
    /// What its value must be.
    pub field: Field,
    /// Makes the fields' values.
    pub expand: Expansion,
}

/// A function between field values.
#[derive(Debug, Clone, Default)]
pub struct Transformation {
    /// Fields whose values are its arguments; they are given together or not at all.
    pub input: Option<Vec<String>>,
    /// Fields that it needs besides.
    pub needs: Option<Vec<String>>,
    /// Runs before an entity is stored.
    pub on_write: Option<Transform>,
    /// Runs after an entity was read.
    pub on_read: Option<Transform>,
}

impl Record {
    /// A record with these fields.
    pub fn new<N: Into<String>>(fields: impl IntoIterator<Item = (N, Field)>) -> Self {
        Self {
            fields: fields.into_iter().map(|(name, field)| (name.into(), field)).collect(),
            ..Self::default()
        }
    }

    /// Adds a rule between fields.
    pub fn check(mut self, check: Check) -> Self {
        self.entity_checks.push(check);
        self
    }

    /// Adds another way to write fields.
    pub fn shorthand(mut self, shorthand: Shorthand) -> Self {
        self.shorthand_fields.push(shorthand);
        self
    }

    /// The field of this name; a subschema's definition goes before.
    pub fn field<'a>(&'a self, subschema: Option<&'a Record>, name: &str) -> Option<&'a Field> {
        let own = self.fields.get(name);
        subschema.and_then(|subschema| subschema.fields.get(name)).or(own)
    }

    /// The field at a dotted path through records.
    pub fn field_at<'a>(&'a self, subschema: Option<&'a Record>, path: &str) -> Option<&'a Field> {
        match path.split_once('.') {
            None => self.field(subschema, path),
            Some((head, rest)) => self.field(subschema, head)?.as_record()?.field_at(None, rest),
        }
    }

    /// All fields, in order; a subschema's definitions replace the ones of the same name.
    pub fn each_field<'a>(
        &'a self,
        subschema: Option<&'a Record>,
    ) -> impl Iterator<Item = (&'a str, &'a Field)> {
        self.fields.iter().map(move |(name, field)| {
            let special = subschema.and_then(|subschema| subschema.fields.get(name));
            (name.as_str(), special.unwrap_or(field))
        })
    }

    /// Makes nested records required unless they say otherwise, so that answers show their full structure.
    pub fn require_records(&mut self) {
        for field in self.fields.values_mut() {
            if let super::field::Kind::Record(Some(record)) = &mut field.kind
                && !field.is_abstract
            {
                field.required = field.required.or(Some(true));
                Rc::make_mut(record).require_records();
            }
        }
    }
}

impl Shorthand {
    /// A shorthand made of a native function.
    pub fn new(
        name: &str,
        field: Field,
        expand: fn(&Value) -> Option<serde_json::Map<String, Value>>,
    ) -> Self {
        let expand = Expansion::new(Rc::new(move |value: &Value| Ok(expand(value))));
        Self { name: name.to_owned(), field, expand }
    }

    /// The deprecation of this shorthand, if it is on its way out.
    pub fn deprecation(&self) -> Option<&Deprecation> {
        self.field.deprecation.as_deref()
    }
}
