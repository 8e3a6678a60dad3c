//! The names that a write gives to a certificate.

use serde_json::Value;

use crate::db::Entity;

/// Makes a list of the names in a body. A certificate that is put under a name has it, and no names but those given.
pub(super) fn complete_names(entity: &mut Entity, sni: Option<&str>, is_put: bool) {
    let own = sni.filter(|_| is_put).map(Value::from);
    let names = match entity.shift_remove("snis") {
        Some(Value::Array(names)) => with(names, own),
        Some(name @ Value::String(_)) => with(vec![name], own),
        None if is_put => Value::Null,
        None => return,
        Some(other) => other,
    };
    entity.insert("snis".to_owned(), names);
}

fn with(mut names: Vec<Value>, own: Option<Value>) -> Value {
    names.extend(own.filter(|own| !names.contains(own)));
    Value::Array(names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_certificate_has_the_name_it_is_put_under() {
        for (body, sni, is_put, expected) in [
            (json!({"snis": ["a"]}), Some("b"), true, json!({"snis": ["a", "b"]})),
            (json!({"snis": ["a", "b"]}), Some("b"), true, json!({"snis": ["a", "b"]})),
            (json!({"snis": "a"}), Some("b"), true, json!({"snis": ["a", "b"]})),
            (json!({"snis": "a"}), Some("b"), false, json!({"snis": ["a"]})),
            (json!({}), Some("b"), true, json!({"snis": null})),
            (json!({}), Some("b"), false, json!({})),
            (json!({"snis": 7}), None, true, json!({"snis": 7})),
        ] {
            let mut entity = body.as_object().unwrap().clone();
            complete_names(&mut entity, sni, is_put);
            assert_eq!(Value::Object(entity), expected, "{body}");
        }
    }
}
