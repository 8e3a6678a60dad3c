//! The API over real sockets.

mod database;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::db::Dao;
use crate::db::declarative::Reader;
use crate::db::off::Dataset;
use crate::entities::{Registry, RouterFlavor};
use crate::observability::Level;

struct TestNode {
    registry: Registry,
    reader: Reader,
    identity: Identity,
    dataset: RefCell<Arc<Dataset>>,
    drained: Cell<bool>,
    refusal: RefCell<Option<ApplyError>>,
    dao: Option<Dao>,
}

impl Node for Rc<TestNode> {
    fn dataset(&self) -> Arc<Dataset> {
        self.dataset.borrow().clone()
    }
    fn dao(&self) -> Option<&Dao> {
        self.dao.as_ref()
    }
    fn registry(&self) -> &Registry {
        &self.registry
    }
    fn reader(&self) -> &Reader {
        &self.reader
    }
    fn identity(&self) -> &Identity {
        &self.identity
    }
    fn configuration(&self) -> Map<String, Value> {
        Map::from_iter([("pg_password".to_owned(), json!("******"))])
    }
    fn statistics(&self) -> Statistics {
        Statistics { total_requests: 7, workers: vec![(42, 1_572_864)], ..Statistics::default() }
    }
    fn not_ready(&self) -> Option<String> {
        self.drained.get().then(|| "draining".to_owned())
    }
    fn drain(&self) {
        self.drained.set(true);
    }
    fn upstream_status<'a>(&'a self, _: &'a str) -> StatusFuture<'a> {
        Box::pin(std::future::ready(None))
    }
    fn set_available(&self, _: &str, _: &str, _: Option<&str>, _: u16, _: bool) {}
    fn log_level(&self) -> String {
        "notice".to_owned()
    }
    fn change_log_level(&self, _: Level, _: u64, _: Reach) -> ApplyFuture<'_> {
        Box::pin(std::future::ready(Ok(())))
    }
    fn apply(&self, loaded: Loaded) -> ApplyFuture<'_> {
        Box::pin(async move {
            if let Some(refusal) = self.refusal.borrow_mut().take() {
                return Err(refusal);
            }
            let dataset = Dataset::build(self.reader.model().clone(), loaded.rows, &loaded.hash).unwrap();
            self.dataset.replace(Arc::new(dataset));
            Ok(())
        })
    }
}

fn node() -> Rc<TestNode> {
    Rc::new(node_without_database())
}

fn node_without_database() -> TestNode {
    let registry = Registry::core(RouterFlavor::TraditionalCompatible).unwrap();
    let reader = Reader::new(&registry);
    let dataset = RefCell::new(Arc::new(Dataset::empty(reader.model().clone())));
    let identity = Identity {
        is_dbless: true,
        role: "traditional".to_owned(),
        latency_header: true,
        server_header: true,
        max_body: 10 << 20,
        plugins: vec![PluginInfo { name: "cors".to_owned(), version: "3.9.3".to_owned(), priority: 2000.0 }],
        ..Identity::default()
    };
    TestNode {
        registry,
        reader,
        identity,
        dataset,
        drained: Cell::new(false),
        refusal: RefCell::new(None),
        dao: None,
    }
}

/// An answer as it came over the wire.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
    fn header(&self, name: &str) -> Option<&str> {
        let line =
            |line: &'_ str| line.split_once(": ").is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
        self.head
            .lines()
            .find(|text| line(text))
            .and_then(|line| line.split_once(": "))
            .map(|(_, value)| value)
    }
}

struct Client {
    address: std::net::SocketAddr,
}

impl Client {
    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{length}{headers}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = Vec::new();
        stream.read_to_end(&mut text).await.unwrap();
        let text = String::from_utf8(text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }
    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", "").await
    }
    async fn json(&self, method: &str, path: &str, body: Value) -> Answer {
        self.send(method, path, "Content-Type: application/json\r\n", &body.to_string()).await
    }
    async fn load(&self, yaml: &str) -> Answer {
        self.send("POST", "/config", "Content-Type: text/yaml\r\n", yaml).await
    }
}

