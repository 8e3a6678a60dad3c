//! What every store must do: one suite, run over each of them, and a random comparison with the model.
//!
//! A store's own tests say `store_contract!(with)`, where `with` runs a test over a store that has no rows but the
//! default workspace.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::{Value, json};

use super::memory::Memory;
use super::{
    Change, ClusterEvent, Counter, DbError, Entity, Expiry, Lock, Model, PageRequest, Place, Query, Store,
    TagFilter, View, Write, Written,
};
use crate::entities::{Registry, RouterFlavor};

/// The id of the default workspace.
pub(super) const WORKSPACE: &str = "0dc6f45b-8f8d-40d2-a504-473544ee190b";

/// The kinds of the core.
pub(super) fn model() -> Arc<Model> {
    let registry = Registry::core(RouterFlavor::TraditionalCompatible).unwrap();
    Arc::new(Model::of(registry.sorted().iter().map(AsRef::as_ref)))
}

/// Gives an empty store the default workspace.
pub(super) async fn prepare(store: &dyn Store) {
    let workspace = json!({"id": WORKSPACE, "name": "default"});
    let insert = Write::Insert(object(workspace), Expiry::Never);
    store.write(vec![change("workspaces", insert)]).await.unwrap();
}

/// Makes a test of each rule.
macro_rules! store_contract {
    ($with:path: $($rule:ident)*) => {
        $(#[test]
        fn $rule() {
            $with(async |store| $crate::db::contract::$rule(store).await);
        })*
    };
    ($with:path) => {
        $crate::db::contract::store_contract!($with:
            a_row_is_found_by_each_of_its_keys
            pages_follow_each_other_without_loss
            a_page_of_children_has_only_those_of_the_parent
            tags_select_rows_and_are_listed
            keys_and_unique_values_are_taken_once
            references_lead_somewhere
            an_update_changes_what_is_given
            an_upsert_inserts_or_replaces
            a_row_goes_with_those_below_it
            a_batch_is_made_whole_or_not_at_all
            rows_end_and_are_swept
            all_rows_are_loaded_as_they_were_at_one_moment
            an_offset_that_is_none_is_refused
            events_are_heard_once_in_their_order
            a_lock_has_one_holder
            counters_add_up
            truncating_takes_what_points_there_along
            many_rows_at_once_are_as_many_one_by_one
            random_changes_end_as_in_the_model
        );
    };
}
pub(super) use store_contract;

// ---- helpers --------------------------------------------------------------------------------------

pub(super) fn object(value: Value) -> Entity {
    value.as_object().unwrap().clone()
}

fn id(number: u8) -> String {
    format!("00000000-0000-4000-8000-0000000000{number:02x}")
}

fn key(number: u8) -> Entity {
    object(json!({"id": id(number)}))
}

fn change(kind: &str, write: Write) -> Change {
    Change::new(model().kind(kind).unwrap(), Some(WORKSPACE), write)
}

fn insert(kind: &str, number: u8, more: Value) -> Change {
    let mut entity = key(number);
    if kind == "plugins" {
        entity.extend(object(json!({"config": {}, "enabled": true})));
    }
    entity.extend(object(more));
    entity.insert("ws_id".to_owned(), json!(WORKSPACE));
    change(kind, Write::Insert(entity, Expiry::Keep))
}

fn delete(kind: &str, number: u8) -> Change {
    change(kind, Write::Delete(Place::Key(key(number))))
}

async fn write(store: &dyn Store, changes: Vec<Change>) -> Vec<Written> {
    store.write(changes).await.unwrap()
}

async fn refused(store: &dyn Store, change: Change) -> DbError {
    store.write(vec![change]).await.unwrap_err()
}

async fn all(store: &dyn Store, kind: &str, tags: Option<TagFilter>) -> Vec<String> {
    let page = PageRequest { size: 1000, offset: None, tags };
    let page = store.page(kind, &Query { page, below: None }, &View::of(WORKSPACE)).await.unwrap();
    in_order(store, page.rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect())
}

