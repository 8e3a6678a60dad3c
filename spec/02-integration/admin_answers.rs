//! What Admin and Status API answer, down to the order of field lines; the values are those that Kong 3.9.3 gave.

use serde_json::{Value, json};

use crate::support::{Connection, Gateway, Reply, Setup};

const CONFIGURATION: &str = "_format_version: '3.0'\nservices:\n- name: one\n  host: localhost\n";
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn ask(port: u16, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Reply {
    Connection::open(port).request(method, path, fields, body.as_bytes())
}

/// The field lines without the values that differ each time.
fn fields(reply: &Reply) -> String {
    let fields = reply.fields.iter().map(|(name, value)| match name.as_str() {
        "Date" | "X-Kong-Admin-Latency" => name.clone(),
        _ => format!("{name}: {value}"),
    });
    fields.collect::<Vec<_>>().join("; ")
}

fn page(status: &str) -> String {
    format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n\
         </body>\r\n</html>\r\n"
    )
}

#[test]
fn answers_have_the_heads_and_bodies_that_kong_gives_them() {
    let gateway = Setup::declarative(CONFIGURATION).start();
    heads_of_the_admin_api(&gateway);
    heads_of_the_status_api(&gateway);
    pages(&gateway);
    refusals_of_requests(&gateway);
    bodies(&gateway);
}

fn heads_of_the_admin_api(gateway: &Gateway) {
    const CORS: &str = "Access-Control-Allow-Origin: *; Access-Control-Allow-Credentials: true";
    const END: &str = "X-Kong-Admin-Latency; Server: kong/3.9.3";
    const TYPE: &str = "Content-Type: application/json; charset=utf-8";
    let head = |method: &str, path: &str, asked: &[(&str, &str)]| {
        let reply = ask(gateway.admin, method, path, asked, "");
        format!("{} {} {}", reply.status, reply.reason, fields(&reply))
    };
    let allow = "Access-Control-Allow-Methods: GET, HEAD, OPTIONS, POST; Allow: GET, HEAD, OPTIONS, POST";
    let asked = [("Access-Control-Request-Headers", "x-foo, X-Bar"), ("Origin", "http://gui.example.com")];
    let of_origin =
        "Access-Control-Allow-Origin: http://gui.example.com; Access-Control-Allow-Credentials: true";
    for (actual, expected) in [
        (
            head("GET", "/nope", &[]),
            format!("404 Not Found Date; {TYPE}; Connection: keep-alive; {CORS}; Content-Length: 23; {END}"),
        ),
        (
            head("POST", "/endpoints", &[]),
            format!(
                "405 Not Allowed Date; {TYPE}; Connection: keep-alive; {CORS}; Content-Length: 32; {END}"
            ),
        ),
        (
            head("GET", "/nope", &[("Connection", "close"), ("Origin", "")]),
            format!(
                "404 Not Found Date; {TYPE}; Connection: close; Access-Control-Allow-Credentials: true; \
                 Content-Length: 23; {END}"
            ),
        ),
        (
            head("OPTIONS", "/services", &[]),
            format!(
                "204 No Content Date; Connection: keep-alive; {CORS}; {allow}; \
                 Access-Control-Allow-Headers: Content-Type; {END}"
            ),
        ),
        (
            head("OPTIONS", "/services", &asked),
            format!(
                "204 No Content Date; Connection: keep-alive; {of_origin}; \
                 Access-Control-Allow-Headers: x-foo, X-Bar; {allow}; {END}"
            ),
        ),
        (
            head("OPTIONS", "/nope", &asked),
            format!(
                "404 Not Found Date; {TYPE}; Connection: keep-alive; {of_origin}; \
                 Access-Control-Allow-Headers: x-foo, X-Bar; Content-Length: 23; {END}"
            ),
        ),
        (
            head("DELETE", "/services/nope", &[]),
            format!("204 No Content Date; Connection: keep-alive; {CORS}; {END}"),
        ),
        (
            head("HEAD", "/schemas/services/validate", &[]),
            format!(
                "200 OK Date; Content-Type: text/html; charset=UTF-8; Connection: keep-alive; {CORS}; {END}"
            ),
        ),
        (
            head("GET", "/metrics", &[]),
            format!(
                "200 OK Date; Content-Type: text/plain; charset=UTF-8; Transfer-Encoding: chunked; \
                 Connection: keep-alive; {CORS}; {END}"
            ),
        ),
        (
            head("GET", "/robots.txt", &[]),
            "200 OK Date; Content-Type: text/plain; charset=UTF-8; Content-Length: 25; Connection: keep-alive"
                .to_owned(),
        ),
    ] {
        assert_eq!(actual, expected);
    }
}

fn heads_of_the_status_api(gateway: &Gateway) {
    let reply = ask(gateway.status, "OPTIONS", "/status", &[], "");
    assert_eq!(
        fields(&reply),
        "Date; Connection: keep-alive; Access-Control-Allow-Origin: *; \
         Access-Control-Allow-Methods: GET, HEAD, OPTIONS; Allow: GET, HEAD, OPTIONS; \
         Access-Control-Allow-Headers: Content-Type; X-Kong-Admin-Latency; Server: kong/3.9.3"
    );
    assert_eq!(ask(gateway.status, "POST", "/robots.txt", &[], "").text(), "User-agent: *\nDisallow: /");
}

