//! A plugin that ends a phase or throws, and what that does to the others.

use super::order::gateway_of;
use crate::lua::plugin::PhaseOutcome;
use serde_json::json;

const MARKING: &str = r#"return {
    PRIORITY = 1, VERSION = "1.0.0",
    access = function() kong.response.set_header("X-Access", "ran") end,
    header_filter = function() kong.response.set_header("X-Filter", "ran") end,
    body_filter = function() ngx.arg[1] = (ngx.arg[1] or "") .. "!" end,
}"#;

fn both(first: &str) -> (tempfile::TempDir, super::harness::Gateway) {
    let (folder, gateway) = gateway_of(&[("first", first), ("marking", MARKING)]);
    gateway.configure(&json!({"plugins": [
        {"name": "first", "enabled": true, "config": {}}, {"name": "marking", "enabled": true, "config": {}},
    ]}));
    (folder, gateway)
}

#[test]
fn exit_ends_access_even_through_pcall_and_the_filters_of_all_plugins_run() {
    let (_folder, gateway) = both(
        r#"return { PRIORITY = 10, VERSION = "1.0.0", access = function()
            pcall(function() kong.response.exit(418, { a = 1 }, { ["X-Own"] = "yes" }) end)
            kong.response.set_header("X-After", "reached")
        end }"#,
    );
    let answer = gateway.get("/", &[]);
    assert_eq!((answer.outcome, answer.status()), (PhaseOutcome::Exited, 418));
    assert_eq!(answer.body, "{\"a\":1}!");
    assert_eq!(answer.header("X-Own").as_deref(), Some("yes"));
    assert_eq!(answer.header("Content-Type").as_deref(), Some("application/json; charset=utf-8"));
    assert_eq!(answer.header("Content-Length").as_deref(), Some("7"));
    assert_eq!(answer.header("X-Filter").as_deref(), Some("ran"));
    assert_eq!(answer.header("X-Access"), None);
    assert_eq!(answer.header("X-After"), None);
}

#[test]
fn a_plugin_that_throws_in_access_fails_its_phase_and_the_next_request_is_served() {
    let (_folder, gateway) = both(
        r#"return { PRIORITY = 10, VERSION = "1.0.0", access = function()
            if kong.request.get_header("X-Throw") then error("thrown") end
        end }"#,
    );
    let answer = gateway.get("/", &[("X-Throw", "1")]);
    assert_eq!(answer.outcome, PhaseOutcome::Failed);
    assert_eq!(answer.header("X-Filter").as_deref(), Some("ran"));
    let answer = gateway.get("/", &[]);
    assert_eq!((answer.outcome, answer.status()), (PhaseOutcome::Continue, 200));
    assert_eq!(answer.header("X-Access").as_deref(), Some("ran"));
}

#[test]
fn a_logger_that_throws_keeps_no_other_from_logging() {
    let (_folder, gateway) = gateway_of(&[
        ("first", r#"return { PRIORITY = 10, VERSION = "1.0.0", log = function() error("thrown") end }"#),
        (
            "second",
            r#"return { PRIORITY = 1, VERSION = "1.0.0", log = function() LOGGED = (LOGGED or 0) + 1 end }"#,
        ),
    ]);
    gateway.configure(&json!({"plugins": [
        {"name": "first", "enabled": true, "config": {}}, {"name": "second", "enabled": true, "config": {}},
    ]}));
    gateway.get("/", &[]);
    gateway.get("/", &[]);
    assert_eq!(gateway.vm.lua().globals().get::<i64>("LOGGED").unwrap(), 2);
}

#[test]
fn a_logger_that_throws_before_a_route_is_found_keeps_no_other_from_logging() {
    let (_folder, gateway) = gateway_of(&[
        (
            "first",
            r#"return { PRIORITY = 10, VERSION = "1.0.0",
                rewrite = function() kong.response.exit(418) end, log = function() error("thrown") end }"#,
        ),
        (
            "second",
            r#"return { PRIORITY = 1, VERSION = "1.0.0", log = function() LOGGED = (LOGGED or 0) + 1 end }"#,
        ),
    ]);
    gateway.configure(&json!({"plugins": [
        {"name": "first", "enabled": true, "config": {}}, {"name": "second", "enabled": true, "config": {}},
    ]}));
    assert_eq!(gateway.get("/", &[]).status(), 418);
    assert_eq!(gateway.vm.lua().globals().get::<i64>("LOGGED").unwrap(), 1);
}

