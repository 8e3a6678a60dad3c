//! Sequences of calls out of seeds.

use fastrand::Rng;
use serde_json::{Value, json};

use super::bodies::{self, FEW};
use super::calls::{Call, Entity, Meaning, Verb};
use super::kinds::{Kind, Relation};

const LENGTH: usize = 50;
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The calls of a seed, to kinds that the nodes know.
pub fn sequence(seed: u64, known: &[&'static Kind]) -> Vec<Call> {
    let mut rng = Rng::with_seed(seed);
    // few kinds in each, so that they have to do with each other
    let mut kinds: Vec<&'static Kind> = Vec::new();
    while kinds.len() < 6 {
        let kind = known[rng.usize(0..known.len())];
        kinds.push(kind);
        kinds.extend(kind.above.iter().map(|relation| Kind::named(relation.parent)));
    }
    (0..LENGTH)
        .map(|_| {
            let kind = kinds[rng.usize(0..kinds.len())];
            let call = well_formed(kind, &mut rng);
            if rng.u8(0..4) == 0 { mutilated(call, &mut rng) } else { call }
        })
        .collect()
}

fn well_formed(kind: &'static Kind, rng: &mut Rng) -> Call {
    let above = match kind.has_collection {
        true if kind.above.is_empty() || rng.u8(0..3) > 0 => None,
        _ => Some(&kind.above[rng.usize(0..kind.above.len())]),
    };
    match rng.u8(0..20) {
        0..=6 => add(kind, above, rng),
        7..=8 => put(kind, above, rng),
        9..=11 => at(Verb::Patch, kind, above, bodies::change(kind, rng), rng),
        12..=13 => at(Verb::Delete, kind, above, Entity::new(), rng),
        14..=15 => at(Verb::Get, kind, above, Entity::new(), rng),
        16..=17 => list(kind, above, rng),
        18 => parent(kind, rng).unwrap_or_else(|| list(kind, above, rng)),
        _ => tags(kind, rng),
    }
}

fn meaning(verb: Verb, kind: &'static Kind) -> Meaning {
    Meaning {
        verb,
        kind,
        above: None,
        key: String::new(),
        entity: Entity::new(),
        tag: None,
        is_certain: true,
    }
}

/// The path to a kind, by way of another one or not.
fn base(kind: &Kind, above: &Option<(&'static Relation, String)>) -> String {
    match above {
        None => format!("/{}", kind.path),
        Some((relation, key)) => format!("/{}/{key}/{}", Kind::named(relation.parent).path, relation.nested),
    }
}

fn key(kind: &Kind, rng: &mut Rng) -> String {
    match kind.key {
        Some(_) if rng.bool() => bodies::name(kind, rng),
        _ => kind.id(rng.usize(0..FEW)),
    }
}

fn way(above: Option<&'static Relation>, rng: &mut Rng) -> Option<(&'static Relation, String)> {
    let relation = above?;
    Some((relation, key(Kind::named(relation.parent), rng)))
}

fn json_call(method: &'static str, target: String, entity: Entity, meaning: Meaning) -> Call {
    let body = Value::Object(entity.clone()).to_string().into_bytes();
    let meaning = Meaning { entity, ..meaning };
    Call { method, target, content_type: Some(JSON), body, meaning }
}

fn add(kind: &'static Kind, above: Option<&'static Relation>, rng: &mut Rng) -> Call {
    let above = way(above, rng);
    let mut entity = bodies::entity(kind, rng);
    if let Some((relation, _)) = &above {
        entity.shift_remove(relation.field);
        if kind.name == "services" {
            entity.insert("protocol".to_owned(), json!("https"));
        }
    }
    let is_certain = is_plausible(kind, &entity, &above);
    let target = base(kind, &above);
    json_call("POST", target, entity, Meaning { above, is_certain, ..meaning(Verb::Add, kind) })
}

/// Whether the schema has nothing against it.
fn is_plausible(kind: &Kind, entity: &Entity, above: &Option<(&'static Relation, String)>) -> bool {
    let plugin = entity.get("name").and_then(Value::as_str).unwrap_or_default();
    let is_scoped = above.as_ref().is_some_and(|(relation, _)| relation.parent == "consumers");
    !(kind.name == "plugins" && is_scoped && matches!(plugin, "key-auth" | "cors"))
}

fn put(kind: &'static Kind, above: Option<&'static Relation>, rng: &mut Rng) -> Call {
    let mut entity = bodies::entity(kind, rng);
    entity.shift_remove("id");
    let mut call = at(Verb::Put, kind, above, entity, rng);
    call.meaning.is_certain = is_plausible(kind, &call.meaning.entity, &call.meaning.above);
    call
}

/// A call about one entity.
fn at(
    verb: Verb,
    kind: &'static Kind,
    above: Option<&'static Relation>,
    mut entity: Entity,
    rng: &mut Rng,
) -> Call {
    let above = way(above, rng);
    let key = key(kind, rng);
    if let Some((relation, _)) = &above {
        entity.shift_remove(relation.field);
    }
    if verb == Verb::Put
        && let Some(field) = kind.key.filter(|_| !key.starts_with("a00"))
    {
        entity.shift_remove(field);
    }
    if verb == Verb::Put && kind.name == "services" && above.is_some() {
        entity.insert("protocol".to_owned(), json!("https"));
    }
    let target = format!("{}/{key}", base(kind, &above));
    let method = match verb {
        Verb::Put => "PUT",
        Verb::Patch => "PATCH",
        Verb::Delete => "DELETE",
        _ => "GET",
    };
    // what a change makes of the rest is not always allowed
    let is_certain = verb != Verb::Patch || !matches!(kind.name, "services" | "plugins" | "upstreams");
    let meaning = Meaning { above, key, is_certain, ..meaning(verb, kind) };
    match verb {
        Verb::Put | Verb::Patch => json_call(method, target, entity, meaning),
        _ => Call { method, target, content_type: None, body: Vec::new(), meaning },
    }
}

fn list(kind: &'static Kind, above: Option<&'static Relation>, rng: &mut Rng) -> Call {
    let above = way(above, rng);
    let mut query = Vec::new();
    if rng.bool() {
        query.push(format!("size={}", rng.u8(1..4)));
    }
    // a list below another entity looks at its filter and leaves it out
    let tag = (kind.has_tags && above.is_none() && rng.bool())
        .then(|| (*rng.choice(["red", "green"].iter()).unwrap()).to_owned());
    query.extend(tag.iter().map(|tag| format!("tags={tag}")));
    let mark = if query.is_empty() { "" } else { "?" };
    let target = format!("{}{mark}{}", base(kind, &above), query.join("&"));
    let meaning = Meaning { above, tag, ..meaning(Verb::List, kind) };
    Call { method: "GET", target, content_type: None, body: Vec::new(), meaning }
}

/// A call by the path from an entity to the one that it points to.
fn parent(kind: &'static Kind, rng: &mut Rng) -> Option<Call> {
    if kind.above.is_empty() || matches!(kind.name, "snis" | "targets") {
        return None;
    }
    let relation = &kind.above[rng.usize(0..kind.above.len())];
    let key = key(kind, rng);
    let target = format!("/{}/{key}/{}", kind.path, relation.field);
    let above = Some((relation, String::new()));
    let meaning = |verb| Meaning { above: above.clone(), key: key.clone(), ..meaning(verb, kind) };
    let parent = Kind::named(relation.parent);
    Some(match rng.u8(0..6) {
        0 => json_call(
            "PATCH",
            target,
            bodies::change(parent, rng),
            Meaning { is_certain: false, ..meaning(Verb::PutAbove) },
        ),
        1 => {
            let mut entity = bodies::entity(parent, rng);
            entity.shift_remove("id");
            json_call("PUT", target, entity, Meaning { is_certain: false, ..meaning(Verb::PutAbove) })
        }
        2 => Call {
            method: "DELETE",
            target,
            content_type: None,
            body: Vec::new(),
            meaning: Meaning { is_certain: false, ..meaning(Verb::PutAbove) },
        },
        _ => Call {
            method: "GET",
            target,
            content_type: None,
            body: Vec::new(),
            meaning: meaning(Verb::GetAbove),
        },
    })
}

fn tags(kind: &'static Kind, rng: &mut Rng) -> Call {
    let path = *rng.choice(["/tags", "/tags/red", "/tags/blue", "/tags/none"].iter()).unwrap();
    let size = if rng.bool() { "?size=2" } else { "" };
    let meaning = Meaning { is_certain: false, ..meaning(Verb::Other, kind) };
    Call { method: "GET", target: format!("{path}{size}"), content_type: None, body: Vec::new(), meaning }
}

// ---- what is wrong ------------------------------------------------------------------------------

/// The call with something changed that a client should not have done, or does seldom.
fn mutilated(mut call: Call, rng: &mut Rng) -> Call {
    call.meaning.is_certain = false;
    let has_body = matches!(call.meaning.verb, Verb::Add | Verb::Put | Verb::Patch);
    match rng.u8(0..8) {
        0..=3 if has_body => {
            let entity = &mut call.meaning.entity;
            let names: Vec<String> = entity.keys().cloned().collect();
            let known = rng.choice(names).unwrap_or_else(|| "name".to_owned());
            let other = ["ws_id", "created_at", "nonsense", "ttl", "tags", "name", "protocols"];
            let field = if rng.bool() { known } else { (*rng.choice(other.iter()).unwrap()).to_owned() };
            entity.insert(field, odd_value(rng));
            call.body = Value::Object(entity.clone()).to_string().into_bytes();
        }
        4 if has_body => call.body = odd_body(rng),
        5 if has_body => {
            call.content_type = *rng
                .choice([None, Some("text/plain"), Some(FORM), Some("application/json; charset=x")].iter())
                .unwrap();
            if call.content_type == Some(FORM) {
                call.body = form(&call.meaning.entity).into_bytes();
            }
        }
        6 => {
            let mark = if call.target.contains('?') { '&' } else { '?' };
            call.target.push_str(&format!("{mark}{}", odd_query(rng)));
        }
        _ => call.target = odd_target(&call, rng),
    }
    // what such a call does is learned of the node
    call.meaning.key.clear();
    if call.method == "GET" {
        call.meaning.verb = Verb::Other;
    }
    call
}

/// Values that fields do not expect.
pub fn odd_value(rng: &mut Rng) -> Value {
    let long = "x".repeat(3000);
    let values = [
        Value::Null,
        json!(""),
        json!({}),
        json!([]),
        json!(-1),
        json!(3.7),
        json!(1e30),
        json!(true),
        json!("é 😀\u{7f}"),
        json!("a\u{0}b"),
        json!([null]),
        json!(["a", "a"]),
        json!([1, {"a": []}]),
        json!({"a": {"b": [{}]}}),
        json!(9_007_199_254_740_993_u64),
        json!(2_147_483_648_u64),
        json!(-9.2e18),
        json!(long),
        json!("'; DROP TABLE x --"),
        json!("00000000-0000-0000-0000-000000000000"),
        json!("A0000000-0000-4000-8000-00000000000A"),
        json!({"id": null}),
        json!({"id": "x"}),
        json!({"id": "A000000B-0000-4000-8000-000000000001"}),
        json!("%00"),
        json!("{vault://env/x}"),
        json!(" "),
        json!("red,green"),
        json!(0),
    ];
    values[rng.usize(0..values.len())].clone()
}

fn odd_body(rng: &mut Rng) -> Vec<u8> {
    let deep = "[".repeat(2000);
    let bodies: [&[u8]; 10] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[1]",
        b"\"x\"",
        b"{\"name\":\"a\",\"name\":\"b\"}",
        b"\xff\xfe{}",
        deep.as_bytes(),
        b"{\"name\":\"\\ud800\"}",
    ];
    bodies[rng.usize(0..bodies.len())].to_vec()
}

fn odd_query(rng: &mut Rng) -> String {
    let queries = [
        "size=0",
        "size=1001",
        "size=x",
        "size=1.5",
        "size=1e2",
        "offset=x",
        "offset=WyJ4Il0",
        "offset=",
        "offset=W251bGxd",
        "tags=",
        "tags=a,b/c",
        "tags=red,green",
        "tags=red/blue",
        "tags=a,b,c,d,e,f",
        "tags=%00",
        "tags=%ff",
        "size",
        "tags",
        "%",
        "=&=",
        "custom_id=",
        "custom_id=custom-1",
        "tags[]=red",
        "size=2&size=3",
    ];
    queries[rng.usize(0..queries.len())].to_owned()
}

fn odd_target(call: &Call, rng: &mut Rng) -> String {
    let long = "x".repeat(2000);
    let keys = [
        "%00",
        "%ff",
        "a%2fb",
        "%",
        "%zz",
        "%20",
        "%C3%A9",
        "..",
        "A0000000-0000-4000-8000-000000000001",
        "'--",
        "a,b",
        "{}",
        &long,
        "00000000-0000-0000-0000-000000000000",
        "a0000000-0000-4000-8000-00000000000",
        "+",
        "a:b",
        "null",
        "10.0.0.1",
    ];
    let key = keys[rng.usize(0..keys.len())];
    let path = call.target.split('?').next().unwrap_or_default();
    let mut segments: Vec<&str> = path.split('/').collect();
    let places: Vec<usize> = (2..segments.len()).step_by(2).collect();
    match rng.choice(places) {
        Some(place) if segments.len() > 2 => segments[place] = key,
        _ => segments.push(key),
    }
    segments.join("/")
}

/// An entity as a form writes it.
fn form(entity: &Entity) -> String {
    let mut pairs = Vec::new();
    for (name, value) in entity {
        write(name, value, &mut pairs);
    }
    pairs.join("&")
}

fn write(name: &str, value: &Value, pairs: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(field, value)| write(&format!("{name}.{field}"), value, pairs))
        }
        Value::Array(values) => values.iter().for_each(|value| write(&format!("{name}[]"), value, pairs)),
        Value::String(text) => pairs.push(format!("{name}={}", escaped(text))),
        Value::Null => pairs.push(format!("{name}=")),
        other => pairs.push(format!("{name}={other}")),
    }
}

fn escaped(text: &str) -> String {
    let byte = |byte: u8| {
        if byte.is_ascii_alphanumeric() { (byte as char).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(byte).collect()
}
