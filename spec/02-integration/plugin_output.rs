//! Responses that a plugin writes piece by piece: `ngx.print`, `ngx.flush`, `ngx.eof`, and the connections it opens.

use crate::support::{Connection, Gateway, Setup, get};
use serde_json::json;

const ACCESS: &str = r#"
local path = kong.request.get_path()
local function wait_to_be_told()
  local waited = 0
  while not ngx.shared.kong:get("told") and waited < 30 do
    ngx.sleep(0.01)
    waited = waited + 0.01
  end
end
if path == "/tell" then
  ngx.shared.kong:set("told", true)
  return ngx.exit(200)
elseif path == "/slow" then
  ngx.status = 201
  ngx.header["X-Mine"] = "yes"
  ngx.print("first,")
  assert(ngx.flush(true) == 1)
  wait_to_be_told()
  ngx.print("second")
  assert(ngx.flush(true))
  local ok, err = ngx.say("")
  kong.ctx.plugin.seen = tostring(ngx.headers_sent)
  return ngx.exit(200)
elseif path == "/early" then
  ngx.print("all of it")
  ngx.eof()
  if ngx.req.http_version() == 1.1 then wait_to_be_told() end
  kong.log.notice("worked on after the response, ", select(2, ngx.say("more")))
  return ngx.exit(200)
elseif path == "/throws" then
  ngx.print("begun")
  ngx.flush(true)
  error("in the middle")
elseif path == "/big" then
  for i = 1, tonumber(ngx.var.arg_pieces) do
    local piece = ("x"):rep(100000)
    ngx.print(piece)
    local ok, err = ngx.flush(true)
    if not ok then
      kong.log.notice("could not flush: ", err)
      return ngx.exit(499)
    end
  end
  return ngx.exit(200)
elseif path == "/pieces" then
  ngx.print("one,")
  ngx.print("")
  ngx.print("two")
  return ngx.exit(200)
elseif path == "/connect" then
  local sock = ngx.socket.tcp()
  SOCKS = SOCKS or {}
  SOCKS[#SOCKS + 1] = sock
  assert(sock:connect("127.0.0.1", tonumber(kong.request.get_query_arg("port")), { pool_size = 1, backlog = 0 }))
  return kong.response.exit(200, "connected")
elseif path == "/closed" then
  local ok, err = SOCKS[1]:send("x")
  return kong.response.exit(200, tostring(ok) .. " " .. tostring(err))
end
kong.response.exit(404, "no such path")
"#;

const HEADER_FILTER: &str = "ngx.header['X-Filtered'] = ngx.get_phase()";
const BODY_FILTER: &str = "if ngx.var.uri == '/pieces' then ngx.arg[1] = '[' .. ngx.arg[1] .. ']' else \
    ngx.arg[1] = ngx.arg[1] and ngx.arg[1]:upper() end";
const LOG: &str = "kong.log.notice('logged ', ngx.status, ' ', ngx.var.body_bytes_sent)";

fn start() -> Gateway {
    let config = json!({
        "access": [ACCESS], "header_filter": [HEADER_FILTER], "body_filter": [BODY_FILTER], "log": [LOG],
    });
    let yaml = json!({
        "_format_version": "3.0",
        "services": [{ "url": "http://127.0.0.1:1", "routes": [{ "paths": ["/"],
            "plugins": [{ "name": "pre-function", "config": config }] }] }],
    });
    Setup::declarative(yaml.to_string())
        .with("untrusted_lua", "on")
        .with("nginx_main_worker_processes", "1")
        .with("nginx_http_lua_capture_error_log", "100k")
        .start()
}

#[test]
fn what_is_flushed_is_at_the_client_while_the_plugin_goes_on() {
    let gateway = start();
    let mut client = Connection::open(gateway.proxy);
    client.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut read = Vec::new();
    while !read.ends_with(b"FIRST,\r\n") {
        read.extend(client.exactly(1));
    }
    // What comes later is not written before this request.
    get(gateway.proxy, "/tell", &[]);
    let head = String::from_utf8(read).unwrap();
    assert!(head.starts_with("HTTP/1.1 201 Created\r\n"), "{head}");
    assert!(head.contains("X-Mine: yes") && head.contains("X-Filtered: header_filter"), "{head}");
    let rest = "6\r\nSECOND\r\n1\r\n\n\r\n0\r\n\r\n";
    assert_eq!(String::from_utf8(client.exactly(rest.len())).unwrap(), rest);
    gateway.wait_for_log("logged 201 13");
    // The connection goes on.
    let reply = client.get("/other", &[]);
    assert_eq!((reply.status, reply.text().as_str()), (404, "NO SUCH PATH"));
}

#[test]
fn a_client_has_the_end_of_the_response_before_the_plugin_has_ended() {
    let gateway = start();
    let reply = get(gateway.proxy, "/early", &[]);
    assert_eq!(reply.text(), "ALL OF IT");
    get(gateway.proxy, "/tell", &[]);
    gateway.wait_for_log("worked on after the response, seen eof");
    gateway.wait_for_log("logged 200 9");
}

#[test]
fn filters_see_the_pieces_that_a_plugin_wrote_and_their_end() {
    let gateway = start();
    assert_eq!(get(gateway.proxy, "/pieces", &[]).text(), "[one,][two][]");
}

#[test]
fn an_error_after_the_head_has_left_cuts_the_response_off() {
    let gateway = start();
    let mut client = Connection::open(gateway.proxy);
    client.write(b"GET /throws HTTP/1.1\r\nHost: a\r\n\r\n");
    let all = String::from_utf8(client.rest()).unwrap();
    assert!(all.ends_with("5\r\nBEGUN\r\n"), "no last chunk, no page: {all}");
    gateway.wait_for_log("in the middle");
}

#[test]
fn flushing_waits_for_a_slow_client_and_notices_one_that_has_left() {
    let gateway = start();
    let reply = get(gateway.proxy, "/big?pieces=20", &[]);
    assert_eq!(reply.body.len(), 2_000_000);
    let mut client = Connection::open(gateway.proxy);
    // More than the buffers of two sockets take, whatever the system allows them.
    client.write(b"GET /big?pieces=1000 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.exactly(1000);
    drop(client);
    gateway.wait_for_log("could not flush: client aborted");
    // A client of HTTP/1.0 gets the length, and so all at once.
    let mut client = Connection::open(gateway.proxy);
    client.write(b"GET /early HTTP/1.0\r\nHost: a\r\n\r\n");
    let all = String::from_utf8(client.rest()).unwrap();
    assert!(all.contains("Content-Length: 9\r\n") && all.ends_with("ALL OF IT"), "{all}");
}

#[test]
fn a_connection_that_a_plugin_leaves_open_ends_with_its_request() {
    let gateway = start();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let path = format!("/connect?port={}", listener.local_addr().unwrap().port());
    for _ in 0..3 {
        // The pool has one place, that the request before has given back.
        let reply = get(gateway.proxy, &path, &[]);
        assert_eq!((reply.status, reply.text().as_str()), (200, "CONNECTED"));
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        assert_eq!(std::io::Read::read(&mut peer, &mut [0; 8]).unwrap(), 0);
    }
    assert_eq!(get(gateway.proxy, "/closed", &[]).text(), "NIL CLOSED");
}
