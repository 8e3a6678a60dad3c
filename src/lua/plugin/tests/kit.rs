//! The functions of the PDK, each called in a phase that allows it, and in one that does not.

use super::harness::{Answer, Gateway, ROUTE, SERVICE};
use super::order::gateway_of;
use crate::lua::plugin::PhaseOutcome;
use serde_json::{Value, json};

/// A gateway whose plugin runs these pieces of code in `access`, `header_filter` and `log`.
fn running(access: &str, header_filter: &str, log: &str) -> (tempfile::TempDir, Gateway) {
    let source = format!(
        r#"
        local function equal(a, b)
            if a ~= b then error("got " .. tostring(a) .. ", want " .. tostring(b), 2) end
        end
        local function refuses(text, f, ...)
            local ok, err = pcall(f, ...)
            if ok or not tostring(err):find(text, 1, true) then error("got " .. tostring(err) .. ", want " .. text, 2) end
        end
        return {{ PRIORITY = 1, VERSION = "1.0.0",
            access = function(self, conf) {access} end,
            header_filter = function(self, conf) {header_filter} end,
            log = function(self, conf)
                local ok, err = xpcall(function() {log} end, debug.traceback)
                FAILED = not ok and err or nil
            end,
        }}"#
    );
    let (folder, gateway) = gateway_of(&[("kit", &source)]);
    gateway.configure(&json!({
        "plugins": [{"id": "p1000000-0000-4000-8000-000000000001", "name": "kit", "enabled": true, "config": {}}],
        "consumers": [{"id": "b0b00000-0000-4000-8000-000000000001", "username": "bob"}],
        "upstreams": [{"name": "known.test"}],
    }));
    (folder, gateway)
}

/// A gateway whose plugin runs this code in `access`.
pub(super) fn gateway(access: &str) -> (tempfile::TempDir, Gateway) {
    running(access, "", "")
}

fn passed(gateway: &Gateway, answer: Answer) -> Answer {
    let failed: Option<String> = gateway.vm.lua().globals().get("FAILED").unwrap();
    assert_eq!(failed, None);
    assert_ne!(answer.outcome, PhaseOutcome::Failed, "see the log above");
    answer
}

/// Runs code in `access` of a rich request; every `equal` in it must hold.
pub(super) fn access(code: &str) -> Answer {
    let (_folder, gateway) = running(code, "", "");
    let fields = [
        ("X-One", "1"),
        ("X-Many", "a"),
        ("x-many", "b"),
        ("under_score", "u"),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("X-Forwarded-Proto", "https"),
    ];
    let answer =
        gateway.send(gateway.request("POST", "/a%20b//./c?x=1&y=%20z&x=2&flag", &fields, "p=1&q=2"), &[], "");
    passed(&gateway, answer)
}

/// Runs code in `header_filter` and `log` of a plain request.
pub(super) fn header_filter_and_log(header_filter: &str, log: &str) {
    let (_folder, gateway) = running("", header_filter, log);
    let answer = gateway.send(gateway.request("GET", "/", &[], ""), &[], "hello");
    passed(&gateway, answer);
}

/// Runs code in `log` of a request whose response has headers.
fn log(code: &str) -> Answer {
    let (_folder, gateway) = running("", "", code);
    let response = [("X-Up", "1"), ("x-up", "2"), ("Content-Type", "text/plain")];
    let answer = gateway.send(gateway.request("GET", "/a?b=c", &[], ""), &response, "body");
    passed(&gateway, answer)
}

