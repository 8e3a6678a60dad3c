//! The way from text to entities as a whole.

use serde_json::{Value, json};

use super::*;
use crate::db::off::{DEFAULT_WORKSPACE, Dataset};
use crate::entities::{Registry, RouterFlavor};

fn reader() -> Reader {
    Reader::new(&Registry::core(RouterFlavor::TraditionalCompatible).unwrap())
}

fn read(text: &str) -> Configuration {
    reader().read(text, None).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> String {
    reader().read(text, None).unwrap_err().to_string()
}

fn only<'a>(configuration: &'a Configuration, kind: &str) -> &'a serde_json::Map<String, Value> {
    let rows = &configuration.entities[kind];
    assert_eq!(rows.len(), 1, "{kind}");
    &rows[0]
}

const NESTED: &str = "
_format_version: '3.0'
services:
- name: api
  host: example.com
  routes:
  - name: all
    paths: [/]
upstreams:
- name: up
  targets:
  - target: 10.0.0.1:80
";

#[test]
fn nested_entities_become_lists_of_their_own_with_foreign_keys() {
    let configuration = read(NESTED);
    let service = only(&configuration, "services");
    let route = only(&configuration, "routes");
    assert_eq!(route["service"], json!({"id": service["id"]}));
    assert_eq!(route["protocols"], json!(["http", "https"]));
    assert_eq!(service["port"], 80);
    assert_eq!(only(&configuration, "targets")["upstream"]["id"], only(&configuration, "upstreams")["id"]);
    assert_eq!(configuration.entities["workspaces"][DEFAULT_WORKSPACE]["name"], "default");
    assert_eq!(configuration.meta["_transform"], true);
}

#[test]
fn ids_are_those_that_kong_generates() {
    let configuration = read(NESTED);
    assert_eq!(only(&configuration, "services")["id"], ids::id("services", "api"));
    assert_eq!(only(&configuration, "routes")["id"], ids::id("routes", "all"));
    let upstream = ids::id("upstreams", "up");
    let key = format!("targets:*:{upstream}:10.0.0.1:80");
    assert_eq!(only(&configuration, "targets")["id"], ids::id("targets", &key));
}

#[test]
fn references_may_be_names_or_ids() {
    let id = "d2e33f63-1424-408f-be55-d9d16cd2a382";
    for reference in ["api", id] {
        let configuration = read(&format!(
            "_format_version: '3.0'\nservices: [{{name: api, host: x, id: {id}}}]\nroutes: [{{paths: [/], service: {reference}}}]\n"
        ));
        assert_eq!(only(&configuration, "routes")["service"], json!({ "id": id }));
    }
}

#[test]
fn a_reference_that_leads_nowhere_is_named() {
    let text = "_format_version: '3.0'\nroutes: [{name: r, paths: [/], service: ghost}]\n";
    assert_eq!(
        refused(text),
        "in 'routes':\n  in 'r':\n    - in entry 1 of 'r': invalid reference 'service: ghost' (no such entry in 'services')"
    );
}

#[test]
fn names_and_ids_may_not_repeat() {
    let text = "_format_version: '3.0'\nservices: [{name: a, host: x}, {name: a, host: y}]\n";
    assert_eq!(
        refused(text),
        "in 'services':\n  - in entry 2 of 'services': uniqueness violation: 'services' entity with name set to 'a' already declared"
    );
}

#[test]
fn the_format_version_is_required_and_one_of_three() {
    assert_eq!(refused("services: []\n"), "in '_format_version': required field missing");
    assert_eq!(refused("_format_version: '4.0'\n"), "in '_format_version': expected one of: 1.1, 2.1, 3.0");
    assert_eq!(refused("_format_version: 3.0\n"), "in '_format_version': expected a string");
    assert_eq!(refused("_format_version: '3.0'\nfoo: 1\n"), "in 'foo': unknown field");
}

#[test]
fn errors_of_nested_entities_are_told_by_place() {
    let text = "_format_version: '3.0'\nservices:\n- host: x\n- name: b\n  host: y\n  port: many\n  routes:\n  - paths: [/]\n  - paths: [nope]\n";
    let error = reader().read(text, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "in 'services':\n  - in entry 2 of 'services':\n    in 'port': expected an integer\n    in 'routes':\n      \
         - in entry 2 of 'routes':\n        in 'paths':\n          - in entry 1 of 'paths': should start with: / (fixed path) or ~/ (regex path)"
    );
    let lines: Vec<_> = error.locate(text).into_iter().map(|error| (error.path, error.line)).collect();
    assert_eq!(
        lines,
        [("services[2].port".to_owned(), Some(6)), ("services[2].routes[2].paths[1]".to_owned(), Some(9))]
    );
}

#[test]
fn an_export_reads_as_the_same_entities() {
    let reader = reader();
    let text = format!("{NESTED}certificates: []\nconsumers: [{{username: bob, tags: [a, b]}}]\n");
    let rows = reader.rows(reader.read(&text, None).unwrap()).unwrap();
    let document = export::document(reader.model(), &rows);
    let again = reader.resolve(document::Document { table: document, hash: String::new() }).unwrap();
    let mut again = reader.rows(again).unwrap();
    let mut before = rows.clone();
    for entities in [&mut before, &mut again] {
        entities.swap_remove("workspaces");
        entities.retain(|_, rows| !rows.is_empty());
        for entity in entities.values_mut().flat_map(|rows| rows.values_mut()) {
            entity.remove("updated_at");
        }
    }
    assert_eq!(again, before);
    let dataset = Dataset::build(reader.model().clone(), rows, "x").unwrap();
    let yaml = export::yaml(&dataset);
    assert!(yaml.starts_with("_format_version: '3.0'\n_transform: false\n"), "{yaml}");
    assert!(reader.read(&yaml, None).is_ok());
}
