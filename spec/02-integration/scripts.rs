//! `kong lua`, `kong test` and `kong plugin`: the runtime of plugins, for scripts, specs and authors.

use crate::support::{command, free_port, kong};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn all(output: &Output) -> String {
    format!("{}{}", stdout(output), String::from_utf8_lossy(&output.stderr))
}

/// Runs `kong` in a folder.
fn kong_in(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    command(environment, arguments).current_dir(folder).output().unwrap()
}

#[test]
fn a_script_waits_at_its_top_level_and_ends_with_its_own_code() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
        local before = ngx.now()
        local ran
        ngx.timer.at(0, function() print("timer") ran = true end)
        repeat ngx.sleep(0.02) until ran
        ngx.update_time()
        assert(ngx.now() - before >= 0.02)
        ngx.shared.kong:set("key", "shared")
        print(ngx.shared.kong:get("key"), kong.version, arg[1], ...)
        os.exit(7)
    "#;
    fs::write(folder.path().join("script.lua"), script).unwrap();
    let output = kong_in(folder.path(), &[], &["lua", "script.lua", "--one", "two"]);
    assert_eq!(stdout(&output), "timer\nshared\t3.9.3\t--one\t--one\ttwo\n", "{}", all(&output));
    assert_eq!(output.status.code(), Some(7));
}

#[test]
fn a_script_that_throws_ends_with_its_traceback_and_code_1() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("script.lua"), "local function f() error('no') end\nf()").unwrap();
    let output = kong_in(folder.path(), &[], &["lua", "script.lua"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(all(&output).contains("script.lua:1: no\nstack traceback:"), "{}", all(&output));
}

#[test]
fn a_dialogue_answers_expressions_and_goes_on_after_errors() {
    let mut child = command(&[], &["lua"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = b"1 + 1\nx = 3\nfor i = 1, 2 do\nx = x + i end\nx\nerror('no')\nkong.version\n";
    child.stdin.take().unwrap().write_all(lines).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(stdout(&output), "2\n6\n3.9.3\n");
    assert!(output.status.success());
}

const SPEC: &str = r##"
describe("runtime #tagged", function()
  it("waits", function() ngx.sleep(0.01) end)
  it("runs threads", function()
    local ok, value = ngx.thread.wait(ngx.thread.spawn(function() ngx.sleep(0.01) return 5 end))
    assert.is_true(ok)
    assert.equal(5, value)
  end)
  it("has sockets", function()
    local ok, err = ngx.socket.tcp():connect("127.0.0.1", 1)
    assert.is_nil(ok)
    assert.equal("connection refused", err)
  end)
  it("fails", function() assert.equal(1, tonumber(os.getenv("KONG_VALUE"))) end)
end)
"##;

#[test]
fn specs_run_with_the_options_of_busted_and_a_failure_is_code_1() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a_spec.lua"), SPEC).unwrap();
    let run = |environment, arguments: &[&str]| {
        kong_in(folder.path(), environment, &[&["test"], arguments].concat())
    };
    let passed = run(&[("KONG_TEST_VALUE", "1"), ("KONG_VALUE", "2")], &["-o", "TAP", "a_spec.lua"]);
    assert_eq!(passed.status.code(), Some(0), "{}", all(&passed));
    assert_eq!(stdout(&passed).matches("\nok ").count() + 1, 4, "{}", all(&passed));
    let failed = run(&[("KONG_TEST_VALUE", "2")], &["-o", "TAP", "a_spec.lua"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(stdout(&failed).contains("not ok 4 - runtime #tagged fails"), "{}", all(&failed));
    let chosen = run(&[], &["-o", "TAP", "--filter=waits", "a_spec.lua"]);
    assert_eq!(chosen.status.code(), Some(0));
    assert!(stdout(&chosen).ends_with("1..1\n"), "{}", all(&chosen));
    let none = run(&[], &["-o", "TAP", "--exclude-tags=tagged", "a_spec.lua"]);
    assert!(stdout(&none).ends_with("1..0\n"), "{}", all(&none));
}

/// A new plugin's spec starts a gateway and a mock upstream; the ports are others than the usual, so that
/// it can run beside other specs.
#[test]
fn a_new_plugin_passes_its_spec() {
    let folder = tempfile::tempdir().unwrap();
    let created = kong_in(folder.path(), &[], &["plugin", "new", "sample"]);
    assert!(created.status.success(), "{}", all(&created));
    let plugin = folder.path().join("kong-plugin-sample");
    assert!(plugin.join("kong/plugins/sample/handler.lua").exists());
    let again = kong_in(folder.path(), &[], &["plugin", "new", "sample"]);
    assert!(all(&again).contains("kong-plugin-sample already exists"), "{}", all(&again));

    let ports: Vec<String> = (0..6).map(|_| free_port().to_string()).collect();
    let proxy =
        format!("127.0.0.1:{}, 127.0.0.1:{} http2 ssl, 127.0.0.1:{} http2", ports[0], ports[1], ports[2]);
    let admin = format!("127.0.0.1:{}", ports[3]);
    let environment = [
        ("KONG_TEST_PROXY_LISTEN", proxy.as_str()),
        ("KONG_TEST_ADMIN_LISTEN", admin.as_str()),
        ("KONG_TEST_NGINX_MAIN_USER", "root root"),
        ("KONG_SPEC_TEST_MOCK_UPSTREAM_PORT", ports[4].as_str()),
        ("KONG_SPEC_TEST_MOCK_UPSTREAM_SSL_PORT", ports[5].as_str()),
    ];
    let tested = kong_in(&plugin, &environment, &["test", "-o", "TAP", "spec"]);
    assert_eq!(tested.status.code(), Some(0), "{}", all(&tested));
    assert_eq!(stdout(&tested).matches("ok ").count(), 4, "{}", all(&tested));
    assert!(!plugin.join("servroot/pids/nginx.pid").exists(), "the gateway is stopped");
}

#[test]
fn a_plugin_needs_a_name_that_others_can_use() {
    for name in ["", "Upper", "a b", "../up"] {
        let output = kong(&["plugin", "new", name]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(all(&output).contains("is no name for a plugin"), "{}", all(&output));
    }
}
