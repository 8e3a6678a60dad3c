//! A node that is run by PostgreSQL: from the command that starts it to what another node hears.

use crate::support::{Gateway, Postgres, Reply, Setup, Upstream, at_most, get, kong, request};
use serde_json::{Value, json};
use std::process::Output;
use std::time::{Duration, Instant};

pub(super) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(super) fn setup(server: &Postgres, database: &str) -> Setup {
    let properties = server.properties(database);
    properties.into_iter().fold(Setup::default(), |setup, (name, value)| setup.with(name, value))
}

/// A database with its tables.
pub(super) fn prepared(server: &Postgres) -> String {
    let database = server.database();
    migrate(server, &database, "bootstrap");
    database
}

pub(super) fn migrate(server: &Postgres, database: &str, command: &str) {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("kong.conf");
    let mut text = format!("prefix = {}\n", folder.path().join("prefix").display());
    for (name, value) in server.properties(database) {
        text.push_str(&format!("{name} = {value}\n"));
    }
    std::fs::write(&conf, text).unwrap();
    let output = kong(&["migrations", command, "-c", conf.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
}

pub(super) fn post(gateway: &Gateway, path: &str, body: &Value) -> Value {
    admin(gateway, "POST", path, body, 201)
}

pub(super) fn admin(gateway: &Gateway, method: &str, path: &str, body: &Value, status: u16) -> Value {
    let reply = ask(gateway, method, path, body);
    assert_eq!(reply.status, status, "{method} {path}: {}", reply.text());
    if reply.body.is_empty() { Value::Null } else { reply.json() }
}

pub(super) fn ask(gateway: &Gateway, method: &str, path: &str, body: &Value) -> Reply {
    let fields = [("Content-Type", "application/json")];
    request(gateway.admin, method, path, &fields, body.to_string().as_bytes())
}

pub(super) fn eventually(what: &str, within: Duration, mut condition: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < within, "{what} does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
    begun.elapsed()
}

#[test]
fn start_refuses_an_unprepared_database_and_says_what_prepares_it() {
    let server = Postgres::shared();
    let database = server.database();
    let (_gateway, output) = setup(&server, &database).try_start();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("run 'kong migrations bootstrap'"), "{}", stderr(&output));
    migrate(&server, &database, "bootstrap");
    server.ask(
        &database,
        "UPDATE schema_meta SET executed = array_remove(executed, '024_380_to_390'), \
        last_executed = '023_360_to_370' WHERE subsystem = 'core'",
    );
    let (_gateway, output) = setup(&server, &database).try_start();
    assert_eq!(output.status.code(), Some(1));
    let expected = "Error: New migrations available; run 'kong migrations up' to proceed\n";
    assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));
    migrate(&server, &database, "up");
    let gateway = setup(&server, &database).start();
    assert_eq!(get(gateway.admin, "/", &[]).json()["configuration"]["database"], "postgres");
}

#[test]
fn a_write_is_served_by_the_next_request_and_by_the_node_after_a_restart() {
    let (server, upstream) = (Postgres::shared(), Upstream::start());
    let database = prepared(&server);
    let gateway = setup(&server, &database).start();
    let service =
        post(&gateway, "/services", &json!({"name": "one", "url": upstream.url(), "tags": ["a", "b"]}));
    post(&gateway, "/services/one/routes", &json!({"paths": ["/one"]}));
    post(&gateway, "/services/one/plugins", &json!({"name": "key-auth"}));
    post(&gateway, "/consumers", &json!({"username": "me"}));
    post(&gateway, "/consumers/me/key-auth", &json!({"key": "secret"}));
    assert_eq!(get(gateway.proxy, "/one", &[]).status, 401);
    assert_eq!(get(gateway.proxy, "/one", &[("apikey", "secret")]).status, 200);
    let row = server.ask(
        &database,
        "SELECT s.name, s.host, w.name, s.tags FROM services s JOIN workspaces w ON w.id = ws_id",
    );
    assert_eq!(row, "one|127.0.0.1|default|{a,b}");
    assert_eq!(get(gateway.admin, "/tags/a", &[]).json()["data"][0]["entity_id"], service["id"]);
    drop(gateway);
    let gateway = setup(&server, &database).start();
    assert_eq!(get(gateway.proxy, "/one", &[("apikey", "secret")]).status, 200);
    admin(&gateway, "DELETE", "/consumers/me", &Value::Null, 204);
    assert_eq!(get(gateway.proxy, "/one", &[("apikey", "secret")]).status, 401);
    assert_eq!(server.ask(&database, "SELECT count(*) FROM keyauth_credentials"), "0");
}