fn pages(gateway: &Gateway) {
    let refused = ask(gateway.admin, "POST", "/services", &[("Content-Type", "text/plain")], "x");
    assert_eq!((refused.status, refused.text()), (415, page("415 Unsupported Media Type")));
    assert_eq!(
        fields(&refused),
        "Date; Content-Type: text/html; charset=UTF-8; Content-Length: 144; Connection: keep-alive; \
         Access-Control-Allow-Origin: *; Access-Control-Allow-Credentials: true; X-Kong-Admin-Latency; \
         Server: kong/3.9.3"
    );
    let missing = ask(gateway.admin, "POST", "/acme", &[JSON], "{}");
    assert_eq!((missing.status, missing.text()), (404, page("404 Not Found")));
}

/// What never reaches the API gets a page only, and ends the connection.
fn refusals_of_requests(gateway: &Gateway) {
    for (method, path, host, status) in [
        ("TRACE", "/", "localhost", "405 Not Allowed"),
        ("GET", "/services/%00", "localhost", "400 Bad Request"),
        ("GET", "/services", "a b", "400 Bad Request"),
        ("get", "/services", "localhost", "400 Bad Request"),
        ("GET", &format!("/services/{}", "a".repeat(10_000)), "localhost", "414 Request-URI Too Large"),
    ] {
        let reply = ask(gateway.admin, method, path, &[("Host", host)], "");
        assert_eq!(format!("{} {}", reply.status, reply.reason), status, "{method} {path}");
        assert_eq!(reply.text(), page(status), "{method} {path}");
        let length = page(status).len();
        assert_eq!(
            fields(&reply),
            format!(
                "Date; Content-Type: text/html; charset=UTF-8; Content-Length: {length}; Connection: close"
            )
        );
    }
    let mut connection = Connection::open(gateway.admin);
    connection.write(b"POST /config HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n");
    let reply = connection.reply(false);
    assert_eq!((reply.status, reply.text()), (413, page("413 Request Entity Too Large")));
    assert_eq!(reply.field("Connection"), Some("close"));
}

fn bodies(gateway: &Gateway) {
    let shown = |method: &str, path: &str, body: Value| {
        let reply = ask(gateway.admin, method, path, &[JSON], &body.to_string());
        (reply.status, reply.json()["message"].as_str().unwrap_or_default().to_owned())
    };
    let certificate = |cert: &str| json!({"cert": cert, "key": "{vault://env/key}"});
    for (method, path, body, status, message) in [
        ("PUT", "/acls/some-name", json!({}), 400, "invalid primary key: '{id=\"expected a valid UUID\"}'"),
        (
            "POST",
            "/services",
            json!({"url": null}),
            400,
            "3 schema violations (host: required field missing; path: should start with: /; protocol: \
             expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp)",
        ),
        (
            "POST",
            "/schemas/certificates/validate",
            certificate("x"),
            400,
            "schema violation (cert: invalid certificate: x509.new: error:680007B:asn1 encoding \
             routines:ASN1_get_object:header too long:asn1/asn1_lib.c:105:)",
        ),
        (
            "POST",
            "/schemas/certificates/validate",
            certificate("a.com"),
            400,
            "schema violation (cert: invalid certificate: x509.new: error:680008E:asn1 encoding \
             routines:asn1_d2i_read_bio:not enough data:asn1/a_d2i_fp.c:216:)",
        ),
        (
            "POST",
            "/schemas/jwt_secrets/validate",
            json!({"consumer": {"id": "11111111-1111-4111-8111-111111111111"}, "algorithm": "nope"}),
            400,
            "schema violation (algorithm: expected one of: HS256, HS384, HS512, RS256, RS384, RS512, ES256, \
             ES384, ES512, PS256, PS384, PS512, EdDSA)",
        ),
        (
            "POST",
            "/schemas/upstreams/validate",
            json!({"name": "up", "healthchecks": {"active": {"https_sni": "a\tb"}}}),
            400,
            "schema violation (healthchecks.active: {\n  https_sni = \"invalid value: a\\9b\"\n})",
        ),
        (
            "POST",
            "/schemas/plugins/validate",
            json!({"name": "acme", "config": {"account_email": "a@b.com", "account_key": false}}),
            200,
            "schema validation successful",
        ),
        ("OPTIONS", "/filter-chains", json!({}), 400, "this endpoint is only available when wasm is enabled"),
    ] {
        assert_eq!(shown(method, path, body), (status, message.to_owned()), "{method} {path}");
    }
    let pasted =
        ask(gateway.admin, "POST", "/schemas/consumers/validate", &[JSON], "{\"username\":\"a\nb\"}");
    assert_eq!(
        (pasted.status, pasted.json()["message"].as_str()),
        (200, Some("schema validation successful"))
    );
    let root = ask(gateway.admin, "GET", "/", &[], "").json();
    assert_eq!(root["configuration"]["trusted_ips"], json!({}));
    let status = ask(gateway.admin, "GET", "/status?unit=g", &[], "").json();
    let dictionaries = &status["memory"]["lua_shared_dicts"];
    assert_eq!(dictionaries["kong_db_cache"]["capacity"], "0.13 GiB");
    assert_eq!((&dictionaries["stream_kong"], &dictionaries["kong_dns_cache"]), (&Value::Null, &Value::Null));
    let schema = ask(gateway.admin, "GET", "/schemas/vaults/env", &[], "").json();
    assert_eq!(schema["fields"][0]["config"]["fields"][0]["prefix"]["match"], "^[%a_-][%a%d_-]*$");
    let schema = ask(gateway.admin, "GET", "/schemas/plugins/rate-limiting", &[], "").json();
    let fields = schema["fields"].as_array().unwrap();
    let config = fields.iter().find_map(|field| field.get("config")).unwrap();
    assert_eq!(config["shorthand_fields"][0]["redis_host"]["type"], "string");
}
