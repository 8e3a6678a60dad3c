//! Libraries written in Lua, against servers of the tests' own and a real Redis.

use crate::lua::Vm;
use crate::lua::testing::{block_on, check, run_in, vm};
use crate::lua::vm::Settings;
use crate::shm::Dicts;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

async fn run_with(vm: &Vm, port: u16, source: &str) {
    if let Err(error) = run_in(vm, &format!("local port = {port}\n{source}")).await {
        panic!("{}", error.report());
    }
}

#[test]
fn a_cache_drops_what_was_used_longest_ago() {
    check(
        r##"
        local lrucache = require "resty.lrucache"
        local c = lrucache.new(2)
        c:set("a", 1) c:set("b", 2) assert(c:get("a") == 1)
        c:set("c", 3, nil, 5) assert(c:get("b") == nil and c:count() == 2 and c:capacity() == 2)
        local v, stale, flags = c:get("c") assert(v == 3 and stale == nil and flags == 5)
        c:set("t", 4, 0.005) ngx.sleep(0.01)
        local v, stale = c:get("t") assert(v == nil and stale == 4)
        assert(table.concat(c:get_keys(), ",") == "t,c")
        c:delete("c") assert(c:get("c") == nil and c:count() == 1)
        c:flush_all() assert(c:count() == 0 and #c:get_keys() == 0)
        assert(select(2, lrucache.new(0)) == "size too small" and require("resty.lrucache.pureffi").new(1))
        "##,
    );
}

#[test]
fn a_lock_is_held_by_one() {
    let dicts = Arc::new(Dicts::create(&[("locks", 1 << 20)]).unwrap());
    let vm = Vm::new(Settings { dicts: Some(dicts), ..Settings::default() }).unwrap();
    let source = r#"
        local lock = require "resty.lock"
        local one, two = lock:new("locks"), lock:new("locks", { timeout = 0.02 })
        assert(one:lock("k") == 0)
        local elapsed, err = two:lock("k") assert(elapsed == nil and err == "timeout")
        assert(select(2, one:lock("k")) == "locked")
        local waiter = ngx.thread.spawn(function() return lock:new("locks", { timeout = 1 }):lock("k") end)
        ngx.sleep(0.005) assert(one:unlock() == 1 and select(2, one:unlock()) == "unlocked")
        local ok, elapsed = ngx.thread.wait(waiter) assert(ok and elapsed > 0)
        assert(select(2, lock:new("none")) == "dictionary not found")
    "#;
    block_on(run_in(&vm, source)).unwrap_or_else(|error| panic!("{}", error.report()));
}

#[test]
fn counters_add_up_and_tables_are_used_again() {
    let dicts = Arc::new(Dicts::create(&[("counts", 1 << 20)]).unwrap());
    let vm = Vm::new(Settings { dicts: Some(dicts), ..Settings::default() }).unwrap();
    let source = r#"
        local counter = require "resty.counter"
        local now = counter.new("counts")
        now:incr("a") now:incr("a", 4) assert(now:get("a") == 5)
        local later = assert(counter.new("counts", 0.005))
        later:incr("b", 2) later:incr("b") assert(later:get("b") == nil)
        ngx.sleep(0.05) assert(later:get("b") == 3)
        later:incr("b") later:sync() assert(later:get("b") == 4 and later:reset("b") and later:get("b") == 0)
        assert(not pcall(counter.new, "none"))
        local pool = require "tablepool"
        local t = pool.fetch("p", 1, 1) t.x = 1 pool.release("p", t)
        local again = pool.fetch("p", 1, 1) assert(again == t and next(again) == nil and pool.fetch("p") ~= t)
    "#;
    block_on(run_in(&vm, source)).unwrap_or_else(|error| panic!("{}", error.report()));
}

/// Answers by path: `/length`, `/chunked`, `/close`, `/echo` with the request, `/silent` with nothing.
async fn http_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::task::spawn_local(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::task::spawn_local(async move {
                let mut request = vec![0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut request).await {
                    let text = String::from_utf8_lossy(&request[..length]).into_owned();
                    let answer = match text.split(' ').nth(1).unwrap_or_default() {
                        "/length" => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nX-a: 2\r\n\r\nhello".into(),
                        "/chunked" => "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n".into(),
                        "/close" => "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end".into(),
                        "/empty" => "HTTP/1.1 204 No Content\r\n\r\n".into(),
                        "/silent" => continue,
                        _ => format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}"),
                    };
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    if text.contains(" /close ") {
                        return;
                    }
                }
            });
        }
    });
    port
}