#[test]
fn errors_of_the_database_are_kongs() {
    let server = Postgres::shared();
    let gateway = setup(&server, &prepared(&server)).start();
    let service = post(&gateway, "/services", &json!({"name": "one", "host": "h"}));
    let again = admin(&gateway, "POST", "/services", &json!({"name": "one", "host": "h"}), 409);
    assert_eq!(again["message"], "UNIQUE violation detected on '{name=\"one\"}'");
    let lost = json!({"service": {"id": "5a7a3a3e-8a1b-4a0e-9b6c-0f4d1a2b3c4d"}, "paths": ["/"]});
    let lost = admin(&gateway, "POST", "/routes", &lost, 400);
    assert_eq!(lost["name"], "foreign key violation");
    post(&gateway, "/services/one/routes", &json!({"paths": ["/"]}));
    let needed = admin(&gateway, "DELETE", "/services/one", &Value::Null, 400);
    assert_eq!(needed["message"], "an existing 'routes' entity references this 'services' entity");
    let page = get(gateway.admin, "/services?size=1&offset=WyJ4Il0", &[]);
    assert_eq!(page.status, 400, "{}", page.text());
    assert_eq!(get(gateway.admin, "/services", &[]).json()["data"][0]["id"], service["id"]);
}

#[test]
fn what_a_node_writes_is_served_by_another_within_a_moment() {
    let (server, upstream) = (Postgres::shared(), Upstream::start());
    let database = prepared(&server);
    let (one, two) = (setup(&server, &database).start(), setup(&server, &database).start());
    post(&one, "/services", &json!({"name": "one", "url": upstream.url()}));
    let mut waits: Vec<Duration> = (0..20)
        .map(|number| {
            let (writer, reader) = if number % 2 == 0 { (&one, &two) } else { (&two, &one) };
            let path = format!("/p{number}");
            post(writer, "/services/one/routes", &json!({"paths": [path]}));
            eventually(&path, Duration::from_secs(60), || get(reader.proxy, &path, &[]).status == 200)
        })
        .collect();
    waits.sort();
    assert!(waits[18] < at_most(Duration::from_millis(100)), "{waits:?}");
    post(&one, "/services/one/plugins", &json!({"name": "key-auth"}));
    post(&one, "/consumers", &json!({"username": "me"}));
    post(&one, "/consumers/me/key-auth", &json!({"key": "secret"}));
    let key = [("apikey", "secret")];
    eventually("the credential", Duration::from_secs(60), || get(two.proxy, "/p0", &key).status == 200);
    admin(&one, "DELETE", "/consumers/me", &Value::Null, 204);
    eventually("its end", Duration::from_secs(60), || get(two.proxy, "/p0", &key).status == 401);
}

#[test]
fn requests_are_served_while_the_database_is_away_and_writes_work_after_its_return() {
    let (server, upstream) = (Postgres::start(), Upstream::start());
    let database = prepared(&server);
    let gateway = setup(&server, &database).with("pg_timeout", "2000").start();
    post(&gateway, "/services", &json!({"name": "one", "url": upstream.url()}));
    post(&gateway, "/services/one/routes", &json!({"paths": ["/one"]}));
    assert_eq!(get(gateway.proxy, "/one", &[]).status, 200);
    server.stop();
    for _ in 0..20 {
        assert_eq!(get(gateway.proxy, "/one", &[]).status, 200);
    }
    let refused = ask(&gateway, "POST", "/consumers", &json!({"username": "me"}));
    assert_eq!(refused.status, 500, "{}", refused.text());
    server.resume();
    post(&gateway, "/consumers", &json!({"username": "me"}));
    post(&gateway, "/services/one/routes", &json!({"paths": ["/two"]}));
    assert_eq!(get(gateway.proxy, "/two", &[]).status, 200);
}

