//! Configurations of bundled plugins against their schemas: whatever is given is taken or refused, and
//! what was taken is taken again.
#![no_main]

use std::collections::BTreeMap;
use std::rc::Rc;

use kong::conf::{Conf, Sources};
use kong::lua::Vm;
use kong::schema::{AutoOptions, Context, Kind, Record, Schema};
use kong_fuzz::document;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use serde_json::{Map, Value, json};

struct Plugins {
    schema: Rc<Schema>,
    configurations: Vec<(String, Rc<Record>)>,
    /// Functions of schemas run in it.
    _vm: Vm,
}

impl Plugins {
    fn load() -> Option<Plugins> {
        let sources = Sources::new(None).without_default_files().environment(BTreeMap::new());
        let conf = Conf::load(&sources).ok()?;
        let (vm, registry) = kong::node::schemas_of_command(&conf).ok()?;
        let schema = registry.named("plugins")?;
        let mut configurations = Vec::new();
        for name in kong::conf::BUNDLED_PLUGINS {
            let Some(record) = schema.subschema_named(name) else { continue };
            if let Some(Kind::Record(Some(config))) = record.fields.get("config").map(|field| &field.kind) {
                configurations.push((name.to_string(), Rc::clone(config)));
            }
        }
        (!configurations.is_empty()).then_some(Plugins { schema, configurations, _vm: vm })
    }

    /// A plugin as the Admin API would get it.
    fn entity(&self, source: &mut Unstructured<'_>) -> Result<Map<String, Value>> {
        let (name, config) = source.choose(&self.configurations)?;
        let mut entity = Map::new();
        entity.insert("name".into(), json!(name));
        entity.insert("config".into(), document::object(config, source, 0)?);
        if source.ratio(1, 4)? {
            let field = source.choose(&["protocols", "enabled", "tags", "route", "ordering", "other"])?;
            entity.insert((*field).into(), document::any(source, 3)?);
        }
        Ok(entity)
    }

    fn check(&self, entity: Map<String, Value>) {
        let options = AutoOptions::default();
        let Ok(filled) = self.schema.process_auto_fields(entity.clone(), Context::Insert, &options) else {
            return;
        };
        if self.schema.validate_insert(&filled.data, Some(&entity)).is_err() {
            return;
        }
        let again = self.schema.process_auto_fields(filled.data.clone(), Context::Insert, &options);
        let again = again.unwrap_or_else(|errors| panic!("taken once: {entity:?}; then {errors:?}"));
        let verdict = self.schema.validate_insert(&again.data, Some(&filled.data));
        assert!(verdict.is_ok(), "taken once: {entity:?}; then {verdict:?}");
    }
}

thread_local! {
    static PLUGINS: Plugins = Plugins::load().unwrap_or_else(|| panic!("the bundled plugins have schemas"));
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    PLUGINS.with(|plugins| {
        if let Ok(entity) = plugins.entity(&mut Unstructured::new(bytes)) {
            plugins.check(entity);
        }
    });
});
