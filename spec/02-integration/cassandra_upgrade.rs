//! Keyspaces of Kong 2.8 and 3.3 are brought forward with what they hold, and plugins' own migrations run on Cassandra.

use super::cassandra::{migrated, migrations, setup};
use super::postgres::{admin, ask, stderr};
use crate::support::{Cassandra, Upstream, get};
use serde_json::{Value, json};
use std::path::Path;

const WORKSPACE: &str = "33333333-3333-4333-8333-333333333333";
const SERVICE: &str = "55555555-5555-4555-8555-555555555501";
const PLUGINS: &str = "plugins = key-auth, rate-limiting, http-log\n";

/// The migrations that Kong 2.8 had run, and those that followed until 3.3: subsystem and names.
const UP_TO_2_8: [(&str, &str); 3] = [
    (
        "core",
        "000_base 003_100_to_110 004_110_to_120 005_120_to_130 006_130_to_140 007_140_to_150 008_150_to_200 \
         009_200_to_210 010_210_to_211 011_212_to_213 012_213_to_220 013_220_to_230 014_230_to_270 \
         015_270_to_280",
    ),
    ("key-auth", "000_base_key_auth 002_130_to_140 003_200_to_210"),
    ("rate-limiting", "000_base_rate_limiting 003_10_to_112 004_200_to_210"),
];
const UP_TO_3_3: [(&str, &str); 4] = [
    ("core", "016_280_to_300 017_300_to_310 018_310_to_320 019_320_to_330"),
    ("key-auth", "004_320_to_330"),
    ("rate-limiting", "005_320_to_330"),
    ("http-log", "001_280_to_300"),
];

/// A file of ours, as Kong would have made its tables: without the column that is our own.
fn tables(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/cassandra");
    let text = std::fs::read_to_string(root.join(file)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("--"));
    let text = lines.collect::<Vec<_>>().join(" ").replace(", given_lists text", "");
    let text = text.replace("given_lists text, ", "").replace("regex_priority bigint", "regex_priority int");
    text.replace("ADD priority bigint", "ADD priority int")
}

/// Makes a keyspace with the tables of Kong 2.8.
fn as_of_2_8(server: &Cassandra, keyspace: &str) {
    let base = [
        format!(
            "CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
        ),
        "CREATE TABLE schema_meta (key text, subsystem text, last_executed text, executed set<text>, \
         pending set<text>, PRIMARY KEY (key, subsystem))"
            .to_owned(),
        "CREATE TABLE locks (key text PRIMARY KEY, owner text) WITH default_time_to_live = 60".to_owned(),
        tables("core/base.cql"),
        tables("plugins/key-auth/base.cql"),
        tables("plugins/rate-limiting/base.cql"),
    ];
    assert!(!base.concat().contains("given_lists"));
    server.ask(keyspace, &base.join(";"));
    record(server, keyspace, &UP_TO_2_8);
    server.ask(keyspace, &rows());
}

/// Writes down that these migrations were run.
fn record(server: &Cassandra, keyspace: &str, done: &[(&str, &str)]) {
    for (subsystem, names) in done {
        let names: Vec<String> = names.split_whitespace().map(|name| format!("'{name}'")).collect();
        let (last, all) = (names.last().unwrap(), names.join(", "));
        server.ask(
            keyspace,
            &format!(
                "UPDATE schema_meta SET last_executed = {last}, executed = executed + {{{all}}} \
                 WHERE key = 'schema_meta' AND subsystem = '{subsystem}'"
            ),
        );
    }
}