#[test]
fn request_tells_what_the_client_asked() {
    access(
        r#"
        local r = kong.request
        equal(r.get_scheme(), "http") equal(r.get_host(), "example.com") equal(r.get_port(), 8000)
        equal(r.get_forwarded_scheme(), "http") equal(r.get_forwarded_host(), "example.com")
        equal(r.get_forwarded_port(), 8000) equal(r.get_forwarded_path(), "/a b/c")
        equal(r.get_http_version(), 1.1) equal(r.get_method(), "POST")
        equal(r.get_path(), "/a b/c") equal(r.get_raw_path(), "/a%20b//./c")
        equal(r.get_path_with_query(), "/a%20b//./c?x=1&y=%20z&x=2&flag")
        equal(r.get_raw_query(), "x=1&y=%20z&x=2&flag")
        equal(r.get_query_arg("x"), "1") equal(r.get_query_arg("y"), " z") equal(r.get_query_arg("flag"), true)
        equal(r.get_query_arg("none"), nil)
        local q = r.get_query() equal(q.x[2], "2") equal(q.flag, true)
        equal(r.get_header("X-One"), "1") equal(r.get_header("x-many"), "a") equal(r.get_header("none"), nil)
        equal(r.get_header("under-score"), "u") equal(r.get_header("X_One"), "1")
        local h = r.get_headers() equal(h["X-Many"][2], "b") equal(h.x_one, "1")
        equal(r.get_raw_body(), "p=1&q=2")
        local body, err, kind = r.get_body() equal(body.q, "2") equal(kind, "application/x-www-form-urlencoded")
        local none, why = r.get_body("text/plain") equal(none, nil) equal(why, "unsupported content type 'text/plain'")
        equal(r.get_start_time() > 1.7e12, true)
        equal(#r.get_uri_captures().unnamed, 0)
        "#,
    );
}

#[test]
fn request_refuses_wrong_arguments_in_kongs_words() {
    access(
        r#"
        local r = kong.request
        refuses("header name must be a string", r.get_header, 1)
        refuses("query argument name must be a string", r.get_query_arg, nil)
        refuses("max_args must be a number", r.get_query, "x")
        refuses("max_args must be >= 1", r.get_query, 0)
        refuses("max_args must be <= 1000", r.get_query, 1001)
        refuses("max_headers must be <= 1000", r.get_headers, 1001)
        "#,
    );
}

#[test]
fn functions_of_other_phases_are_refused_in_kongs_words() {
    access(
        r#"
        refuses("function cannot be called in access phase (only in: response, header_filter, body_filter, log, error, admin_api)",
                kong.response.get_status)
        refuses("function cannot be called in access phase (only in: body_filter)", kong.response.get_raw_body)
        refuses("function cannot be called in access phase (only in: response, header_filter, body_filter, log)",
                kong.service.response.get_status)
        "#,
    );
    log(r#"
        refuses("function cannot be called in log phase (only in: rewrite, access, response, error, admin_api)", kong.request.get_raw_body)
        refuses("function cannot be called in log phase (only in: rewrite, access, balancer, response, header_filter, error, admin_api)",
                kong.response.exit, 200)
        refuses("function cannot be called in log phase (only in: rewrite, access)", kong.service.request.clear_header, "a")
        refuses("function cannot be called in log phase (only in: access)", kong.client.authenticate, {}, {})
        "#);
}

#[test]
fn service_request_changes_what_the_upstream_gets() {
    let answer = access(
        r#"
        local r = kong.service.request
        r.set_header("X-One", "2") r.add_header("X-Many", "c") r.add_header("X-New", { "n", "m" }) r.clear_header("under_score")
        r.set_headers({ ["X-A"] = "a", ["X-List"] = { "1", "2" }, ["X-Number"] = 5, ["X-Empty"] = "" })
        r.set_header("Host", "h.test") r.set_header("X-Break", "a\r\nb")
        r.set_scheme("https") r.set_path("/up here") r.set_method("PUT")
        r.set_query({ b = "2", a = { "1", "x y" }, c = true })
        equal(kong.request.get_header("X-One"), "2") equal(kong.request.get_raw_query(), "a=1&a=x%20y&b=2&c")
        r.clear_query_arg("a")
        equal(kong.request.get_raw_query(), "b=2&c=")
        r.set_raw_body("raw")
        equal(kong.request.get_raw_body(), "raw")
        r.set_body({ a = 1 }, "application/json")
        refuses("path must start with /", r.set_path, "x")
        refuses("invalid scheme: ftp", r.set_scheme, "ftp")
        refuses("invalid method: get", r.set_method, "get")
        refuses("invalid header value for \"a\": got table", function() error('invalid header value for "a": got table') end)
        refuses("invalid header value for \"X\": got function, expected array of string, string, number or boolean",
                r.set_header, "X", print)
        refuses("headers must be a table", r.set_headers, 1)
        refuses("unsupported content type x/y", r.set_body, {}, "x/y")
        "#,
    );
    assert_eq!(answer.upstream("X-One"), ["2"]);
    assert_eq!(answer.upstream("X-Many"), ["a", "b", "c"]);
    assert_eq!(answer.upstream("X-New"), ["n", "m"]);
    assert!(answer.upstream("under_score").is_empty());
    assert_eq!(answer.upstream("X-List"), ["1", "2"]);
    assert_eq!(answer.upstream("X-Number"), ["5"]);
    assert_eq!(answer.upstream("X-Empty"), [" "]);
    assert_eq!(answer.upstream("X-Break"), ["a%0D%0Ab"]);
    let upstream = &answer.exchange.upstream;
    assert_eq!(upstream.host_header.as_deref(), Some(&b"h.test"[..]));
    assert_eq!((upstream.scheme.as_str(), upstream.path.as_slice()), ("https", &b"/up%20here"[..]));
    assert_eq!(answer.exchange.request.head.method.as_bytes(), b"PUT");
    assert_eq!(answer.exchange.request.body.in_memory(), Some(&b"{\"a\":1}"[..]));
    assert_eq!(answer.upstream("Content-Type"), ["application/json"]);
}

#[test]
fn service_request_writes_bodies_of_each_kind() {
    let answer = access(
        r#"
        kong.service.request.set_body({ b = "2", a = "1" }, "multipart/form-data; boundary=xx")
        equal(kong.request.get_raw_body(), '--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
          .. '--xx\r\nContent-Disposition: form-data; name="b"\r\n\r\n2\r\n--xx--\r\n')
        equal(kong.request.get_body().b, "2")
        kong.service.request.set_body({ b = "2", a = "x y" }, "application/x-www-form-urlencoded")
        "#,
    );
    assert_eq!(answer.exchange.request.body.in_memory(), Some(&b"a=x%20y&b=2"[..]));
}

#[test]
fn service_says_where_the_request_goes() {
    let answer = access(
        r#"
        local s = kong.service
        s.set_target("10.0.0.9", 81) s.set_retries(3) s.set_timeouts(1, 2, 3) s.set_tls_verify(true) s.set_tls_verify_depth(2)
        equal(ngx.ctx.balancer_data.host, "10.0.0.9") equal(ngx.ctx.balancer_data.port, 81)
        equal(ngx.ctx.balancer_data.type, "ipv4") equal(ngx.ctx.balancer_data.send_timeout, 2)
        ngx.ctx.balancer_data.read_timeout = 9
        local ok, err = s.set_upstream("unknown.test")
        equal(ok, nil) equal(err, "could not find an Upstream named 'unknown.test'")
        equal(s.set_upstream("known.test"), true)
        refuses("port must be an integer between 0 and 65535: given 70000", s.set_target, "a", 70000)
        refuses("retries must be an integer", s.set_retries, 1.5)
        refuses("connect_timeout must be an integer between 1 and 2147483646: given 0", s.set_timeouts, 0, 1, 1)
        "#,
    );
    let upstream = &answer.exchange.upstream;
    assert_eq!((upstream.host.as_slice(), upstream.port), (&b"known.test"[..], 81));
    assert_eq!((upstream.retries, upstream.tls_verify, upstream.tls_verify_depth), (3, Some(true), Some(2)));
    assert_eq!((upstream.timeouts.connect, upstream.timeouts.write, upstream.timeouts.read), (1, 2, 9));
}

#[test]
fn client_router_plugin_node_and_cluster_tell_who_and_where() {
    access(&format!(
        r#"
        equal(kong.client.get_ip(), "10.1.2.3") equal(kong.client.get_forwarded_ip(), "10.1.2.3")
        equal(kong.client.get_port(), 4567) equal(kong.client.get_forwarded_port(), 4567)
        equal(kong.client.get_protocol(), "http")
        equal(kong.client.get_consumer(), nil) equal(kong.client.get_credential(), nil)
        local bob = kong.client.load_consumer("b0b00000-0000-4000-8000-000000000001")
        equal(bob.username, "bob") equal(kong.client.load_consumer("bob", true).id, bob.id)
        refuses("cannot load a consumer with an id that is not a uuid", kong.client.load_consumer, "bob")
        refuses("either credential or consumer must be provided", kong.client.authenticate)
        refuses("consumer must be a table or nil", kong.client.authenticate, 1)
        kong.client.authenticate(bob, {{ id = "k" }})
        equal(kong.client.get_consumer().username, "bob") equal(kong.client.get_credential().id, "k")
        equal(kong.router.get_route().id, "{ROUTE}") equal(kong.router.get_service().id, "{SERVICE}")
        equal(kong.router.get_route(), ngx.ctx.route)
        equal(kong.plugin.get_id(), "p1000000-0000-4000-8000-000000000001")
        equal(#kong.node.get_id(), 36) equal(#kong.node.get_hostname() > 0, true)
        equal(kong.node.get_memory_stats("k", 1).lua_shared_dicts.kong.capacity:match("KiB"), "KiB")
        refuses("invalid unit 'x' (expected 'k/K', 'm/M', or 'g/G')", kong.node.get_memory_stats, "x")
        equal(kong.nginx.get_subsystem(), "http") equal(kong.nginx.get_statistics().total_requests, 0)
        equal(kong.ip.is_trusted("10.1.2.3"), false)
        equal(kong.client.tls.get_full_client_certificate_chain(), nil)
        refuses("unknown client verify value: x", kong.client.tls.set_client_verify, "x")
        "#
    ));
}

#[test]
fn tables_context_configuration_and_versions() {
    access(
        r#"
        local t = kong.table.new(4, 4) t.a = 1 kong.table.clear(t) equal(next(t), nil)
        local m = kong.table.merge({ a = 1, b = 1 }, { b = 2 }) equal(m.a + m.b, 3)
        kong.ctx.shared.a = 1 kong.ctx.plugin.b = 2
        equal(kong.ctx.shared.a, 1) equal(kong.ctx.plugin.b, 2) equal(kong.ctx.plugin.a, nil) equal(kong.ctx.other, nil)
        equal(kong.configuration.database, "off")
        refuses("cannot write to configuration", function() kong.configuration.database = "x" end)
        equal(kong.version, "3.9.3") equal(kong.version_num, 3009003)
        equal(kong.default_workspace, "0dc6f45b-8f8d-40d2-a504-473544ee190b")
        equal(ngx.ctx.workspace, kong.default_workspace)
        local span = kong.tracing.start_span("x") span:set_attribute("a", 1) span:finish()
        equal(kong.tracing.active_span(), nil) equal(kong.tracing.name, "noop")
        local ok, err = kong.telemetry.log("p", {}, "t", "m") equal(ok, nil) equal(err:match("^Telemetry logging is disabled") ~= nil, true)
        equal(kong.vault.is_reference("{vault://env/x}"), true) equal(kong.vault.is_reference("x"), false)
        local ref = kong.vault.parse_reference("{vault://env/some-thing/key}") equal(ref.name, "env") equal(ref.resource, "some-thing")
        equal(ref.key, "key")
        "#,
    );
}

#[test]
fn the_response_is_read_and_changed_in_its_phases() {
    let (_folder, gateway) = running(
        "kong.response.set_header('X-Early', '1') kong.response.add_header('X-Early', '2')",
        r#"
        local r = kong.response
        equal(r.get_status(), 200) equal(r.get_source(), "service")
        equal(r.get_header("X-Up"), "1") equal(r.get_headers()["X-Up"][2], "2")
        equal(kong.service.response.get_status(), 200) equal(kong.service.response.get_header("x_up"), "1")
        equal(kong.service.response.get_header("X-Early"), nil)
        refuses("service body is only available with buffered proxying", kong.service.response.get_raw_body)
        r.set_status(201) r.set_headers({ ["X-A"] = { "1", "2" } }) r.add_header("X-B", "3") r.clear_header("X-Up")
        r.set_header("Transfer-Encoding", "x")
        refuses("code must be a number between 100 and 599", r.set_status, 99)
        refuses("code must be a number", r.set_status, "x")
        "#,
        "equal(kong.response.get_status(), 201) equal(kong.response.get_header('X-B'), '3')",
    );
    let answer = gateway.send(gateway.request("GET", "/", &[], ""), &[("X-Up", "1"), ("X-Up", "2")], "");
    let answer = passed(&gateway, answer);
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.header("X-Up"), None);
    assert_eq!(answer.header("Transfer-Encoding"), None);
    assert_eq!(answer.exchange.response.head.fields.values(b"X-A").count(), 2);
    assert_eq!(answer.exchange.response.head.fields.values(b"X-Early").count(), 2);
}

#[test]
fn exit_and_error_answer_in_kongs_form() {
    let ask = |code: &str| {
        let (_folder, gateway) = running(code, "", "");
        gateway.get("/", &[("Accept", "text/html")])
    };
    let answer = ask("kong.response.exit(204)");
    assert_eq!((answer.status(), answer.body.as_str()), (204, ""));
    assert_eq!(answer.header("Content-Length").as_deref(), Some("0"));
    let answer = ask("kong.response.exit(200, 'text', { ['Content-Type'] = 'text/plain', ['X-A'] = 'b' })");
    assert_eq!((answer.body.as_str(), answer.header("X-A").as_deref()), ("text", Some("b")));
    let answer = ask("kong.response.error(404)");
    assert_eq!(answer.header("Content-Type").as_deref(), Some("text/html; charset=utf-8"));
    assert!(answer.body.contains("<p>Not found.</p>"), "{}", answer.body);
    let answer = ask("kong.response.error(403, 'no', { ['Content-Type'] = 'application/json' })");
    assert_eq!(answer.message(), "no");
    let answer = ask("local ok, err = pcall(kong.response.exit, 99) kong.response.exit(200, err)");
    assert!(answer.body.contains("code must be a number between 100 and 599"));
    let answer = ask("local ok, err = pcall(kong.response.exit, 200, 1) kong.response.exit(200, err)");
    assert!(answer.body.contains("body must be a nil, string or table"));
    let answer = ask("local ok, err = pcall(kong.response.error, 200) kong.response.exit(200, err)");
    assert!(answer.body.contains("code must be a number between 400 and 599"));
}

#[test]
fn log_facilities_know_their_plugin_and_serialize_the_request() {
    log(r#"
        kong.log("one ", 2, " ", nil) kong.log.err("bad") kong.log.inspect({ a = { 1, 2 } }, "x")
        kong.log.inspect.off() kong.log.inspect("silent") kong.log.inspect.on()
        kong.log.deprecation("old thing", { after = "1.0", removal = "2.0" })
        refuses("key must be a string", kong.log.set_serialize_value, 1, 2)
        refuses("mode must be 'set', 'add' or 'replace'", kong.log.set_serialize_value, "a", 2, { mode = "x" })
        kong.log.set_serialize_value("own.a", 1)
        kong.log.set_serialize_value("own.a", 2, { mode = "add" })
        kong.log.set_serialize_value("own.b", 3, { mode = "replace" })
        kong.log.set_serialize_value("request.size", 7, { mode = "replace" })
        local record = kong.log.serialize()
        equal(record.own.a, 1) equal(record.own.b, nil) equal(record.request.size, 7)
        equal(record.request.uri, "/a?b=c") equal(record.response.headers["x-up"][2], "2") equal(record.source, "upstream")
        equal(#record.tries, 0)
        kong.log.set_serialize_value("request.uri.deeper", 1)
        refuses("Subkey 'uri' is not a table. It's /a?b=c", kong.log.serialize)
        "#);
}

#[test]
fn the_cache_loads_once_and_remembers_what_is_missing() {
    access(
        r#"
        local calls = 0
        local function load(a) calls = calls + 1 return { value = a } end
        local cache = kong.cache
        local v, err, level = cache:get("k", nil, load, 7) equal(v.value, 7) equal(level, 3)
        v, err, level = cache:get("k", nil, load, 8) equal(v.value, 7) equal(level, 1) equal(calls, 1)
        equal(select(3, cache:probe("k")).value, 7)
        cache:invalidate("k")
        v, err, level = cache:get("k", nil, load, 9) equal(v.value, 9) equal(level, 3)
        local function missing() calls = calls + 1 return nil end
        calls = 0
        v, err, level = cache:get("none", nil, missing) equal(v, nil) equal(err, nil) equal(level, 3)
        v, err, level = cache:get("none", nil, missing) equal(level, 1) equal(calls, 1)
        v, err = cache:get("fails", nil, function() return nil, "why" end)
        equal(v, nil) equal(err, "failed to get from node cache: why")
        v, err = cache:get("throws", nil, function() error("thrown") end)
        equal(err:match("callback threw an error: ") ~= nil, true)
        v = cache:get("short", { ttl = 0.01 }, load, 1) ngx.sleep(0.03)
        v, err, level = cache:get("short", nil, load, 2) equal(level, 3)
        refuses("key must be a string", cache.get, cache, 1)
        "#,
    );
}

#[test]
fn the_cache_has_one_loader_at_a_time() {
    access(
        r#"
        local calls = 0
        local function slow() calls = calls + 1 ngx.sleep(0.02) return "v" end
        local function ask() return (kong.cache:get("slow", nil, slow)) end
        local a, b = ngx.thread.spawn(ask), ngx.thread.spawn(ask)
        local _, one = ngx.thread.wait(a)
        local _, two = ngx.thread.wait(b)
        equal(one, "v") equal(two, "v") equal(calls, 1)
        "#,
    );
}

#[test]
fn entities_are_read_and_writes_refused() {
    access(
        r#"
        local consumers = kong.db.consumers
        equal(consumers:select({ id = "b0b00000-0000-4000-8000-000000000001" }).username, "bob")
        equal(consumers:select_by_username("bob").id, "b0b00000-0000-4000-8000-000000000001")
        equal(consumers:select_by_username("none"), nil)
        equal(consumers:cache_key("b0b"), "consumers:b0b:::::0dc6f45b-8f8d-40d2-a504-473544ee190b")
        equal(kong.db.keyauth_credentials, nil)
        equal(kong.db.plugins:cache_key({ name = "x", route = { id = "r" } }), "plugins:x:r::::0dc6f45b-8f8d-40d2-a504-473544ee190b")
        equal(kong.db.plugins:cache_key("a", nil, "s"), "plugins:a::s:::0dc6f45b-8f8d-40d2-a504-473544ee190b")
        local seen = 0
        for row, err in kong.db.plugins:each() do equal(err, nil) equal(row.name, "kit") seen = seen + 1 end
        equal(seen, 1)
        equal(#kong.db.consumers:page(10), 1)
        local ok, err, err_t = consumers:insert({}) equal(ok, nil) equal(err_t.code, 2) equal(err, "[off] " .. err_t.message)
        ok, err, err_t = consumers:insert({ username = "new" }) equal(ok, nil) equal(err_t.name, "operation unsupported")
        equal(err, "[off] cannot create 'consumers' entities when not using a database")
        ok, err, err_t = consumers:select({ id = "x" }) equal(ok, nil) equal(err_t.code, 1)
        equal(err, '[off] invalid primary key: \'{id="expected a valid UUID"}\'')
        ok, err, err_t = consumers:page(0) equal(ok, nil) equal(err, "[off] size must be an integer between 1 and 2048")
        equal(kong.db.nothing, nil)
        "#,
    );
}

#[test]
fn events_reach_the_callbacks_of_the_worker() {
    access(
        r#"
        local heard = {}
        kong.worker_events.register(function(data, event, source) heard[#heard + 1] = source .. event .. data.x end, "crud", "consumers")
        kong.worker_events.post("crud", "consumers", { x = "1" })
        kong.worker_events.post("crud", "routes", { x = "2" })
        equal(table.concat(heard, " "), "crudconsumers1")
        equal(kong.cluster_events:broadcast("a", "b"), true)
        "#,
    );
}

#[test]
fn the_tools_do_as_their_names_say() {
    access(
        r#"
        local s = require "kong.tools.string"
        equal(table.concat(s.split("a,b,", ","), "|"), "a|b|") equal(#s.split("", ","), 0) equal(s.strip("  x y\n"), "x y")
        equal(s.bytes_to_str(2048, "k"), "2.00 KiB") equal(s.validate_utf8("\195\164"), true) equal(s.validate_utf8("\195("), false)
        local t = require "kong.tools.table"
        local loop = { 1 } loop.self = loop
        local copy = t.cycle_aware_deep_copy(loop) equal(copy.self, copy) equal(copy ~= loop, true)
        equal(t.is_array({ 1, 2 }), true) equal(t.is_array({ a = 1 }), false)
        local u = require "kong.tools.uuid" equal(u.is_valid_uuid(u.uuid()), true) equal(u.is_valid_uuid("x"), false)
        local z = require "kong.tools.gzip" equal(z.inflate_gzip(z.deflate_gzip("text")), "text")
        local ts = require("kong.tools.timestamp").get_timestamps(1709210096 * 1000)
        equal(ts.second, 1709210096000) equal(ts.minute, 1709210040000) equal(ts.hour, 1709208000000)
        equal(ts.day, 1709164800000) equal(ts.month, 1706745600000) equal(ts.year, 1704067200000)
        local tt = require("kong.tools.timestamp").get_timetable(1709210096)
        equal(tt.year, 2024) equal(tt.month, 2) equal(tt.day, 29) equal(tt:timestamp(), 1709210096)
        local h = require "kong.tools.http"
        equal(h.get_response_type("text/html;q=0.5, application/xml;q=0.9"), "application/xml; charset=utf-8")
        equal(h.get_response_type("*/*"), "application/json; charset=utf-8") equal(h.get_response_type("text/*"), "text/plain; charset=utf-8")
        equal(h.encode_args({ a = { 1, 2 }, b = "x y" }), "a%5b1%5d=1&a%5b2%5d=2&b=x%20y")
        equal(h.parse_directive_header("max-age=5, no-store")["max-age"], 5)
        local ip = require "kong.tools.ip"
        equal(ip.is_valid_ip_or_cidr("10.0.0.0/8"), true) equal(ip.is_valid_ip_or_cidr("10.0.0.0/33"), false)
        equal(ip.is_valid_ipv6("::1"), true) equal(ip.hostname_type("a.b"), "name")
        equal(ip.normalize_ipv6("[::1]:80"), "0000:0000:0000:0000:0000:0000:0000:0001")
        equal(ip.format_host("::1", 80), "[0000:0000:0000:0000:0000:0000:0000:0001]:80")
        local m, sub, params = require("kong.tools.mime_type").parse_mime_type("Text/HTML; a=b")
        equal(m .. sub .. params.a, "texthtmlb")
        local inspect = require "inspect" equal(inspect({ 1, a = "x", { } }), '{ 1, {},\n  a = "x"\n}')
        local sandbox = require "kong.tools.sandbox"
        equal(sandbox.sandbox("return 1 + 1")(), 2)
        equal(select(2, sandbox.validate("return 42")), "Bad return value from function, expected function type, got number")
        equal(select(2, sandbox.validate("x = ")):match("^Error parsing function") ~= nil, true)
        equal(require("kong.tools.utils").split("a b")[2], "b")
        local q = require("kong.tools.uri") equal(q.normalize("/a/../b//c", true), "/b/c")
        "#,
    );
}

#[test]
fn kongs_public_plugin_template_runs() {
    // What https://github.com/Kong/kong-plugin documents its `myplugin` to do, in our words.
    let source = r#"
        local plugin = { PRIORITY = 1000, VERSION = "0.1" }
        function plugin:init_worker() kong.log.debug("saying hi from the 'init_worker' handler") end
        function plugin:access(conf)
            kong.log.inspect(conf)
            kong.service.request.set_header(conf.request_header, "this is on a request")
        end
        function plugin:header_filter(conf) kong.response.set_header(conf.response_header, "this is on the response") end
        return plugin"#;
    let (_folder, gateway) = gateway_of(&[("myplugin", source)]);
    let config: Value = json!({"request_header": "X-A", "response_header": "X-B", "ttl": 600});
    gateway.configure(&json!({"plugins": [{"name": "myplugin", "enabled": true, "config": config}]}));
    let answer = gateway.get("/", &[]);
    assert_eq!(answer.upstream("X-A"), ["this is on a request"]);
    assert_eq!(answer.header("X-B").as_deref(), Some("this is on the response"));
}

#[test]
fn a_queue_hands_over_batches_and_tries_again() {
    access(
        r#"
        local Queue = require "kong.tools.queue"
        local batches, fails = {}, 1
        local function handler(conf, entries)
            if fails > 0 then fails = fails - 1 return nil, "not now" end
            batches[#batches + 1] = table.concat(entries, ",") .. conf.mark
            return true
        end
        local conf = { name = "q", max_batch_size = 2, max_coalescing_delay = 0.06, max_entries = 3, max_retry_time = 5,
                       initial_retry_delay = 0.001, max_retry_delay = 0.01, concurrency_limit = 1 }
        for i = 1, 4 do equal(Queue.enqueue(conf, handler, { mark = "!" }, tostring(i)), true) end
        equal(Queue.is_full(conf), true) equal(Queue.exists("q"), true)
        ngx.sleep(0.3)
        equal(table.concat(batches, " "), "2,3! 4!") equal(Queue.exists("q"), false)
        refuses("arg #1 (queue_conf) must include a name", Queue.enqueue, {}, handler, nil, "x")
        "#,
    );
}
