//! What functions of the PDK, of `ngx` and of libraries answer to right, odd and wrong arguments: as Kong 3.9.3 did.
//!
//! The files in `spec/fixtures/recorded` hold the snippets and what a node of Kong answered to them.

use crate::support::{Gateway, Setup, Upstream, request};
use serde_json::json;
use std::path::PathBuf;

/// Runs the file that the request names, in the phase it names.
const RUN: &str = r#"
local file, phase = kong.request.get_header("x-file"), kong.request.get_header("x-in")
if file and phase == ngx.get_phase() then
  local folder = "FOLDER/"
  local differing = dofile(folder .. "run.lua")(folder .. file .. ".tsv")
  ngx.log(ngx.NOTICE, "answers of ", file, ": ", #differing, " differ\n", table.concat(differing, "\n"))
end
"#;

fn start(upstream: &Upstream) -> Gateway {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("spec/fixtures/recorded");
    let run = RUN.replace("FOLDER", &folder.to_string_lossy());
    let yaml = json!({
        "_format_version": "3.0",
        "services": [{ "name": "up", "url": upstream.url(), "routes": [{ "name": "r1", "paths": ["/differ"] }] }],
        "consumers": [{ "username": "bob", "custom_id": "bob-custom" }],
        "plugins": [{ "name": "pre-function", "config": {
            "access": [run], "header_filter": [run],
        } }],
    });
    Setup::declarative(yaml.to_string()).with("untrusted_lua", "on").start()
}

#[test]
fn functions_answer_plugins_what_kong_answers_them() {
    let upstream = Upstream::start();
    let gateway = start(&upstream);
    for (file, phase) in FILES {
        let fields = [
            ("Content-Type", "application/json"),
            ("Cookie", "a=1; b=2"),
            ("X-Dup", "1"),
            ("X-File", file),
            ("X-In", phase),
        ];
        request(gateway.proxy, "POST", "/differ/x?a=1&b=%20x&b=2&c&d=&A=z", &fields, br#"{"q":[1,{}]}"#);
        gateway.wait_for_log(&format!("answers of {file}: "));
        let log = gateway.error_log();
        assert!(log.contains(&format!("answers of {file}: 0 differ")), "{log}");
    }
}

/// The files, and the phase that each was recorded in.
const FILES: [(&str, &str); 15] = [
    ("cjson", "access"),
    ("ngx_core", "access"),
    ("ngx_header", "header_filter"),
    ("ngx_re", "access"),
    ("ngx_shdict", "access"),
    ("ngx_var", "access"),
    ("pdk_misc", "access"),
    ("pdk_request", "access"),
    ("pdk_response", "access"),
    ("pdk_response_header_filter", "header_filter"),
    ("pdk_service", "access"),
    ("pdk_tracing", "access"),
    ("resty", "access"),
    ("strlib", "access"),
    ("tools", "access"),
];
