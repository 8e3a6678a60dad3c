//! What no client should send, to every endpoint.

use std::collections::{BTreeMap, HashMap};

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::bodies;
use super::draw::odd_value;
use super::kinds::{self, KINDS};
use super::node::Node;
use crate::support::{Gateway, get};

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"];
/// Endpoints that say themselves that they are not served, and why.
const NOT_SERVED: [&str; 1] = ["/status/dns"];
/// An endpoint that answers 500 to what is no id, in Kong as well.
const TAKES_IDS_ONLY: &str = "/proxy-cache/{plugin_id}/caches/{cache_key}";

/// Sends calls to all endpoints that a node lists, and fails if one of them fails it.
pub fn attack(gateway: &Gateway, rounds: u64) {
    let workers = gateway.workers();
    let mut rng = Rng::with_seed(super::number("MODEL_SEED", 1));
    eprintln!("seed {}", rng.get_seed());
    let mut attack = Attack::new(gateway.admin, &mut rng);
    let endpoints = get(gateway.admin, "/endpoints", &[]).json();
    let endpoints: Vec<String> =
        endpoints["data"].as_array().unwrap().iter().map(|path| path.as_str().unwrap().to_owned()).collect();
    for _ in 0..rounds {
        for endpoint in &endpoints {
            for method in METHODS {
                attack.endpoint(method, endpoint, &mut rng);
            }
        }
        attack.plugins(&mut rng);
    }
    let Attack { failures, count, .. } = attack;
    let shown: Vec<&String> = failures.values().collect();
    assert!(
        shown.is_empty(),
        "{} of {count} calls:\n{}",
        shown.len(),
        shown.iter().map(|s| s.as_str()).collect::<Vec<_>>().join("\n")
    );
    assert_eq!(gateway.workers(), workers, "a worker process ended");
    assert!(!gateway.error_log().contains("panicked"), "{}", gateway.error_log());
    assert_eq!(get(gateway.admin, "/status", &[]).status, 200);
}

struct Attack {
    node: Node,
    port: u16,
    /// Path → the fields of the kind below it.
    schemas: HashMap<String, Value>,
    plugins: Vec<(String, Value)>,
    /// By endpoint, the first call that failed.
    failures: BTreeMap<String, String>,
    count: u64,
}

