//! Errors of code that runs on its own tell the plugin and the route it was started for.

use crate::support::{Setup, get};
use serde_json::json;

#[test]
fn errors_of_timers_threads_and_loggers_tell_plugin_and_route() {
    let access = r#"
        ngx.timer.at(0, function()
          ngx.timer.at(0, function() error("in a timer of a timer") end)
          error("in a timer")
        end)
        local thread = ngx.thread.spawn(function() ngx.sleep(0.01) error("in a thread") end)
        ngx.thread.wait(thread)
        kong.response.exit(200)"#;
    let yaml = json!({
        "_format_version": "3.0",
        "routes": [{ "name": "of-mine", "paths": ["/"],
            "plugins": [{ "name": "post-function",
                          "config": { "access": [access], "log": ["error('in a logger')"] } }] }],
    });
    let gateway = Setup::declarative(yaml.to_string()).with("untrusted_lua", "on").start();
    assert_eq!(get(gateway.proxy, "/", &[]).status, 200);
    gateway.wait_for_log("in a timer of a timer");
    gateway.wait_for_log("in a logger");
    let log = gateway.error_log();
    for (what, message) in [
        ("lua entry thread aborted: runtime error", "in a timer\n"),
        ("lua entry thread aborted: runtime error", "in a timer of a timer\n"),
        ("lua user thread aborted: runtime error", "in a thread\n"),
        ("", "in a logger\n"),
    ] {
        let line = log.lines().find(|line| line.ends_with(message.trim_end())).expect(message);
        assert!(line.contains("[post-function] route \"of-mine\""), "{line}");
        assert!(line.contains(what), "{line}");
    }
}
