//! What plugins keep for a request, and which of them the gateway takes for the one that runs.

use super::order::gateway_with_jit;
use crate::lua::testing::block_on;
use serde_json::{Value, json};

/// A plugin that keeps its name and the request's, waits, and compares both in every later phase.
fn keeping(name: &str, priority: i32) -> String {
    format!(
        r#"
        local check = function(conf)
          assert(kong.ctx.plugin.mine == "{name}", kong.ctx.plugin.mine)
          assert(kong.ctx.plugin.of == kong.request.get_header("X-Number"), kong.ctx.plugin.of)
          assert(kong.ctx.shared.of == kong.ctx.plugin.of and ngx.ctx.of == kong.ctx.plugin.of)
          assert(kong.plugin.get_id() == conf.__plugin_id, kong.plugin.get_id())
        end
        return {{
          PRIORITY = {priority}, VERSION = "1.0.0",
          access = function(self, conf)
            local number = kong.request.get_header("X-Number")
            assert(kong.ctx.plugin.mine == nil and (ngx.ctx.of or number) == number)
            kong.ctx.plugin.mine, kong.ctx.plugin.of = "{name}", number
            kong.ctx.shared.of, ngx.ctx.of = number, number
            check(conf)
            ngx.sleep(0.002)
            check(conf)
          end,
          header_filter = function(self, conf)
            check(conf)
            kong.response.add_header("X-Kept", "{name}" .. kong.ctx.plugin.of)
          end,
          body_filter = function(self, conf) check(conf) end,
          log = function(self, conf)
            check(conf)
            logged = (logged or 0) + 1
          end,
        }}"#
    )
}

fn plugins(names: &[&str]) -> Value {
    let plugin = |name: &&str| json!({"name": name, "enabled": true, "config": {}});
    json!({"plugins": names.iter().map(plugin).collect::<Vec<_>>()})
}

#[test]
fn requests_that_wait_at_the_same_time_keep_apart_what_their_plugins_keep() {
    for jit in [true, false] {
        let (one, two) = (keeping("one", 2), keeping("two", 1));
        let (_folder, gateway) = gateway_with_jit(jit, &[("one", &one), ("two", &two)]);
        gateway.configure(&plugins(&["one", "two"]));
        // Again and again, so that the code is compiled and the places are given away again.
        let rounds = if jit { 120 } else { 5 };
        for round in 0..rounds {
            let request = |number: &str| gateway.request("GET", "/", &[("X-Number", number)], "");
            let (a, b) = (request(&format!("{round}a")), request(&format!("{round}b")));
            let (a, b) = block_on(async {
                futures_util::future::join(gateway.run(a, &[], "hi"), gateway.run(b, &[], "hi")).await
            });
            for (answer, letter) in [(a, 'a'), (b, 'b')] {
                let kept = answer.exchange.response.head.fields.values(b"X-Kept");
                let kept: Vec<_> = kept.map(|value| String::from_utf8_lossy(value).into_owned()).collect();
                assert_eq!(kept, [format!("one{round}{letter}"), format!("two{round}{letter}")]);
            }
        }
        assert_eq!(gateway.vm.lua().globals().get::<i32>("logged").unwrap(), rounds * 4);
    }
}

#[test]
fn the_context_of_a_request_is_made_when_it_is_first_used_and_goes_with_the_request() {
    let idle = r#"return { PRIORITY = 2, VERSION = "1.0.0",
        access = function() end, header_filter = function() end, log = function() end }"#;
    let user = r#"return { PRIORITY = 1, VERSION = "1.0.0", access = function()
        if kong.request.get_header("X-Use") then
          assert(ngx.ctx.used == nil)
          ngx.ctx.used = true
        end
    end, log = function()
        if kong.request.get_header("X-Use") then
          kept = setmetatable({ ngx.ctx }, { __mode = "v" })
        elseif kong.request.get_header("X-Collect") then
          collectgarbage() collectgarbage()
          gone = kept[1] == nil
        end
    end }"#;
    for jit in [true, false] {
        let (_folder, gateway) = gateway_with_jit(jit, &[("idle", idle), ("user", user)]);
        gateway.configure(&plugins(&["idle", "user"]));
        let mut places = Vec::new();
        for _ in 0..100 {
            let unused = gateway.get("/", &[]).exchange.lua.running;
            let used = gateway.get("/", &[("X-Use", "1")]).exchange.lua.running;
            assert_eq!((unused.has_ctx, used.has_ctx), (0, 1));
            places.push(used.place);
        }
        assert!(places.iter().all(|place| *place == places[0]), "{places:?}");
        gateway.get("/", &[("X-Collect", "1")]);
        assert!(gateway.vm.lua().globals().get::<bool>("gone").unwrap());
    }
}

#[test]
fn a_plugin_that_puts_another_table_in_the_place_of_the_context_stays_the_one_that_runs() {
    let replacing = r#"return { PRIORITY = 1, VERSION = "1.0.0", access = function(_, conf)
        local before = kong.ctx.plugin
        ngx.ctx = { own = true }
        assert(kong.plugin.get_id() == conf.__plugin_id)
        assert(kong.ctx.plugin ~= before)
        kong.ctx.plugin.asked = "again"
    end, header_filter = function(_, conf)
        assert(ngx.ctx.own and kong.plugin.get_id() == conf.__plugin_id)
        kong.response.set_header("X-Asked", kong.ctx.plugin.asked)
    end }"#;
    for jit in [true, false] {
        let (_folder, gateway) = gateway_with_jit(jit, &[("replacing", replacing)]);
        gateway.configure(&plugins(&["replacing"]));
        for _ in 0..100 {
            assert_eq!(gateway.get("/", &[]).header("X-Asked").unwrap(), "again");
        }
    }
}

#[test]
fn what_plugins_keep_goes_with_the_request_however_many_they_are() {
    let names: Vec<String> = (10..24).map(|number| format!("keeper{number}")).collect();
    let handlers: Vec<String> = names
        .iter()
        .map(|name| {
            format!(
                r#"return {{ PRIORITY = 1, VERSION = "1.0.0", access = function()
                    assert(next(kong.ctx.plugin) == nil)
                    kong.ctx.plugin.mine = "{name}"
                end, log = function()
                    assert(kong.ctx.plugin.mine == "{name}")
                    kept = kept or setmetatable({{}}, {{ __mode = "k" }})
                    kept[kong.ctx.plugin] = true
                end }}"#
            )
        })
        .collect();
    let sources: Vec<_> = names.iter().map(String::as_str).zip(handlers.iter().map(String::as_str)).collect();
    for jit in [true, false] {
        let (_folder, gateway) = gateway_with_jit(jit, &sources);
        gateway.configure(&plugins(&names.iter().map(String::as_str).collect::<Vec<_>>()));
        for _ in 0..50 {
            let used = gateway.get("/", &[]).exchange.lua.running;
            // What does not fit at the request's place lies in its `ngx.ctx`.
            assert_eq!((used.kept, used.has_ctx), if jit { (12, 1) } else { (0, 1) });
        }
        let kept =
            "collectgarbage() collectgarbage() local n = 0 for _ in pairs(kept) do n = n + 1 end return n";
        assert_eq!(gateway.vm.lua().load(kept).eval::<i32>().unwrap(), 0);
    }
}
