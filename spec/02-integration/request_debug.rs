//! `X-Kong-Request-Debug`: where the time of a request went.

use crate::support::{Gateway, Reply, Setup, Upstream, get};
use serde_json::Value;

const TOKEN: &str = "01dd4c9e-cb5e-4b26-9e49-4eb0509fbd68";

fn setup(upstream: &Upstream) -> Setup {
    let plugin = |name: &str, config: &str| format!("{{ name: {name}, config: {config} }}");
    Setup::declarative(format!(
        "_format_version: '3.0'
services:
- url: 'http://localhost:{port}'
  routes:
  - {{ paths: [/], strip_path: false }}
  - {{ paths: [/buffered], plugins: [{buffered}] }}
  - {{ paths: [/throws], plugins: [{throws}] }}
plugins:
- {correlation}
- {transformer}
",
        port = upstream.port,
        buffered = plugin("pre-function", "{ access: ['kong.service.request.enable_buffering()'] }"),
        throws = plugin("pre-function", "{ access: ['error(\"no\")'] }"),
        correlation = plugin("correlation-id", "{ header_name: X-Correlation }"),
        transformer = plugin("response-transformer", "{ add: { headers: ['X-A:1'] } }"),
    ))
    .with("trusted_ips", "0.0.0.0/0")
    .with("nginx_main_worker_processes", "1")
}

fn output(reply: &Reply) -> Option<Value> {
    Some(serde_json::from_str(reply.field("X-Kong-Request-Debug-Output")?).unwrap())
}

fn ask(gateway: &Gateway, path: &str, fields: &[(&str, &str)]) -> Option<Value> {
    output(&get(gateway.proxy, path, &[&[("X-Kong-Request-Debug", "*")], fields].concat()))
}

#[test]
fn a_client_on_this_machine_or_with_the_token_may_ask_and_nobody_else() {
    let upstream = Upstream::start();
    let gateway = setup(&upstream).start();
    let token = std::fs::read_to_string(gateway.prefix.join(".request_debug_token")).unwrap();
    let elsewhere = ("X-Real-IP", "1.1.1.1");
    assert!(ask(&gateway, "/", &[]).is_some());
    assert!(ask(&gateway, "/", &[elsewhere]).is_none());
    assert!(ask(&gateway, "/", &[elsewhere, ("X-Kong-Request-Debug-Token", "wrong")]).is_none());
    assert!(ask(&gateway, "/", &[elsewhere, ("X-Kong-Request-Debug-Token", &token)]).is_some());
    assert_eq!(output(&get(gateway.proxy, "/", &[])), None);
    assert_eq!(output(&get(gateway.proxy, "/", &[("X-Kong-Request-Debug", "some")])), None);
    // the fields go no further, whoever sends them
    let fields = [
        ("X-Kong-Request-Debug", "*"),
        ("X-Kong-Request-Debug-Token", "t"),
        ("X-Kong-Request-Debug-Log", "x"),
    ];
    for fields in [&fields[..], &[fields[0], fields[1], elsewhere]] {
        let reply = get(gateway.proxy, "/", fields);
        assert!(!reply.text().to_ascii_lowercase().contains("x-kong-request-debug"), "{}", reply.text());
    }

    let gateway = setup(&upstream).with("request_debug_token", TOKEN).start();
    assert_eq!(std::fs::read_to_string(gateway.prefix.join(".request_debug_token")).unwrap(), TOKEN);
    assert!(ask(&gateway, "/", &[elsewhere, ("X-Kong-Request-Debug-Token", TOKEN)]).is_some());

    let gateway = setup(&upstream).with("request_debug", "off").start();
    assert!(ask(&gateway, "/", &[]).is_none());
    assert!(!gateway.prefix.join(".request_debug_token").exists());
    let reply = get(gateway.proxy, "/", &[("X-Kong-Request-Debug", "*")]);
    assert!(reply.text().to_ascii_lowercase().contains("x-kong-request-debug"), "{}", reply.text());
}

