//! The store on a server: what every store does, and what is its own.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{Migrator, Postgres, Settings};
use crate::db::contract::{self, WORKSPACE, object, store_contract};
use crate::db::migrations::bundled;
use crate::db::{Change, ErrorCode, Expiry, Place, Store, View, Write};

#[path = "../../../spec/support/postgres.rs"]
#[allow(dead_code, reason = "what other specs ask of the server is there, too")]
mod server;

use server::Postgres as Server;

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn settings(server: &Server, database: &str) -> Settings {
    Settings {
        host: "127.0.0.1".to_owned(),
        port: server.port,
        user: "postgres".to_owned(),
        password: None,
        database: database.to_owned(),
        schema: None,
        ssl: false,
        ssl_verify: false,
        trusted: Vec::new(),
        timeout: Duration::from_secs(5),
        connections: 4,
        wait: Duration::from_secs(5),
        idle: None,
    }
}

/// A database with the tables of the core and of the plugin that counts.
async fn migrated(server: &Server) -> Settings {
    let settings = settings(server, &server.database());
    let mut migrator = Migrator::connect(&settings).await.unwrap();
    migrator.bootstrap().await.unwrap();
    for subsystem in bundled(["rate-limiting".to_owned(), "key-auth".to_owned()].iter()) {
        for step in subsystem.migrations.iter().flat_map(|migration| &migration.up) {
            migrator.run(step).await.unwrap();
        }
    }
    migrator.close().await;
    // the contract brings a workspace of its own
    server.ask(&settings.database, "DELETE FROM workspaces");
    settings
}

fn with(test: impl AsyncFnOnce(Arc<dyn Store>)) {
    with_server(async |_, settings| {
        let store = Postgres::open(settings, None, &contract::model()).await.unwrap();
        contract::prepare(&store).await;
        test(Arc::new(store)).await;
    });
}

fn with_server(test: impl AsyncFnOnce(&Server, Settings)) {
    let server = Server::shared();
    block_on(async {
        let settings = migrated(&server).await;
        test(&server, settings).await;
    });
}

store_contract!(with);

fn consumer(name: &str) -> Change {
    let entity =
        object(json!({"id": uuid::Uuid::new_v4().to_string(), "username": name, "ws_id": WORKSPACE}));
    Change::new(
        contract::model().kind("consumers").unwrap(),
        Some(WORKSPACE),
        Write::Insert(entity, Expiry::Keep),
    )
}

#[test]
fn what_another_node_writes_is_noticed_and_what_this_one_writes_is_not() {
    with_server(async |_, settings| {
        let model = contract::model();
        let own = Postgres::open(settings.clone(), None, &model).await.unwrap();
        let other = Postgres::open(settings, None, &model).await.unwrap();
        let mut notices = own.notices().unwrap();
        // listening begins with one, since something may have been missed before
        tokio::time::timeout(Duration::from_secs(60), notices.wait_for(|count| *count > 0))
            .await
            .unwrap()
            .unwrap();
        notices.mark_unchanged();
        contract::prepare(&own).await;
        own.write(vec![consumer("a")]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!notices.has_changed().unwrap());
        other.write(vec![consumer("b")]).await.unwrap();
        tokio::time::timeout(Duration::from_secs(60), notices.changed()).await.unwrap().unwrap();
    });
}

#[test]
fn a_server_that_comes_back_is_used_again_and_its_absence_is_told_at_once() {
    let server = Server::start();
    block_on(async {
        let settings = migrated(&server).await;
        let store = Postgres::open(settings, None, &contract::model()).await.unwrap();
        contract::prepare(&store).await;
        store.write(vec![consumer("a")]).await.unwrap();
        let mut notices = store.notices().unwrap();
        server.stop();
        let asked = std::time::Instant::now();
        let error = store.write(vec![consumer("b")]).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::DatabaseError);
        let error = store.ping().await.unwrap_err();
        assert!(
            error.message.starts_with("[PostgreSQL error] ") && error.message.contains("refused"),
            "{error}"
        );
        assert!(asked.elapsed() < Duration::from_secs(20));
        server.resume();
        notices.mark_unchanged();
        store.ping().await.unwrap();
        store.write(vec![consumer("c")]).await.unwrap();
        // what was written meanwhile may have been missed
        tokio::time::timeout(Duration::from_secs(60), notices.changed()).await.unwrap().unwrap();
    });
}

