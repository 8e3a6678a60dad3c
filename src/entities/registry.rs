//! The schemas of one thread: the core entities, and what plugins and vaults add.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::topological;
use crate::schema::{Catalog, Constraint, Record, Schema, SchemaError};

/// Which router decides, and so what routes can match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RouterFlavor {
    /// Fields of routes, in the order of their weight.
    Traditional,
    /// Fields of routes, turned into expressions.
    #[default]
    TraditionalCompatible,
    /// Expressions.
    Expressions,
}

/// Says why the expression of a route, given or made of its fields, is wrong. The router supplies it.
pub type ExpressionValidator = Rc<dyn Fn(&Map<String, Value>) -> Result<(), String>>;

/// The WebAssembly filters that are installed.
#[derive(Debug, Clone, Default)]
pub struct WasmFilters {
    /// Whether filters are supported at all.
    pub enabled: bool,
    /// Their names.
    pub names: Vec<String>,
}

/// What the core schemas depend on.
#[derive(Clone)]
pub struct Options {
    /// The router's flavor.
    pub flavor: RouterFlavor,
    /// Checks the expressions of routes; without it only contradictions between fields are found.
    pub expression: Option<ExpressionValidator>,
    /// The kinds of vaults that are installed.
    pub vaults: Vec<String>,
    /// The filters that are installed.
    pub filters: WasmFilters,
}

/// The schemas of one thread, by name.
#[derive(Debug, Default, Clone)]
pub struct Registry {
    catalog: Rc<Catalog>,
}

impl RouterFlavor {
    /// The flavor of this name in kong.conf.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "traditional" => Some(Self::Traditional),
            "traditional_compatible" => Some(Self::TraditionalCompatible),
            "expressions" => Some(Self::Expressions),
            _ => None,
        }
    }
}

impl WasmFilters {
    /// Why no filter chain can be used, if so.
    pub(super) fn status(&self) -> Option<&'static str> {
        if !self.enabled {
            return Some("wasm support is not enabled");
        }
        self.names.is_empty().then_some("no wasm filters are available")
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            flavor: RouterFlavor::default(),
            expression: None,
            vaults: vec!["env".to_owned()],
            filters: WasmFilters::default(),
        }
    }
}

impl Registry {
    /// The core entities for a router flavor, with everything else as it is by default.
    ///
    /// # Errors
    /// When a core schema contradicts itself, which a test excludes.
    pub fn core(flavor: RouterFlavor) -> Result<Self, SchemaError> {
        Self::new(Options { flavor, ..Options::default() })
    }

    /// The core entities.
    ///
    /// # Errors
    /// When a core schema contradicts itself, which a test excludes.
    pub fn new(options: Options) -> Result<Self, SchemaError> {
        let registry = Self::default();
        let has_environment = options.vaults.iter().any(|name| name == "env");
        for schema in super::core_schemas(&options) {
            registry.add(schema)?;
        }
        if let Some(routes) = registry.named("routes") {
            super::routes::add_subschemas(&routes, options.flavor)?;
        }
        if has_environment {
            registry.add_vault("env", super::vaults::environment())?;
        }
        Ok(registry)
    }

    /// Adds an entity, such as one of a plugin's `daos.lua`.
    ///
    /// # Errors
    /// When it refers to an unknown entity or has fields that entities cannot have.
    pub fn add(&self, schema: Schema) -> Result<Rc<Schema>, SchemaError> {
        self.catalog.add(schema.into_entity()?)
    }

    /// Makes a plugin known: `record` holds the field `config` and what else the plugin refines.
    ///
    /// # Errors
    /// When it does not fit the schema of plugins.
    pub fn add_plugin(&self, name: &str, record: Record) -> Result<(), SchemaError> {
        self.add_subschema("plugins", name, record)
    }

    /// Makes a kind of vault known: `record` holds the field `config`.
    ///
    /// # Errors
    /// When it does not fit the schema of vaults.
    pub fn add_vault(&self, name: &str, record: Record) -> Result<(), SchemaError> {
        self.add_subschema("vaults", name, record)
    }

    fn add_subschema(&self, parent: &str, name: &str, mut record: Record) -> Result<(), SchemaError> {
        let Some(parent) = self.named(parent) else {
            return Err(SchemaError::BadReference(parent.to_owned()));
        };
        record.require_records();
        self.catalog.resolve(&mut record)?;
        parent.add_subschema(name, Rc::new(record))
    }

    /// The schema of this entity.
    pub fn named(&self, name: &str) -> Option<Rc<Schema>> {
        self.catalog.named(name)
    }

    /// All schemas, each after those it refers to; core entities before those of plugins.
    pub fn sorted(&self) -> Vec<Rc<Schema>> {
        topological::sort(&self.catalog.all())
    }

    /// The foreign fields that point to an entity.
    pub fn constraints(&self, name: &str) -> Vec<Constraint> {
        self.catalog.constraints(name)
    }

    /// Makes `kong.db.schema` and its sisters available in a VM, over these schemas.
    ///
    /// # Errors
    /// When the VM has no memory left.
    pub fn register(&self, lua: &mlua::Lua) -> mlua::Result<()> {
        crate::schema::lua::register(lua, Rc::clone(&self.catalog))?;
        crate::schema::lua::register_definitions(lua, &super::CORE_ENTITIES, super::definition)
    }
}
