//! Consumers, certificates, targets and the like.

use super::{ID, check, object, registry};
use crate::entities::CORE_ENTITIES;
use crate::schema::Context;
use serde_json::{Value, json};

#[test]
fn other_entities_refuse_what_kong_refuses() {
    let registry = registry();
    let check = |entity: &str, input: Value, expected: Value| check(&registry, entity, &[(input, expected)]);
    check(
        "consumers",
        json!({}),
        json!({
        "@entity": ["at least one of these fields must be non-empty: 'custom_id', 'username'"]}),
    );
    check(
        "consumers",
        json!({"username": ""}),
        json!({"username": "length must be at least 1",
        "@entity": ["at least one of these fields must be non-empty: 'custom_id', 'username'"]}),
    );
    check(
        "workspaces",
        json!({"name": "services"}),
        json!({"name": format!("must not be one of: {}",
        CORE_ENTITIES.join(", "))}),
    );
    check(
        "snis",
        json!({"name": "127.0.0.1", "certificate": {"id": ID}}),
        json!({"name": "must not be an IP"}),
    );
    check(
        "snis",
        json!({"name": "a.*.b", "certificate": {"id": ID}}),
        json!({
        "name": "wildcard must be leftmost or rightmost character"}),
    );
    check("targets", json!({"target": "1.2.3.4:80", "upstream": {"id": ID}}), json!(null));
    check(
        "targets",
        json!({"target": "a b", "upstream": {"id": ID}}),
        json!({
        "target": "Invalid target ('a b'); not a valid hostname or ip address"}),
    );
    check(
        "targets",
        json!({"target": "a", "weight": 65536, "upstream": {"id": ID}}),
        json!({
        "weight": "value should be between 0 and 65535"}),
    );
    check(
        "plugins",
        json!({"name": "nope"}),
        json!({
        "name": "plugin 'nope' not enabled; add it to the 'plugins' configuration property"}),
    );
    check("plugins", json!({}), json!({"name": "required field missing"}));
    check("vaults", json!({"name": "x", "prefix": "p"}), json!({"name": "vault 'x' is not installed"}));
    check(
        "keys",
        json!({"kid": "a"}),
        json!({
        "@entity": ["at least one of these fields must be non-empty: 'jwk', 'pem'"]}),
    );
    check(
        "keys",
        json!({"kid": "a", "jwk": "{\"kid\": \"b\"}"}),
        json!({
        "@entity": ["kid in jwk.kid must be equal to keys.kid"]}),
    );
    check(
        "keys",
        json!({"kid": "a", "jwk": "{\"kid\": \"a\"}"}),
        json!({
        "@entity": ["could not load JWK, likely not a valid key"]}),
    );
    check(
        "certificates",
        json!({"cert": "x", "key": "{vault://env/key}"}),
        json!({
        "cert": "invalid certificate: x509.new: error:680007B:asn1 encoding routines:ASN1_get_object:\
                 header too long:asn1/asn1_lib.c:105:"}),
    );
}

#[test]
fn ca_certificates_are_digested_and_must_be_authorities() {
    let mut params = rcgen::CertificateParams::new(vec!["ca".to_owned()]).expect("params");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("key");
    let ca = params.self_signed(&key).expect("certificate").pem();
    let leaf = rcgen::CertificateParams::new(vec!["leaf".to_owned()]).expect("params");
    let leaf = leaf.self_signed(&key).expect("certificate").pem();
    let registry = registry();
    check(
        &registry,
        "ca_certificates",
        &[
            (json!({"cert": ca}), json!(null)),
            (
                json!({"cert": leaf}),
                json!({"@entity": ["certificate does not appear to be a CA because it is \
            missing the \"CA\" basic constraint"]}),
            ),
            (
                json!({"cert": format!("{ca}{ca}")}),
                json!({"@entity":
            ["please submit only one certificate at a time"]}),
            ),
        ],
    );
    let schema = registry.named("ca_certificates").expect("schema");
    let made = schema.transform(object(json!({"cert": ca})), None, Context::Insert).expect("transform");
    assert_eq!(made["cert_digest"].as_str().map(str::len), Some(64));
    let other = rcgen::KeyPair::generate().expect("key").serialize_pem();
    check(
        &registry,
        "certificates",
        &[
            (json!({"cert": leaf, "key": key.serialize_pem()}), json!(null)),
            (json!({"cert": leaf, "key": other}), json!({"@entity": ["certificate does not match key"]})),
            (
                json!({"cert": leaf, "key": key.serialize_pem(), "cert_alt": ca, "key_alt": key.serialize_pem()}),
                json!({"@entity": ["certificate and alternative certificate need to have different type (e.g. RSA \
                and ECDSA), the provided certificates were both of the same type"]}),
            ),
        ],
    );
}