#[test]
fn what_kongs_own_node_writes_is_heard_through_the_table_of_events() {
    let (server, upstream) = (Postgres::shared(), Upstream::start());
    let database = prepared(&server);
    let gateway = setup(&server, &database).with("db_update_frequency", "0.5").start();
    post(&gateway, "/services", &json!({"name": "one", "url": upstream.url()}));
    // as Kong does it: the row, then what others have to forget
    server.ask(&database, "INSERT INTO routes (id, name, paths, service_id, ws_id, protocols, strip_path, https_redirect_status_code, \
        path_handling, preserve_host, regex_priority, request_buffering, response_buffering) \
        SELECT md5('r')::uuid, 'r', '{/kong}', id, ws_id, '{http,https}', true, 426, 'v0', false, 0, true, true FROM services");
    server.ask(&database, "INSERT INTO cluster_events (id, node_id, at, expire_at, channel, data) VALUES (md5('e')::uuid, md5('n')::uuid, \
        CURRENT_TIMESTAMP(3), CURRENT_TIMESTAMP + INTERVAL '1 hour', 'invalidations_kong_core_db_cache', 'router:version')");
    eventually("the route", Duration::from_secs(60), || get(gateway.proxy, "/kong", &[]).status == 200);
    // and the other way
    post(&gateway, "/services/one/routes", &json!({"paths": ["/ours"]}));
    let told = "SELECT count(*) > 0 FROM cluster_events WHERE channel = 'invalidations_kong_core_db_cache' \
        AND data = 'router:version' AND node_id <> md5('n')::uuid";
    eventually("the event", Duration::from_secs(60), || server.ask(&database, told) == "t");
}

/// A plugin that broadcasts what a request names, and answers with all that was heard.
const HEARING: &str = r#"
    local Hearing = { VERSION = "1.0.0", PRIORITY = 10 }

    function Hearing:init_worker()
      kong.cluster_events:subscribe("rumours", function(data)
        local known = ngx.shared.kong:get("rumours") or ""
        ngx.shared.kong:set("rumours", known .. data .. ";")
      end)
    end

    function Hearing:access()
      local said = kong.request.get_query_arg("say")
      if said then
        assert(kong.cluster_events:broadcast("rumours", said))
      end
      return kong.response.exit(200, ngx.shared.kong:get("rumours") or "")
    end

    return Hearing
"#;

#[test]
fn plugins_hear_what_other_nodes_broadcast_once_and_not_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("kong/plugins/hearing");
    std::fs::create_dir_all(&plugin).unwrap();
    std::fs::write(plugin.join("handler.lua"), HEARING).unwrap();
    let schema = "return { name = 'hearing', fields = { { config = { type = 'record', fields = {} } } } }";
    std::fs::write(plugin.join("schema.lua"), schema).unwrap();
    // A plugin with endpoints is loaded for the Admin API as well, which is not to hear events a second time.
    let endpoint = "return { ['/heard'] = { GET = function() return kong.response.exit(200, {}) end } }";
    std::fs::write(plugin.join("api.lua"), endpoint).unwrap();
    let server = Postgres::shared();
    let database = prepared(&server);
    let start = || {
        let path = format!("{}/?.lua;;", folder.path().display());
        let setup = setup(&server, &database).with("plugins", "bundled,hearing");
        setup.with("lua_package_path", path).with("db_update_frequency", "0.2").start()
    };
    let (one, two) = (start(), start());
    post(&one, "/routes", &json!({"paths": ["/"]}));
    post(&one, "/plugins", &json!({"name": "hearing"}));
    let heard = |gateway: &Gateway| get(gateway.proxy, "/", &[]);
    for gateway in [&one, &two] {
        eventually("the plugin", Duration::from_secs(60), || heard(gateway).status == 200);
    }
    get(one.proxy, "/?say=first", &[]);
    eventually("the first rumour", Duration::from_secs(60), || heard(&two).text() == "first;");
    get(one.proxy, "/?say=second", &[]);
    eventually("the second rumour", Duration::from_secs(60), || heard(&two).text() == "first;second;");
    get(two.proxy, "/?say=answer", &[]);
    eventually("the answer", Duration::from_secs(60), || heard(&one).text() == "answer;");
}

