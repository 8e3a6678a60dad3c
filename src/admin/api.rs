//! From a call to its answer: the rules that hold for all endpoints, then the endpoint's handler.

use http::{HeaderName, Method, header};

use super::access_log::Logs;
use super::arguments;
use super::call::Call;
use super::endpoint::{Action, Endpoint, Endpoints, Matched};
use super::handlers::{config, entities, health, information, schemas, tags, writes};
use super::node::Node;
use super::reply::{Body, Reply};
use crate::http::page;

/// An API over a node: the Admin API or the Status API.
pub struct Api {
    pub(super) node: Box<dyn Node>,
    pub(super) endpoints: Endpoints,
    /// Whether browsers of other origins are told that they may call.
    pub(super) is_admin: bool,
    pub(super) logs: Logs,
}

impl Api {
    /// The Admin API of a node.
    pub fn admin(node: Box<dyn Node>) -> Self {
        let is_control_plane = node.identity().role == "control_plane";
        let endpoints = Endpoints::admin(node.reader().model(), is_control_plane);
        Api::over(node, endpoints, true)
    }

    /// The Status API of a node.
    pub fn status(node: Box<dyn Node>) -> Self {
        let is_dbless = node.identity().is_dbless;
        Api::over(node, Endpoints::status(is_dbless), false)
    }

    /// The same API with logs of its own.
    pub fn with_logs(self, logs: Logs) -> Self {
        Api { logs, ..self }
    }

    fn over(node: Box<dyn Node>, mut endpoints: Endpoints, is_admin: bool) -> Self {
        for (number, route) in node.plugin_routes().iter().enumerate() {
            endpoints.add_of_plugin(&route.pattern, &route.methods, number);
        }
        Api { node, endpoints, is_admin, logs: Logs::none() }
    }

    /// The node behind it.
    pub fn node(&self) -> &dyn Node {
        self.node.as_ref()
    }

    /// Answers a call.
    pub async fn answer(&self, call: &Call) -> Reply {
        let reply = self.routed(call).await;
        if self.is_admin {
            return self.with_cors(call, reply);
        }
        let asked = asked_headers(call).map(|asked| (header::ACCESS_CONTROL_ALLOW_HEADERS, asked));
        in_front(reply, [allowed_origin(call.header("origin").unwrap_or("*")), asked])
    }

    async fn routed(&self, call: &Call) -> Reply {
        if is_body_refused(call) {
            return Reply::empty(415);
        }
        let Some(matched) = self.endpoints.find(&call.path) else { return Reply::not_found() };
        let endpoint = matched.endpoint;
        if let Some(number) = endpoint.plugin_for(call.method.as_str()) {
            return self.node.answer_by_plugin(number, call, &matched.parameters).await;
        }
        if endpoint.action == Action::Disabled {
            return disabled(endpoint, call);
        }
        if call.method == Method::OPTIONS {
            if endpoint.action == Action::Wasm && endpoint.pattern.contains("filter-chains") {
                return without_wasm();
            }
            return options(&endpoint.allowed(), asked_headers(call));
        }
        if !endpoint.methods.contains(&call.method.as_str()) {
            return if call.method == Method::HEAD { nothing() } else { Reply::method_not_allowed() };
        }
        if let Some(refusal) = arguments::excess(call) {
            return refusal;
        }
        self.handled(call, &matched).await
    }