#[test]
fn http_responses_are_read_however_they_are_framed() {
    let vm = vm();
    block_on(async {
        let port = http_server().await;
        run_with(
            &vm,
            port,
            r##"
            local http = require "resty.http"
            local base = "http://127.0.0.1:" .. port
            local c = http.new()
            local res, err = c:request_uri(base .. "/length")
            assert(res and res.status == 200 and res.reason == "OK" and res.body == "hello", err)
            assert(res.headers["content-length"] == "5" and res.headers["x-a"][2] == "2")
            local res = assert(c:request_uri(base .. "/chunked")) assert(res.status == 201 and res.body == "abcde")
            local res = assert(c:request_uri(base .. "/empty")) assert(res.status == 204 and res.body == "" and not res.has_body)
            local res = assert(c:request_uri(base .. "/close")) assert(res.body == "to the end")
            local res = assert(c:request_uri(base .. "/echo?a=b", { method = "POST", body = "x=1", headers = { ["X-Mine"] = "yes", ["X-List"] = { 1, 2 } } }))
            assert(res.body:find("^POST /echo%?a=b HTTP/1.1\r\n") and res.body:find("X-Mine: yes\r\n", 1, true) and res.body:find("X-List: 2\r\n", 1, true))
            assert(res.body:find("Content-Length: 3\r\n", 1, true) and res.body:find("Host: 127.0.0.1:" .. port, 1, true) and res.body:find("\r\n\r\nx=1$"))
            local res = assert(c:request_uri(base .. "/echo", { query = { q = "a b" } })) assert(res.body:find("/echo?q=a%20b", 1, true))

            local c = http.new()
            assert(c:connect("127.0.0.1", port))
            local res = assert(c:request { path = "/chunked" })
            local pieces = {}
            for piece in res.body_reader do pieces[#pieces + 1] = piece end
            assert(table.concat(pieces, "|") == "abc|de")
            assert(c:set_keepalive() == 1)
            assert(c:connect { scheme = "http", host = "127.0.0.1", port = port })
            c:set_timeout(20)
            local res, err = c:request { path = "/silent" } assert(res == nil and err == "timeout")
            local res, err = http.new():request_uri("nonsense") assert(res == nil and err == "bad uri: nonsense", err)
            local parsed = http:parse_uri("https://user.test/a?b=c", false)
            assert(parsed[1] == "https" and parsed[2] == "user.test" and parsed[3] == 443 and parsed[4] == "/a" and parsed[5] == "b=c")
            local c = http.new()
            c:connect("127.0.0.1", port)
            local list = assert(c:request_pipeline { { path = "/length" } })
            assert(list[1].status == 200 and list[1]:read_body() == "hello")
            -- through a proxy, plain requests name the whole URI
            c:set_proxy_options { http_proxy = base }
            local res = assert(c:request_uri("http://elsewhere.test/p")) assert(res.body:find("^GET http://elsewhere.test/p HTTP"), res.body)
            "##,
        )
        .await;
    });
}

#[test]
fn redis_commands_pipelines_and_errors_work() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--save", "", "--bind", "127.0.0.1", "--appendonly", "no"])
        .stdout(Stdio::null())
        .spawn();
    let Ok(mut server) = server else { return eprintln!("skipped: no redis-server") };
    let vm = vm();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        block_on(run_with(
            &vm,
            port,
            r##"
            local redis = require "resty.redis"
            local r = redis:new()
            r:set_timeouts(1000, 1000, 1000)
            for _ = 1, 100 do if r:connect("127.0.0.1", port) then break end ngx.sleep(0.02) end
            assert(r:set("k", "v") == "OK" and r:get("k") == "v" and r:get("none") == ngx.null and r:incr("n") == 1)
            local ok, err = r:lpush("k", 1) assert(ok == false and err:find("^WRONGTYPE"))
            assert(r:hmset("h", { a = 1 }) == "OK" and r:array_to_hash(r:hgetall("h")).a == "1")
            r:init_pipeline() r:set("p", 1) r:incr("p") r:lpush("p", 1)
            local replies = assert(r:commit_pipeline()) assert(replies[1] == "OK" and replies[2] == 2 and replies[3][1] == false)
            assert(r:eval("return {1, 'a', {2}}", 0)[3][1] == 2)
            local s = redis:new() s:connect("127.0.0.1", port)
            local reply = s:subscribe("ch") assert(reply[1] == "subscribe" and select(2, s:get("k")) == "subscribed state")
            r:publish("ch", "hi") assert(s:read_reply()[3] == "hi") assert(s:unsubscribe("ch")[3] == 0) assert(s:get("k") == "v")
            assert(r:set_keepalive() == 1)
            local r = redis:new() r:connect("127.0.0.1", port) assert(r:get_reused_times() == 1)
            "##,
        ));
    }));
    server.kill().unwrap();
    server.wait().unwrap();
    outcome.unwrap();
}

#[test]
fn dns_answers_are_read_and_pointers_followed() {
    let vm = vm();
    block_on(async {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        tokio::task::spawn_local(async move {
            let mut request = [0; 512];
            while let Ok((length, from)) = server.recv_from(&mut request).await {
                let mut answer = request[..length].to_vec();
                answer[2] = 0x81;
                if request[..length].windows(4).any(|name| name == b"none") {
                    answer[3] = 3;
                } else {
                    answer[7] = 2;
                    answer.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\0\0\x01");
                    answer.extend_from_slice(
                        b"\xc0\x0c\0\x21\0\x01\0\0\0\x05\0\x08\0\x01\0\x02\x1f\x90\xc0\x0c",
                    );
                }
                server.send_to(&answer, from).await.unwrap();
            }
        });
        run_with(
            &vm,
            port,
            r##"
            local resolver = require "resty.dns.resolver"
            local r = assert(resolver:new { nameservers = { { "127.0.0.1", port } }, retrans = 2, timeout = 500 })
            local answers = assert(r:query("a.test", { qtype = r.TYPE_A }))
            assert(answers[1].address == "10.0.0.1" and answers[1].name == "a.test" and answers[1].ttl == 60)
            assert(answers[2].port == 8080 and answers[2].target == "a.test" and answers[2].priority == 1 and answers[2].weight == 2)
            local answers = assert(r:query("none.test")) assert(answers.errcode == 3 and answers.errstr == "name error")
            assert(resolver.arpa_str("1.2.3.4") == "4.3.2.1.in-addr.arpa")
            assert(select(2, resolver:new {}) == "no nameservers specified")
            "##,
        )
        .await;
    });
}