impl Attack {
    fn new(port: u16, rng: &mut Rng) -> Attack {
        let mut node = Node::new(port);
        let root = node.get("/").unwrap().body;
        let names =
            root["plugins"]["available_on_server"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let known = kinds::known(&mut node);
        let mut schema = |path: String| node.get(&path).unwrap().body;
        let plugins = names.into_iter().map(|name| {
            let fields = schema(format!("/schemas/plugins/{name}"));
            (name, fields)
        });
        let plugins: Vec<(String, Value)> = plugins.collect();
        let mut schemas = HashMap::new();
        for kind in &known {
            let fields = schema(format!("/schemas/{}", kind.name));
            schemas.insert(kind.path.to_owned(), fields.clone());
            for relation in kind.above {
                schemas.insert(relation.nested.to_owned(), fields.clone());
            }
        }
        let mut attack = Attack { node, port, schemas, plugins, failures: BTreeMap::new(), count: 0 };
        for kind in known.iter().rev().filter(|kind| kind.has_collection) {
            let mut entity = bodies::entity(kind, rng);
            entity.insert("id".to_owned(), kind.id(0).into());
            attack.send(
                "POST",
                kind.path,
                &format!("/{}", kind.path),
                Some("application/json"),
                Value::Object(entity).to_string().as_bytes(),
            );
        }
        attack
    }

    fn endpoint(&mut self, method: &str, endpoint: &str, rng: &mut Rng) {
        let segments: Vec<String> = endpoint
            .split('/')
            .map(|segment| match segment.strip_prefix('{') {
                Some(_) => parameter(segment.trim_matches(['{', '}']), rng),
                None => segment.to_owned(),
            })
            .collect();
        let query = query(rng);
        let target = format!("{}{query}", segments.join("/"));
        if matches!(method, "GET" | "HEAD" | "OPTIONS" | "DELETE" | "TRACE") && rng.u8(0..4) > 0 {
            return self.send(method, endpoint, &target, None, b"");
        }
        let last = endpoint.split('/').rfind(|segment| !segment.starts_with('{')).unwrap_or_default();
        let entity = match self.schemas.get(last) {
            Some(schema) => record(schema, rng, 0),
            None => json!({"name": odd_value(rng), "config": odd_value(rng)}),
        };
        let content_type = *rng
            .choice(
                [
                    Some("application/json"),
                    Some("application/json"),
                    Some("application/json"),
                    Some("application/x-www-form-urlencoded"),
                    Some("multipart/form-data; boundary=b"),
                    Some("multipart/form-data"),
                    Some("text/yaml"),
                    None,
                ]
                .iter(),
            )
            .unwrap();
        let mut body = entity.to_string().into_bytes();
        match rng.u8(0..8) {
            0 => body.truncate(rng.usize(0..=body.len())),
            1 => body = (0..rng.usize(0..200)).map(|_| rng.u8(..)).collect(),
            2 => {
                body =
                    b"a[b][c]=1&a.b=2&a[b]=3&=&[]=&a[]=1&a[1]=2&a[-1]=3&a[99999999]=4&a[b.c]=5&%=%zz".to_vec()
            }
            _ => {}
        }
        if content_type.is_some_and(|kind| kind.starts_with("multipart")) && rng.bool() {
            body = [
                b"--b\r\nContent-Disposition: form-data; name=\"config.a[1]\"\r\n\r\n".as_slice(),
                &body,
                b"\r\n--b--\r\n",
            ]
            .concat();
        }
        self.send(method, endpoint, &target, content_type, &body);
    }

    /// Plugins with configurations that their schemas may or may not take.
    fn plugins(&mut self, rng: &mut Rng) {
        for (name, schema) in self.plugins.clone() {
            let mut plugin = record(&schema, rng, 0);
            plugin["name"] = json!(name);
            let body = plugin.to_string();
            for path in ["/plugins", "/schemas/plugins/validate"] {
                self.send("POST", path, path, Some("application/json"), body.as_bytes());
            }
        }
    }

    fn send(&mut self, method: &str, endpoint: &str, target: &str, content_type: Option<&str>, body: &[u8]) {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
        if let Some(content_type) = content_type {
            head.push_str(&format!("Content-Type: {content_type}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        self.count += 1;
        let answer = self.node.send(method, &[head.as_bytes(), body].concat());
        let is_served = !NOT_SERVED.contains(&endpoint);
        let may_fail = endpoint == TAKES_IDS_ONLY;
        let wrong = match &answer {
            None => Some("no answer".to_owned()),
            Some(answer) if answer.status == 500 && may_fail => None,
            Some(answer) if answer.status >= 500 && (is_served || answer.status != 501) => {
                Some(format!("{} {}", answer.status, answer.body))
            }
            Some(_) => None,
        };
        if let Some(wrong) = wrong {
            let kind = content_type.map(|kind| format!(" -H 'Content-Type: {kind}'")).unwrap_or_default();
            let body = String::from_utf8_lossy(body).replace('\'', r"'\''");
            let line = format!(
                "{wrong}\n  curl -gsS -X {method} '127.0.0.1:{}{target}'{kind} --data-raw '{body}'",
                self.port
            );
            self.failures
                .entry(format!("{method} {endpoint} {}", wrong.chars().take(60).collect::<String>()))
                .or_insert(line);
        }
    }
}

/// What stands in a path for a parameter.
fn parameter(name: &str, rng: &mut Rng) -> String {
    let kind = KINDS.iter().find(|kind| kind.name == name);
    match (kind, rng.u8(0..3)) {
        (Some(kind), 0) => kind.id(0),
        (Some(kind), 1) => bodies::name(kind, rng),
        _ => {
            let long = "y".repeat(5000);
            let odd = [
                "%00",
                "%ff%fe",
                "..%2f..%2f",
                "%",
                "x",
                "key-auth",
                "debug",
                "'--",
                "%F0%9F%98%80",
                "{}",
                "0",
                "-1",
                "a,b",
                "%0d%0a",
                &long,
                "00000000-0000-0000-0000-000000000000",
                "A000000B-0000-4000-8000-000000000000",
                "services",
                "plugins",
                "[::1]:80",
                "%25",
                "+",
                "*",
            ];
            odd[rng.usize(0..odd.len())].to_owned()
        }
    }
}

fn query(rng: &mut Rng) -> String {
    let odd = [
        "",
        "",
        "",
        "",
        "?",
        "?size=0",
        "?size=-1",
        "?size=1e400",
        "?size=1&offset=%00",
        "?offset=WzFd",
        "?offset=WyIiXQ",
        "?offset=bnVsbA",
        "?offset=WyJcdTAwMDAiXQ",
        "?tags=%00",
        "?tags=a%00b",
        "?tags[]=a",
        "?tags=%ff,",
        "?unit=x&scale=-1",
        "?unit=k&scale=1e400",
        "?scale=99999999999",
        "?timeout=1e400",
        "?timeout=nan",
        "?size=",
        "?custom_id=%00",
        "?balancer_health=x",
        "?custom_id=%ff",
        "?x[y][z]=1&x.y=2",
        "?balancer_health=1",
        "?%",
        "?a&a&a",
        "?status=draining2",
        "?check_hash=x&flatten_errors=x",
    ];
    odd[rng.usize(0..odd.len())].to_owned()
}

/// Fields as a schema shows them, filled.
fn record(schema: &Value, rng: &mut Rng, depth: u8) -> Value {
    let mut fields = Map::new();
    for field in schema["fields"].as_array().into_iter().flatten() {
        for (name, definition) in field.as_object().into_iter().flatten() {
            let is_wanted = definition["required"] == true && definition.get("default").is_none();
            if is_wanted && rng.u8(0..10) > 0 || rng.u8(0..4) == 0 {
                fields.insert(name.clone(), value(definition, rng, depth + 1));
            }
        }
    }
    Value::Object(fields)
}

fn value(definition: &Value, rng: &mut Rng, depth: u8) -> Value {
    if rng.u8(0..6) == 0 || depth > 8 {
        return odd_value(rng);
    }
    if let Some(values) = definition["one_of"].as_array().filter(|values| !values.is_empty()) {
        return values[rng.usize(0..values.len())].clone();
    }
    match definition["type"].as_str().unwrap_or_default() {
        "string" if definition["uuid"] == true => json!("a0000009-0000-4000-8000-000000000000"),
        "string" => json!(
            *rng.choice(
                [
                    "x",
                    "http://a.test/x",
                    "/p",
                    "a.test",
                    "10.0.0.1",
                    "~/(",
                    "*.a.test",
                    "[a",
                    "\\",
                    "${x}",
                    "$(headers.a)",
                    "1=1",
                    "http.path == \"/\"",
                    "{\"a\":1}",
                    "%"
                ]
                .iter()
            )
            .unwrap()
        ),
        "integer" => match definition["between"].as_array() {
            Some(bounds) if rng.bool() => bounds[rng.usize(0..bounds.len())].clone(),
            _ => json!(rng.i64(-3..100_000)),
        },
        "number" => json!(rng.f64() * 1e6 - 10.0),
        "boolean" => json!(rng.bool()),
        "array" | "set" => {
            (0..rng.u8(0..3)).map(|_| value(&definition["elements"], rng, depth + 1)).collect()
        }
        "map" => json!({"a": value(&definition["values"], rng, depth + 1)}),
        "record" => record(definition, rng, depth),
        "foreign" => {
            let kind = KINDS.iter().find(|kind| definition["reference"] == kind.name);
            json!({"id": kind.map_or_else(|| "x".to_owned(), |kind| kind.id(0))})
        }
        _ => odd_value(rng),
    }
}
