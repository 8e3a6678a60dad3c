//! The store on a server: what every store does, and what is its own.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::json;

use super::{Cassandra, Migrator, Settings};
use crate::conf::Consistency;
use crate::db::contract::{self, WORKSPACE, object, store_contract};
use crate::db::migrations::bundled_in_cql;
use crate::db::{Change, ErrorCode, Expiry, Model, PageRequest, Place, Query, Store, View, Write};

#[path = "../../../spec/support/cassandra.rs"]
#[allow(dead_code, reason = "what other specs ask of the server is there, too")]
mod server;

use server::Cassandra as Server;

const KEYSPACE: &str = "kong_contract";

/// Tests take turns: they share a keyspace, since making its tables takes seconds.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn settings(server: &Server, keyspace: &str) -> Settings {
    Settings {
        contact_points: vec!["127.0.0.1".to_owned()],
        port: server.port,
        keyspace: keyspace.to_owned(),
        write_consistency: Consistency::One,
        read_consistency: Consistency::One,
        timeout: Duration::from_secs(10),
        ssl: false,
        ssl_verify: false,
        trusted: Vec::new(),
        login: None,
        local_datacenter: None,
        refresh: None,
        replication: "{'class': 'SimpleStrategy', 'replication_factor': 1}".to_owned(),
        agreement: Duration::from_secs(20),
    }
}

/// A keyspace with the tables of the core and of some plugins, made where it is missing.
async fn migrated(settings: &Settings) {
    let mut migrator = Migrator::connect(settings).await.unwrap();
    if migrator.schema_meta().await.unwrap().is_none() {
        migrator.bootstrap().await.unwrap();
        for subsystem in bundled_in_cql(["rate-limiting".to_owned(), "key-auth".to_owned()].iter()) {
            for step in subsystem.migrations.iter().flat_map(|migration| &migration.up) {
                migrator.run(step).await.unwrap();
            }
        }
    }
    migrator.close().await;
}

