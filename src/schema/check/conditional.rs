//! The rules that depend on a field's value.

use std::cell::OnceCell;

use serde_json::{Map, Value};

use super::fields::given;
use crate::schema::field::Field;
use crate::schema::messages;
use crate::schema::validate::{Pass, Scope, validate_field};
use crate::schema::value::{at, put, quoted_list};

/// What a field's value must fulfil: validators on top of the field's own definition.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The field.
    pub field: String,
    /// The validators.
    pub refinement: Field,
    resolved: OnceCell<Field>,
}

/// When the condition holds, `then_field` must fulfil `then_match`.
#[derive(Debug, Clone)]
pub struct Conditional {
    /// The condition.
    pub condition: Condition,
    /// The field that depends on it.
    pub then_field: String,
    /// What that field must fulfil.
    pub then_match: Condition,
    /// Replaces the message.
    pub then_err: Option<String>,
}

/// When the condition holds, one of `then_fields` must be given; otherwise, when `else_match` holds, one of
/// `else_fields`.
#[derive(Debug, Clone)]
pub struct AtLeastOneOfIf {
    /// The condition.
    pub condition: Condition,
    /// The fields of which one must be given.
    pub then_fields: Vec<String>,
    /// Replaces the message; `%s` stands for the fields.
    pub then_err: Option<String>,
    /// The condition to try next.
    pub else_match: Option<Condition>,
    /// The fields of which one must be given then.
    pub else_fields: Vec<String>,
    /// Replaces the message; `%s` stands for the fields.
    pub else_err: Option<String>,
}

/// Why a rule failed: what goes into its usual message, or other words instead.
pub(super) enum Failure {
    /// The argument of the usual message.
    Argument(String),
    /// The whole message.
    Message(String),
}

impl Condition {
    /// A condition on a field.
    pub fn new(field: &str, refinement: Field) -> Self {
        Self { field: field.to_owned(), refinement, resolved: OnceCell::new() }
    }

    fn holds(&self, value: &Value, scope: Scope<'_>, pass: Pass) -> Result<(), Value> {
        let field = self.resolved.get_or_init(|| match scope.field_at(&self.field) {
            Some(base) => base.refine(&self.refinement),
            None => self.refinement.clone(),
        });
        validate_field(field, value, pass)
    }
}

impl Conditional {
    /// A rule between two fields.
    pub fn new(if_field: &str, if_match: Field, then_field: &str, then_match: Field) -> Self {
        Self {
            condition: Condition::new(if_field, if_match),
            then_field: then_field.to_owned(),
            then_match: Condition::new(then_field, then_match),
            then_err: None,
        }
    }

    /// Replaces the message.
    pub fn err(mut self, message: &str) -> Self {
        self.then_err = Some(message.to_owned());
        self
    }

    /// Applies the rule; what is wrong with `then_field` goes into `errors`.
    pub(super) fn run(
        &self,
        entity: &Map<String, Value>,
        scope: Scope<'_>,
        pass: Pass,
        errors: &mut Map<String, Value>,
    ) -> Result<(), Failure> {
        let if_field = &self.condition.field;
        let applies =
            at(entity, if_field).is_some_and(|value| self.condition.holds(value, scope, pass).is_ok());
        if !applies {
            return Ok(());
        }
        let then_value = at(entity, &self.then_field).unwrap_or(&Value::Null);
        if self.then_match.refinement.is_required() && then_value.is_null() {
            put(errors, &self.then_field, messages::REQUIRED.into());
            return Err(Failure::Argument(if_field.clone()));
        }
        let Err(error) = self.then_match.holds(then_value, scope, pass) else {
            return Ok(());
        };
        put(errors, &self.then_field, error);
        Err(match &self.then_err {
            Some(message) => Failure::Message(message.replacen("%s", if_field, 1)),
            None => Failure::Argument(if_field.clone()),
        })
    }
}

impl AtLeastOneOfIf {
    /// A rule without an `else`.
    pub fn new<const N: usize>(if_field: &str, if_match: Field, then_fields: [&str; N]) -> Self {
        Self {
            condition: Condition::new(if_field, if_match),
            then_fields: super::names(then_fields),
            then_err: None,
            else_match: None,
            else_fields: Vec::new(),
            else_err: None,
        }
    }

    /// Replaces the message.
    pub fn err(mut self, message: &str) -> Self {
        self.then_err = Some(message.to_owned());
        self
    }

    /// Adds what holds otherwise.
    pub fn otherwise<const N: usize>(mut self, else_match: Field, fields: [&str; N], message: &str) -> Self {
        self.else_match = Some(Condition::new(&self.condition.field, else_match));
        self.else_fields = super::names(fields);
        self.else_err = Some(message.to_owned());
        self
    }

    /// Adds a field to both lists.
    pub fn or_field(mut self, field: &str) -> Self {
        self.then_fields.push(field.to_owned());
        if self.else_match.is_some() {
            self.else_fields.push(field.to_owned());
        }
        self
    }

    /// Applies the rule.
    pub(super) fn run(
        &self,
        entity: &Map<String, Value>,
        scope: Scope<'_>,
        pass: Pass,
    ) -> Result<(), Failure> {
        let Some(value) = at(entity, &self.condition.field) else {
            return Ok(());
        };
        if self.condition.holds(value, scope, pass).is_ok() {
            return demand(entity, &self.then_fields, self.then_err.as_deref());
        }
        match &self.else_match {
            Some(condition) if condition.holds(value, scope, pass).is_ok() => {
                demand(entity, &self.else_fields, self.else_err.as_deref())
            }
            _ => Ok(()),
        }
    }
}

fn demand(entity: &Map<String, Value>, fields: &[String], message: Option<&str>) -> Result<(), Failure> {
    if given(entity, fields) > 0 {
        return Ok(());
    }
    let list = quoted_list(fields);
    Err(match message {
        Some(message) => Failure::Message(message.replacen("%s", &list, 1)),
        None => Failure::Argument(list),
    })
}
