//! Vaults that are written in Lua: `kong.vaults.NAME`, with a server behind it.

use crate::support::{Answer, Gateway, Mock, Setup, get};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

const VAULT: &str = r#"
local cjson = require "cjson.safe"
local http = require "resty.http"
local ready
return {
  VERSION = "1.0.0",
  init = function() ready = true end,
  get = function(conf, resource, version)
    assert(ready, "init comes first")
    local url = conf.url .. "/" .. resource .. (version and "/" .. version or "")
    local res, err = http.new():request_uri(url)
    if not res then
      return nil, err
    elseif res.status ~= 200 then
      return nil, "the server says " .. res.status
    end
    local answer = cjson.decode(res.body)
    return answer.value, nil, answer.ttl
  end,
}"#;

const SCHEMA: &str = r#"
local typedefs = require "kong.db.schema.typedefs"
return {
  name = "remote",
  fields = { { config = { type = "record", fields = {
    { url = { type = "string", required = true } },
    { ttl = typedefs.ttl }, { neg_ttl = typedefs.ttl }, { resurrect_ttl = typedefs.ttl },
  } } } },
}"#;

const PLUGIN: &str = r#"
return {
  VERSION = "1.0.0", PRIORITY = 10,
  access = function(_, conf)
    local tries, tried = 0, nil
    local wanted = kong.request.get_header("X-Wanted")
    if wanted ~= "" then
      tried = kong.vault.try(function(options)
        tries = tries + 1
        return options.secret == wanted and options.secret or nil
      end, conf)
    end
    kong.response.exit(200, {
      secret = conf.secret, list = conf.list and conf.list[2], tried = tried, tries = tries,
      got = { kong.vault.get("{vault://stored/direct}") }, missing = { kong.vault.get("{vault://stored/nothing}") },
      named = { kong.vault.get("{vault://remote/direct}") }, unknown = { kong.vault.get("{vault://other/x}") },
    })
  end,
}"#;

const PLUGIN_SCHEMA: &str = r#"
return { name = "tell", fields = { { config = { type = "record", fields = {
  { secret = { type = "string", referenceable = true } },
  { list = { type = "array", elements = { type = "string", referenceable = true } } },
} } } } }"#;

/// The secrets of the server behind the vault, by path; nothing when it is out of order.
type Secrets = Arc<Mutex<Option<BTreeMap<String, Value>>>>;

struct World {
    gateway: Gateway,
    secrets: Secrets,
    server: Mock,
    _sources: tempfile::TempDir,
}

fn write(folder: &Path, name: &str, text: &str) {
    let file = folder.join("kong").join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

fn sources() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("vaults/remote/init.lua", VAULT),
        ("vaults/remote/schema.lua", SCHEMA),
        ("plugins/tell/handler.lua", PLUGIN),
        ("plugins/tell/schema.lua", PLUGIN_SCHEMA),
    ] {
        write(folder.path(), name, text);
    }
    folder
}

fn setup(sources: &Path, configuration: &Value) -> Setup {
    Setup::declarative(configuration.to_string())
        .with("plugins", "bundled,tell")
        .with("vaults", "bundled, remote")
        .with("lua_package_path", format!("{0}/?.lua;{0}/?/init.lua;;", sources.display()))
        .variable("KONG_VAULT_ROTATION_INTERVAL", "1")
}

impl World {
    fn start(secrets: Value, more: Value) -> World {
        let sources = sources();
        let table: BTreeMap<String, Value> = serde_json::from_value(secrets).unwrap();
        let secrets: Secrets = Arc::new(Mutex::new(Some(table)));
        let behind = secrets.clone();
        let server = Mock::start(move |request| {
            let secrets = behind.lock().unwrap();
            match secrets.as_ref().map(|secrets| secrets.get(&request.target)) {
                None => Answer::text(503, "out of order"),
                Some(None) => Answer::text(404, "no such secret"),
                Some(Some(answer)) => Answer::json(200, answer),
            }
        });
        let mut configuration = json!({
            "_format_version": "3.0",
            "vaults": [{ "name": "remote", "prefix": "stored", "config": { "url": server.url() } }],
        });
        configuration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let gateway = setup(sources.path(), &configuration).with("vault_remote_url", server.url()).start();
        World { gateway, secrets, server, _sources: sources }
    }

