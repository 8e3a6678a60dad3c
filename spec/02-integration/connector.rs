//! What code of plugins and commands do with a database by themselves: statements of their own, locks, vaults.

use crate::postgres::{post, prepared, setup, stderr};
use crate::support::{Postgres, get, kong_with};
use serde_json::json;

/// Asks the database in SQL, and answers with what came of it.
const STATEMENTS: &str = r#"
local connector = kong.db.connector
local rows = assert(connector:query("SELECT name, tags, path FROM services ORDER BY name"))
local nothing = assert(connector:query("SELECT name FROM services WHERE name = 'none'"))
local missing, err = connector:query("SELECT * FROM nowhere")
local changed = assert(connector:query("UPDATE services SET retries = 7 WHERE "
    .. connector:escape_literal("it's") .. " = ANY (tags)"))
local both, _, _, count = connector:query("CREATE TEMPORARY TABLE t (n int); SELECT 1 AS n")
kong.response.exit(200, {
  names = { rows[1].name, rows[2].name }, tag = rows[1].tags[1], is_null = rows[1].path == ngx.null,
  nothing = #nothing, missing = missing, err = err, affected = changed.affected_rows,
  made = both[1], one = both[2][1].n, count = count, infos = kong.db.infos.strategy,
})
"#;

#[test]
fn plugins_ask_the_database_in_sql() {
    let server = Postgres::shared();
    let database = prepared(&server);
    let gateway = setup(&server, &database).with("untrusted_lua", "on").start();
    post(&gateway, "/services", &json!({"name": "one", "host": "a", "tags": ["it's"]}));
    post(&gateway, "/services", &json!({"name": "two", "host": "b"}));
    post(&gateway, "/routes", &json!({"paths": ["/"], "service": {"name": "two"}}));
    post(&gateway, "/plugins", &json!({"name": "pre-function", "config": {"access": [STATEMENTS]}}));
    let said = get(gateway.proxy, "/", &[]).json();
    assert_eq!(
        said,
        json!({
            "names": ["one", "two"], "tag": "it's", "is_null": true, "nothing": 0, "affected": 1,
            "err": "ERROR: relation \"nowhere\" does not exist",
            "made": true, "one": 1, "count": 2, "infos": "PostgreSQL",
        })
    );
    assert_eq!(server.ask(&database, "SELECT retries FROM services WHERE name = 'one'"), "7");
}

/// Takes a lock in the name of `owner`, holds it (as `one`) until a request says to let go, and tells what came of it.
const LOCK: &str = r#"
local dict = ngx.shared.kong
if kong.request.get_query_arg("let_go") then
  dict:set("let_go", true)
end
if not kong.request.get_query_arg("owner") then
  return kong.response.exit(200, { held = dict:get("held") or false })
end
local ran = false
local ok, err = kong.db:cluster_mutex("lock", { ttl = 60, owner = kong.request.get_query_arg("owner"),
                                                no_wait = kong.request.get_query_arg("wait") == nil }, function()
  ran = true
  dict:set("held", true)
  while kong.request.get_query_arg("owner") == "one" and not dict:get("let_go") do
    ngx.sleep(0.01)
  end
end)
kong.response.exit(200, { ok = ok, err = err, ran = ran })
"#;

#[test]
fn one_node_at_a_time_holds_a_lock() {
    let server = Postgres::shared();
    let database = prepared(&server);
    let start = || setup(&server, &database).with("untrusted_lua", "on").start();
    let one = start();
    post(&one, "/routes", &json!({"paths": ["/"]}));
    post(&one, "/plugins", &json!({"name": "pre-function", "config": {"access": [LOCK]}}));
    let two = start();
    let (held, refused) = std::thread::scope(|scope| {
        let held = scope.spawn(|| get(one.proxy, "/?owner=one", &[]).json());
        one.eventually("the lock", |one| get(one.proxy, "/", &[]).json() == json!({"held": true}));
        let refused = get(two.proxy, "/?owner=two", &[]).json();
        get(one.proxy, "/?let_go=1", &[]);
        (held.join().unwrap(), refused)
    });
    assert_eq!(held, json!({"ok": true, "ran": true}));
    assert_eq!(refused, json!({"ok": false, "ran": false}), "it was told not to wait");
    assert_eq!(get(two.proxy, "/?owner=two&wait=1", &[]).json(), json!({"ok": true, "ran": true}));
}

#[test]
fn vault_get_finds_vaults_that_are_stored_in_the_database() {
    let server = Postgres::shared();
    let gateway = setup(&server, &prepared(&server)).start();
    post(&gateway, "/vaults", &json!({"name": "env", "prefix": "mine", "config": {"prefix": "OWN_"}}));
    let prefix = gateway.prefix.display().to_string();
    let ask =
        |reference: &str| kong_with(&[("OWN_SECRET", "found")], &["vault", "get", reference, "-p", &prefix]);
    assert_eq!(String::from_utf8_lossy(&ask("mine/secret").stdout), "found\n");
    let missing = stderr(&ask("mine/other"));
    assert!(missing.contains("could not get value from external vault"), "{missing}");
    let unknown = stderr(&ask("none/secret"));
    assert!(unknown.contains("could not find vault (none)"), "{unknown}");
}