/// Removes all rows.
async fn cleared(settings: &Settings) {
    let migrator = Migrator::connect(settings).await.unwrap();
    let model = contract::model();
    let tables = model.kinds().map(|kind| (kind.table.clone(), kind.primary_key.clone()));
    let own = |table: &str, key: &[&str]| {
        (table.to_owned(), key.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    };
    let others = [
        own("tags", &["tag", "entity_name", "entity_id"]),
        own("unique_claims", &["entity", "field", "value"]),
        own("locks", &["key"]),
        own("cluster_events", &["channel", "at", "node_id", "id"]),
        own("ratelimiting_metrics", &["route_id", "service_id", "identifier", "period_date", "period"]),
    ];
    for (table, mut key) in tables.chain(others) {
        if migrator.columns(&table).await.unwrap().contains(&"partition".to_owned()) {
            key.insert(0, "partition".to_owned());
        }
        let rows =
            migrator.rows(&format!("SELECT {} FROM {table}", key.join(", ")), &()).await.unwrap_or_default();
        let is_agreed = ["unique_claims", "locks"].contains(&table.as_str());
        let places: Vec<String> = key.iter().map(|name| format!("{name} = ?")).collect();
        let condition = if is_agreed { " IF EXISTS" } else { "" };
        let delete = format!("DELETE FROM {table} WHERE {}{condition}", places.join(" AND "));
        for row in rows {
            migrator.change(&delete, &row.columns).await.unwrap();
        }
    }
}

fn with(test: impl AsyncFnOnce(Arc<dyn Store>)) {
    with_settings(async |settings| {
        let store = Cassandra::open(settings, &contract::model()).await.unwrap();
        contract::prepare(&store).await;
        test(Arc::new(store)).await;
    });
}

fn with_settings(test: impl AsyncFnOnce(Settings)) {
    let server = Server::shared();
    let _turn = turn();
    block_on(async {
        let settings = settings(&server, KEYSPACE);
        migrated(&settings).await;
        cleared(&settings).await;
        test(settings).await;
    });
}

store_contract!(with);

fn change(kind: &str, write: Write) -> Change {
    Change::new(contract::model().kind(kind).unwrap(), Some(WORKSPACE), write)
}

fn consumer(name: &str) -> Change {
    let entity =
        object(json!({"id": uuid::Uuid::new_v4().to_string(), "username": name, "ws_id": WORKSPACE}));
    change("consumers", Write::Insert(entity, Expiry::Keep))
}

#[test]
fn of_many_nodes_that_want_a_name_at_once_one_gets_it() {
    with_settings(async |settings| {
        let model: Arc<Model> = contract::model();
        let mut nodes = Vec::new();
        for _ in 0..4 {
            nodes.push(Cassandra::open(settings.clone(), &model).await.unwrap());
        }
        contract::prepare(&nodes[0]).await;
        for round in 0..10 {
            let name = format!("same{round}");
            let tasks: Vec<_> =
                nodes.iter().map(|node| tokio::spawn(node.write(vec![consumer(&name)]))).collect();
            let mut made = 0;
            for task in tasks {
                match task.await.unwrap() {
                    Ok(_) => made += 1,
                    Err(error) => assert_eq!(error.code, ErrorCode::UniqueViolation, "{error}"),
                }
            }
            assert_eq!(made, 1, "{name}");
        }
        assert_eq!(nodes[0].load(&["consumers"]).await.unwrap()["consumers"].len(), 10);
    });
}

#[test]
fn a_name_is_free_again_when_its_row_is_gone_and_can_move_within_a_batch() {
    with(async |store| {
        let first = consumer("one");
        store.write(vec![first.clone()]).await.unwrap();
        let Write::Insert(entity, _) = &first.write else { unreachable!() };
        let key = Place::Key(object(json!({"id": entity["id"]})));
        let gone = change("consumers", Write::Delete(key));
        store.write(vec![gone, consumer("one")]).await.unwrap();
        assert!(store.write(vec![consumer("one")]).await.is_err());
        let by_name = Place::Field("username".to_owned(), json!("one"));
        store.write(vec![change("consumers", Write::Delete(by_name))]).await.unwrap();
        store.write(vec![consumer("one")]).await.unwrap();
    });
}

#[test]
fn lists_come_back_as_they_were_given() {
    with(async |store| {
        let id = uuid::Uuid::new_v4().to_string();
        let route = json!({"id": id, "ws_id": WORKSPACE, "methods": [], "paths": [], "tags": ["b", "a"],
            "headers": {"x-a": ["b", "c"]}, "sources": [{"ip": "10.0.0.0/8", "port": 80}], "hosts": ["z", "a"]});
        let written =
            store.write(vec![change("routes", Write::Insert(object(route), Expiry::Keep))]).await.unwrap();
        let key = object(json!({"id": id}));
        let row = store.select("routes", &key, &View::default()).await.unwrap().unwrap();
        assert_eq!(Some(&row), written[0].after.as_ref());
        assert_eq!((&row["methods"], &row["paths"], &row["snis"]), (&json!([]), &json!([]), &json!(null)));
        assert_eq!((&row["tags"], &row["hosts"]), (&json!(["b", "a"]), &json!(["z", "a"])));
        assert_eq!(row["sources"], json!([{"ip": "10.0.0.0/8", "port": 80}]));
        assert_eq!(row["headers"], json!({"x-a": ["b", "c"]}));
        let update = Write::Update(
            Place::Key(key.clone()),
            object(json!({"paths": ["/a"], "methods": null})),
            Expiry::Keep,
        );
        store.write(vec![change("routes", update)]).await.unwrap();
        let row = store.select("routes", &key, &View::default()).await.unwrap().unwrap();
        assert_eq!((&row["methods"], &row["paths"]), (&json!(null), &json!(["/a"])));
    });
}

#[test]
fn rows_that_are_larger_than_a_batch_are_written() {
    with(async |store| {
        let large = |number: usize| {
            let text = format!("{number}").repeat(40_000);
            let entity = json!({"id": uuid::Uuid::new_v4().to_string(), "cert": text, "key": "k", "tags": ["t"],
                "ws_id": WORKSPACE});
            change("certificates", Write::Insert(object(entity), Expiry::Keep))
        };
        store.write((0..5).map(large).collect()).await.unwrap();
        assert_eq!(store.load(&["certificates"]).await.unwrap()["certificates"].len(), 5);
        assert_eq!(store.page_tags(Some("t"), 10, None).await.unwrap().rows.len(), 5);
    });
}

#[test]
fn pages_of_several_tags_have_each_row_once() {
    with(async |store| {
        let tagged = |number: usize| {
            let tags = [vec!["a"], vec!["b"], vec!["a", "b"]][number % 3].clone();
            let entity = json!({"id": uuid::Uuid::new_v4().to_string(), "username": format!("c{number}"),
                "tags": tags, "ws_id": WORKSPACE});
            change("consumers", Write::Insert(object(entity), Expiry::Keep))
        };
        store.write((0..30).map(tagged).collect()).await.unwrap();
        let tags = Some(crate::db::TagFilter::Any(vec!["a".to_owned(), "b".to_owned()]));
        let mut request = PageRequest { size: 7, offset: None, tags };
        let mut seen = Vec::new();
        loop {
            let query = Query { page: request.clone(), below: None };
            let page = store.page("consumers", &query, &View::of(WORKSPACE)).await.unwrap();
            seen.extend(page.rows.iter().map(|row| row["username"].to_string()));
            let Some(offset) = page.offset else { break };
            request.offset = Some(offset);
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 30);
    });
}

#[test]
fn a_node_that_is_away_is_told_at_once_and_a_missing_keyspace_by_its_name() {
    let server = Server::shared();
    let away = Settings { port: free_port(), ..settings(&server, "nothing") };
    let missing = settings(&server, "nothing");
    block_on(async {
        let asked = std::time::Instant::now();
        let error = Cassandra::open(away, &contract::model()).await.unwrap_err();
        assert!(
            error.is_away() && error.message.starts_with("[Cassandra error] could not connect to"),
            "{error}"
        );
        assert!(asked.elapsed() < Duration::from_secs(30));
        let error = Cassandra::open(missing, &contract::model()).await.unwrap_err();
        assert!(!error.is_away() && error.message.contains("nothing"), "{error}");
    });
}
