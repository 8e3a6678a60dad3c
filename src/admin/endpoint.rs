//! What is served under which path: the table of all endpoints and the look-up in it.

use crate::db::{EntityModel, ForeignField, Model};

/// What an endpoint does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// `/`: what this node is.
    Root,
    /// `/endpoints`: all paths.
    Endpoints,
    /// `/status`: counters of this node.
    Status,
    /// `/timers`: what timers have done.
    Timers,
    /// `/status/ready`: whether the node can serve.
    Ready,
    /// `/config`: the declarative configuration.
    Config,
    /// `/plugins/enabled`: plugins that may be configured.
    EnabledPlugins,
    /// `/schemas/:name`: the schema of an entity.
    Schema,
    /// `/schemas/plugins/:name`: the schema of a plugin.
    PluginSchema,
    /// `/plugins/schema/:name`: the older path for the configuration part of it.
    PluginConfigSchema,
    /// `/schemas/vaults/:name`: the schema of a vault.
    VaultSchema,
    /// `/schemas/filters/:name`: the schema of a wasm filter.
    FilterSchema,
    /// `/schemas/:db_entity_name/validate`: a check of an entity; with the entity if the path names it.
    Validate(Option<&'static str>),
    /// `/services`: all entities of a kind.
    Collection(String),
    /// `/services/:services`: one entity.
    Entity(String),
    /// `/services/:services/routes`: the entities that point to one.
    Children(Relation),
    /// `/services/:services/routes/:routes`: one of these.
    Child(Relation),
    /// `/routes/:routes/service`: the entity that one points to.
    Parent(Relation),
    /// `/tags`: all tags.
    Tags,
    /// `/tags/:tags`: the entities with one tag.
    Tag,
    /// `/upstreams/:upstreams/health`: what is known of its targets.
    Health,
    /// `…/targets/:targets/healthy` and `…/unhealthy`: setting that by hand.
    SetHealth(bool),
    /// `/debug/node/log-level`: the level of the error log.
    LogLevel,
    /// `/debug/…/log-level/:log_level`: its change, on this node or on all of them.
    ChangeLogLevel(Reach),
    /// `/clustering/…`: for control planes.
    Clustering,
    /// Filter chains, which need wasm.
    Wasm,
    /// Always 404, as in Kong.
    Disabled,
    /// `/status/dns`: what the resolver did.
    Resolver,
    /// Only code in Lua knows it.
    Plugin,
}

/// Which nodes a change is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// This one.
    Node,
    /// All that share the database.
    Cluster,
}

/// A foreign field with the kinds at its ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The kind that has the field.
    pub child: String,
    /// The field.
    pub field: String,
    /// The kind it points to.
    pub parent: String,
}

/// A path pattern with its methods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Segments, those that begin with `:` stand for any text.
    pub pattern: String,
    /// The methods it takes besides OPTIONS, in order.
    pub methods: Vec<&'static str>,
    /// What it does.
    pub action: Action,
    /// The number of the plugin's endpoint with this path, and the methods that it answers in our place.
    pub by_plugin: Option<(usize, Vec<&'static str>)>,
}

/// All endpoints of a listener.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    table: Vec<Endpoint>,
}

/// An endpoint with what the request's path has in place of its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched<'table> {
    /// The endpoint.
    pub endpoint: &'table Endpoint,
    /// The texts, as they stand in the path.
    pub parameters: Vec<String>,
}

const COLLECTION: [&str; 3] = ["GET", "HEAD", "POST"];
const ENTITY: [&str; 5] = ["DELETE", "GET", "HEAD", "PATCH", "PUT"];
const READ: [&str; 2] = ["GET", "HEAD"];
/// What a plugin's endpoint can answer.
const METHODS: [&str; 9] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

impl Endpoint {
    /// The number of the plugin's endpoint that answers a method in our place.
    pub fn plugin_for(&self, method: &str) -> Option<usize> {
        let (number, methods) = self.by_plugin.as_ref()?;
        methods.contains(&method).then_some(*number)
    }

    /// The value of `Allow`.
    pub fn allowed(&self) -> String {
        let mut methods = self.methods.clone();
        methods.push("OPTIONS");
        methods.sort_unstable();
        methods.join(", ")
    }
}

