//! `resty.mysql` against a real MariaDB.

use crate::support::{free_port, kong_with};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SCRIPT: &str = r#"
local mysql = require "resty.mysql"
local port, folder = tonumber(os.getenv("MYSQL_PORT")), os.getenv("MYSQL_FOLDER")
local function open(opts)
  local db = assert(mysql:new())
  db:set_timeout(10000)
  opts.host, opts.port, opts.database = "127.0.0.1", port, opts.database or "shop"
  opts.password = opts.password or "pass word"
  local ok, err, code, state = db:connect(opts)
  return ok and db, err, code, state
end

local db, err = open { user = "native", charset = "utf8mb4" }
assert(db and err == nil, err)
assert(db:server_ver():find("MariaDB", 1, true) and db:get_reused_times() == 0)

local made = assert(db:query("create table t (id int auto_increment primary key, name varchar(300), big bigint, "
                             .. "d decimal(8,2), f double, at datetime) charset utf8mb4"))
assert(made.affected_rows == 0 and made.warning_count == 0 and made.message == nil)
local put = assert(db:query("insert into t (name, big, d, f, at) values ('é', 9007199254740993, 1.5, 2.25, "
                            .. "'2024-01-02 03:04:05'), (null, null, null, null, null)"))
assert(put.affected_rows == 2 and put.insert_id == 1 and put.message == "Records: 2  Duplicates: 0  Warnings: 0")
local rows = assert(db:query("select * from t order by id"))
assert(#rows == 2 and rows[1].id == 1 and rows[1].name == "é" and rows[1].big == "9007199254740993")
assert(rows[1].d == 1.5 and rows[1].f == 2.25 and rows[1].at == "2024-01-02 03:04:05")
assert(rows[2].name == ngx.null and rows[2].d == ngx.null)
db:set_compact_arrays(true)
rows = assert(db:query("select name, id from t where id = 1"))
assert(rows[1][1] == "é" and rows[1][2] == 1 and rows[1].name == nil)
assert(#assert(db:query("select id from t where id < 0")) == 0)

local none, why, code, state = db:query("selec")
assert(none == nil and why:find("^You have an error") and code == 1064 and state == "42000", why)
local one, more = db:query("select 1; select 'two'; do 0")
assert(one[1][1] == 1 and more == "again")
one, more = db:read_result()
assert(one[1][1] == "two" and more == "again")
one, more = db:read_result()
assert(one.affected_rows == 0 and more == nil)
none, why = db:read_result()
assert(none == nil and why == "cannot read result in the current context: 1", why)
for _, length in ipairs { 0, 1, 250, 251, 252, 65535, 65536, 70000 } do
  assert(db:query("select repeat('x', " .. length .. ")")[1][1] == ("x"):rep(length), length)
end
none, why = db:query("select repeat('x', 2000000)")
assert(none == nil and why == "packet size too big: 2000004", why)
assert(db:close() == 1)

db = assert(open { user = "native", pool_size = 2 })
assert(db:query("set @seen = 7") and db:set_keepalive(10000, 2) == 1)
none, why = db:query("select 1")
assert(none == nil and why == "failed to send query: cannot send query in the current context: nil", why)
db = assert(open { user = "native", pool_size = 2 })
assert(db:get_reused_times() == 1 and db:query("select @seen as seen")[1].seen == "7")

none, why, code, state = open { user = "native", password = "wrong" }
assert(not none and why:find("^Access denied for user 'native'") and code == 1045 and state == "28000", why)
none, why, code = open { user = "native", database = "none" }
assert(not none and why == "Unknown database 'none'" and code == 1049, why)
assert(open { user = "empty", password = "" })
assert(open { user = "old" })
none, why = open { user = "old", password = "wrong" }
assert(not none and why:find("^Access denied"), why)

local secret = assert(open { user = "secret", ssl = true })
assert(secret:query("show status like 'Ssl_cipher'")[1].Value ~= "")
assert(not open { user = "secret" })
none, why = open { user = "secret", ssl_verify = true }
assert(not none and why:find("^failed to do ssl handshake: 18: self"), why)

local near = assert(mysql:new())
assert(near:connect { path = folder .. "/sock", user = "native", password = "pass word" } == 1)
assert(near:query("select 1"))
none, why = near:connect { user = "native" }
assert(none == nil and why == 'neither "host" nor "path" options are specified')
none, why = near:connect { host = "127.0.0.1", charset = "none" }
assert(none == nil and why == "charset 'none' is not supported")
none, why = mysql:new():connect { host = "127.0.0.1", port = 1 }
assert(none == nil and why == "failed to connect: connection refused", why)
print("ok")
"#;

const SET_UP: &str = "
create database shop;
create user native@'%' identified by 'pass word'; grant all on *.* to native@'%';
create user empty@'%' identified by ''; grant all on shop.* to empty@'%';
create user old@'%'; set password for old@'%' = old_password('pass word'); grant all on shop.* to old@'%';
create user secret@'%' identified by 'pass word' require ssl; grant all on shop.* to secret@'%';
set global secure_auth = 0;";

/// A running MariaDB; ended when dropped.
struct MariaDb(Child);

impl Drop for MariaDb {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a program ran and was content.
fn runs(program: &str, arguments: &[&str]) -> bool {
    let quiet = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

fn start(folder: &Path, port: u16) -> MariaDb {
    let at = folder.display();
    let data = format!("--datadir={at}/data");
    assert!(runs(
        "mariadb-install-db",
        &["--no-defaults", &data, "--auth-root-authentication-method=normal", "--skip-test-db"],
    ));
    let key = (format!("{at}/key.pem"), format!("{at}/crt.pem"));
    let make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost"];
    assert!(runs("openssl", &[&make[..], &["-keyout", &key.0, "-out", &key.1]].concat()));
    // A server that is started by root wants to be told that it may.
    let process = Command::new("mariadbd")
        .args(["--no-defaults", "--user=root", &data, "--bind-address=127.0.0.1"])
        .args([format!("--port={port}"), format!("--socket={at}/sock"), format!("--pid-file={at}/pid")])
        .args([format!("--ssl-cert={}", key.1), format!("--ssl-key={}", key.0)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = MariaDb(process);
    let socket = format!("--socket={at}/sock");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !runs("mariadb", &["--no-defaults", &socket, "-uroot", "-e", "select 1"]) {
        assert!(Instant::now() < deadline, "MariaDB does not answer");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(runs("mariadb", &["--no-defaults", &socket, "-uroot", "-e", SET_UP]));
    server
}

#[test]
fn a_script_asks_a_database_in_all_the_ways_there_are() {
    if !runs("mariadbd", &["--version"]) {
        eprintln!("skipped: MariaDB is not installed");
        return;
    }
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let _server = start(folder.path(), port);
    let script = folder.path().join("script.lua");
    std::fs::write(&script, SCRIPT).unwrap();
    let environment = [("MYSQL_PORT", &*port.to_string()), ("MYSQL_FOLDER", folder.path().to_str().unwrap())];
    let output = kong_with(&environment, &["lua", script.to_str().unwrap()]);
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim() == "ok", "{said}");
}
