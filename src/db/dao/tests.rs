//! The DAO over the model of a store.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Dao, DaoOptions, Observer};
use crate::db::memory::Memory;
use crate::db::{Change, Entity, Expiry, Model, PageRequest, Store, Write, Written};
use crate::entities::{Registry, RouterFlavor};

const WORKSPACE: &str = "0dc6f45b-8f8d-40d2-a504-473544ee190b";

#[derive(Default)]
struct Heard(RefCell<Vec<Written>>);

impl Observer for Heard {
    fn wrote<'a>(&'a self, written: &'a [Written]) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
        self.0.borrow_mut().extend_from_slice(written);
        Box::pin(std::future::ready(()))
    }
}

fn object(value: Value) -> Entity {
    value.as_object().unwrap().clone()
}

/// Runs a test over an empty store that has the default workspace.
fn run<F: Future<Output = ()>>(test: impl FnOnce(Dao, Rc<Heard>) -> F) {
    let registry = Registry::core(RouterFlavor::TraditionalCompatible).unwrap();
    let model = Arc::new(Model::of(registry.sorted().iter().map(AsRef::as_ref)));
    let store = Arc::new(Memory::new(Arc::clone(&model)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let workspace = object(json!({"id": WORKSPACE, "name": "default"}));
        let workspaces = model.kind("workspaces").unwrap();
        let change = Change::new(workspaces, None, Write::Insert(workspace, Expiry::Never));
        store.write(vec![change]).await.unwrap();
        let heard = Rc::new(Heard::default());
        test(Dao::new(registry, model, store, WORKSPACE, heard.clone()), heard).await;
    });
}

async fn insert(dao: &Dao, kind: &str, entity: Value) -> Entity {
    dao.insert(kind, object(entity), &DaoOptions::nulls()).await.unwrap()
}

#[test]
fn an_inserted_entity_is_whole_and_is_found_by_each_of_its_keys() {
    run(|dao, heard| async move {
        let options = DaoOptions::nulls();
        let made = insert(&dao, "services", json!({"name": "one", "host": "h"})).await;
        assert_eq!((&made["port"], &made["retries"], &made["path"]), (&json!(80), &json!(5), &Value::Null));
        assert!(made["created_at"].is_i64() && !made.contains_key("ws_id"));
        let found = dao.select("services", &made, &options).await.unwrap();
        assert_eq!(found.as_ref(), Some(&made));
        let by_name = dao.select_by("services", "name", &json!("one"), &options).await.unwrap();
        assert_eq!(by_name, found);
        let page = dao.page("services", &PageRequest::first(), &options).await.unwrap();
        assert_eq!(page.rows.len(), 1);
        assert_eq!(heard.0.borrow()[0].operation(), "create");
    });
}

#[test]
fn violations_are_told_in_kongs_words() {
    run(|dao, _| async move {
        let options = DaoOptions::nulls();
        insert(&dao, "services", json!({"name": "one", "host": "h"})).await;
        let again = dao.insert("services", object(json!({"name": "one", "host": "h"})), &options).await;
        assert_eq!(again.unwrap_err().message, "UNIQUE violation detected on '{name=\"one\"}'");
        let id = "11111111-2222-4333-8444-555555555555";
        let route = json!({"paths": ["/"], "service": {"id": id}});
        let dangling = dao.insert("routes", object(route), &options).await.unwrap_err();
        assert_eq!(
            dangling.message,
            format!("the foreign key '{{id=\"{id}\"}}' does not reference an existing 'services' entity.")
        );
        let unresolved = json!({"paths": ["/"], "service": {"name": "none"}});
        let unresolved = dao.insert("routes", object(unresolved), &options).await.unwrap_err();
        assert_eq!(
            unresolved.message,
            "foreign key unresolved (service.name: the foreign key cannot be resolved with '{name=\"none\"}' for \
             an existing 'services' entity)"
        );
        let missing = dao.update("services", &object(json!({"id": id})), object(json!({})), &options).await;
        assert_eq!(
            missing.unwrap_err().message,
            format!("could not find the entity with primary key '{{id=\"{id}\"}}'")
        );
    });
}

#[test]
fn a_foreign_key_may_be_given_by_name_and_guards_what_it_points_to() {
    run(|dao, _| async move {
        let options = DaoOptions::nulls();
        let service = insert(&dao, "services", json!({"name": "one", "host": "h"})).await;
        let route = insert(&dao, "routes", json!({"paths": ["/"], "service": {"name": "one"}})).await;
        assert_eq!(route["service"], json!({"id": service["id"]}));
        let refused = dao.delete("services", &service, &options).await.unwrap_err();
        assert_eq!(refused.message, "an existing 'routes' entity references this 'services' entity");
        dao.delete("routes", &route, &options).await.unwrap();
        dao.delete("services", &service, &options).await.unwrap();
        assert_eq!(dao.select("services", &service, &options).await.unwrap(), None);
    });
}