impl Endpoints {
    /// The Admin API over the kinds of a model; a control plane speaks for other nodes of its kind, and knows of no
    /// target how it is.
    pub fn admin(model: &Model, is_control_plane: bool) -> Self {
        let mut endpoints = Self::default();
        for kind in model.kinds().filter(|kind| kind.admin_api) {
            endpoints.add_kind(kind, model);
        }
        endpoints.add_core();
        endpoints.add_debug(is_control_plane);
        endpoints.add_schemas();
        endpoints.add_upstreams();
        if !is_control_plane {
            endpoints.add_target_health();
        }
        endpoints.add_wasm();
        endpoints
    }

    /// The Status API; that of a node with a database does not tell of upstreams.
    pub fn status(is_dbless: bool) -> Self {
        let mut endpoints = Self::default();
        endpoints.add("/status", &READ, Action::Status);
        endpoints.add("/status/ready", &["GET", "HEAD", "POST"], Action::Ready);
        endpoints.add("/status/dns", &READ, Action::Resolver);
        if is_dbless {
            endpoints.add_status_of_upstreams();
        }
        endpoints
    }

    fn add_status_of_upstreams(&mut self) {
        let targets = || Relation {
            child: "targets".to_owned(),
            field: "upstream".to_owned(),
            parent: "upstreams".to_owned(),
        };
        for (path, action) in [
            ("health", Action::Health),
            ("targets", Action::Children(targets())),
            ("targets/all", Action::Children(targets())),
            ("targets/:targets", Action::Child(targets())),
        ] {
            self.add(&format!("/upstreams/:upstreams/{path}"), &READ, action);
        }
    }

