//! A field of a schema: its type, its validators and its other attributes.

use std::rc::Rc;

use serde_json::Value;

use super::callback::Reverse;
use super::json_schema::JsonRule;
use super::record::Record;
use super::schema::Schema;
use super::validator::Validator;

/// The type of a field and the definitions nested in it.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Text.
    String,
    /// A number.
    Number,
    /// A number without a fraction.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A function; only in schemas that describe schemas.
    Function,
    /// Anything; only in schemas that describe schemas.
    Any,
    /// A value of the field that is being described; only in schemas that describe schemas.
    Itself,
    /// A definition, described by this record; only in schemas that describe schemas. Such a record refers to
    /// itself, so it is not held but asked for.
    Definition(fn() -> Rc<Record>),
    /// Whatever a JSON schema accepts.
    Json(Rc<JsonRule>),
    /// A sequence of such elements.
    Array(Rc<Field>),
    /// A sequence of different elements.
    Set(Rc<Field>),
    /// A table of such keys and values.
    Map(Rc<Field>, Rc<Field>),
    /// A table with named fields; without a definition only where the field is abstract.
    Record(Option<Rc<Record>>),
    /// The primary key of another entity.
    Foreign(Foreign),
    /// The type of the field this definition refines, with other definitions nested in it.
    Refined {
        /// Replaces the elements of an array or set.
        elements: Option<Rc<Field>>,
        /// Replaces the keys of a map.
        keys: Option<Rc<Field>>,
        /// Replaces the values of a map.
        values: Option<Rc<Field>>,
    },
    /// A type that does not exist: every value is refused.
    Unknown(String),
}

/// Where a foreign field points.
#[derive(Debug, Clone)]
pub struct Foreign {
    /// The name of the entity.
    pub reference: String,
    /// Its schema, once a [`super::Catalog`] resolved the name.
    pub schema: Option<Rc<Schema>>,
    /// What happens to this entity when the other one is deleted: `restrict`, `cascade` or `null`.
    pub on_delete: Option<String>,
}

/// A field that is on its way out.
#[derive(Debug, Clone, Default)]
pub struct Deprecation {
    /// What the log says.
    pub message: String,
    /// The release that drops the field.
    pub removal_in_version: String,
    /// A value that is used without a warning.
    pub old_default: Option<Value>,
    /// The fields that take its place.
    pub replaced_with: Vec<Replacement>,
}

/// A field that takes the place of a deprecated one.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// The keys that lead to the field.
    pub path: Vec<String>,
    /// Computes the old value from the new fields.
    pub reverse: Option<Reverse>,
}

/// The definition of a field. The flags are public: each is an attribute of the same name in schemas.
#[derive(Debug, Clone)]
pub struct Field {
    /// The type.
    pub kind: Kind,
    /// Must be given; `None` is "not said", which in records of entities means yes.
    pub required: Option<bool>,
    /// The value when none is given.
    pub default: Option<Value>,
    /// Sorted by the order they run in, one of a name.
    pub validators: Vec<Validator>,
    /// Replaces the message of every validator.
    pub err: Option<String>,
    /// Filled in by the gateway.
    pub auto: bool,
    /// No two entities of a workspace have the same value.
    pub unique: bool,
    /// No two entities at all have the same value.
    pub unique_across_ws: bool,
    /// Left to subschemas.
    pub is_abstract: bool,
    /// Stays as first written.
    pub immutable: bool,
    /// May be absent altogether; only in schemas that describe schemas.
    pub nilable: bool,
    /// May hold a vault reference instead of the value.
    pub referenceable: bool,
    /// Is a secret.
    pub encrypted: bool,
    /// Is not a column of the database.
    pub transient: bool,
    /// Whether the Admin API serves the relation of a foreign field.
    pub generate_admin_api: Option<bool>,
    /// What the field is for.
    pub description: Option<String>,
    /// Example values.
    pub examples: Option<Value>,
    /// Set when the field is on its way out.
    pub deprecation: Option<Rc<Deprecation>>,
}

impl Field {
    /// A field of this type without any attribute.
    pub fn new(kind: Kind) -> Self {
        let validators = if matches!(kind, Kind::String) { vec![Validator::NonEmpty] } else { Vec::new() };
        Self {
            kind,
            required: None,
            default: None,
            validators,
            err: None,
            auto: false,
            unique: false,
            unique_across_ws: false,
            is_abstract: false,
            immutable: false,
            nilable: false,
            referenceable: false,
            encrypted: false,
            transient: false,
            generate_admin_api: None,
            description: None,
            examples: None,
            deprecation: None,
        }
    }

    /// Whether the field must be given.
    pub fn is_required(&self) -> bool {
        self.required == Some(true)
    }

    /// Whether the field is a UUID.
    pub fn is_uuid(&self) -> bool {
        self.validators.iter().any(|validator| matches!(validator, Validator::Uuid))
    }

    /// Whether null has been forbidden (`ne = null`) or is all that is allowed (`eq = null`).
    pub fn null_rule(&self) -> Option<NullRule<'_>> {
        self.validators.iter().take(2).find_map(|validator| match validator {
            Validator::Ne(Value::Null) => Some(NullRule::Forbidden),
            Validator::Eq(Value::Null) => Some(NullRule::Only),
            Validator::Eq(wanted) => Some(NullRule::Instead(wanted)),
            _ => None,
        })
    }

    /// The name of the type, as schemas write it.
    pub fn type_name(&self) -> &str {
        match &self.kind {
            Kind::String => "string",
            Kind::Number => "number",
            Kind::Integer => "integer",
            Kind::Boolean => "boolean",
            Kind::Function => "function",
            Kind::Any => "any",
            Kind::Itself => "self",
            Kind::Json(_) => "json",
            Kind::Array(_) => "array",
            Kind::Set(_) => "set",
            Kind::Map(..) => "map",
            Kind::Record(_) | Kind::Definition(_) => "record",
            Kind::Foreign(_) => "foreign",
            Kind::Refined { .. } => "nil",
            Kind::Unknown(name) => name,
        }
    }

    /// The fields of a record that is not abstract.
    pub fn as_record(&self) -> Option<&Rc<Record>> {
        match &self.kind {
            Kind::Record(record) => record.as_ref(),
            _ => None,
        }
    }

    /// The entity a foreign field points to.
    pub fn as_foreign(&self) -> Option<&Foreign> {
        match &self.kind {
            Kind::Foreign(foreign) => Some(foreign),
            _ => None,
        }
    }

    /// This definition with the attributes of a refinement over its own.
    pub fn refine(&self, refinement: &Field) -> Field {
        let mut field = self.clone();
        if let Kind::Refined { elements, keys, values } = &refinement.kind {
            match &mut field.kind {
                Kind::Array(own) | Kind::Set(own) => replace(own, elements),
                Kind::Map(own_keys, own_values) => {
                    replace(own_keys, keys);
                    replace(own_values, values);
                }
                _ => {}
            }
        }
        refinement.validators.iter().cloned().for_each(|validator| field.add(validator));
        field.required = refinement.required.or(field.required);
        field.err = refinement.err.clone().or(field.err);
        field
    }
}

/// What a field says about null.
#[derive(Debug, Clone, Copy)]
pub enum NullRule<'a> {
    /// Null is refused.
    Forbidden,
    /// Everything but null is refused.
    Only,
    /// This value is demanded, which null is not.
    Instead(&'a Value),
}

fn replace(own: &mut Rc<Field>, new: &Option<Rc<Field>>) {
    if let Some(new) = new {
        *own = Rc::clone(new);
    }
}