    fn tell(&self, path: &str, wanted: &str) -> Value {
        let reply = get(self.gateway.proxy, path, &[("X-Wanted", wanted)]);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    fn change(&self, path: &str, answer: Value) {
        self.secrets.lock().unwrap().as_mut().unwrap().insert(path.to_owned(), answer);
    }

    fn asked(&self, path: &str) -> usize {
        self.server.received().iter().filter(|request| request.target == path).count()
    }
}

fn route(path: &str, config: Value) -> Value {
    json!({ "paths": [path], "plugins": [{ "name": "tell", "config": config }] })
}

#[test]
fn a_vault_in_lua_is_asked_once_for_what_configurations_and_plugins_refer_to() {
    let world = World::start(
        json!({
            "/simple": { "value": "one" }, "/versioned/2": { "value": "two" },
            "/json": { "value": "{\"password\":\"three\"}" }, "/direct": { "value": "four" },
        }),
        json!({ "routes": [
            route("/simple", json!({ "secret": "{vault://stored/simple}" })),
            route("/versioned", json!({ "secret": "{vault://stored/versioned#2}" })),
            route("/json", json!({ "secret": "{vault://stored/json/password}" })),
            route("/list", json!({ "list": ["plain", "{vault://stored/simple}"] })),
            route("/named", json!({ "secret": "{vault://remote/simple}" })),
            route("/nothing", json!({ "secret": "{vault://stored/nothing}" })),
            route("/environment", json!({ "secret": "{vault://env/a-variable}" })),
        ] }),
    );
    // Both workers, and what they keep.
    for _ in 0..6 {
        for (path, expected) in [
            ("/simple", "one"),
            ("/versioned", "two"),
            ("/json", "three"),
            ("/named", "one"),
            ("/nothing", ""),
        ] {
            assert_eq!(world.tell(path, "")["secret"], expected, "{path}");
        }
        assert_eq!(world.tell("/list", "")["list"], "one");
    }
    let told = world.tell("/simple", "one");
    assert_eq!((&told["tried"], &told["tries"]), (&json!("one"), &json!(1)));
    assert_eq!((&told["got"], &told["named"]), (&json!(["four"]), &json!(["four"])));
    assert_eq!(told["unknown"], json!([null, "could not find vault (other)"]));
    for (reference, code, said) in
        [("remote/simple", 0, "one\n"), ("remote/json/password", 0, "three\n"), ("remote/nothing", 1, "404")]
    {
        let conf = world.gateway.conf_file().display().to_string();
        let output = crate::support::kong(&["vault", "get", reference, "-c", &conf]);
        let text = [output.stdout, output.stderr].concat();
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&text));
        assert!(String::from_utf8_lossy(&text).contains(said), "{}", String::from_utf8_lossy(&text));
    }
    assert!(world.asked("/direct") <= 4, "each way to name it is asked for by a worker at most");
    world
        .gateway
        .wait_for_log("could not get value from external vault (no value found (the server says 404))");
}

#[test]
fn secrets_are_renewed_when_they_are_over_and_outlive_a_vault_that_fails() {
    let world = World::start(
        json!({ "/short": { "value": "old", "ttl": 1 }, "/long": { "value": "kept" }, "/direct": { "value": "x" } }),
        json!({ "routes": [
            route("/short", json!({ "secret": "{vault://stored/short?resurrect_ttl=60}" })),
            route("/long", json!({ "secret": "{vault://stored/long}" })),
        ] }),
    );
    assert_eq!(world.tell("/short", "")["secret"], "old");
    assert_eq!(world.tell("/long", "")["secret"], "kept");
    world.change("/short", json!({ "value": "new", "ttl": 1 }));
    world.change("/long", json!({ "value": "other" }));
    world
        .gateway
        .eventually("the new secret", |_| (0..8).all(|_| world.tell("/short", "")["secret"] == "new"));
    assert_eq!(world.tell("/long", "")["secret"], "kept", "it holds for ever");
    *world.secrets.lock().unwrap() = None;
    std::thread::sleep(std::time::Duration::from_secs(4));
    for _ in 0..8 {
        assert_eq!(world.tell("/short", "")["secret"], "new", "the vault is out of order");
    }
}