#[test]
fn limits_of_the_cluster_policy_hold_over_all_nodes() {
    let (server, upstream) = (Postgres::shared(), Upstream::start());
    let database = prepared(&server);
    let (one, two) = (setup(&server, &database).start(), setup(&server, &database).start());
    post(&one, "/services", &json!({"name": "one", "url": upstream.url()}));
    post(&one, "/services/one/routes", &json!({"paths": ["/"]}));
    post(&one, "/plugins", &json!({"name": "rate-limiting", "config": {"hour": 6, "policy": "cluster"}}));
    let limited = || get(two.proxy, "/", &[]).field("RateLimit-Limit").is_some();
    eventually("the plugin", Duration::from_secs(60), limited);
    let count = || {
        server
            .ask(&database, "SELECT COALESCE(sum(value), 0) FROM ratelimiting_metrics WHERE period = 'hour'")
    };
    // what was counted is in the database before the next request asks
    let ask = |gateway: &Gateway| {
        let before = count();
        let status = get(gateway.proxy, "/", &[]).status;
        if status == 200 {
            eventually("the count", Duration::from_secs(60), || count() != before);
        }
        status
    };
    eventually("the first count", Duration::from_secs(60), || count() == "1");
    let answers: Vec<u16> = [&one, &two, &one, &two, &one, &two, &one].map(ask).to_vec();
    assert_eq!(answers, [200, 200, 200, 200, 200, 429, 429]);
}

#[test]
fn a_server_is_trusted_as_the_configuration_says() {
    use std::os::unix::fs::PermissionsExt;
    let server = Postgres::start();
    let database = prepared(&server);
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("ca.pem");
    std::fs::write(&trusted, certified.cert.pem()).unwrap();
    let refuses_plain = setup(&server, &database).with("pg_ssl", "on").try_start().1;
    assert!(stderr(&refuses_plain).contains("[PostgreSQL error]"), "{}", stderr(&refuses_plain));
    server.stop();
    for (name, text) in
        [("server.crt", certified.cert.pem()), ("server.key", certified.signing_key.serialize_pem())]
    {
        let file = server.data().join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(server.data()).unwrap());
        std::os::unix::fs::chown(&file, Some(owner), None).unwrap();
    }
    let only_tls = "hostssl all all 127.0.0.1/32 trust\nlocal all all trust\n";
    server.resume_with(&["ssl=on"]);
    std::fs::write(server.data().join("pg_hba.conf"), only_tls).unwrap();
    server.ask("postgres", "SELECT pg_reload_conf()");
    let plain = setup(&server, &database).try_start().1;
    assert!(stderr(&plain).contains("no pg_hba.conf entry"), "{}", stderr(&plain));
    let tls = setup(&server, &database).with("pg_ssl", "on");
    drop(tls.clone().start());
    let unknown = tls.clone().with("pg_ssl_verify", "on").try_start().1;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("certificate"), "{}", stderr(&unknown));
    let known =
        tls.with("pg_ssl_verify", "on").with("lua_ssl_trusted_certificate", trusted.display().to_string());
    let gateway = known.start();
    post(&gateway, "/services", &json!({"name": "one", "host": "h"}));
    assert_eq!(
        server.ask(
            &database,
            "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
        WHERE application_name = 'kong'"
        ),
        "t"
    );
}