#[test]
fn a_plugin_is_one_of_its_kind_where_it_is_bound_and_goes_with_that() {
    run(|dao, heard| async move {
        let options = DaoOptions::nulls();
        let consumer = insert(&dao, "consumers", json!({"username": "c"})).await;
        let plugin =
            |ttl: i64| json!({"name": "p", "consumer": {"id": consumer["id"]}, "config": {"ttl": ttl}});
        dao.registry().add_plugin("p", record()).unwrap();
        insert(&dao, "plugins", plugin(1)).await;
        let twice = dao.insert("plugins", object(plugin(2)), &options).await.unwrap_err();
        assert_eq!(twice.code, crate::db::ErrorCode::UniqueViolation);
        let fields: Vec<_> = twice.fields.unwrap().keys().cloned().collect();
        assert_eq!(fields, ["name", "route", "service", "consumer"]);
        dao.delete("consumers", &consumer, &options).await.unwrap();
        let page = dao.page("plugins", &PageRequest::first(), &options).await.unwrap();
        assert!(page.rows.is_empty());
        assert_eq!(heard.0.borrow().last().unwrap().cascaded[0].kind, "plugins");
    });
}

fn record() -> crate::schema::Record {
    use crate::schema::{Field, Schema};
    let config = Schema::new("config", &[]).fields([("ttl", Field::integer())]).record;
    Schema::new("p", &[]).fields([("config", Field::record(config))]).record
}

#[test]
fn an_upsert_by_name_keeps_the_id_and_replaces_the_rest() {
    run(|dao, _| async move {
        let options = DaoOptions::nulls();
        let name = json!("one");
        let first = object(json!({"host": "a", "path": "/p"}));
        let made = dao.upsert_by("services", "name", &name, first, &options).await.unwrap();
        let second = object(json!({"host": "b"}));
        let changed = dao.upsert_by("services", "name", &name, second, &options).await.unwrap();
        assert_eq!(made["id"], changed["id"]);
        assert_eq!(
            (&changed["host"], &changed["path"], &changed["name"]),
            (&json!("b"), &Value::Null, &name)
        );
    });
}

#[test]
fn an_update_changes_what_is_given_and_checks_the_whole() {
    run(|dao, _| async move {
        let options = DaoOptions::nulls();
        let made = insert(&dao, "services", json!({"name": "one", "host": "h", "path": "/p"})).await;
        let given = object(json!({"path": null}));
        let changed = dao.update("services", &made, given, &options).await.unwrap();
        assert_eq!((&changed["path"], &changed["host"]), (&Value::Null, &json!("h")));
        let wrong = dao.update("services", &made, object(json!({"port": "x"})), &options).await.unwrap_err();
        assert_eq!(wrong.message, "schema violation (port: expected an integer)");
    });
}

#[test]
fn targets_have_a_port_and_addresses_are_those_of_one_upstream() {
    run(|dao, _| async move {
        let upstream = insert(&dao, "upstreams", json!({"name": "u"})).await;
        let target = json!({"upstream": {"id": upstream["id"]}, "target": "h.test"});
        let made = insert(&dao, "targets", target.clone()).await;
        assert_eq!(made["target"], "h.test:8000");
        let twice = dao.insert("targets", object(target), &DaoOptions::nulls()).await.unwrap_err();
        assert_eq!(twice.code, crate::db::ErrorCode::UniqueViolation);
    });
}

#[test]
fn entities_with_a_ttl_end() {
    run(|dao, _| async move {
        let refused = DaoOptions { ttl: Some(5.0), ..DaoOptions::nulls() };
        let error = dao.insert("consumers", object(json!({"username": "c"})), &refused).await.unwrap_err();
        assert_eq!(error.message, "invalid option (ttl: cannot be used with 'consumers')");
        let options = DaoOptions { ttl: Some(10.0), ..DaoOptions::nulls() };
        let plane = json!({"ip": "127.0.0.1", "hostname": "h"});
        let made = dao.insert("clustering_data_planes", object(plane), &options).await.unwrap();
        assert!((8..=10).contains(&made["ttl"].as_i64().unwrap()), "{made:?}");
    });
}
