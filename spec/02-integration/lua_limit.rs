//! `lua_time_limit`: Lua code that never ends.

use std::time::{Duration, Instant};

use crate::support::{Gateway, Setup, at_most, get};

const ENDLESS: [&str; 4] = [
    "while true do end",
    "local i = 0; repeat i = i + 1 until i < 0",
    "while true do pcall(function() while true do end end) end",
    "coroutine.wrap(function() while true do pcall(error) end end)()",
];

fn start(routes: &str) -> Gateway {
    Setup::declarative(format!("_format_version: '3.0'\nroutes:\n{routes}"))
        .with("lua_time_limit", "300")
        .with("nginx_main_worker_processes", "1")
        .start()
}

#[test]
fn a_request_whose_plugin_never_ends_gets_a_500_and_the_worker_goes_on() {
    let routes: String = ENDLESS
        .iter()
        .enumerate()
        .map(|(n, code)| {
            format!(
                "- {{ name: endless-{n}, paths: [/endless-{n}], plugins: [{{ name: pre-function, config: {{ access: ['{code}'] }} }}] }}\n"
            )
        })
        .collect();
    let gateway = start(&format!(
        "{routes}- {{ paths: [/fine], plugins: [{{ name: request-termination, config: {{ status_code: 202 }} }}] }}\n"
    ));
    let worker = gateway.worker();
    for n in 0..ENDLESS.len() {
        let asked = Instant::now();
        let reply = get(gateway.proxy, &format!("/endless-{n}"), &[("Accept", "application/json")]);
        assert_eq!((reply.status, &reply.json()["message"]), (500, &"An unexpected error occurred".into()));
        assert!(asked.elapsed() < at_most(Duration::from_secs(5)), "{n}: {:?}", asked.elapsed());
        assert_eq!(get(gateway.proxy, "/fine", &[]).status, 202);
        gateway.wait_for_log(&format!("[pre-function] route \"endless-{n}\": "));
    }
    let log = gateway.error_log();
    assert!(log.contains("code ran too long without waiting and was stopped"), "{log}");
    assert!(log.contains("stack traceback:"), "{log}");
    assert_eq!(gateway.worker(), worker);
}

#[test]
fn timers_and_init_worker_that_never_end_are_stopped_too() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, handler: &str| {
        let plugin = folder.path().join("kong/plugins").join(name);
        std::fs::create_dir_all(&plugin).unwrap();
        let schema = format!(
            "return {{ name = '{name}', fields = {{ {{ config = {{ type = 'record', fields = {{}} }} }} }} }}"
        );
        std::fs::write(plugin.join("schema.lua"), schema).unwrap();
        std::fs::write(plugin.join("handler.lua"), handler).unwrap();
    };
    write(
        "stuck",
        "return { VERSION = '1.0', PRIORITY = 20, init_worker = function() while true do end end }",
    );
    write(
        "timed",
        "return { VERSION = '1.0', PRIORITY = 10, init_worker = function()
           kong.log.notice('timed initialized')
           ngx.timer.at(0, function() while true do end end)
         end }",
    );
    let gateway = Setup::declarative("_format_version: '3.0'\n")
        .with("lua_time_limit", "300")
        .with("nginx_main_worker_processes", "1")
        .with("plugins", "bundled,stuck,timed")
        .with("lua_package_path", format!("{0}/?.lua;{0}/?/init.lua;;", folder.path().display()))
        .start();
    gateway.wait_for_log("failed to execute the \"init_worker\" handler for plugin \"stuck\": ");
    gateway.wait_for_log("timed initialized");
    gateway.wait_for_log("lua entry thread aborted: runtime error: ");
    assert_eq!(get(gateway.proxy, "/", &[]).status, 404);
    let log = gateway.error_log();
    assert_eq!(log.matches("was stopped").count(), 2, "{log}");
}

#[test]
fn code_that_waits_may_run_for_long() {
    let gateway = start(
        "- { paths: [/], plugins: [{ name: pre-function, config: { access: ['for _ = 1, 10 do ngx.sleep(0.1) end kong.response.exit(200)'] } }] }\n",
    );
    assert_eq!(get(gateway.proxy, "/", &[]).status, 200);
}