/// Rows as Kong writes them: with the workspace before what is unique in one.
fn rows() -> String {
    let id = |number: u8| format!("55555555-5555-4555-8555-5555555555{number:02}");
    let (route, consumer, key, upstream) = (id(2), id(3), id(4), id(5));
    let (w, s) = (WORKSPACE, SERVICE);
    let limits = json!({"year": 1000, "policy": "local", "limit_by": "consumer", "redis_host": "h"});
    let plugin = |number: u8, name: &str, config: Value| {
        format!(
            "INSERT INTO plugins (id, ws_id, name, service_id, config, enabled, protocols, cache_key, created_at) \
             VALUES ({}, {w}, '{name}', {s}, '{config}', true, {{'http', 'https'}}, 'plugins:{name}::{s}:::{w}', \
             1600000000000)",
            id(number)
        )
    };
    let target = |number: u8, weight: u8| {
        format!(
            "INSERT INTO targets (id, ws_id, upstream_id, target, weight, created_at) \
             VALUES ({}, {w}, {upstream}, 't:80', {weight}, 160000000{number}000)",
            id(number)
        )
    };
    [
        format!("INSERT INTO workspaces (id, name, created_at) VALUES ({w}, 'default', 1600000000000)"),
        format!(
            "INSERT INTO services (partition, id, ws_id, name, host, port, protocol, connect_timeout, read_timeout, \
             write_timeout, retries, enabled, created_at, updated_at, tags) VALUES ('services', {s}, {w}, '{w}:old', \
             '127.0.0.1', 1, 'http', 60000, 60000, 60000, 5, true, 1600000000000, 1600000000000, {{'x', 'y'}})"
        ),
        format!("INSERT INTO tags (tag, entity_name, entity_id, other_tags) VALUES ('x', 'services', '{s}', {{'x', 'y'}})"),
        format!("INSERT INTO tags (tag, entity_name, entity_id, other_tags) VALUES ('y', 'services', '{s}', {{'x', 'y'}})"),
        format!(
            "INSERT INTO routes (partition, id, ws_id, name, service_id, paths, protocols, strip_path, preserve_host, \
             https_redirect_status_code, path_handling, request_buffering, response_buffering, regex_priority, \
             created_at, updated_at) VALUES ('routes', {route}, {w}, '{w}:old', {s}, ['/old', '/x\\d+'], \
             {{'http', 'https'}}, true, false, 426, 'v0', true, true, 0, 1600000000000, 1600000000000)"
        ),
        format!(
            "INSERT INTO consumers (id, ws_id, username, created_at) VALUES ({consumer}, {w}, '{w}:bob', 1600000000000)"
        ),
        format!(
            "INSERT INTO keyauth_credentials (id, ws_id, consumer_id, key, created_at) \
             VALUES ({key}, {w}, {consumer}, '{w}:bobs', 1600000000000)"
        ),
        format!(
            "INSERT INTO upstreams (id, ws_id, name, algorithm, slots, hash_on, hash_fallback, hash_on_cookie_path, \
             created_at) VALUES ({upstream}, {w}, '{w}:up', 'round-robin', 10000, 'none', 'none', '/', 1600000000000)"
        ),
        target(6, 100),
        target(7, 50),
        plugin(8, "key-auth", json!({"key_names": ["apikey"], "key_in_header": true, "key_in_query": true})),
        plugin(9, "rate-limiting", limits),
    ]
    .join(";")
}

/// What a node makes of such a keyspace, once it was brought forward.
fn is_served(server: &Cassandra, keyspace: &str) {
    let upstream = Upstream::start();
    let node = setup(server, keyspace).start();
    let url: &str = &upstream.url();
    admin(&node, "PATCH", "/services/old", &json!({"url": url}), 200);
    let status = |path: &str, key: &str| get(node.proxy, path, &[("apikey", key)]).status;
    assert_eq!((status("/old", "bobs"), status("/old", "wrong")), (200, 401));
    assert_eq!((status("/x12", "bobs"), status("/xy", "bobs")), (200, 404));
    let service = get(node.admin, "/services/old", &[]).json();
    assert_eq!((&service["id"], &service["tags"]), (&json!(SERVICE), &json!(["x", "y"])));
    assert_eq!(get(node.admin, "/services?tags=x,y", &[]).json()["data"][0]["id"], SERVICE);
    let targets = get(node.admin, "/upstreams/up/targets", &[]).json();
    assert_eq!(targets["data"].as_array().map(Vec::len), Some(1), "{targets}");
    assert_eq!(targets["data"][0]["weight"], 50);
    let plugins = get(node.admin, "/plugins", &[]).json();
    let limits = plugins["data"].as_array().unwrap().iter().find(|row| row["name"] == "rate-limiting");
    assert_eq!(limits.unwrap()["config"]["redis"]["host"], "h");
    // what Kong wrote without our claims is unique all the same
    for (path, body) in [
        ("/services", json!({"name": "old", "host": "h"})),
        ("/consumers", json!({"username": "bob"})),
        ("/consumers/bob/key-auth", json!({"key": "bobs"})),
        ("/upstreams/up/targets", json!({"target": "t:80"})),
    ] {
        assert_eq!(ask(&node, "POST", path, &body).status, 409, "{path}");
    }
    admin(&node, "DELETE", "/consumers/bob", &Value::Null, 204);
    assert_eq!(get(node.admin, "/key-auths", &[]).json()["data"], json!([]));
    admin(&node, "POST", "/consumers", &json!({"username": "bob"}), 201);
}

#[test]
fn a_keyspace_of_kong_2_8_is_brought_forward_with_what_it_holds() {
    let server = Cassandra::shared();
    let keyspace = server.keyspace();
    as_of_2_8(&server, &keyspace);
    server.ask(
        &keyspace,
        &format!(
            "CREATE TABLE vaults_beta (id uuid PRIMARY KEY, ws_id uuid, prefix text, name text, description text, \
             config text, created_at timestamp, updated_at timestamp, tags set<text>); \
             INSERT INTO vaults_beta (id, ws_id, prefix, name, config) VALUES ({SERVICE}, {WORKSPACE}, 'my', 'env', \
             '{{\"prefix\": \"P_\"}}')"
        ),
    );
    let listed = migrations(&server, &keyspace, &["list"], PLUGINS);
    assert_eq!(listed.status.code(), Some(5), "{}", stderr(&listed));
    let told = migrated(&server, &keyspace, &["up"]);
    assert!(told.contains("core migrated up to: 016_280_to_300 (pending)\n"), "{told}");
    assert!(told.contains("run 'kong migrations finish' when ready"), "{told}");
    // both releases can use it now
    let count = |table: &str| server.ask(&keyspace, &format!("SELECT JSON * FROM {table}")).len();
    assert_eq!((count("vaults_beta"), count("sm_vaults"), count("targets")), (1, 1, 2));
    migrated(&server, &keyspace, &["finish"]);
    let vaults = server.ask(&keyspace, "SELECT JSON prefix, config FROM sm_vaults");
    assert_eq!(vaults, [json!({"prefix": "my", "config": "{\"prefix\": \"P_\"}"})]);
    let paths = server.ask(&keyspace, "SELECT JSON paths FROM routes");
    assert_eq!(paths, [json!({"paths": ["/old", "~/x\\d+"]})]);
    is_served(&server, &keyspace);
    assert_eq!(migrations(&server, &keyspace, &["list"], PLUGINS).status.code(), Some(0));
}

