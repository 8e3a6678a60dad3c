//! The client's connection in the hands of a plugin: `ngx.req.socket(true)`, and WebSocket servers over it.

use crate::support::{Connection, Gateway, Setup, WebSocket, get};
use serde_json::json;

/// By path: lines echoed in upper case, after a head of one's own or nginx's; a WebSocket server; errors.
const ACCESS: &str = r#"
local path = kong.request.get_path()
if path == "/own" or path == "/headed" then
  if path == "/headed" then
    ngx.status = 101
    ngx.header["X-Mine"] = "yes"
    assert(ngx.send_headers())
    assert(ngx.flush(true))
  end
  local sock = assert(ngx.req.socket(true))
  local again, why = ngx.req.socket(true)
  local said, refused = ngx.say("not this way")
  if path == "/own" then
    assert(sock:send("HELLO " .. why .. ", " .. refused .. "\n"))
  end
  while true do
    local line = sock:receive()
    if not line then
      return ngx.exit(444)
    end
    assert(sock:send(line:upper() .. "\n"))
    if line == "end" then
      return ngx.exit(200)
    end
  end
elseif path == "/websocket" then
  local server, err = require("resty.websocket.server"):new { timeout = 5000, max_payload_len = 100000 }
  if not server then
    return kong.response.exit(400, err)
  end
  while true do
    local data, kind, err = server:recv_frame()
    if not data then
      kong.log.notice("websocket: ", err)
      return ngx.exit(444)
    elseif kind == "close" then
      server:send_close()
      return ngx.exit(200)
    elseif kind == "ping" then
      assert(server:send_pong(data))
    else
      assert(server:send_text("echo " .. data))
    end
  end
elseif path == "/throws" then
  assert(ngx.req.socket(true)):send("begun\n")
  error("in the middle")
end
kong.response.exit(200, "usual")
"#;

fn start() -> Gateway {
    let log = "kong.log.notice('logged ', ngx.status)";
    let yaml = json!({
        "_format_version": "3.0",
        "services": [{ "url": "http://127.0.0.1:1", "routes": [{ "paths": ["/"],
            "plugins": [{ "name": "pre-function", "config": { "access": [ACCESS], "log": [log] } }] }] }],
    });
    Setup::declarative(yaml.to_string()).with("untrusted_lua", "on").start()
}

#[test]
fn a_plugin_speaks_a_protocol_of_its_own_on_the_clients_connection() {
    let gateway = start();
    let mut client = Connection::open(gateway.proxy);
    // What the client sends early is not lost.
    client.write(b"GET /own HTTP/1.1\r\nHost: a\r\n\r\nfirst\n");
    let hello = b"HELLO duplicate call, raw request socket acquired\n";
    assert_eq!(client.exactly(hello.len()), hello);
    assert_eq!(client.exactly(6), b"FIRST\n");
    for (sent, got) in [("second\n", "SECOND\n"), ("end\n", "END\n")] {
        client.write(sent.as_bytes());
        assert_eq!(client.exactly(got.len()), got.as_bytes());
    }
    assert_eq!(client.rest(), b"", "nothing of the gateway's follows");

    let mut client = Connection::open(gateway.proxy);
    client.write(b"GET /headed HTTP/1.1\r\nHost: a\r\n\r\n");
    client.write(b"over\nend\n");
    let all = String::from_utf8(client.rest()).unwrap();
    let (head, rest) = all.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    assert!(head.contains("\r\nX-Mine: yes") && !head.contains("Transfer-Encoding"), "{head}");
    assert_eq!(rest, "OVER\nEND\n");
    gateway.wait_for_log("logged 101");
    assert_eq!(get(gateway.proxy, "/other", &[]).text(), "usual");
}

#[test]
fn a_plugin_that_throws_with_the_connection_in_hand_ends_it() {
    let gateway = start();
    let mut client = Connection::open(gateway.proxy);
    client.write(b"GET /throws HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.rest(), b"begun\n", "no page of the gateway's in a foreign protocol");
    gateway.wait_for_log("in the middle");
    let mut client = Connection::open(gateway.proxy);
    client.write(b"GET /own HTTP/1.1\r\nHost: a\r\n\r\n");
    client.exactly(5);
    drop(client);
    gateway.eventually("the log phase of the client that left", |gateway| {
        gateway.error_log().matches("logged ").count() >= 2
    });
}

#[test]
fn a_plugin_is_a_websocket_server() {
    let gateway = start();
    let mut socket = WebSocket::open(gateway.proxy, "/websocket");
    for message in ["one", "two", "a somewhat longer message"] {
        assert_eq!(socket.echo(message), format!("echo {message}"));
    }
    drop(socket);
    gateway.wait_for_log("websocket: failed to receive the first 2 bytes: closed");
    let refused = get(gateway.proxy, "/websocket", &[]);
    assert_eq!((refused.status, refused.text().contains("bad \"upgrade\" request header: nil")), (400, true));
}