#[test]
fn a_callback_that_fails_is_tried_again_with_fresh_secrets() {
    let world = World::start(
        json!({ "/password": { "value": "old" }, "/direct": { "value": "x" } }),
        json!({ "routes": [route("/", json!({ "secret": "{vault://stored/password}" }))] }),
    );
    assert_eq!(world.tell("/", "old")["tries"], 1);
    world.change("/password", json!({ "value": "new" }));
    let told = world.tell("/", "new");
    assert_eq!((&told["tried"], &told["tries"]), (&json!("new"), &json!(2)), "{told}");
}

#[test]
fn a_certificate_may_be_in_a_vault() {
    let pair = rcgen::generate_simple_self_signed(["secret.test".to_owned()]).unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["secret.test".to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "from the vault");
    let cert = params.self_signed(&pair.signing_key).unwrap().pem();
    let world = World::start(
        json!({ "/cert": { "value": cert }, "/key": { "value": pair.signing_key.serialize_pem() } }),
        json!({ "certificates": [{ "cert": "{vault://stored/cert}", "key": "{vault://stored/key}",
                                   "snis": [{ "name": "secret.test" }] }] }),
    );
    let port = world.gateway.tls;
    for _ in 0..4 {
        let output = Command::new("curl")
            .args([
                "-skv",
                "-m",
                "10",
                "--noproxy",
                "*",
                "--resolve",
                &format!("secret.test:{port}:127.0.0.1"),
            ])
            .arg(format!("https://secret.test:{port}/"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("subject: CN=from the vault"), "{said}");
    }
}

#[test]
fn a_vault_that_is_missing_or_misconfigured_is_told_by_its_name() {
    let sources = sources();
    let nothing = json!({ "_format_version": "3.0" });
    let (_gateway, output) = setup(sources.path(), &nothing).with("vaults", "bundled, absent").try_start();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("on vault 'absent': absent vault is enabled but not installed"), "{said}");

    let wrong = json!({ "_format_version": "3.0",
                        "vaults": [{ "name": "remote", "prefix": "stored", "config": { "uri": "x" } }] });
    let (_gateway, output) = setup(sources.path(), &wrong).try_start();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("unknown field") && said.contains("uri") && said.contains("required"), "{said}");
}

#[test]
fn properties_of_kong_conf_may_be_secrets_of_such_a_vault() {
    let sources = sources();
    let state = Arc::new(Mutex::new(200));
    let behind = state.clone();
    let server = Mock::start(move |_| match *behind.lock().unwrap() {
        200 => Answer::json(200, &json!({ "value": "off" })),
        status => Answer::text(status, "out of order"),
    });
    let configured = || {
        setup(sources.path(), &json!({ "_format_version": "3.0" }))
            .with("vault_remote_url", server.url())
            .with("headers", "{vault://remote/headers}")
    };
    let gateway = configured().start();
    let reply = get(gateway.proxy, "/", &[]);
    assert_eq!((reply.status, reply.field("Server")), (404, None));
    let reloaded = gateway.reload();
    assert!(reloaded.status.success(), "{reloaded:?}");
    let kept = std::fs::read_to_string(Path::new(&gateway.properties["prefix"]).join(".kong_env")).unwrap();
    assert!(kept.contains("{vault://remote/headers}"), "the reference is written down, not the secret");
    *state.lock().unwrap() = 503;
    let (_gateway, output) = configured().try_start();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("failed to dereference '{vault://remote/headers}'"), "{said}");
    assert!(said.contains("the server says 503"), "{said}");
}
