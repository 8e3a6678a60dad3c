//! A worker's plugins without a proxy: entities in, one request through the phases, what came of it.

use crate::conf::{Conf, Sources};
use crate::db::off::Dataset;
use crate::db::{Entities, EntityModel, Model, UniqueField};
use crate::exchange::{Address, Client, Exchange, Request, RequestBody, Source};
use crate::http::{Fields, Method, Scheme};
use crate::lua::plugin::{PhaseOutcome, Runner, RunnerSettings};
use crate::lua::testing::block_on;
use crate::lua::{LuaError, Vm, vm::Settings};
use crate::router::{Flavor, MatchInput};
use crate::shm::Dicts;
use crate::snapshot::{self, Published};
use crate::vaults::Vaults;
use serde_json::{Value, json};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

pub(super) const SERVICE: &str = "5e7f1ce0-0000-4000-8000-000000000001";
pub(super) const ROUTE: &str = "40a7e000-0000-4000-8000-000000000001";

/// A worker with plugins.
pub(super) struct Gateway {
    pub(super) vm: Vm,
    pub(super) runner: Runner,
    pub(super) published: Arc<Published>,
}

/// What came of a request.
pub(super) struct Answer {
    pub(super) exchange: Box<Exchange>,
    pub(super) outcome: PhaseOutcome,
    /// The body after `body_filter`.
    pub(super) body: String,
}

impl Gateway {
    /// A worker with these plugins enabled, whose Lua path begins with `path`.
    pub(super) fn new(plugins: &[&str], path: &str) -> Result<Gateway, LuaError> {
        Gateway::with_jit(true, plugins, path)
    }

    /// As [`Gateway::new`], with the JIT compiler on or off.
    pub(super) fn with_jit(jit: bool, plugins: &[&str], path: &str) -> Result<Gateway, LuaError> {
        let dicts = [
            "kong",
            "kong_locks",
            "kong_db_cache",
            "kong_db_cache_miss",
            "kong_core_db_cache",
            "kong_core_db_cache_miss",
            "kong_rate_limiting_counters",
        ];
        let sizes: Vec<_> = dicts.into_iter().map(|name| (name, 1 << 20)).collect();
        let dicts = Arc::new(Dicts::create(&sizes).unwrap());
        let package_path = path.to_owned();
        let vm = Vm::new(Settings { package_path, jit, dicts: Some(dicts), ..Settings::default() })?;
        let published = Arc::new(Published::default());
        let configuration =
            json!({"database": "off", "untrusted_lua": "sandbox", "prefix": "/tmp", "role": "traditional"});
        let settings = RunnerSettings {
            plugins: plugins.iter().map(|name| (*name).to_owned()).collect(),
            configuration: configuration.as_object().unwrap().clone(),
            published: published.clone(),
            vaults: Some(Arc::new(vaults())),
            ..RunnerSettings::default()
        };
        let runner = Runner::new(&vm, &settings)?;
        block_on(runner.init_worker());
        Ok(Gateway { vm, runner, published })
    }

    /// Puts entities in force: `{"plugins": [...], "consumers": [...]}`. A service and a route with the
    /// path `/` are always there; a plugin that names neither is global.
    pub(super) fn configure(&self, entities: &Value) {
        let mut all = Entities::new();
        let mut add = |kind: &str, row: Value| {
            let id = row["id"].as_str().unwrap().to_owned();
            let row = Arc::new(row.as_object().unwrap().clone());
            all.entry(kind.to_owned()).or_default().insert(id.into(), row);
        };
        add(
            "services",
            json!({"id": SERVICE, "name": "one", "host": "upstream.test", "port": 80, "protocol": "http",
            "enabled": true, "retries": 5, "connect_timeout": 60000, "write_timeout": 60000, "read_timeout": 60000}),
        );
        add(
            "routes",
            json!({"id": ROUTE, "name": "route-one", "paths": ["/"], "protocols": ["http", "https"],
            "service": {"id": SERVICE}, "strip_path": true}),
        );
        for (kind, rows) in entities.as_object().unwrap() {
            for (at, row) in rows.as_array().unwrap().iter().enumerate() {
                let mut row = row.clone();
                let id = format!("00000000-0000-4000-8000-{at:012}");
                row.as_object_mut().unwrap().entry("id").or_insert(id.into());
                add(kind, row);
            }
        }
        let dataset = Dataset::build(Arc::new(model()), all, "0123456789abcdef0123456789abcdef").unwrap();
        let kinds = self.runner.kinds().to_vec();
        let (snapshot, refused) = snapshot::build(Arc::new(dataset), kinds, Flavor::TraditionalCompatible);
        assert!(refused.is_empty(), "{refused:?}");
        self.published.publish(snapshot);
    }