#[test]
fn a_keyspace_of_kong_3_3_is_brought_forward_with_what_it_holds() {
    let server = Cassandra::shared();
    let keyspace = server.keyspace();
    as_of_2_8(&server, &keyspace);
    for file in ["016_280_to_300", "017_300_to_310", "018_310_to_320", "019_320_to_330"] {
        server.ask(&keyspace, &tables(&format!("core/{file}.cql")));
    }
    record(&server, &keyspace, &UP_TO_3_3);
    server.ask(
        &keyspace,
        "UPDATE routes SET paths = ['/old', '~/x\\d+'] \
         WHERE partition = 'routes' AND id = 55555555-5555-4555-8555-555555555502; \
         DELETE FROM targets WHERE id = 55555555-5555-4555-8555-555555555506",
    );
    server.ask(
        &keyspace,
        &format!(
            "UPDATE targets SET cache_key = 'targets:55555555-5555-4555-8555-555555555505:t:80::::{WORKSPACE}' \
             WHERE id = 55555555-5555-4555-8555-555555555507"
        ),
    );
    migrated(&server, &keyspace, &["up"]);
    migrated(&server, &keyspace, &["finish"]);
    is_served(&server, &keyspace);
}

/// A plugin with migrations in Lua, on the package path that is given.
fn plugin(folder: &Path) -> String {
    let migrations = folder.join("kong/plugins/with-migrations/migrations");
    std::fs::create_dir_all(&migrations).unwrap();
    let write = |name: &str, text: &str| std::fs::write(migrations.join(name), text).unwrap();
    write("init.lua", "return { '000_base', '001_second' }");
    write(
        "000_base.lua",
        "return { cassandra = { up = [[ CREATE TABLE IF NOT EXISTS foos (color text PRIMARY KEY, n int); \
         CREATE INDEX IF NOT EXISTS ON foos (n); ]] } }",
    );
    write(
        "001_second.lua",
        r#"return { cassandra = {
          up = [[ ALTER TABLE foos ADD shape text;
                  INSERT INTO foos (color, n) VALUES ('red', 1); INSERT INTO foos (color, n) VALUES ('it''s', 2); ]],
          teardown = function(connector)
            local coordinator = assert(connector:connect_migrations())
            for rows, err in coordinator:iterate("SELECT * FROM foos") do
              if err then return nil, err end
              for _, row in ipairs(rows) do
                assert(type(row.n) == "number")
                assert(coordinator:execute("UPDATE foos SET shape = ? WHERE color = ?", { "triangle", row.color }))
              end
            end
            assert(connector:query("INSERT INTO foos (color, n) VALUES ('blue', 3)"))
            return true
          end,
        } }"#,
    );
    folder.join("?.lua;").display().to_string() + &folder.join("?/init.lua;;").display().to_string()
}

#[test]
fn migrations_of_plugins_with_a_part_for_cassandra_run() {
    let server = Cassandra::shared();
    let keyspace = server.keyspace();
    let folder = tempfile::tempdir().unwrap();
    let conf = format!("plugins = with-migrations\nlua_package_path = {}\n", plugin(folder.path()));
    let run = |command: &str| {
        let output = migrations(&server, &keyspace, &[command], &conf);
        assert!(output.status.success(), "{command}: {}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    migrated(&server, &keyspace, &["up"]);
    let told = run("up");
    assert!(told.contains("with-migrations migrated up to: 001_second (pending)\n"), "{told}");
    let rows = || server.ask(&keyspace, "SELECT JSON color, n, shape FROM foos");
    assert_eq!(rows().len(), 2);
    run("finish");
    let mut shapes: Vec<(i64, Value)> =
        rows().iter().map(|row| (row["n"].as_i64().unwrap(), row["shape"].clone())).collect();
    shapes.sort_by_key(|(n, _)| *n);
    assert_eq!(shapes, [(1, json!("triangle")), (2, json!("triangle")), (3, Value::Null)]);
    assert!(server.ask(&keyspace, "SELECT JSON * FROM locks").is_empty());
}
