//! Events that code of one worker tells that of the others.

use crate::support::{Answer, Mock, Setup, get, request};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PLUGIN: &str = r#"
-- How often this VM heard of each event; the Admin API has one of its own, with the first worker's number.
local heard, times = ngx.shared.kong, {}
return {
  VERSION = "1.0.0", PRIORITY = 5,
  init_worker = function()
    kong.worker_events.register(function(data, event, source)
      assert(data.list[2] == "two" and source == "talk")
      times[event] = (times[event] or 0) + 1
      heard:set("heard:" .. event .. ":" .. ngx.worker.id(), times[event])
    end, "talk")
  end,
  access = function()
    local event = kong.request.get_query_arg("event")
    if event then
      assert(kong.worker_events.post("talk", event, { list = { 1, "two" } }, kong.request.get_query_arg("unique")))
    end
    local none, err = kong.worker_events.post("talk", "bad", { print })
    assert(none == nil and err:find("failed to encode the data of an event", 1, true))
    local counts = {}
    for _, name in ipairs { "all", "one", "api" } do
      counts[name] = { heard:get("heard:" .. name .. ":0") or 0, heard:get("heard:" .. name .. ":1") or 0 }
    end
    kong.response.exit(200, counts)
  end,
}"#;

const API: &str = r#"
return { ["/talk"] = { POST = function()
  assert(kong.worker_events.post("talk", "api", { list = { 1, "two" } }))
  return kong.response.exit(204)
end } }"#;

const SCHEMA: &str =
    r#"return { name = "talk", fields = { { config = { type = "record", fields = {} } } } }"#;

#[test]
fn an_event_reaches_every_worker_once_from_plugins_and_from_their_api() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("kong/plugins/talk");
    std::fs::create_dir_all(&plugin).unwrap();
    for (name, text) in [("handler", PLUGIN), ("schema", SCHEMA), ("api", API)] {
        std::fs::write(plugin.join(format!("{name}.lua")), text).unwrap();
    }
    let upstream = Mock::start(|_| Answer::text(200, "hello"));
    let yaml = json!({
        "_format_version": "3.0",
        "services": [{ "url": upstream.url(),
                       "routes": [{ "paths": ["/"], "plugins": [{ "name": "talk" }] }] }],
    });
    let gateway = Setup::declarative(yaml.to_string())
        .with("plugins", "bundled,talk")
        .with("lua_package_path", format!("{}/?.lua;;", folder.path().display()))
        .with("nginx_worker_processes", "2")
        .start();
    let counts = |path: &str| -> Value {
        let answer = get(gateway.proxy, path, &[]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_str(&answer.text()).unwrap()
    };
    counts("/?event=all");
    counts("/?event=one&unique=yes");
    assert_eq!(request(gateway.admin, "POST", "/talk", &[], b"").status, 204);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let now = counts("/");
        let one = now["one"][0].as_i64().unwrap() + now["one"][1].as_i64().unwrap();
        if now["all"] == json!([1, 1]) && now["api"] == json!([1, 1]) && one == 1 {
            break;
        }
        assert!(Instant::now() < deadline, "{now}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
