//! The gateway's resolver in the hands of plugins: `kong.dns` and the names that sockets connect to.

use crate::support::{Answer, Mock, Setup, get};
use serde_json::{Value, json};

const ACCESS: &str = r##"
local http = require "resty.http"
local function pack(...) return { n = select("#", ...), ... } end
local dns = kong.dns
local records = assert(dns.resolve("upstream.test"))
local res, why = http.new():request_uri("http://upstream.test:" .. kong.request.get_query_arg("port") .. "/x")
local ok, err = ngx.socket.tcp():connect("nowhere.test", 80)
kong.response.exit(200, {
  literal = pack(dns.toip("127.0.0.1", 80)), named = pack(dns.toip("upstream.test", 8000)),
  record = records[1], client = dns == require("kong.tools.dns")(),
  typed = assert(dns.resolve("six.test", { qtype = dns.TYPE_AAAA }))[1].address,
  unknown = pack(dns.toip("other.test", 1, true)), asked = res and res.status, why = why,
  connected = ok, err = err, stats = dns.stats(), kind = type(kong.dns.stats),
})"##;

#[test]
fn plugins_and_their_sockets_find_names_as_the_gateway_does() {
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    std::fs::write(&hosts, "127.0.0.1 upstream.test\n::1 six.test\n").unwrap();
    let upstream = Mock::start(|_| Answer::text(201, "here"));
    let yaml = json!({
        "_format_version": "3.0",
        "routes": [{ "paths": ["/"], "plugins": [{ "name": "pre-function", "config": { "access": [ACCESS] } }] }],
    });
    let gateway = Setup::declarative(yaml.to_string())
        .with("untrusted_lua", "on")
        .with("dns_hostsfile", hosts.display().to_string())
        .with("resolver_hosts_file", hosts.display().to_string())
        .with("dns_resolver", format!("127.0.0.1:{}", ignorant_name_server()))
        .start();
    let told = get(gateway.proxy, &format!("/?port={}", upstream.port), &[]).json();
    assert_eq!(told["literal"], json!({ "1": "127.0.0.1", "2": 80, "n": 2 }), "{told}");
    assert_eq!((&told["named"]["1"], &told["named"]["2"]), (&json!("127.0.0.1"), &json!(8000)));
    assert_eq!(told["typed"], "::1");
    assert_eq!(told["record"]["address"], "127.0.0.1");
    assert_eq!((&told["record"]["type"], &told["client"]), (&json!(1), &Value::Bool(true)));
    assert_eq!((&told["asked"], &told["why"]), (&json!(201), &Value::Null), "the socket found the name");
    assert_eq!(told["unknown"]["2"], "dns server error: 100 cache only lookup failed", "{told}");
    assert_eq!(told["connected"], Value::Null);
    let err = told["err"].as_str().unwrap();
    assert!(err.starts_with("[cosocket] DNS resolution failed: "), "{err}");
    assert!(err.contains("Tried: [\"(short)nowhere.test:(na) - cache-miss"), "{err}");
    assert!(told["stats"]["nowhere.test|A"]["query"].as_u64() >= Some(1), "{told}");
}

/// A name server that knows no name; its port.
fn ignorant_name_server() -> u16 {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut question) {
            // The question as a response: name error.
            question[2..4].copy_from_slice(&[0x81, 0x83]);
            let _ = socket.send_to(&question[..length], peer);
        }
    });
    port
}