#[test]
fn a_configuration_that_lua_cannot_hold_fails_the_request_and_nothing_else() {
    let (_folder, gateway) = both(r#"return { PRIORITY = 10, VERSION = "1.0.0", log = function() end }"#);
    let deep = (0..120).fold(json!(1), |inner, _| json!([inner]));
    gateway.configure(&json!({"plugins": [
        {"name": "first", "enabled": true, "config": {"deep": deep}}, {"name": "marking", "enabled": true, "config": {}},
    ]}));
    let answer = gateway.get("/", &[]);
    assert_eq!(answer.outcome, PhaseOutcome::Failed);
    assert_eq!(answer.header("X-Access"), None);
}

#[test]
fn a_plugin_may_replace_the_context_and_take_anything_for_a_consumer() {
    let (_folder, gateway) = both(
        r#"return { PRIORITY = 10, VERSION = "1.0.0", access = function()
            if kong.request.get_header("X-Replace") then
                ngx.ctx = {}
                kong.response.exit(418)
            end
            ngx.ctx.authenticated_consumer = { username = "without id" }
        end }"#,
    );
    gateway.configure(&json!({
        "consumers": [{"id": "b0b00000-0000-4000-8000-000000000001", "username": "bob"}],
        "plugins": [
            {"name": "first", "enabled": true, "config": {}}, {"name": "marking", "enabled": true, "config": {}},
            {"name": "marking", "enabled": true, "config": {}, "consumer": {"id": "b0b00000-0000-4000-8000-000000000001"}},
        ],
    }));
    let answer = gateway.get("/", &[]);
    assert_eq!(answer.outcome, PhaseOutcome::Continue);
    assert_eq!(answer.header("X-Access").as_deref(), Some("ran"));
    let answer = gateway.get("/", &[("X-Replace", "1")]);
    assert_eq!((answer.outcome, answer.status()), (PhaseOutcome::Exited, 418));
    assert_eq!(answer.header("X-Filter").as_deref(), Some("ran"));
}

#[test]
fn a_plugin_may_wait_in_access() {
    let (_folder, gateway) = both(
        r#"return { PRIORITY = 10, VERSION = "1.0.0", access = function()
            ngx.sleep(0.001)
            kong.ctx.plugin.waited = true
            kong.ctx.shared.waited = kong.ctx.plugin.waited
        end, header_filter = function()
            kong.response.set_header("X-Waited", tostring(kong.ctx.plugin.waited and kong.ctx.shared.waited))
        end }"#,
    );
    let answer = gateway.get("/", &[]);
    assert_eq!(answer.header("X-Waited").as_deref(), Some("true"));
    assert_eq!(answer.header("X-Access").as_deref(), Some("ran"));
}

#[test]
fn rewrite_runs_global_plugins_only() {
    let rewriting = r#"return { PRIORITY = 10, VERSION = "1.0.0",
        rewrite = function(self, conf) kong.service.request.set_header("X-Rewrite", conf.mark) end }"#;
    let (_folder, gateway) = gateway_of(&[("a", rewriting)]);
    gateway.configure(&json!({"plugins": [
        {"name": "a", "enabled": true, "config": {"mark": "route"}, "route": {"id": super::harness::ROUTE}},
    ]}));
    assert!(gateway.get("/", &[]).upstream("X-Rewrite").is_empty());
    gateway.configure(&json!({"plugins": [{"name": "a", "enabled": true, "config": {"mark": "global"}}]}));
    assert_eq!(gateway.get("/", &[]).upstream("X-Rewrite"), ["global"]);
}

#[test]
fn code_in_the_sandbox_finds_no_way_out() {
    crate::lua::testing::check(
        r#"
        kong = { configuration = { untrusted_lua = "sandbox", untrusted_lua_sandbox_requires = { "bit" },
                                   untrusted_lua_sandbox_environment = { "ngx.re" } } }
        local sandbox = require "kong.tools.sandbox"
        -- Each would answer something that is not nil, or change something outside.
        local escapes = {
          "return io", "return os.execute", "return os.getenv", "return os.exit", "return debug", "return package",
          "return load or loadstring or loadfile or dofile", "return getfenv or setfenv", "return jit or ffi",
          "return getmetatable or setmetatable", "return rawget or rawset or rawequal", "return collectgarbage",
          "return newproxy", "return string.dump", "return _G.io", "return _G.load", "return module",
          "local ok, found = pcall(require, 'ffi') return ok and found or nil",
          "local ok, found = pcall(require, 'io') return ok and found or nil",
          "string.upper = nil", "os.time = nil", "table.insert = nil", "coroutine.wrap = nil", "ngx.re.match = nil",
          "for name in next, string do string[name] = nil end return nil",
          "local s = '' s.upper = nil", "error(nil)",
          "return coroutine.wrap(function() return io end)()",
          "local f = coroutine.create(function() return debug end) return select(2, coroutine.resume(f))",
          "return (xpcall(function() return nil + 1 end, function() return io end)) or nil",
        }
        local upper, time, insert, wrap, match =
          string.upper, os.time, table.insert, coroutine.wrap, ngx.re.match
        for _, escape in ipairs(escapes) do
          local ok, found = pcall(function() return sandbox.sandbox(escape)() end)
          assert(not ok or found == nil or found == false, escape)
        end
        assert(string.upper == upper and os.time == time and table.insert == insert)
        assert(coroutine.wrap == wrap and ngx.re.match == match)
        -- Bytecode could do anything; it is never read.
        local bytecode = string.dump(function() return io end)
        assert(not pcall(sandbox.sandbox, bytecode))
        assert(sandbox.validate(bytecode) == false)
        -- What strings know of themselves does not lead to functions that load what they give.
        local dump = sandbox.sandbox("return ('').dump(function() end)")()
        assert(not pcall(sandbox.sandbox, dump))
        -- One piece of code sees nothing of another.
        sandbox.sandbox("leaked = 1")()
        assert(sandbox.sandbox("return leaked")() == nil and leaked == nil)
        "#,
    );
}