    /// A request to the first route, before its first phase.
    pub(super) fn request(
        &self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Box<Exchange> {
        let mut request = Request::default();
        request.head.method = Method::new(method.as_bytes()).unwrap();
        request.head.target = target.as_bytes().to_vec();
        request.path = target.split('?').next().unwrap().as_bytes().to_vec();
        request.host = b"example.com".to_vec();
        request.head.fields.append(b"Host", b"example.com");
        for (name, value) in fields {
            request.head.fields.append(name.as_bytes(), value.as_bytes());
        }
        if !body.is_empty() {
            request.body = RequestBody::Memory(body.as_bytes().to_vec());
        }
        Box::new(Exchange::new(Rc::new(client()), self.published.current(), request))
    }

    /// Runs a request through all phases. An upstream that is reached answers 200 with `response`.
    pub(super) fn send(&self, exchange: Box<Exchange>, response: &[(&str, &str)], body: &str) -> Answer {
        block_on(self.run(exchange, response, body))
    }

    /// `GET` with fields; the upstream answers 200.
    pub(super) fn get(&self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(self.request("GET", target, fields, ""), &[], "hello")
    }

    pub(super) async fn run(
        &self,
        mut exchange: Box<Exchange>,
        response: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let runner = &self.runner;
        let mut outcome = runner.rewrite(&mut exchange).await;
        if outcome == PhaseOutcome::Continue {
            route(&mut exchange);
            outcome = runner.access(&mut exchange).await;
        }
        if outcome == PhaseOutcome::Continue {
            answer(&mut exchange, response, body);
        }
        let filtered = runner.header_filter(&mut exchange);
        if filtered != PhaseOutcome::Continue {
            outcome = filtered;
        }
        let chunk = std::mem::take(&mut exchange.response.body);
        exchange.response.chunk.data = chunk;
        exchange.response.chunk.eof = true;
        exchange.response.head_sent = true;
        let _ = runner.body_filter(&mut exchange);
        let body = String::from_utf8_lossy(&exchange.response.chunk.data).into_owned();
        runner.log(&mut exchange);
        Answer { exchange, outcome, body }
    }
}

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.exchange.response.head.status
    }

    pub(super) fn header(&self, name: &str) -> Option<String> {
        let value = self.exchange.response.head.fields.value(name.as_bytes())?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// All values of a header that the upstream gets.
    pub(super) fn upstream(&self, name: &str) -> Vec<String> {
        let values = self.exchange.request.head.fields.values(name.as_bytes());
        values.map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    }

    pub(super) fn message(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// The `env` vault over an environment with one secret.
fn vaults() -> Vaults {
    let conf = Conf::load(&Sources::new(None).without_default_files()).unwrap();
    let environment = [("KONG_TEST_SECRET".to_owned(), "hidden".to_owned())];
    Vaults::new(&conf, environment.into_iter().collect())
}

fn client() -> Client {
    Client {
        serial: 7,
        peer: Address::inet("10.1.2.3:4567".parse().unwrap()),
        local: Address::inet("127.0.0.1:8000".parse().unwrap()),
        public_port: 8000,
        scheme: Scheme::Http,
        tls: None,
        proxy_protocol: None,
        raw: Default::default(),
        requests: Cell::new(1),
    }
}

fn route(exchange: &mut Exchange) {
    let found = {
        let input = MatchInput { method: "GET", path: &exchange.request.path, ..MatchInput::default() };
        exchange.snapshot.router.find(&input)
    };
    exchange.upstream.service = found.and_then(|found| exchange.snapshot.routes.get(found.route)?.service);
    exchange.upstream.host = b"upstream.test".to_vec();
    exchange.upstream.path = exchange.request.path.clone();
    exchange.matched = found;
}

fn answer(exchange: &mut Exchange, fields: &[(&str, &str)], body: &str) {
    let mut received = Fields::new();
    for (name, value) in fields {
        received.append(name.as_bytes(), value.as_bytes());
        exchange.response.head.fields.append(name.as_bytes(), value.as_bytes());
    }
    exchange.response.source = Source::Upstream;
    exchange.response.head.status = 200;
    exchange.response.body = body.as_bytes().to_vec();
    exchange.upstream.status = 200;
    exchange.upstream.received = received;
}

fn model() -> Model {
    let kind = |name: &str, unique: &[&str], cache_key: &[&str]| EntityModel {
        name: name.to_owned(),
        primary_key: vec!["id".to_owned()],
        cache_key: cache_key.iter().map(|field| (*field).to_owned()).collect(),
        unique: unique
            .iter()
            .map(|field| UniqueField { name: (*field).to_owned(), across_workspaces: false })
            .collect(),
        workspaceable: true,
        ..EntityModel::default()
    };
    Model::new([
        kind("services", &["name"], &[]),
        kind("routes", &["name"], &[]),
        kind("consumers", &["username", "custom_id"], &[]),
        kind("plugins", &[], &["name", "route", "service", "consumer"]),
        kind("upstreams", &["name"], &[]),
        kind("vaults", &["prefix"], &[]),
        EntityModel { has_ttl: true, ..kind("keyauth_credentials", &["key"], &["key"]) },
    ])
}