/// Runs `test` against an API that serves on a free port.
fn with<F: Future<Output = ()>>(api: Api, test: impl FnOnce(Client) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let listener = Listener { socket: Socket::Tcp(socket), tls: None };
        let server = tokio::task::spawn_local(serve(vec![listener], Rc::new(api)));
        test(Client { address }).await;
        server.abort();
    });
}

const CONFIG: &str = "_format_version: '3.0'
services:
- {name: a, host: x, tags: [one, two], routes: [{name: ra, paths: [/a]}, {name: rb, paths: [/b]}]}
- {name: b, host: y, tags: [one]}
- {name: c, host: z}
consumers:
- {username: bob, custom_id: '17'}
upstreams:
- {name: up, targets: [{target: 10.0.0.1}, {target: '10.0.0.2:90'}]}
";

#[test]
fn a_posted_configuration_is_answered_flat_and_then_served() {
    with(Api::admin(Box::new(node())), async |client| {
        let answer = client.load(CONFIG).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let entities = answer.json();
        assert!(entities.get("workspaces").is_none());
        assert_eq!(entities["services"].as_object().unwrap().len(), 3);
        let service = client.get("/services/a").await.json();
        assert_eq!(service["host"], "x");
        assert_eq!(service["path"], Value::Null);
        assert!(service.get("ws_id").is_none());
        assert_eq!(
            client.get(&format!("/services/{}", service["id"].as_str().unwrap())).await.json(),
            service
        );
        let routes = client.get("/services/a/routes").await.json();
        assert_eq!(routes["data"].as_array().unwrap().len(), 2);
        assert_eq!(routes["next"], Value::Null);
        assert_eq!(client.get("/routes/ra/service").await.json(), service);
        assert_eq!(client.get("/services/a/routes/rb").await.json()["name"], "rb");
        assert_eq!(client.get("/services/b/routes/rb").await.status, 404);
    });
}

#[test]
fn the_configuration_comes_back_as_yaml_that_loads_again() {
    with(Api::admin(Box::new(node())), async |client| {
        client.load(CONFIG).await;
        let config = client.get("/config").await.json()["config"].as_str().unwrap().to_owned();
        assert!(config.starts_with("_format_version: '3.0'\n_transform: false\n"), "{config}");
        assert!(!config.contains("workspaces"));
        assert_eq!(client.load(&config).await.status, 201);
    });
}

#[test]
fn an_identical_configuration_is_not_loaded_when_the_hash_is_checked() {
    with(Api::admin(Box::new(node())), async |client| {
        let body = json!({ "config": CONFIG });
        assert_eq!(client.json("POST", "/config?check_hash=1", body.clone()).await.status, 201);
        let answer = client.json("POST", "/config?check_hash=1", body).await;
        assert_eq!((answer.status, answer.body.as_str()), (304, ""));
    });
}

#[test]
fn a_wrong_configuration_is_told_as_a_tree_or_flat() {
    with(Api::admin(Box::new(node())), async |client| {
        let body = json!({"_format_version": "1.1", "services": [{"port": -12, "name": "n"}]});
        let answer = client.json("POST", "/config", body.clone()).await;
        assert_eq!(answer.status, 400);
        assert_eq!(
            answer.json(),
            json!({
                "code": 14,
                "name": "invalid declarative configuration",
                "message": "declarative config is invalid: {services={{host=\"required field missing\",port=\"value should be between 0 and 65535\"}}}",
                "fields": {"services": [{"host": "required field missing", "port": "value should be between 0 and 65535"}]},
            })
        );
        let flat = client.json("POST", "/config?flatten_errors=1", body).await.json();
        assert_eq!(flat["flattened_errors"][0]["entity_name"], "n");
        assert_eq!(flat["flattened_errors"][0]["errors"].as_array().unwrap().len(), 2);
        assert_eq!(flat["fields"], json!({}));
    });
}