#[test]
fn an_upsert_of_many_writers_at_once_leaves_one_row() {
    with(async |store| {
        let writers = (0..8).map(|number| {
            let entity = object(json!({"id": uuid::Uuid::new_v4().to_string(), "username": "same",
                "custom_id": number.to_string(), "ws_id": WORKSPACE}));
            let place = Place::Field("username".to_owned(), json!("same"));
            let upsert = Write::Upsert(place, entity, Expiry::Keep);
            store.write(vec![Change::new(
                contract::model().kind("consumers").unwrap(),
                Some(WORKSPACE),
                upsert,
            )])
        });
        let tasks: Vec<_> = writers.map(tokio::spawn).collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(store.load(&["consumers"]).await.unwrap()["consumers"].len(), 1);
    });
}

#[test]
fn many_rows_are_written_at_once_and_each_refusal_names_its_row() {
    with(async |store| {
        let many: Vec<Change> = (0..2500).map(|number| consumer(&format!("c{number}"))).collect();
        let written = store.write(many).await.unwrap();
        assert_eq!(written.len(), 2500);
        assert_eq!(written[1700].after.as_ref().unwrap()["username"], "c1700");
        let mut again: Vec<Change> = (3000..3050).map(|number| consumer(&format!("c{number}"))).collect();
        again.push(consumer("c1700"));
        let error = store.write(again).await.unwrap_err();
        assert_eq!(error.message, "UNIQUE violation detected on '{username=\"c1700\"}'");
        assert_eq!(store.load(&["consumers"]).await.unwrap()["consumers"].len(), 2500);
    });
}

#[test]
fn many_upserts_insert_what_is_new_and_replace_what_is_there() {
    with(async |store| {
        let upserts = |custom: &str| -> Vec<Change> {
            (0..50_u32)
                .map(|number| {
                    let id = uuid::Uuid::from_u128(u128::from(number) + 1).to_string();
                    let entity = object(json!({"id": id, "username": format!("c{number}"),
                        "custom_id": format!("{custom}{number}"), "ws_id": WORKSPACE}));
                    let place = Place::Key(object(json!({"id": id})));
                    let upsert = Write::Upsert(place, entity, Expiry::Keep);
                    Change::new(contract::model().kind("consumers").unwrap(), Some(WORKSPACE), upsert)
                })
                .collect()
        };
        let made = store.write(upserts("a")).await.unwrap();
        assert!(made.iter().all(|written| written.operation() == "create"));
        let changed = store.write(upserts("b")).await.unwrap();
        assert!(changed.iter().all(|written| written.operation() == "update"));
        assert_eq!(changed[49].before.as_ref().unwrap()["custom_id"], "a49");
        assert_eq!(changed[49].after.as_ref().unwrap()["custom_id"], "b49");
    });
}

#[test]
fn values_of_all_types_come_back_as_they_were() {
    with(async |store| {
        let model = contract::model();
        let insert = |kind: &str, entity: serde_json::Value| {
            Change::new(
                model.kind(kind).unwrap(),
                Some(WORKSPACE),
                Write::Insert(object(entity), Expiry::Keep),
            )
        };
        let authority = "5a7a3a3e-8a1b-4a0e-9b6c-0f4d1a2b3c4d";
        let service = json!({"id": WORKSPACE, "name": "it's \"a\\b\"", "host": "h", "ws_id": WORKSPACE,
            "created_at": 1_700_000_000, "updated_at": 1_700_000_001, "port": 8443, "tls_verify": false,
            "tags": ["a,b", "{c}", "NULL", "é\""], "ca_certificates": [authority], "tls_verify_depth": 3});
        let route = json!({"id": WORKSPACE, "ws_id": WORKSPACE, "service": {"id": WORKSPACE},
            "sources": [{"ip": "10.0.0.0/8", "port": 80}], "headers": {"x-a": ["b", "c"]}, "paths": ["~/a\\d+$"],
            "methods": [], "strip_path": true, "regex_priority": 0, "protocols": ["http"]});
        let upstream = json!({"id": WORKSPACE, "ws_id": WORKSPACE, "name": "u", "slots": 10.0,
            "created_at": 1_700_000_000, "healthchecks": {"active": {"concurrency": 10, "ratio": 0.5}}});
        let target = json!({"id": WORKSPACE, "ws_id": WORKSPACE, "upstream": {"id": WORKSPACE}, "target": "t:80",
            "weight": 100, "created_at": 1_700_000_000.123});
        let all = [("services", service), ("routes", route), ("upstreams", upstream), ("targets", target)];
        for (kind, entity) in &all {
            let written = store.write(vec![insert(kind, entity.clone())]).await.unwrap();
            let row = written[0].after.clone().unwrap();
            for (field, value) in entity.as_object().unwrap() {
                let expected = if *field == "slots" { &json!(10) } else { value };
                assert_eq!(&row[field], expected, "{kind}.{field}");
            }
            let key = object(json!({"id": WORKSPACE}));
            assert_eq!(store.select(kind, &key, &View::default()).await.unwrap(), Some(row));
        }
    });
}