/// Ids of rows in the order of their keys. Cassandra has them in the order of hashes of their keys.
fn in_order(store: &dyn Store, mut ids: Vec<String>) -> Vec<String> {
    if is_hashed(store) {
        ids.sort();
    }
    ids
}

fn is_hashed(store: &dyn Store) -> bool {
    store.info().strategy == "cassandra"
}

// ---- rules ----------------------------------------------------------------------------------------

pub(super) async fn a_row_is_found_by_each_of_its_keys(store: Arc<dyn Store>) {
    let service =
        json!({"name": "one", "host": "h", "port": 80, "enabled": true, "created_at": 1_700_000_000});
    let made = write(&*store, vec![insert("services", 1, service)]).await;
    let row = made[0].after.clone().unwrap();
    assert_eq!((&row["host"], &row["path"], &row["ws_id"]), (&json!("h"), &Value::Null, &json!(WORKSPACE)));
    assert_eq!((&row["port"], &row["enabled"]), (&json!(80), &json!(true)));
    assert_eq!(row["created_at"], json!(1_700_000_000));
    let view = View::of(WORKSPACE);
    assert_eq!(store.select("services", &key(1), &view).await.unwrap(), Some(row.clone()));
    let by_name = store.select_by("services", "name", &json!("one"), &view).await.unwrap();
    assert_eq!(by_name, Some(row));
    let elsewhere = View::of(&id(99));
    assert_eq!(store.select_by("services", "name", &json!("one"), &elsewhere).await.unwrap(), None);
    assert_eq!(store.select("services", &key(1), &elsewhere).await.unwrap(), None);
    assert_eq!(store.select("services", &key(2), &View::default()).await.unwrap(), None);
    let plugin = json!({"name": "cors", "service": key(1), "config": {"a": {"b": [1.5, "x", null]}}});
    let made = write(&*store, vec![insert("plugins", 2, plugin)]).await;
    let cache_key = format!("plugins:cors::{}:::{WORKSPACE}", id(1));
    let found = store.select_by_cache_key("plugins", &cache_key, &view).await.unwrap();
    assert_eq!(found, made[0].after);
    assert_eq!(found.unwrap()["config"], json!({"a": {"b": [1.5, "x", null]}}));
}