#[test]
fn bodies_of_every_kind_are_taken_and_others_refused() {
    with(Api::admin(Box::new(node())), async |client| {
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        let body = "config=_format_version%3A+%273.0%27%0Aconsumers%3A%0A-+username%3A+x%0A";
        assert_eq!(client.send("POST", "/config", form, body).await.status, 201);
        let nothing = client.send("POST", "/config", "", "").await;
        assert_eq!(nothing.json(), json!({"message": "expected a declarative configuration"}));
        assert_eq!(client.send("POST", "/config", "Content-Type: text/plain\r\n", "x").await.status, 415);
        assert_eq!(client.send("POST", "/services", "Content-Type: text/yaml\r\n", "x").await.status, 415);
        let broken = client.send("POST", "/services", "Content-Type: application/json\r\n", "{").await;
        assert_eq!((broken.status, broken.json()), (400, json!({"message": "Cannot parse JSON body"})));
        let text = client.json("POST", "/config", json!({"config": "bobby tables"})).await;
        assert_eq!(
            text.json()["message"],
            "declarative config is invalid: {error=\"failed parsing declarative configuration: expected an object\"}"
        );
    });
}

#[test]
fn a_configuration_that_cannot_be_applied_now_says_when_to_try_again() {
    let node = node();
    node.refusal.replace(Some(ApplyError::Busy { retry_after: 10 }));
    with(Api::admin(Box::new(Rc::clone(&node))), async |client| {
        let answer = client.load(CONFIG).await;
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("10")));
        assert_eq!(answer.json(), json!({"message": "Currently loading previous configuration"}));
    });
}

#[test]
fn pages_lead_from_one_to_the_next() {
    with(Api::admin(Box::new(node())), async |client| {
        client.load(CONFIG).await;
        let mut path = "/services?size=2&tags=one".to_owned();
        let first = client.get(&path).await.json();
        path = first["next"].as_str().unwrap().to_owned();
        assert!(path.ends_with("&tags=one&size=2"), "{path}");
        let second = client.get(&path).await.json();
        assert_eq!(second["next"], Value::Null);
        let count = |page: &Value| page["data"].as_array().unwrap().len();
        assert_eq!(count(&first) + count(&second), 2);
        for (query, message) in [
            ("size=0", "size must be an integer between 1 and 1000"),
            ("size=x", "size must be a number"),
            ("offset=x", "'x' is not a valid offset: bad base64 encoding"),
            ("tags=", "invalid option (tags: cannot be null)"),
        ] {
            let answer = client.get(&format!("/services?{query}")).await;
            assert_eq!((answer.status, &answer.json()["message"]), (400, &json!(message)), "{query}");
        }
    });
}

#[test]
fn writes_are_checked_and_then_refused() {
    with(Api::admin(Box::new(node())), async |client| {
        client.load(CONFIG).await;
        let message = |answer: &Answer| answer.json()["message"].as_str().unwrap().to_owned();
        let answer = client.json("POST", "/services", json!({"host": "x"})).await;
        assert_eq!(answer.status, 405);
        assert_eq!(
            answer.json(),
            json!({"code": 12, "name": "operation unsupported",
                "message": "cannot create 'services' entities when not using a database"})
        );
        let answer = client.json("POST", "/services", json!({})).await;
        assert_eq!(
            (answer.status, message(&answer).as_str()),
            (400, "schema violation (host: required field missing)")
        );
        let answer = client.json("PUT", "/services/a", json!({"host": "x"})).await;
        assert_eq!(
            message(&answer),
            "cannot create or update 'services' entities by 'name' when not using a database"
        );
        let answer = client.json("PATCH", "/services/ghost", json!({"host": "x"})).await;
        assert_eq!(
            (answer.status, message(&answer).as_str()),
            (404, "could not find the entity with '{name=\"ghost\"}'")
        );
        assert_eq!(client.send("DELETE", "/services/ghost", "", "").await.status, 204);
        assert_eq!(client.send("DELETE", "/services/a", "", "").await.status, 405);
        let answer = client.json("DELETE", "/services", json!({})).await;
        assert_eq!((answer.status, answer.json()), (405, json!({"message": "Method not allowed"})));
    });
}

