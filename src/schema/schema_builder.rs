//! How schemas are written in Rust: a chain of what they have.

use super::check::Check;
use super::field::Field;
use super::record::{Shorthand, Transformation};
use super::schema::Schema;

impl Schema {
    /// Sets the fields.
    pub fn fields(mut self, fields: impl IntoIterator<Item = (&'static str, Field)>) -> Self {
        self.record.fields = fields.into_iter().map(|(name, field)| (name.to_owned(), field)).collect();
        self
    }

    /// Adds a field at the end.
    pub fn field(mut self, name: &str, field: Field) -> Self {
        self.record.fields.insert(name.to_owned(), field);
        self
    }

    /// Adds a rule between fields.
    pub fn entity_check(mut self, check: Check) -> Self {
        self.record.entity_checks.push(check);
        self
    }

    /// Adds another way to write fields.
    pub fn shorthand(mut self, shorthand: Shorthand) -> Self {
        self.record.shorthand_fields.push(shorthand);
        self
    }

    /// Adds fields computed from others.
    pub fn transformation(mut self, transformation: Transformation) -> Self {
        self.record.transformations.push(transformation);
        self
    }

    /// Entities belong to a workspace.
    pub fn workspaceable(mut self) -> Self {
        self.workspaceable = true;
        self
    }

    /// Sets the unique field that may stand for the primary key.
    pub fn endpoint_key(mut self, field: &str) -> Self {
        self.endpoint_key = Some(field.to_owned());
        self
    }

    /// Sets the fields that make the cache key.
    pub fn cache_key(mut self, fields: &[&str]) -> Self {
        self.cache_key = fields.iter().map(|field| (*field).to_owned()).collect();
        self
    }

    /// Sets the field that chooses the subschema, and the message when there is none for its value.
    pub fn subschema_key(mut self, field: &str, error: &str) -> Self {
        self.subschema_key = Some(field.to_owned());
        self.subschema_error = Some(error.to_owned());
        self
    }

    /// Sets the name in Admin API paths.
    pub fn admin_api_name(mut self, name: &str) -> Self {
        self.admin_api_name = Some(name.to_owned());
        self
    }

    /// Sets the name of the table.
    pub fn table_name(mut self, name: &str) -> Self {
        self.table_name = Some(name.to_owned());
        self
    }

    /// The Admin API does not serve the entity by itself.
    pub fn without_admin_api(mut self) -> Self {
        self.generate_admin_api = Some(false);
        self
    }

    /// Exports leave the entity out.
    pub fn not_exported(mut self) -> Self {
        self.db_export = Some(false);
        self
    }

    /// Entities expire.
    pub fn expiring(mut self) -> Self {
        self.ttl = true;
        self
    }

    /// Sets the module that extends data access.
    pub fn dao(mut self, module: &str) -> Self {
        self.dao = Some(module.to_owned());
        self
    }
}