    /// Adds the endpoint of a plugin, or lets the plugin answer methods of an endpoint that is there.
    ///
    /// *Kong parity*: a slash at the end of the path does not count, and HEAD is answered as GET is.
    pub fn add_of_plugin(&mut self, pattern: &str, methods: &[String], number: usize) {
        let pattern = if pattern.len() > 1 { pattern.trim_end_matches('/') } else { pattern };
        let answers = |method: &&'static str| {
            methods.iter().any(|own| own == method || *method == "HEAD" && own == "GET")
        };
        let answered: Vec<&'static str> = METHODS.into_iter().filter(answers).collect();
        if !self.table.iter().any(|endpoint| endpoint.pattern == pattern) {
            self.add(pattern, &[], Action::Plugin);
        }
        let Some(endpoint) = self.table.iter_mut().find(|endpoint| endpoint.pattern == pattern) else {
            return;
        };
        let new =
            answered.iter().filter(|method| **method != "OPTIONS" && !endpoint.methods.contains(method));
        let new: Vec<&'static str> = new.copied().collect();
        endpoint.methods.extend(new);
        endpoint.by_plugin = Some((number, answered));
    }

    /// The endpoint for a path; a slash at its end does not count.
    pub fn find(&self, path: &str) -> Option<Matched<'_>> {
        let trimmed = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
        let segments: Vec<&str> = trimmed.split('/').collect();
        let matches = self.table.iter().filter_map(|endpoint| {
            let (literals, parameters) = matched(&endpoint.pattern, &segments)?;
            Some((literals, Matched { endpoint, parameters }))
        });
        matches.max_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, matched)| matched)
    }

    /// All patterns, parameters in braces, sorted by segments.
    pub fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.table.iter().map(braced).collect();
        paths.sort_by_key(|path| path.replace('/', "\0"));
        paths
    }

    fn add(&mut self, pattern: &str, methods: &[&'static str], action: Action) {
        let endpoint =
            Endpoint { pattern: pattern.to_owned(), methods: methods.to_vec(), action, by_plugin: None };
        match self.table.iter_mut().find(|known| known.pattern == pattern) {
            Some(known) => *known = endpoint,
            None => self.table.push(endpoint),
        }
    }

    fn add_kind(&mut self, kind: &EntityModel, model: &Model) {
        let (path, name) = (kind.path_name(), &kind.name);
        self.add(&format!("/{path}"), &COLLECTION, Action::Collection(name.clone()));
        self.add(&format!("/{path}/:{name}"), &ENTITY, Action::Entity(name.clone()));
        for field in kind.foreign.iter().filter(|field| field.admin_api) {
            if let Some(parent) = model.kind(&field.reference) {
                self.add_relation(kind, field, parent);
            }
        }
    }

    fn add_relation(&mut self, child: &EntityModel, field: &ForeignField, parent: &EntityModel) {
        let relation =
            Relation { child: child.name.clone(), field: field.name.clone(), parent: parent.name.clone() };
        let (path, name) = (child.path_name(), &child.name);
        self.add(&format!("/{path}/:{name}/{}", field.name), &ENTITY, Action::Parent(relation.clone()));
        if !parent.admin_api {
            return;
        }
        let below = format!("/{}/:{}/{}", parent.path_name(), parent.name, child.nested_path_name());
        self.add(&below, &COLLECTION, Action::Children(relation.clone()));
        self.add(&format!("{below}/:{name}"), &ENTITY, Action::Child(relation));
    }

    fn add_core(&mut self) {
        self.add("/", &READ, Action::Root);
        self.add("/endpoints", &READ, Action::Endpoints);
        self.add("/timers", &READ, Action::Timers);
        self.add("/status", &READ, Action::Status);
        self.add("/status/dns", &READ, Action::Resolver);
        self.add("/config", &COLLECTION, Action::Config);
        self.add("/plugins/enabled", &READ, Action::EnabledPlugins);
        self.add("/tags", &COLLECTION, Action::Tags);
        self.add("/tags/:tags", &ENTITY, Action::Tag);
        self.add("/clustering/data-planes", &READ, Action::Clustering);
        self.add("/clustering/status", &READ, Action::Clustering);
        self.add("/snis/:snis/certificate", &ENTITY, Action::Disabled);
    }

    fn add_debug(&mut self, is_control_plane: bool) {
        let cluster = if is_control_plane { "cluster/control-planes-nodes" } else { "cluster" };
        self.add("/debug/node/log-level", &READ, Action::LogLevel);
        self.add("/debug/node/log-level/:log_level", &["PUT"], Action::ChangeLogLevel(Reach::Node));
        self.add(
            &format!("/debug/{cluster}/log-level/:log_level"),
            &["PUT"],
            Action::ChangeLogLevel(Reach::Cluster),
        );
    }

    fn add_schemas(&mut self) {
        self.add("/schemas/:name", &READ, Action::Schema);
        self.add("/schemas/plugins/:name", &READ, Action::PluginSchema);
        self.add("/schemas/vaults/:name", &READ, Action::VaultSchema);
        self.add("/schemas/filters/:name", &READ, Action::FilterSchema);
        self.add("/plugins/schema/:name", &READ, Action::PluginConfigSchema);
        self.add("/schemas/plugins/validate", &["POST"], Action::Validate(Some("plugins")));
        self.add("/schemas/vaults/validate", &["POST"], Action::Validate(Some("vaults")));
        self.add("/schemas/:db_entity_name/validate", &["POST"], Action::Validate(None));
    }

    fn add_upstreams(&mut self) {
        for path in ["/targets", "/targets/:targets", "/targets/:targets/upstream"] {
            let methods: &[&str] = if path == "/targets" { &COLLECTION } else { &ENTITY };
            self.add(path, methods, Action::Disabled);
        }
        let upstream = "/upstreams/:upstreams";
        self.add(&format!("{upstream}/health"), &READ, Action::Health);
        let relation = Relation {
            child: "targets".to_owned(),
            field: "upstream".to_owned(),
            parent: "upstreams".to_owned(),
        };
        self.add(&format!("{upstream}/targets/all"), &READ, Action::Children(relation));
    }

    fn add_target_health(&mut self) {
        let upstream = "/upstreams/:upstreams";
        for (health, available) in [("healthy", true), ("unhealthy", false)] {
            let set = || Action::SetHealth(available);
            self.add(&format!("{upstream}/targets/:targets/{health}"), &["PUT"], set());
            self.add(&format!("{upstream}/targets/:targets/:address/{health}"), &["PUT"], set());
        }
    }

    fn add_wasm(&mut self) {
        for endpoint in &mut self.table {
            if endpoint.pattern.contains("filter-chains") {
                endpoint.action = Action::Wasm;
            }
        }
        for which in ["all", "disabled", "enabled"] {
            self.add(&format!("/routes/:routes/filters/{which}"), &READ, Action::Wasm);
        }
    }
}

/// Which segments are literal, first ones first, and what the others stand for.
fn matched(pattern: &str, segments: &[&str]) -> Option<(Vec<bool>, Vec<String>)> {
    let mut literals = Vec::new();
    let mut parameters = Vec::new();
    let mut rest = segments.iter();
    for expected in pattern.split('/') {
        let segment = rest.next()?;
        let is_parameter = expected.starts_with(':');
        literals.push(!is_parameter);
        if is_parameter && !segment.is_empty() {
            parameters.push((*segment).to_owned());
        } else if expected != *segment {
            return None;
        }
    }
    rest.next().is_none().then_some((literals, parameters))
}

