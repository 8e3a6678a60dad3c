//! Keys: for signing, verifying, encrypting and decrypting, as a JWK or in PEM.

use serde_json::{Map, Value};

use crate::schema::typedefs::{auto_timestamp_s, jwk, pem, tags, tls, uuid};
use crate::schema::{Check, Field, Schema, Verdict, errors_to_string, is_reference};

/// The schema of keys.
pub fn schema() -> Schema {
    Schema::new("keys", &["id"])
        .dao("kong.db.dao.keys")
        .cache_key(&["kid", "set"])
        .endpoint_key("name")
        .workspaceable()
        .fields([
            ("id", uuid()),
            ("set", Field::foreign("key_sets").optional().cascade().describe("The set the key belongs to.")),
            ("name", Field::string().optional().unique().describe("The key's name.")),
            ("kid", Field::string().required().describe("The identifier that tokens name the key by.")),
            ("jwk", Field::string().referenceable().encrypted().describe("The key as the text of a JWK.")),
            ("pem", pem()),
            ("tags", tags()),
            ("created_at", auto_timestamp_s()),
            ("updated_at", auto_timestamp_s()),
        ])
        .entity_check(Check::mutually_exclusive(["jwk", "pem"]))
        .entity_check(Check::at_least_one_of(["jwk", "pem"]))
        .entity_check(Check::custom(["jwk", "pem", "kid"], check_key))
}

fn check_key(entity: &Map<String, Value>) -> Verdict {
    match entity.get("jwk") {
        Some(reference) if is_reference(reference) => return Ok(()),
        Some(Value::String(text)) => check_jwk(text, entity.get("kid"))?,
        _ => {}
    }
    match entity.get("pem") {
        Some(Value::Object(pair))
            if !pair.contains_key("private_key") && !pair.contains_key("public_key") =>
        {
            refuse("need to supply a PEM formatted public and/or private key.")
        }
        _ => Ok(()),
    }
}

fn check_jwk(text: &str, kid: Option<&Value>) -> Verdict {
    let key = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(key)) => key,
        // a list is a table without the key's name to Lua
        Ok(Value::Array(_)) => Map::new(),
        _ => return refuse("could not json decode jwk string"),
    };
    if key.get("kid") != kid {
        return refuse("kid in jwk.kid must be equal to keys.kid");
    }
    tls::jwk(&Value::from(text))?;
    let field = jwk();
    match field.as_record().map(|record| record.validate(&key)) {
        Some(Err(errors)) => refuse(&errors_to_string(&errors).unwrap_or_default()),
        _ => Ok(()),
    }
}

fn refuse(message: &str) -> Verdict {
    Err(Some(message.into()))
}
