//! The store in a file: what every store does, and what is its own.

use std::sync::Arc;

use serde_json::json;

use super::Sqlite;
use crate::db::contract::{self, WORKSPACE, object, store_contract};
use crate::db::{Change, EntityModel, Expiry, Model, Store, UniqueField, View, Write};

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn with(test: impl AsyncFnOnce(Arc<dyn Store>)) {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let store = Sqlite::open(&folder.path().join("kong.db"), &contract::model()).await.unwrap();
        contract::prepare(&store).await;
        test(Arc::new(store)).await;
    });
}

store_contract!(with);

fn kind(unique: &[&str]) -> Arc<Model> {
    let unique = unique.iter().map(|name| UniqueField { name: (*name).to_owned(), across_workspaces: true });
    let field =
        |name: &str| crate::db::StoredField { name: name.to_owned(), kind: crate::db::FieldKind::Text };
    let things = EntityModel {
        name: "things".to_owned(),
        table: "things".to_owned(),
        primary_key: vec!["id".to_owned()],
        unique: unique.collect(),
        fields: ["id", "name"].map(field).to_vec(),
        ..EntityModel::default()
    };
    Arc::new(Model::new([things]))
}

#[test]
fn a_field_that_becomes_unique_is_found_by_in_rows_from_before() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kong.db");
    block_on(async {
        let model = kind(&[]);
        let store = Sqlite::open(&file, &model).await.unwrap();
        let thing = object(json!({"id": "t", "name": "one"}));
        let insert = Write::Insert(thing, Expiry::Keep);
        store.write(vec![Change::new(model.kind("things").unwrap(), None, insert)]).await.unwrap();
        drop(store);
        let store = Sqlite::open(&file, &kind(&["name"])).await.unwrap();
        let found = store.select_by("things", "name", &json!("one"), &View::default()).await.unwrap();
        assert_eq!(found.unwrap()["id"], "t");
    });
}

#[test]
fn what_another_process_writes_is_noticed_and_what_this_one_writes_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kong.db");
    block_on(async {
        let model = contract::model();
        let (own, other) =
            (Sqlite::open(&file, &model).await.unwrap(), Sqlite::open(&file, &model).await.unwrap());
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        let mut notices = own.notices().unwrap();
        notices.mark_unchanged();
        contract::prepare(&own).await;
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        assert!(!notices.has_changed().unwrap());
        let consumer = object(json!({"id": WORKSPACE, "username": "c", "ws_id": WORKSPACE}));
        let insert = Write::Insert(consumer, Expiry::Keep);
        other.write(vec![Change::new(model.kind("consumers").unwrap(), None, insert)]).await.unwrap();
        tokio::time::timeout(std::time::Duration::from_secs(5), notices.changed()).await.unwrap().unwrap();
    });
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kong.db");
    std::fs::write(&file, "not a database, but long enough to be looked at as one".repeat(40)).unwrap();
    let error = block_on(Sqlite::open(&file, &contract::model())).unwrap_err();
    assert!(error.message.contains("kong.db") && error.message.contains("not a database"), "{error}");
}
