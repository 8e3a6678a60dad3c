//! `resty.memcached` against a real memcached.

use crate::support::{free_port, kong_with};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SCRIPT: &str = r#"
local memcached = require "resty.memcached"
local m = assert(memcached:new())
m:set_timeout(1000)
assert(m:connect("127.0.0.1", tonumber(os.getenv("MC_PORT"))))
assert(m:flush_all() == 1)
assert(m:set("a key", "value\r\nwith lines", 0, 7) == 1)
local value, flags, err = m:get("a key")
assert(value == "value\r\nwith lines" and flags == "7" and err == nil)
value, flags, err = m:get("none")
assert(value == nil and flags == nil and err == nil)
assert(select(2, m:add("a key", "x")) == "NOT_STORED")
assert(m:set("n", 5) == 1 and m:incr("n", 3) == "8" and m:decr("n", 1) == "7")
assert(select(2, m:incr("none", 1)) == "NOT_FOUND")
local many = assert(m:get({ "a key", "n", "none" }))
assert(many["n"][1] == "7" and many["a key"][2] == "7" and many.none == nil)
local v, f, unique, e = m:gets("n")
assert(v == "7" and unique and e == nil)
assert(m:cas("n", { "1", "2" }, unique) == 1 and select(2, m:cas("n", "x", unique)) == "EXISTS")
assert(m:append("n", "3") == 1 and m:prepend("n", "0") == 1 and m:get("n") == "0123")
assert(m:touch("n", 100) == 1 and m:delete("n") == 1 and select(2, m:delete("n")) == "NOT_FOUND")
assert(m:version():find("^%d") and #assert(m:stats()) > 10)
assert(m:set_keepalive(1000, 10))
local again = assert(memcached:new())
assert(again:connect("127.0.0.1", tonumber(os.getenv("MC_PORT"))) and again:get_reused_times() == 1)
assert(again:quit() == 1)
print("ok")
"#;

/// A running memcached; ended when dropped.
struct Memcached(Child);

impl Drop for Memcached {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_script_stores_reads_and_changes_values() {
    let port = free_port();
    let started = Command::new("memcached")
        .args(["-u", "nobody", "-l", "127.0.0.1", "-U", "0", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(process) = started else {
        eprintln!("skipped: memcached is not installed");
        return;
    };
    let _memcached = Memcached(process);
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "memcached does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.lua");
    std::fs::write(&script, SCRIPT).unwrap();
    let output = kong_with(&[("MC_PORT", &port.to_string())], &["lua", script.to_str().unwrap()]);
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim() == "ok", "{said}");
}