#[test]
fn the_report_has_a_span_for_each_step_and_plugin() {
    let upstream = Upstream::start();
    let gateway = setup(&upstream).start();
    let report = ask(&gateway, "/delay/120", &[]).unwrap();
    assert!(report["request_id"].as_str().is_some_and(|id| id.len() == 32), "{report}");
    assert!(report["workspace_id"].is_string() && report.get("dangling").is_none(), "{report}");
    let steps = &report["child"];
    for step in ["rewrite", "access", "balancer", "header_filter"] {
        assert!(steps[step]["total_time"].is_number(), "{step}: {report}");
    }
    for step in ["body_filter", "log"] {
        assert!(steps.get(step).is_none(), "{step}: {report}");
    }
    let access = &steps["access"]["child"];
    assert!(access["router"]["total_time"].is_number(), "{report}");
    assert!(access["dns"]["child"]["localhost"]["child"]["resolve"]["cache_hit"].is_boolean(), "{report}");
    let plugins = get(gateway.admin, "/plugins", &[]).json();
    let id = |name: &str| {
        let list = plugins["data"].as_array().unwrap();
        list.iter().find(|plugin| plugin["name"] == name).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let correlation = &access["plugins"]["child"]["correlation-id"];
    assert!(correlation["child"][id("correlation-id")]["total_time"].is_number(), "{report}");
    let transformer = &steps["header_filter"]["child"]["plugins"]["child"]["response-transformer"];
    assert!(transformer["child"][id("response-transformer")]["total_time"].is_number(), "{report}");
    let upstream = &steps["upstream"];
    assert_eq!(upstream["total_time"], upstream["child"]["time_to_first_byte"]["total_time"]);
    assert!(upstream["total_time"].as_u64().is_some_and(|time| (120..1000).contains(&time)), "{report}");
    assert!(report["total_time_without_upstream"].as_f64().is_some_and(|time| time < 120.0), "{report}");

    let report = ask(&gateway, "/buffered", &[]).unwrap();
    let response = &report["child"]["response"]["child"];
    assert!(response["balancer"].is_object() && response["header_filter"].is_object(), "{report}");
    let report = ask(&gateway, "/throws", &[]).unwrap();
    assert!(report["child"]["access"].is_object() && report["child"]["upstream"].is_null(), "{report}");
}

#[test]
fn the_report_goes_to_the_log_when_asked_for_in_parts_if_it_is_long() {
    let upstream = Upstream::start();
    let gateway = setup(&upstream).with("request_debug_token", TOKEN).start();
    let wanted = [("X-Kong-Request-Debug-Log", "true")];
    let id = ask(&gateway, "/delay/10", &wanted).unwrap()["request_id"].as_str().unwrap().to_owned();
    let end = format!("request_id: \"{id}\"");
    gateway.eventually("the report", |gateway| gateway.error_log().contains("[request-debug] output: "));
    let log = gateway.error_log();
    let line = log.lines().find(|line| line.contains("[request-debug] output: ")).unwrap();
    assert!(line.contains("[notice]") && line.ends_with(&end), "{line}");
    let (_, rest) = line.split_once("[request-debug] output: ").unwrap();
    let (json, _) = rest.split_once(" while logging request, client: 127.0.0.1").unwrap();
    let report: Value = serde_json::from_str(json).unwrap();
    for step in ["rewrite", "access", "header_filter", "body_filter", "log", "upstream"] {
        assert!(report["child"][step].is_object(), "{step}: {report}");
    }
    let times = &report["child"]["upstream"];
    let part = |name: &str| times["child"][name]["total_time"].as_u64().unwrap();
    assert_eq!(times["total_time"].as_u64(), Some(part("time_to_first_byte") + part("streaming")));
    assert_eq!(report["request_id"], id);
}

#[test]
fn a_long_report_is_told_in_parts_in_the_log_and_only_announced_to_clients_elsewhere() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..16).map(|n| format!("measured-{n}")).collect();
    for name in &names {
        let plugin = folder.path().join("kong/plugins").join(name);
        std::fs::create_dir_all(&plugin).unwrap();
        let schema = format!(
            "return {{ name = '{name}', fields = {{ {{ config = {{ type = 'record', fields = {{}} }} }} }} }}"
        );
        std::fs::write(plugin.join("schema.lua"), schema).unwrap();
        let handler =
            "return { VERSION = '1.0', PRIORITY = 1, access = function() end, log = function() end }";
        std::fs::write(plugin.join("handler.lua"), handler).unwrap();
    }
    let plugins: String = names.iter().map(|name| format!("- {{ name: {name} }}\n")).collect();
    let gateway = Setup::declarative(format!(
        "_format_version: '3.0'\nservices:\n- {{ url: 'http://localhost:{}', routes: [{{ paths: [/] }}] }}\nplugins:\n{plugins}",
        upstream.port,
    ))
    .with("plugins", format!("bundled, {}", names.join(", ")))
    .with("lua_package_path", format!("{0}/?.lua;{0}/?/init.lua;;", folder.path().display()))
    .with("trusted_ips", "0.0.0.0/0")
    .with("request_debug_token", TOKEN)
    .start();
    assert!(ask(&gateway, "/", &[]).unwrap()["child"].is_object(), "clients on this machine get all of it");
    let fields = [("X-Real-IP", "1.1.1.1"), ("X-Kong-Request-Debug-Token", TOKEN)];
    let report = ask(&gateway, "/", &fields).unwrap();
    assert_eq!(report["truncated"], true, "{report}");
    assert!(
        report["message"].as_str().is_some_and(|text| text.starts_with("Output is truncated, please check"))
    );
    let id = report["request_id"].as_str().unwrap().to_owned();
    gateway.eventually("the report", |gateway| gateway.error_log().contains("output: "));
    let log = gateway.error_log();
    let lines = log.lines().filter(|line| line.contains("[request-debug]") && line.contains(&id));
    let whole: String = lines
        .map(|line| line.split_once("output: ").unwrap().1.split_once(" while logging request").unwrap().0)
        .collect();
    let report: Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(report["request_id"], id);
}
