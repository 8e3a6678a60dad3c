//! Online certificate status in the hands of a plugin: `openssl ocsp` asks and answers, `openssl s_client` looks.

use crate::support::{Gateway, Setup, s_client};
use serde_json::json;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

const PROFILE: &str =
    "[leaf]\nauthorityInfoAccess = OCSP;URI:http://ocsp.test/status\n[ca]\nbasicConstraints = CA:true\n";

fn openssl(folder: &Path, arguments: &str) {
    let output =
        Command::new("openssl").args(arguments.split_whitespace()).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority, a certificate of it that names a responder, and that responder's word on it.
fn make(folder: &Path) {
    fs::write(folder.join("profile"), PROFILE).unwrap();
    for name in ["ca", "leaf"] {
        openssl(folder, &format!("ecparam -name prime256v1 -genkey -noout -out {name}.key"));
        openssl(folder, &format!("req -new -key {name}.key -subj /CN={name}.test -out {name}.csr"));
    }
    openssl(
        folder,
        "x509 -req -in ca.csr -signkey ca.key -days 30 -extfile profile -extensions ca -out ca.crt",
    );
    let issue =
        "x509 -req -in leaf.csr -CA ca.crt -CAkey ca.key -set_serial 0x1001 -days 30 -extfile profile";
    openssl(folder, &format!("{issue} -extensions leaf -out leaf.crt"));
    openssl(folder, "ocsp -issuer ca.crt -cert leaf.crt -no_nonce -reqout question");
    let answer = "ocsp -CA ca.crt -rsigner ca.crt -rkey ca.key -reqin question -ndays 7 -resp_no_certs";
    for (name, state) in [("good", "V\t391231235959Z\t"), ("revoked", "R\t391231235959Z\t240101000000Z")] {
        fs::write(folder.join("index"), format!("{state}\t1001\tunknown\t/CN=leaf.test\n")).unwrap();
        openssl(folder, &format!("{answer} -index index -respout {name}"));
    }
    let chain = ["leaf", "ca"].map(|name| fs::read_to_string(folder.join(format!("{name}.crt"))).unwrap());
    fs::write(folder.join("chain.crt"), chain.concat()).unwrap();
}

fn gateway(folder: &Path) -> Gateway {
    let certificate = format!(
        r#"
local ocsp, ssl = require "ngx.ocsp", require "ngx.ssl"
local function read(name)
  local file = assert(io.open("{folder}/" .. name, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end
local chain, key = read("chain.crt"), read("leaf.key")
local der = assert(ssl.cert_pem_to_der(chain))
local leaf = assert(ssl.cert_pem_to_der(read("leaf.crt")))
assert(ocsp.get_ocsp_responder_from_der_chain(der) == "http://ocsp.test/status")
local cut, err = ocsp.get_ocsp_responder_from_der_chain(der, 6)
assert(cut == "http:/" and err == "truncated")
local none, why = ocsp.get_ocsp_responder_from_der_chain(leaf)
assert(none == nil and why == "no issuer certificate in chain", why)
none, why = ocsp.get_ocsp_responder_from_der_chain(leaf .. leaf)
assert(none == nil and why == "issuer certificate not next to leaf", why)
assert(ocsp.get_ocsp_responder_from_der_chain(assert(ssl.cert_pem_to_der(read("ca.crt")))) == nil)

assert(ocsp.create_ocsp_request(der) == read("question"))
none, why = ocsp.create_ocsp_request(der, 5)
assert(none == nil and why == "output buffer too small: " .. #read("question") .. " > 5", why)
none, why = ocsp.create_ocsp_request("")
assert(none == nil and why == "d2i_X509_bio() failed", why)

local ok, till = ocsp.validate_ocsp_response(read("good"), der)
assert(ok == true and math.abs(till - ngx.time() - 7 * 86400) < 600, till)
none, why = ocsp.validate_ocsp_response(read("revoked"), der)
assert(none == nil and why == 'certificate status "revoked" in the OCSP response', why)
none, why = ocsp.validate_ocsp_response(read("good"):sub(1, -2), der)
assert(none == nil and why == "d2i_OCSP_RESPONSE() failed", why)
none, why = ocsp.validate_ocsp_response("\48\3\10\1\3", der)
assert(none == nil and why == "OCSP response not successful (3: trylater)", why)
local good = read("good")
none, why = ocsp.validate_ocsp_response(good:sub(1, -2) .. string.char((good:byte(-1) + 1) % 256), der)
assert(none == nil and why == "OCSP_basic_verify() failed", why)

assert(ssl.clear_certs())
assert(ssl.set_cert(assert(ssl.parse_pem_cert(chain))))
assert(ssl.set_priv_key(assert(ssl.parse_pem_priv_key(key))))
local set, note = ocsp.set_ocsp_status_resp(read("good"))
assert(set == true)
kong.log.notice("set for ", ssl.server_name(), ": ", note)"#,
        folder = folder.display()
    );
    let access = r#"
local set, why = require("ngx.ocsp").set_ocsp_status_resp("x")
kong.response.exit(200, tostring(set) .. " " .. why)"#;
    let yaml = json!({
        "_format_version": "3.0",
        "services": [{ "url": "http://127.0.0.1:1", "routes": [{ "paths": ["/"] }] }],
        "plugins": [{ "name": "pre-function", "config": { "certificate": [certificate], "access": [access] } }],
    });
    Setup::declarative(yaml.to_string()).with("untrusted_lua", "on").start()
}

/// What `openssl s_client` tells of a handshake and of the answer to a request.
fn look(gateway: &Gateway, name: &str, more: &[&str]) -> String {
    let more: Vec<&OsStr> = more.iter().map(OsStr::new).collect();
    s_client(gateway.tls, name, &more)
}

#[test]
fn a_plugin_asks_about_a_certificate_judges_the_answer_and_gives_it_to_clients_that_want_it() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    let gateway = gateway(folder.path());
    for version in ["-tls1_2", "-tls1_3"] {
        let wanted = look(&gateway, "wanted.test", &["-status", version]);
        assert!(wanted.contains("OCSP Response Status: successful (0x0)"), "{version}: {wanted}");
        assert!(wanted.contains("Cert Status: good"), "{wanted}");
        assert!(wanted.contains("nil bad request") || wanted.contains("nil bad ssl conn"), "{wanted}");
        let plain = look(&gateway, "plain.test", &[version]);
        assert!(!plain.contains("OCSP Response Status"), "{version}: {plain}");
        assert!(plain.contains("true no status req"), "{plain}");
    }
    gateway.wait_for_log("set for wanted.test: nil");
    gateway.wait_for_log("set for plain.test: no status req");
}
