//! References to secrets in entities.

use crate::support::{Setup, get};

const VAULTS: &str = "_format_version: '3.0'\nvaults:\n- { name: env, prefix: my-vault, config: { prefix: APP_ } }\n\
                        - { name: env, prefix: bare }\n";

/// Path of a route, what its plugin refers to, and what that means.
const REFERENCES: [(&str, &str, &str); 8] = [
    ("/entity", "{vault://my-vault/the-secret}", "one"),
    ("/field", "{vault://my-vault/json/password}", "two"),
    ("/bare", "{vault://bare/other}", "three"),
    ("/option", "{vault://my-vault/secret?prefix=OTHER_}", "four"),
    ("/process", "{vault://env/other}", "three"),
    ("/none", "{vault://my-vault/nothing}", ""),
    ("/unknown", "{vault://your-vault/secret}", ""),
    ("/plain", "plain", "plain"),
];

#[test]
fn a_vault_entity_gives_the_secrets_of_its_prefix_to_plugins() {
    let routes: String = REFERENCES
        .iter()
        .map(|(path, reference, _)| {
            format!(
                "- {{ paths: [{path}], plugins: [{{ name: tell-secret, config: {{ secret: '{reference}' }} }}] }}\n"
            )
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    plugin(folder.path());
    let gateway = Setup::declarative(format!("{VAULTS}routes:\n{routes}"))
        .with("nginx_main_worker_processes", "1")
        .with("plugins", "bundled,tell-secret")
        .with("lua_package_path", format!("{0}/?.lua;{0}/?/init.lua;;", folder.path().display()))
        .variable("APP_THE_SECRET", "one")
        .variable("APP_JSON", r#"{"password":"two"}"#)
        .variable("OTHER", "three")
        .variable("OTHER_SECRET", "four")
        .start();
    for (path, _, expected) in REFERENCES {
        assert_eq!(get(gateway.proxy, path, &[]).text(), expected, "{path}");
    }
    let log = gateway.error_log();
    for line in [
        "unable to resolve reference {vault://my-vault/nothing} (could not get value from external vault (no value found))",
        "unable to resolve reference {vault://your-vault/secret} (could not find vault (your-vault))",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert!(!log.contains("[error]"), "{log}");
    // the entity is shown as it was written
    let shown = get(gateway.admin, "/plugins", &[]).json().to_string();
    assert!(shown.contains("{vault://my-vault/the-secret}"), "{shown}");

    // a changed vault changes what its references mean
    let changed =
        std::fs::read_to_string(gateway.declarative_file()).unwrap().replace("prefix: APP_", "prefix: NEW_");
    std::fs::write(gateway.declarative_file(), changed).unwrap();
    gateway.eventually("the changed vault", |gateway| get(gateway.proxy, "/entity", &[]).text().is_empty());
}

fn plugin(folder: &std::path::Path) {
    let plugin = folder.join("kong/plugins/tell-secret");
    std::fs::create_dir_all(&plugin).unwrap();
    std::fs::write(
        plugin.join("schema.lua"),
        "return { name = 'tell-secret', fields = { { config = { type = 'record', fields = {
           { secret = { type = 'string', referenceable = true } } } } } } }",
    )
    .unwrap();
    std::fs::write(
        plugin.join("handler.lua"),
        "return { VERSION = '1.0', PRIORITY = 1, access = function(_, conf) kong.response.exit(200, conf.secret) end }",
    )
    .unwrap();
}

#[test]
fn certificates_may_stand_in_vaults() {
    let pair = rcgen::generate_simple_self_signed(vec!["secret.test".to_owned()]).unwrap();
    let text = format!(
        "{VAULTS}certificates:\n- {{ cert: '{{vault://my-vault/cert}}', key: '{{vault://bare/the-key}}', \
         snis: [{{ name: secret.test }}] }}\n"
    );
    let gateway = Setup::declarative(text)
        .variable("APP_CERT", pair.cert.pem())
        .variable("THE_KEY", pair.signing_key.serialize_pem())
        .start();
    let trusted = gateway.folder().join("trusted.pem");
    std::fs::write(&trusted, pair.cert.pem()).unwrap();
    let shown = std::process::Command::new("curl")
        .args(["-s", "-m", "10", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}", "--cacert"])
        .arg(trusted)
        .args(["--resolve", &format!("secret.test:{}:127.0.0.1", gateway.tls)])
        .arg(format!("https://secret.test:{}/", gateway.tls))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&shown.stdout), "404", "only the certificate in the vault is trusted");
}