    async fn handled(&self, call: &Call, matched: &Matched<'_>) -> Reply {
        let node = self.node();
        let reads = matches!(call.method, Method::GET | Method::HEAD);
        match &matched.endpoint.action {
            Action::Config if reads => config::get(node),
            Action::Config => config::post(node, call).await,
            Action::Validate(kind) => schemas::validate(node, call, *kind, matched),
            Action::ChangeLogLevel(reach) => information::change_log_level(node, call, matched, *reach).await,
            Action::SetHealth(available) => health::set(node, *available, call, matched).await,
            Action::Ready if !reads => information::drain(node, call),
            Action::Resolver => information::resolver(node).await,
            Action::Wasm => without_wasm(),
            _ if !reads => writes::write(node, call, matched).await,
            Action::Root => information::root(node),
            Action::Endpoints => information::endpoints(&self.endpoints),
            Action::Health => health::health(node, call, matched).await,
            Action::Status => information::status(node, call).await,
            Action::Ready => information::ready(node).await,
            Action::EnabledPlugins => information::enabled_plugins(node),
            Action::Timers => information::timers(node).await,
            Action::LogLevel => information::log_level(node),
            Action::Clustering => information::clustering(node),
            Action::Tags => tags::all(node, call).await,
            Action::Tag => tags::one(node, call, matched).await,
            Action::Collection(_)
            | Action::Entity(_)
            | Action::Children(_)
            | Action::Child(_)
            | Action::Parent(_) => entities::read(node, call, matched).await,
            Action::Schema => schemas::entity(node, matched),
            Action::PluginSchema => schemas::plugin(node, matched),
            Action::PluginConfigSchema => schemas::plugin_config(node, matched),
            Action::VaultSchema => schemas::vault(node, matched),
            Action::FilterSchema => schemas::filter(matched),
            Action::Disabled => Reply::not_found(),
            Action::Plugin => Reply::method_not_allowed(),
        }
    }

    fn with_cors(&self, call: &Call, reply: Reply) -> Reply {
        let allowed = &self.node.identity().cors_origins;
        let sent = call.header("origin");
        let origin = match allowed.first() {
            None => sent.unwrap_or("*"),
            Some(first) => sent.filter(|sent| allowed.iter().any(|origin| origin == sent)).unwrap_or(first),
        };
        let credentials = Some((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"));
        let asked = asked_headers(call).map(|asked| (header::ACCESS_CONTROL_ALLOW_HEADERS, asked));
        in_front(reply, [allowed_origin(origin), credentials, asked])
    }
}

/// Which origin may call; an empty one is not told.
fn allowed_origin(origin: &str) -> Option<(HeaderName, &str)> {
    (!origin.is_empty()).then_some((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin))
}

/// Puts field lines in front of those of a reply.
fn in_front<'a>(mut reply: Reply, fields: impl IntoIterator<Item = Option<(HeaderName, &'a str)>>) -> Reply {
    let fields = fields.into_iter().flatten().map(|(name, value)| (name, value.to_owned()));
    reply.headers.splice(0..0, fields);
    reply
}

/// *Kong parity*: a path that is not served all the same knows which methods it would take.
fn disabled(endpoint: &Endpoint, call: &Call) -> Reply {
    let is_known = call.method == Method::OPTIONS || endpoint.methods.contains(&call.method.as_str());
    if is_known { Reply::not_found() } else { Reply::method_not_allowed() }
}

fn without_wasm() -> Reply {
    Reply::message(400, "this endpoint is only available when wasm is enabled")
}

/// The answer to HEAD where there is nothing to GET.
fn nothing() -> Reply {
    let body = Body::Bytes { bytes: Vec::new(), is_sized: false };
    Reply { body, ..Reply::empty(200) }.with(header::CONTENT_TYPE, page::MEDIA_TYPE)
}

/// Whether a body is sent in a form that no endpoint takes; `/config` takes YAML too.
fn is_body_refused(call: &Call) -> bool {
    if !matches!(call.method, Method::PUT | Method::POST | Method::PATCH) {
        return false;
    }
    let Some(content_type) = call.header("content-type") else { return !call.body.is_empty() };
    let is = |media_type: &str| content_type.starts_with(media_type);
    let takes_yaml = call.path.trim_end_matches('/') == "/config";
    !(is("application/json")
        || is("multipart/form-data")
        || is("application/x-www-form-urlencoded")
        || takes_yaml && (is("application/yaml") || is("text/yaml")))
}

fn options(allowed: &str, asked: Option<&str>) -> Reply {
    let reply =
        Reply::empty(204).with(header::ACCESS_CONTROL_ALLOW_METHODS, allowed).with(header::ALLOW, allowed);
    match asked {
        Some(_) => reply,
        None => reply.with(header::ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type"),
    }
}

/// The field lines that a browser asks to be allowed.
fn asked_headers(call: &Call) -> Option<&str> {
    let asked = call.header("access-control-request-headers");
    asked.filter(|_| call.method == Method::OPTIONS)
}

/// The arguments of a write, or the answer to a body that cannot be read.
pub(super) fn written(call: &Call) -> Result<serde_json::Map<String, serde_json::Value>, Reply> {
    arguments::body(call)
}