fn braced(endpoint: &Endpoint) -> String {
    let segments: Vec<String> = endpoint
        .pattern
        .split('/')
        .map(|segment| {
            segment.strip_prefix(':').map_or_else(|| segment.to_owned(), |name| format!("{{{name}}}"))
        })
        .collect();
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Model {
        let kind = |name: &str| EntityModel {
            name: name.to_owned(),
            primary_key: vec!["id".to_owned()],
            admin_api: true,
            ..EntityModel::default()
        };
        let field = |name: &str, reference: &str| ForeignField {
            name: name.to_owned(),
            reference: reference.to_owned(),
            cascades: false,
            admin_api: true,
        };
        let credential = EntityModel {
            admin_api_name: Some("key-auths".to_owned()),
            admin_api_nested_name: Some("key-auth".to_owned()),
            foreign: vec![field("consumer", "consumers")],
            ..kind("keyauth_credentials")
        };
        let routes = EntityModel { foreign: vec![field("service", "services")], ..kind("routes") };
        Model::new([kind("services"), kind("consumers"), kind("plugins"), routes, credential])
    }

    #[test]
    fn every_kind_has_its_paths_and_those_of_its_relations() {
        let endpoints = Endpoints::admin(&model(), false);
        let action = |path: &str| endpoints.find(path).map(|matched| matched.endpoint.action.clone());
        assert_eq!(action("/services"), Some(Action::Collection("services".to_owned())));
        assert_eq!(action("/services/x/"), Some(Action::Entity("services".to_owned())));
        assert!(matches!(action("/services/x/routes"), Some(Action::Children(_))));
        assert!(matches!(action("/services/x/routes/y"), Some(Action::Child(_))));
        assert!(matches!(action("/routes/y/service"), Some(Action::Parent(_))));
        assert!(matches!(action("/consumers/c/key-auth"), Some(Action::Children(_))));
        assert_eq!(action("/nothing"), None);
        assert_eq!(action("/services/x/y/z/w"), None);
    }

    #[test]
    fn a_literal_segment_wins_over_a_parameter() {
        let endpoints = Endpoints::admin(&model(), false);
        let action = |path: &str| endpoints.find(path).unwrap().endpoint.action.clone();
        assert_eq!(action("/plugins/enabled"), Action::EnabledPlugins);
        assert_eq!(action("/plugins/x"), Action::Entity("plugins".to_owned()));
        assert_eq!(action("/schemas/plugins/validate"), Action::Validate(Some("plugins")));
        assert_eq!(action("/schemas/routes/validate"), Action::Validate(None));
    }

    #[test]
    fn plugins_add_endpoints_and_take_over_methods_of_those_that_are_there() {
        let mut endpoints = Endpoints::admin(&model(), false);
        endpoints.add_of_plugin("/services", &["GET".to_owned()], 0);
        endpoints.add_of_plugin("/consumers/:consumers/own/", &["POST".to_owned(), "GET".to_owned()], 1);
        let find = |path: &str| endpoints.find(path).unwrap().endpoint.clone();
        let services = find("/services");
        assert_eq!(services.action, Action::Collection("services".to_owned()));
        let by = |method: &str| services.plugin_for(method);
        assert_eq!((by("GET"), by("HEAD"), by("POST")), (Some(0), Some(0), None));
        let own = find("/consumers/c/own");
        assert_eq!((own.action.clone(), own.plugin_for("POST")), (Action::Plugin, Some(1)));
        assert_eq!(own.allowed(), "GET, HEAD, OPTIONS, POST");
    }

    #[test]
    fn paths_are_listed_by_segments_with_parameters_in_braces() {
        let paths = Endpoints::admin(&model(), false).paths();
        let position = |path: &str| paths.iter().position(|known| known == path).unwrap();
        assert!(position("/services/{services}/routes") < position("/status"));
        assert_eq!(position("/routes") + 1, position("/routes/{routes}"));
    }

    #[test]
    fn allowed_methods_are_sorted_and_include_options() {
        let endpoints = Endpoints::admin(&model(), false);
        let allowed = |path: &str| endpoints.find(path).unwrap().endpoint.allowed();
        assert_eq!(allowed("/"), "GET, HEAD, OPTIONS");
        assert_eq!(allowed("/services"), "GET, HEAD, OPTIONS, POST");
        assert_eq!(allowed("/services/x"), "DELETE, GET, HEAD, OPTIONS, PATCH, PUT");
    }
}