#[test]
fn unknown_paths_and_special_ones_answer_as_kongs() {
    with(Api::admin(Box::new(node())), async |client| {
        client.load(CONFIG).await;
        let not_found = json!({"message": "Not found"});
        assert_eq!(client.get("/nothing").await.json(), not_found);
        assert_eq!(client.get("/targets").await.json(), not_found);
        assert_eq!(client.get("/services/").await.status, 200);
        assert_eq!(
            client.get("/schemas/nothing").await.json(),
            json!({"message": "No entity named 'nothing'"})
        );
        assert_eq!(
            client.get("/schemas/plugins/no").await.json(),
            json!({"message": "No plugin named 'no'"})
        );
        assert_eq!(client.get("/plugins/enabled").await.json(), json!({"enabled_plugins": ["cors"]}));
        assert_eq!(client.get("/filter-chains").await.status, 400);
        assert_eq!(client.get("/metrics").await.status, 404);
        assert_eq!(client.get("/status/dns").await.status, 501);
        assert_eq!(client.get("/consumers?custom_id=17").await.json()["data"][0]["username"], "bob");
        assert_eq!(client.get("/tags/two").await.json()["data"][0]["entity_name"], "services");
        let valid = client.json("POST", "/schemas/services/validate", json!({"host": "x"})).await;
        assert_eq!(valid.json(), json!({"message": "schema validation successful"}));
        let targets = client.get("/upstreams/up/targets").await.json();
        let mut names: Vec<&str> =
            targets["data"].as_array().unwrap().iter().map(|t| t["target"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["10.0.0.1:8000", "10.0.0.2:90"]);
        assert_eq!(client.get("/upstreams/up/targets/10.0.0.1:8000").await.status, 200);
        let certificate = client.get("/ca_certificates/not-an-id").await;
        assert_eq!((certificate.status, &certificate.json()["code"]), (400, &json!(1)));
    });
}

#[test]
fn every_answer_carries_the_headers_of_the_api() {
    with(Api::admin(Box::new(node())), async |client| {
        let answer = client.send("OPTIONS", "/services", "Origin: http://gui\r\n", "").await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS, POST"));
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS, POST"));
        assert_eq!(answer.header("access-control-allow-headers"), Some("Content-Type"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("http://gui"));
        let head = client.send("HEAD", "/", "", "").await;
        let get = client.get("/").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        assert_eq!(head.header("content-length"), get.header("content-length"));
        assert_eq!(get.header("content-type"), Some("application/json; charset=utf-8"));
        assert_eq!(get.header("server"), Some("kong/3.9.3"));
        assert_eq!(get.header("access-control-allow-origin"), Some("*"));
        assert_eq!(get.header("access-control-allow-credentials"), Some("true"));
        assert!(get.header("x-kong-admin-latency").is_some());
        assert_eq!(get.json()["tagline"], "Welcome to kong");
        assert_eq!(get.json()["plugins"]["available_on_server"]["cors"]["priority"], 2000);
        assert!(get.body.contains("\"enabled_in_cluster\":[]"));
    });
}

#[test]
fn the_status_api_reports_counters_and_readiness() {
    let node = node();
    with(Api::status(Box::new(Rc::clone(&node))), async |client| {
        let status = client.get("/status").await.json();
        assert_eq!(
            status["memory"]["workers_lua_vms"],
            json!([{"pid": 42, "http_allocated_gc": "1.50 MiB"}])
        );
        assert_eq!(status["server"]["total_requests"], 7);
        assert_eq!(status["configuration_hash"], "0".repeat(32));
        assert!(status.get("database").is_none());
        assert_eq!(
            client.get("/status?unit=b").await.json()["memory"]["workers_lua_vms"][0]["http_allocated_gc"],
            1_572_864
        );
        let wrong = client.get("/status?unit=V").await;
        assert_eq!(
            (wrong.status, wrong.json()),
            (400, json!({"message": "invalid unit 'V' (expected 'k/K', 'm/M', or 'g/G')"}))
        );
        assert_eq!(client.get("/status/ready").await.json(), json!({"message": "ready"}));
        assert_eq!(client.json("POST", "/status/ready", json!({"status": "draining"})).await.status, 204);
        let ready = client.get("/status/ready").await;
        assert_eq!((ready.status, ready.json()), (503, json!({"message": "draining"})));
        assert_eq!(client.get("/services").await.status, 404);
    });
}
