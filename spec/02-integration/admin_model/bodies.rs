//! Entities as a client would send them.

use std::sync::LazyLock;

use fastrand::Rng;
use serde_json::{Value, json};

use super::calls::Entity;
use super::kinds::{Kind, Relation};

/// How many ids and names of a kind are in use.
pub const FEW: usize = 4;

/// Certificates with their keys, and those of authorities.
static PAIRS: LazyLock<Vec<(String, String)>> =
    LazyLock::new(|| (0..3).map(|number| certificate(number, false)).collect());
static AUTHORITIES: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..3).map(|number| certificate(number, true).0).collect());

fn certificate(number: usize, is_ca: bool) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec![format!("n{number}.test")]).unwrap();
    if is_ca {
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// The public key that RFC 7517 shows.
fn jwk(kid: &str) -> String {
    json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
           "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"})
    .to_string()
}

/// A value that the field which may stand for the id has.
pub fn name(kind: &Kind, rng: &mut Rng) -> String {
    let number = rng.usize(0..FEW);
    match kind.name {
        "snis" => format!("n{number}.test"),
        "targets" => format!("10.0.0.{number}:80"),
        "vaults" => format!("vault-{number}"),
        _ => format!("{}-{number}", kind.path),
    }
}

fn reference(relation: &Relation, rng: &mut Rng) -> Value {
    let parent = Kind::named(relation.parent);
    match parent.key {
        Some(key) if rng.u8(0..4) == 0 => json!({key: name(parent, rng)}),
        _ => json!({"id": parent.id(rng.usize(0..FEW))}),
    }
}

/// A whole entity, without what a path says of it.
pub fn entity(kind: &'static Kind, rng: &mut Rng) -> Entity {
    let mut entity = fields(kind, rng);
    if let Some(key) = kind.key
        && (kind.name != "plugins" || rng.u8(0..3) == 0)
        && (!matches!(kind.name, "services" | "routes" | "keys" | "key_sets") || rng.u8(0..4) > 0)
    {
        entity.insert(key.to_owned(), name(kind, rng).into());
    }
    for relation in kind.above {
        let is_given = relation.is_required || rng.u8(0..3) == 0;
        if is_given && is_allowed(&entity, relation) {
            entity.insert(relation.field.to_owned(), reference(relation, rng));
            if relation.field == "client_certificate" && kind.name == "services" {
                entity.insert("protocol".to_owned(), json!("https"));
            }
        }
    }
    if rng.u8(0..2) == 0 {
        entity.insert("id".to_owned(), kind.id(rng.usize(0..FEW)).into());
    }
    if kind.has_tags && rng.u8(0..2) == 0 {
        let mut tags: Vec<&str> = ["red", "green", "blue"].into_iter().filter(|_| rng.bool()).collect();
        rng.shuffle(&mut tags);
        entity.insert("tags".to_owned(), json!(tags));
    }
    entity
}

/// Whether a plugin of this name may have such a scope.
fn is_allowed(entity: &Entity, relation: &Relation) -> bool {
    let plugin = entity.get("name").and_then(Value::as_str).unwrap_or_default();
    relation.parent != "consumers" || !matches!(plugin, "key-auth" | "cors")
}

/// Some fields of an entity, to change it by.
pub fn change(kind: &'static Kind, rng: &mut Rng) -> Entity {
    let whole = entity(kind, rng);
    let is_kept =
        |field: &str| field != "id" && !(kind.name == "keys" && matches!(field, "kid" | "jwk" | "pem"));
    let is_whole = matches!(kind.name, "plugins" | "certificates");
    whole.into_iter().filter(|(field, _)| is_kept(field) && (is_whole || rng.bool())).collect()
}

fn fields(kind: &Kind, rng: &mut Rng) -> Entity {
    let number = rng.usize(0..FEW);
    let fields = match kind.name {
        "services" => json!({"host": format!("h{number}.test"), "port": 8000 + number, "retries": number}),
        "routes" => {
            json!({"paths": [format!("/p{number}"), "/x"], "strip_path": rng.bool(), "regex_priority": number})
        }
        "consumers" if rng.bool() => json!({"custom_id": format!("custom-{number}")}),
        "consumers" => json!({}),
        "plugins" => plugin(rng),
        "upstreams" => json!({"slots": 100 + number, "algorithm": "round-robin"}),
        "targets" => json!({"weight": number * 10}),
        "certificates" => {
            let (cert, key) = rng.choice(PAIRS.iter()).unwrap();
            let names: Vec<String> =
                (0..FEW).filter(|_| rng.u8(0..4) == 0).map(|n| format!("n{n}.test")).collect();
            if rng.bool() {
                json!({"cert": cert, "key": key, "snis": names})
            } else {
                json!({"cert": cert, "key": key})
            }
        }
        "ca_certificates" => json!({"cert": rng.choice(AUTHORITIES.iter()).unwrap()}),
        "keys" => json!({"kid": format!("kid-{number}"), "jwk": jwk(&format!("kid-{number}"))}),
        "vaults" => {
            json!({"name": "env", "config": {"prefix": format!("P{number}_")}, "description": "é – ü"})
        }
        "basicauth_credentials" => json!({"password": format!("secret-{number}")}),
        "hmacauth_credentials" => json!({"secret": format!("secret-{number}")}),
        "jwt_secrets" => json!({"secret": format!("secret-{number}"), "algorithm": "HS256"}),
        "acls" => json!({"group": format!("group-{number}")}),
        _ => json!({}),
    };
    fields.as_object().cloned().unwrap_or_default()
}

fn plugin(rng: &mut Rng) -> Value {
    let number = rng.u32(1..5);
    match rng.u8(0..5) {
        0 => {
            json!({"name": "key-auth", "config": {"key_names": [format!("k{number}")], "hide_credentials": true}})
        }
        1 => json!({"name": "cors", "config": {"origins": ["http://a.test"], "max_age": number}}),
        2 => {
            json!({"name": "correlation-id", "enabled": rng.bool(), "config": {"header_name": format!("X-{number}")}})
        }
        3 => json!({"name": "request-termination", "config": {"status_code": 500 + number, "message": "é"}}),
        _ => {
            json!({"name": "file-log", "config": {"path": "/dev/null", "custom_fields_by_lua": {"a": "return 1"}}})
        }
    }
}