#[test]
fn a_read_only_server_is_asked_by_workers_alone() {
    with_server(async |server, settings| {
        let replica = self::settings(server, &server.database());
        let store = Postgres::open(settings, Some(replica), &contract::model()).await.unwrap();
        contract::prepare(&store).await;
        let default = json!("default");
        let find =
            async |store: &dyn Store| store.select_by("workspaces", "name", &default, &View::default()).await;
        assert!(find(&store).await.unwrap().is_some());
        // the other database has no tables at all
        let error = find(&*store.for_workers().unwrap()).await.unwrap_err();
        assert!(error.message.contains("relation \"workspaces\" does not exist"), "{error}");
    });
}

#[test]
fn a_statement_that_takes_too_long_is_given_up_by_the_server() {
    with_server(async |server, settings| {
        let settings = Settings { timeout: Duration::from_millis(300), ..settings };
        let database = settings.database.clone();
        let store = Postgres::open(settings, None, &contract::model()).await.unwrap();
        contract::prepare(&store).await;
        let sleep = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
            $$BEGIN PERFORM pg_sleep(30); RETURN NEW; END$$; \
            CREATE TRIGGER wait BEFORE INSERT ON consumers FOR EACH ROW EXECUTE PROCEDURE wait()";
        server.ask(&database, sleep);
        let error = store.write(vec![consumer("a")]).await.unwrap_err();
        assert!(error.message.contains("canceling statement due to statement timeout"), "{error}");
        store.ping().await.unwrap();
    });
}

#[test]
fn statements_of_plugins_answer_rows_counts_or_that_they_are_done() {
    use super::{SqlAnswer, SqlConnection};
    with_server(async |_, settings| {
        let connection = Arc::new(SqlConnection::open(settings).await.unwrap());
        assert_eq!(connection.schema(), "public");
        let answers = connection
            .query(
                "CREATE TABLE t (a int, b jsonb); INSERT INTO t VALUES (1, '{\"c\": null}'), (2, NULL); \
                 SELECT * FROM t ORDER BY a; DELETE FROM t WHERE a > 2; SELECT a FROM t WHERE a > 2; \
                 UPDATE t SET a = 3 WHERE a = 2 RETURNING a;"
                    .to_owned(),
            )
            .await
            .unwrap();
        let row = |value| object(value);
        assert_eq!(
            answers,
            [
                SqlAnswer::Done,
                SqlAnswer::Affected(2),
                SqlAnswer::Rows(
                    vec![row(json!({"a": 1, "b": {"c": null}})), row(json!({"a": 2, "b": null}))],
                    None
                ),
                SqlAnswer::Affected(0),
                SqlAnswer::Rows(Vec::new(), None),
                SqlAnswer::Rows(vec![row(json!({"a": 3}))], Some(1)),
            ]
        );
        let error = connection.query("SELECT * FROM nowhere".to_owned()).await.unwrap_err();
        assert_eq!(error.message, "ERROR: relation \"nowhere\" does not exist");
        let error = connection.query("SELECT 1".to_owned()).await.unwrap_err();
        assert_eq!(error.message, "closed", "after an error a connection is not used again");
    });
}