pub(super) async fn pages_follow_each_other_without_loss(store: Arc<dyn Store>) {
    let many = (0..25).map(|n| insert("consumers", n, json!({"username": format!("c{n}")})));
    write(&*store, many.collect()).await;
    let mut request = PageRequest { size: 10, ..PageRequest::first() };
    let mut sizes = Vec::new();
    let mut seen = Vec::new();
    loop {
        let query = Query { page: request.clone(), below: None };
        let page = store.page("consumers", &query, &View::of(WORKSPACE)).await.unwrap();
        sizes.push(page.rows.len());
        seen.extend(page.rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        let Some(offset) = page.offset else { break };
        request.offset = Some(offset);
    }
    assert_eq!(sizes, [10, 10, 5]);
    assert_eq!(in_order(&*store, seen), (0..25).map(id).collect::<Vec<_>>());
}

pub(super) async fn a_page_of_children_has_only_those_of_the_parent(store: Arc<dyn Store>) {
    let mut changes =
        vec![insert("services", 1, json!({"host": "h"})), insert("services", 2, json!({"host": "h"}))];
    changes.extend((10..20).map(|n| insert("routes", n, json!({"service": key(1 + n % 2)}))));
    write(&*store, changes).await;
    let below = Some(("service".to_owned(), key(2)));
    let page = PageRequest { size: 3, ..PageRequest::first() };
    let page =
        store.page("routes", &Query { page, below: below.clone() }, &View::of(WORKSPACE)).await.unwrap();
    let ids = |page: &super::Page| -> Vec<String> {
        page.rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    let mut seen = ids(&page);
    assert_eq!(seen.len(), 3);
    let page = PageRequest { size: 3, offset: page.offset, tags: None };
    let page = store.page("routes", &Query { page, below }, &View::of(WORKSPACE)).await.unwrap();
    seen.extend(ids(&page));
    assert_eq!(in_order(&*store, seen), [id(11), id(13), id(15), id(17), id(19)]);
    assert_eq!(page.offset, None);
}

pub(super) async fn tags_select_rows_and_are_listed(store: Arc<dyn Store>) {
    write(
        &*store,
        vec![
            insert("services", 1, json!({"host": "h", "tags": ["a", "b"]})),
            insert("services", 2, json!({"host": "h", "tags": ["a"]})),
            insert("services", 3, json!({"host": "h", "tags": null})),
            insert("consumers", 4, json!({"username": "c", "tags": ["a"]})),
        ],
    )
    .await;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(all(&*store, "services", Some(TagFilter::All(names(&["a", "b"])))).await, [id(1)]);
    assert_eq!(all(&*store, "services", Some(TagFilter::Any(names(&["a", "b"])))).await, [id(1), id(2)]);
    let listed = store.page_tags(Some("a"), 100, None).await.unwrap();
    assert_eq!(listed.rows.len(), 3);
    let listed = store.page_tags(None, 3, None).await.unwrap();
    assert_eq!(listed.rows.len(), 3);
    let rest = store.page_tags(None, 3, listed.offset.as_deref()).await.unwrap();
    assert_eq!((rest.rows.len(), rest.offset), (1, None));
    let tags = object(json!({"tags": ["c"]}));
    let update = Write::Update(Place::Key(key(1)), tags, Expiry::Keep);
    write(&*store, vec![change("services", update), delete("consumers", 4)]).await;
    let listed = store.page_tags(Some("a"), 100, None).await.unwrap();
    assert_eq!(listed.rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), [id(2)]);
}

pub(super) async fn keys_and_unique_values_are_taken_once(store: Arc<dyn Store>) {
    let plugin = |number| insert("plugins", number, json!({"name": "cors", "instance_name": null}));
    write(&*store, vec![insert("services", 1, json!({"name": "one", "host": "h"})), plugin(2)]).await;
    let error = refused(&*store, insert("services", 1, json!({"host": "h"}))).await;
    assert_eq!(error.message, format!("primary key violation on key '{{id=\"{}\"}}'", id(1)));
    let error = refused(&*store, insert("services", 3, json!({"name": "one", "host": "h"}))).await;
    assert_eq!(error.message, "UNIQUE violation detected on '{name=\"one\"}'");
    let error = refused(&*store, plugin(3)).await;
    let fields = json!({"name": "cors", "route": null, "service": null, "consumer": null});
    assert_eq!(Value::Object(*error.fields.unwrap()), fields);
    write(
        &*store,
        vec![insert("services", 3, json!({"host": "h"})), insert("services", 4, json!({"host": "h"}))],
    )
    .await;
}

pub(super) async fn references_lead_somewhere(store: Arc<dyn Store>) {
    let error = refused(&*store, insert("routes", 1, json!({"service": key(9)}))).await;
    let message =
        format!("the foreign key '{{id=\"{}\"}}' does not reference an existing 'services' entity.", id(9));
    assert_eq!(error.message, message);
    let mut lost = object(json!({"host": "h", "ws_id": id(77)}));
    lost.extend(key(1));
    let error = refused(&*store, change("services", Write::Insert(lost, Expiry::Keep))).await;
    assert_eq!(error.message, format!("invalid workspace '{}'", id(77)));
    write(
        &*store,
        vec![insert("services", 1, json!({"host": "h"})), insert("routes", 2, json!({"service": key(1)}))],
    )
    .await;
    let error = refused(&*store, delete("services", 1)).await;
    assert_eq!(error.message, "an existing 'routes' entity references this 'services' entity");
}

pub(super) async fn an_update_changes_what_is_given(store: Arc<dyn Store>) {
    write(&*store, vec![insert("services", 1, json!({"name": "one", "host": "h", "path": "/p"}))]).await;
    let fields = object(json!({"path": null, "port": 8080}));
    let place = Place::Field("name".to_owned(), json!("one"));
    let written = write(&*store, vec![change("services", Write::Update(place, fields, Expiry::Keep))]).await;
    let (before, after) = (written[0].before.clone().unwrap(), written[0].after.clone().unwrap());
    assert_eq!((&before["path"], &after["path"]), (&json!("/p"), &Value::Null));
    assert_eq!((&after["port"], &after["host"], &after["name"]), (&json!(8080), &json!("h"), &json!("one")));
    let missing = Write::Update(Place::Key(key(7)), Entity::new(), Expiry::Keep);
    let error = refused(&*store, change("services", missing)).await;
    assert_eq!(error.message, format!("could not find the entity with primary key '{{id=\"{}\"}}'", id(7)));
}

pub(super) async fn an_upsert_inserts_or_replaces(store: Arc<dyn Store>) {
    let upsert = |place, number: Option<u8>, more: Value| {
        let mut entity = object(more);
        entity.insert("ws_id".to_owned(), json!(WORKSPACE));
        entity.extend(number.map(key).unwrap_or_default());
        change("services", Write::Upsert(place, entity, Expiry::Keep))
    };
    let first = upsert(Place::Key(key(1)), None, json!({"name": "one", "host": "a", "path": "/p"}));
    let made = write(&*store, vec![first]).await;
    assert_eq!((made[0].operation(), &made[0].after.as_ref().unwrap()["id"]), ("create", &json!(id(1))));
    let by_name = Place::Field("name".to_owned(), json!("one"));
    let second = upsert(by_name, Some(2), json!({"name": "one", "host": "b", "path": null}));
    let changed = write(&*store, vec![second]).await;
    let after = changed[0].after.as_ref().unwrap();
    assert_eq!(
        (changed[0].operation(), &after["id"], &after["host"]),
        ("update", &json!(id(1)), &json!("b"))
    );
    assert_eq!(after["path"], Value::Null);
    let another = upsert(Place::Field("name".to_owned(), json!("two")), Some(2), json!({"host": "c"}));
    let made = write(&*store, vec![another]).await;
    assert_eq!((made[0].operation(), &made[0].after.as_ref().unwrap()["name"]), ("create", &json!("two")));
    assert_eq!(all(&*store, "services", None).await, [id(1), id(2)]);
}

pub(super) async fn a_row_goes_with_those_below_it(store: Arc<dyn Store>) {
    write(
        &*store,
        vec![
            insert("services", 1, json!({"host": "h"})),
            insert("routes", 2, json!({"service": key(1)})),
            insert("plugins", 3, json!({"name": "cors", "route": key(2)})),
            insert("plugins", 4, json!({"name": "cors"})),
        ],
    )
    .await;
    let written = write(&*store, vec![delete("routes", 2)]).await;
    assert_eq!(written[0].operation(), "delete");
    let gone: Vec<_> =
        written[0].cascaded.iter().map(|row| (row.kind.clone(), row.entity["id"].clone())).collect();
    assert_eq!(gone, [("plugins".to_owned(), json!(id(3)))]);
    assert_eq!(all(&*store, "plugins", None).await, [id(4)]);
    assert!(write(&*store, vec![delete("routes", 2)]).await[0].is_nothing());
}

pub(super) async fn a_batch_is_made_whole_or_not_at_all(store: Arc<dyn Store>) {
    let batch = vec![
        insert("services", 1, json!({"name": "one", "host": "h"})),
        insert("services", 2, json!({"name": "one", "host": "h"})),
    ];
    assert!(store.write(batch).await.is_err());
    assert!(all(&*store, "services", None).await.is_empty());
    let batch = vec![
        insert("certificates", 1, json!({"cert": "c", "key": "k"})),
        insert("snis", 2, json!({"name": "a.test", "certificate": key(1)})),
    ];
    assert_eq!(write(&*store, batch).await.len(), 2);
}

pub(super) async fn rows_end_and_are_swept(store: Arc<dyn Store>) {
    let plane = |number: u8, end: f64| {
        let mut entity =
            object(json!({"ip": "127.0.0.1", "hostname": "h", "config_hash": "c", "sync_status": "normal"}));
        entity.extend(key(number));
        change("clustering_data_planes", Write::Insert(entity, Expiry::At(end)))
    };
    let now = super::store::now();
    let ended = |number| {
        let end = Write::Update(Place::Key(key(number)), Entity::new(), Expiry::At(now - 5.0));
        change("clustering_data_planes", end)
    };
    let planes = [1, 2, 3].map(|number| plane(number, now + 100.0));
    write(&*store, planes.into_iter().chain([ended(2), ended(3)]).collect()).await;
    assert_eq!(all(&*store, "clustering_data_planes", None).await, [id(1)]);
    let view = View::default();
    let left = store.select("clustering_data_planes", &key(1), &view).await.unwrap().unwrap();
    assert!((95..=100).contains(&left["ttl"].as_i64().unwrap()));
    let late = View { skip_ttl: true, ..View::default() };
    // Cassandra ends rows by itself: there is nothing to be swept
    let is_swept = !is_hashed(&*store);
    let found = store.select("clustering_data_planes", &key(2), &late).await.unwrap();
    assert_eq!(found.is_some(), is_swept);
    let removal = || change("clustering_data_planes", Write::Delete(Place::Key(key(3))));
    write(&*store, vec![removal()]).await;
    let found = store.select("clustering_data_planes", &key(3), &late).await.unwrap();
    assert_eq!(found.is_some(), is_swept);
    write(&*store, vec![Change { skip_ttl: true, ..removal() }]).await;
    assert!(store.select("clustering_data_planes", &key(3), &late).await.unwrap().is_none());
    let export = View { export: true, ..View::default() };
    let row = store.select("clustering_data_planes", &key(1), &export).await.unwrap().unwrap();
    assert!((row["ttl"].as_f64().unwrap() - now - 100.0).abs() < 2.0);
    assert_eq!(store.sweep().await.unwrap(), u64::from(is_swept));
    assert!(store.select("clustering_data_planes", &key(2), &late).await.unwrap().is_none());
    let forever = Write::Update(Place::Key(key(1)), Entity::new(), Expiry::Never);
    let written = write(&*store, vec![change("clustering_data_planes", forever)]).await;
    assert_eq!(written[0].after.as_ref().unwrap()["ttl"], Value::Null);
}

pub(super) async fn all_rows_are_loaded_as_they_were_at_one_moment(store: Arc<dyn Store>) {
    write(
        &*store,
        vec![insert("services", 1, json!({"host": "h"})), insert("routes", 2, json!({"service": key(1)}))],
    )
    .await;
    let loaded = store.load(&["services", "routes", "snis"]).await.unwrap();
    assert_eq!(loaded.keys().collect::<Vec<_>>(), ["services", "routes", "snis"]);
    assert_eq!(loaded["services"].keys().map(|key| &**key).collect::<Vec<_>>(), [id(1)]);
    assert_eq!(loaded["routes"][id(2).as_str()]["service"], Value::Object(key(1)));
    assert!(loaded["snis"].is_empty());
}

pub(super) async fn an_offset_that_is_none_is_refused(store: Arc<dyn Store>) {
    let reason = |text: &str, error: DbError| {
        let begin = format!("'{text}' is not a valid offset: ");
        error.message.strip_prefix(&begin).unwrap_or(&error.message).to_owned()
    };
    // the last four: `["x"]`, `null`, `[null]` and `[]`; what is no list is no JSON of an offset where that is JSON
    for (text, expected) in [
        ("x!", ["bad base64 encoding"].as_slice()),
        ("WyJ4Il0", &["bad offset string"]),
        ("bnVsbA", &["bad json encoding", "bad offset string"]),
        ("W251bGxd", &["bad offset string"]),
        ("W10", &["bad offset string"]),
    ] {
        let page = PageRequest { offset: Some(text.to_owned()), ..PageRequest::first() };
        let error = store.page("services", &Query { page, below: None }, &View::default()).await.unwrap_err();
        assert!(expected.contains(&&*reason(text, error)), "{text}");
        let error = store.page_tags(None, 10, Some(text)).await.unwrap_err();
        assert!(expected.contains(&&*reason(text, error)), "{text}");
    }
}

pub(super) async fn events_are_heard_once_in_their_order(store: Arc<dyn Store>) {
    let event = |number: u8, channel: &str| ClusterEvent {
        id: id(number),
        node_id: id(50),
        at: 0.0,
        not_before: None,
        lifetime: 3600.0,
        channel: channel.to_owned(),
        data: format!("{number}"),
    };
    let (none, start) = store.events_since(&["a"], 0.0).await.unwrap();
    assert!(none.is_empty() && start > 0.0);
    for (number, channel) in [(1, "a"), (2, "b"), (3, "a")] {
        store.add_event(event(number, channel)).await.unwrap();
    }
    let (heard, until) = store.events_since(&["a"], start - 1.0).await.unwrap();
    assert_eq!(heard.iter().map(|event| event.data.as_str()).collect::<Vec<_>>(), ["1", "3"]);
    let (again, _) = store.events_since(&["a"], until).await.unwrap();
    assert!(again.is_empty());
}

pub(super) async fn a_lock_has_one_holder(store: Arc<dyn Store>) {
    let lock = |owner: &str| Lock { key: "m".to_owned(), owner: owner.to_owned(), lifetime: 60 };
    assert!(store.take_lock(lock("a")).await.unwrap());
    assert!(!store.take_lock(lock("b")).await.unwrap());
    store.release_lock("m", "b").await.unwrap();
    assert_eq!(store.lock_owner("m").await.unwrap().as_deref(), Some("a"));
    store.release_lock("m", "a").await.unwrap();
    assert!(store.take_lock(lock("b")).await.unwrap());
}

pub(super) async fn counters_add_up(store: Arc<dyn Store>) {
    let counter = Counter {
        identifier: "127.0.0.1".to_owned(),
        period: "minute".to_owned(),
        period_date: 1_700_000_000,
        service_id: id(0),
        route_id: id(1),
    };
    assert_eq!(store.counted(&counter).await.unwrap(), None);
    store.count(vec![(counter.clone(), 2, 60.0), (counter.clone(), 3, 60.0)]).await.unwrap();
    assert_eq!(store.counted(&counter).await.unwrap(), Some(5));
}

pub(super) async fn truncating_takes_what_points_there_along(store: Arc<dyn Store>) {
    write(
        &*store,
        vec![
            insert("services", 1, json!({"host": "h", "tags": ["a"]})),
            insert("routes", 2, json!({"service": key(1)})),
            insert("plugins", 3, json!({"name": "cors"})),
            insert("consumers", 4, json!({"username": "c"})),
        ],
    )
    .await;
    store.truncate("services").await.unwrap();
    for kind in ["services", "routes", "plugins"] {
        assert!(all(&*store, kind, None).await.is_empty(), "{kind}");
    }
    assert_eq!(all(&*store, "consumers", None).await, [id(4)]);
    assert!(store.page_tags(None, 10, None).await.unwrap().rows.is_empty());
}

pub(super) async fn many_rows_at_once_are_as_many_one_by_one(store: Arc<dyn Store>) {
    let many_id = |number: usize| format!("00000000-0000-4000-8000-{number:012x}");
    let consumer = |number: usize, name: usize| {
        let entity = json!({
            "id": many_id(number), "username": format!("c{name}"), "tags": ["t"], "ws_id": WORKSPACE,
        });
        let key = object(json!({"id": many_id(number)}));
        change("consumers", Write::Upsert(Place::Key(key), object(entity), Expiry::Keep))
    };
    let written = write(&*store, (0..350).map(|number| consumer(number, number)).collect()).await;
    assert!(written.iter().all(|written| written.operation() == "create"));
    assert_eq!(written[349].after.as_ref().unwrap()["username"], "c349");
    // Some of these are there already, and one has the name of another.
    let more: Vec<Change> = (200..450).map(|number| consumer(number, number)).collect();
    let written = write(&*store, more).await;
    assert_eq!(written.iter().filter(|written| written.operation() == "update").count(), 150);
    let mut wrong: Vec<Change> = (500..700).map(|number| consumer(number, number)).collect();
    wrong.push(consumer(800, 7));
    let error = store.write(wrong).await.unwrap_err();
    assert_eq!(error.message, "UNIQUE violation detected on '{username=\"c7\"}'");
    assert_eq!(all(&*store, "consumers", None).await.len(), 450);
    assert_eq!(store.page_tags(Some("t"), 1000, None).await.unwrap().rows.len(), 450);
}

// ---- the model ------------------------------------------------------------------------------------

/// One change of few keys and names, so that they often meet.
fn any_change() -> impl Strategy<Value = Change> {
    let place = (0..5_u8, prop::option::of("[ab]"));
    (0..4_u8, place, prop::option::of(0..5_u8), prop::collection::vec("[xy]", 0..2), 0..3_usize).prop_map(
        |(write, (number, by_name), above, tags, kind)| {
            let (kind, name) = [("services", "name"), ("routes", "name"), ("plugins", "instance_name")][kind];
            let number = number + 10 * (kind.len() as u8);
            let place = match &by_name {
                Some(name_) => Place::Field(name.to_owned(), json!(name_)),
                None => Place::Key(key(number)),
            };
            let mut entity = key(number);
            entity.extend(object(json!({"tags": tags, "ws_id": WORKSPACE, name: by_name})));
            match kind {
                "routes" => drop(entity.insert("service".to_owned(), json!(above.map(|n| key(n + 80))))),
                "plugins" => {
                    entity.extend(object(json!({"name": "cors", "config": {}, "enabled": true})));
                    entity.insert("route".to_owned(), json!(above.map(|n| key(n + 60))));
                }
                _ => drop(entity.insert("host".to_owned(), json!("h"))),
            }
            let write = match write {
                0 => Write::Insert(entity, Expiry::Keep),
                1 => Write::Upsert(place, entity, Expiry::Keep),
                2 => {
                    entity.shift_remove("id");
                    Write::Update(place, entity, Expiry::Keep)
                }
                _ => Write::Delete(place),
            };
            change(kind, write)
        },
    )
}

pub(super) async fn random_changes_end_as_in_the_model(store: Arc<dyn Store>) {
    let memory = Memory::new(model());
    prepare(&memory).await;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let batches = prop::collection::vec(prop::collection::vec(any_change(), 1..3), 150);
    let batches = batches.new_tree(&mut runner).unwrap().current();
    for batch in batches {
        let expected = memory.write(batch.clone()).await;
        let found = store.write(batch.clone()).await;
        assert_eq!(found, expected, "{batch:?}");
    }
    let kinds = ["services", "routes", "plugins"];
    assert_eq!(store.load(&kinds).await.unwrap(), memory.load(&kinds).await.unwrap());
    let sorted = |mut page: super::TagPage| {
        page.rows.sort_by(|a, b| (&a.kind, &a.id, &a.tag).cmp(&(&b.kind, &b.id, &b.tag)));
        page.rows
    };
    let listed = sorted(store.page_tags(None, 1000, None).await.unwrap());
    assert_eq!(listed, sorted(memory.page_tags(None, 1000, None).await.unwrap()));
}
