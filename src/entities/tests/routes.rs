//! Routes.

use super::{ID, check, registry};
use crate::entities::{Registry, RouterFlavor};
use serde_json::json;

#[test]
fn routes_refuse_what_kong_refuses() {
    let paths = |path: &str| json!({"paths": [path]});
    let hosts = |host: &str| json!({"hosts": [host]});
    check(
        &registry(),
        "routes",
        &[
            (paths("/"), json!(null)),
            (
                json!({"protocols": ["http"]}),
                json!({
                    "@entity": ["must set one of 'methods', 'hosts', 'headers', 'paths' when 'protocols' is 'http'"],
                }),
            ),
            (
                json!({}),
                json!({
                    "@entity": ["must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'"],
                }),
            ),
            (
                json!({"protocols": ["tcp"]}),
                json!({
                    "@entity": ["must set one of 'sources', 'destinations', 'snis' when 'protocols' is 'tcp', 'tls' or 'udp'"],
                }),
            ),
            (
                json!({"protocols": ["grpc"]}),
                json!({
                    "@entity": ["must set one of 'hosts', 'headers', 'paths' when 'protocols' is 'grpc'"],
                }),
            ),
            (
                json!({"protocols": ["http", "tcp"], "paths": ["/"]}),
                json!({
                    "protocols": "these sets are mutually exclusive: ('http', 'https'), ('tcp', 'tls', 'udp')",
                }),
            ),
            (
                json!({"protocols": ["tcp"], "paths": ["/"], "snis": ["a"]}),
                json!({
                    "paths": "cannot set 'paths' when 'protocols' is 'tcp', 'tls', 'tls_passthrough' or 'udp'",
                    "@entity": ["'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'"],
                    "snis": "length must be 0",
                }),
            ),
            (json!({"protocols": ["nope"]}), json!({"protocols": "unknown type: nope"})),
            (json!({"protocols": null, "paths": ["/"]}), json!({"protocols": "required field missing"})),
            (json!({"protocols": [], "paths": ["/"]}), json!({"protocols": "unknown type: nil"})),
            (
                json!({"protocols": ["grpc"], "paths": ["/"], "strip_path": true}),
                json!({
                    "strip_path": "cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'",
                }),
            ),
            (paths("foo"), json!({"paths": ["should start with: / (fixed path) or ~/ (regex path)"]})),
            (paths("/a/../b"), json!({"paths": ["non-normalized path, consider use '/b' instead"]})),
            (
                paths("~/users/(foo/profile"),
                json!({"paths": [
            "invalid regex: '/users/(foo/profile' (PCRE returned: pcre2_compile() failed: \
             missing closing parenthesis in \"/users/(foo/profile\")"]}),
            ),
            (paths("/some%20words%ax"), json!({"paths": ["invalid url-encoded value: '%ax'"]})),
            (hosts("*.example.com"), json!(null)),
            (
                hosts("example.*:8000"),
                json!({"hosts": [
            "invalid wildcard: must be placed at leftmost or rightmost label"]}),
            ),
            (hosts("*.example.*"), json!({"hosts": ["invalid wildcard: must have at most one wildcard"]})),
            (hosts("/example"), json!({"hosts": ["invalid hostname: /example"]})),
            (json!({"methods": ["get"]}), json!({"methods": ["invalid value: get"]})),
            (
                json!({"headers": {"Host": ["a"]}}),
                json!({"headers":
            "cannot contain 'host' header, which must be specified in the 'hosts' attribute"}),
            ),
            (
                json!({"headers": {"x y": ["a"]}}),
                json!({"headers":
            "bad header name 'x y', allowed characters are A-Z, a-z, 0-9, '_', and '-'"}),
            ),
            (json!({"headers": {"x": "a"}}), json!({"headers": "expected an array"})),
            (
                json!({"paths": ["/"], "sources": [{"ip": "1.2.3.4"}]}),
                json!({
            "sources": "cannot set 'sources' when 'protocols' is 'http' or 'https'"}),
            ),
            (
                json!({"protocols": ["tcp"], "sources": [{"ip": "1.2.3.4/33"}, {}]}),
                json!({"sources": [
            {"ip": "invalid ip or cidr range: '1.2.3.4/33'"},
            {"@entity": ["at least one of these fields must be non-empty: 'ip', 'port'"]}]}),
            ),
            (
                json!({"paths": ["/"], "https_redirect_status_code": 200}),
                json!({
            "https_redirect_status_code": "expected one of: 426, 301, 302, 307, 308"}),
            ),
            (json!({"paths": ["/"], "service": "x"}), json!({"service": {"id": "missing primary key"}})),
            (json!({"paths": ["/"], "service": {"id": ID, "x": 1}}), json!(null)),
        ],
    );
}

#[test]
fn an_expressions_route_takes_an_expression_in_place_of_fields() {
    let registry = Registry::core(RouterFlavor::Expressions).expect("core schemas");
    let failed =
        |reason: &str| json!({"@entity": [format!("Router Expression failed validation: {reason}")]});
    check(
        &registry,
        "routes",
        &[
            (json!({"expression": "http.path == \"/\""}), json!(null)),
            (
                json!({"expression": "x", "paths": ["/"]}),
                failed(
                    "cannot set 'expression' with 'methods', 'hosts', \
            'paths', 'headers', 'snis', 'sources' or 'destinations' simultaneously",
                ),
            ),
            (
                json!({"expression": "x", "regex_priority": 1}),
                failed("cannot set 'regex_priority' with 'expression' simultaneously"),
            ),
            (
                json!({"paths": ["/"], "priority": 1}),
                failed(
                    "cannot set 'priority' with 'methods', 'hosts', \
            'paths', 'headers', 'snis', 'sources' or 'destinations' simultaneously",
                ),
            ),
            (
                json!({"paths": ["/"], "priority": -1}),
                json!({"priority": "value should be between 0 and 70368744177663"}),
            ),
        ],
    );
}
