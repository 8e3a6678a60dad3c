//! The schemas of one thread by name, and what follows from how they refer to each other.

use std::cell::RefCell;
use std::rc::Rc;

use indexmap::IndexMap;

use super::SchemaError;
use super::field::Kind;
use super::schema::Schema;

/// Schemas by name, in the order they were added.
#[derive(Debug, Default)]
pub struct Catalog {
    base: Option<Rc<Catalog>>,
    schemas: RefCell<IndexMap<String, Rc<Schema>>>,
}

/// A foreign field that points to an entity.
#[derive(Debug, Clone)]
pub struct Constraint {
    /// The entity that has the field.
    pub schema: Rc<Schema>,
    /// The field; none when the entity belongs to a workspace.
    pub field_name: Option<String>,
    /// What happens to it when the entity pointed to is deleted; nothing said means `restrict`.
    pub on_delete: Option<String>,
}

impl Catalog {
    /// An empty catalog that also knows the schemas of another.
    pub fn over(base: Rc<Catalog>) -> Self {
        Self { base: Some(base), ..Self::default() }
    }

    /// Adds a schema after resolving its foreign fields, in place of one of the same name. The configuration of a
    /// plugin, which has no primary key, does not take the place of a kind of entities of the plugin's name.
    ///
    /// # Errors
    /// When a foreign field points to an entity that is not known yet.
    pub fn add(&self, mut schema: Schema) -> Result<Rc<Schema>, SchemaError> {
        self.resolve(&mut schema.record)?;
        let schema = Rc::new(schema);
        let mut schemas = self.schemas.borrow_mut();
        let is_entity = |schema: &Rc<Schema>| !schema.primary_key.is_empty();
        let hides_entity = !is_entity(&schema) && schemas.get(&schema.name).is_some_and(is_entity);
        if !schema.name.is_empty() && !hides_entity {
            schemas.insert(schema.name.clone(), Rc::clone(&schema));
        }
        drop(schemas);
        Ok(schema)
    }

    /// Resolves the foreign fields of a record, such as a subschema's.
    ///
    /// # Errors
    /// When a foreign field points to an entity that is not known.
    pub fn resolve(&self, record: &mut super::Record) -> Result<(), SchemaError> {
        for field in record.fields.values_mut() {
            match &mut field.kind {
                Kind::Foreign(foreign) => {
                    let Some(target) = self.named(&foreign.reference) else {
                        return Err(SchemaError::BadReference(foreign.reference.clone()));
                    };
                    foreign.schema = Some(target);
                }
                Kind::Record(Some(nested)) => self.resolve(Rc::make_mut(nested))?,
                _ => {}
            }
        }
        Ok(())
    }

    /// The schema of this name.
    pub fn named(&self, name: &str) -> Option<Rc<Schema>> {
        let own = self.schemas.borrow().get(name).cloned();
        own.or_else(|| self.base.as_ref()?.named(name))
    }

    /// All schemas, in the order they were added.
    pub fn all(&self) -> Vec<Rc<Schema>> {
        self.schemas.borrow().values().cloned().collect()
    }

    /// The same, after those of the catalog it is over.
    pub fn all_with_base(&self) -> Vec<Rc<Schema>> {
        let base = self.base.as_ref().map(|base| base.all_with_base()).unwrap_or_default();
        let own = self.schemas.borrow();
        let kept = base.into_iter().filter(|schema| !own.contains_key(&schema.name));
        kept.chain(own.values().cloned()).collect()
    }

    /// The foreign fields that point to an entity. For workspaces also every entity that belongs to one.
    pub fn constraints(&self, name: &str) -> Vec<Constraint> {
        let mut constraints = self.base.as_ref().map(|base| base.constraints(name)).unwrap_or_default();
        for schema in self.schemas.borrow().values() {
            for (field_name, foreign) in schema.foreign_fields().filter(|(_, to)| to.reference == name) {
                constraints.push(Constraint {
                    schema: Rc::clone(schema),
                    field_name: Some(field_name.to_owned()),
                    on_delete: foreign.on_delete.clone(),
                });
            }
            if name == "workspaces" && schema.workspaceable {
                constraints.push(Constraint { schema: Rc::clone(schema), field_name: None, on_delete: None });
            }
        }
        constraints
    }
}
