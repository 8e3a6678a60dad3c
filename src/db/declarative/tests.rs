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
            std::sync::Arc::make_mut(entity).remove("updated_at");
        }
    }
    assert_eq!(again, before);
    let dataset = Dataset::build(reader.model().clone(), rows, "x").unwrap();
    let yaml = export::yaml(&dataset);
    assert!(yaml.starts_with("_format_version: '3.0'\n_transform: false\n"), "{yaml}");
    assert!(reader.read(&yaml, None).is_ok());
}

/// A reader that knows credentials whose password is computed from their consumer.
fn reader_with_credentials() -> Reader {
    use crate::schema::{Callback, Field, Schema, Transformation, Validator};
    let registry = Registry::core(RouterFlavor::TraditionalCompatible).unwrap();
    let id = Field { auto: true, ..Field::string().with(Validator::Uuid) };
    let schema = Schema::new("basicauth_credentials", &["id"])
        .workspaceable()
        .endpoint_key("username")
        .cache_key(&["username"])
        .fields([
            ("id", id),
            ("consumer", Field::foreign("consumers").required().cascade()),
            ("username", Field { unique: true, ..Field::string().required() }),
            ("password", Field::string().required()),
        ])
        .transformation(Transformation {
            input: Some(vec!["password".to_owned()]),
            needs: Some(vec!["consumer.id".to_owned()]),
            on_write: Some(Callback::new(std::rc::Rc::new(|arguments: &[Value]| {
                let hashed = format!("{}+{}", arguments[0].as_str().unwrap(), arguments[1].as_str().unwrap());
                Ok(serde_json::Map::from_iter([("password".to_owned(), Value::from(hashed))]))
            }))),
            on_read: None,
        });
    registry.add(schema).unwrap();
    Reader::new(&registry)
}

const BOB: &str = "0fe87b4a-ce29-515a-88ec-8547e66550b9";

#[test]
fn rules_that_need_the_parent_see_it_in_the_second_look() {
    let reader = reader_with_credentials();
    for consumer in ["", "consumer: bob", &format!("consumer: {BOB}")] {
        let text = format!(
            "_format_version: '1.1'\nconsumers:\n- id: {BOB}\n  username: bob\n  basicauth_credentials:\n  - username: u\n    password: p\n    {consumer}\n"
        );
        let configuration = reader.read(&text, None).unwrap_or_else(|error| panic!("{consumer}: {error}"));
        let credential = only(&configuration, "basicauth_credentials");
        assert_eq!(credential["consumer"], json!({ "id": BOB }));
        let rows = reader.rows(configuration).unwrap();
        assert_eq!(rows["basicauth_credentials"][0]["password"], format!("p+{BOB}"));
    }
}

#[test]
fn passwords_that_are_transformed_already_are_left_alone() {
    let reader = reader_with_credentials();
    let text = format!(
        "_format_version: '3.0'\n_transform: false\nconsumers: [{{id: {BOB}, username: bob}}]\nbasicauth_credentials: [{{username: u, password: p, consumer: bob}}]\n"
    );
    let rows = reader.rows(reader.read(&text, None).unwrap()).unwrap();
    assert_eq!(rows["basicauth_credentials"][0]["password"], "p");
    assert_eq!(rows["basicauth_credentials"][0]["consumer"], json!({ "id": BOB }));
}

#[test]
fn a_foreign_parent_below_another_is_refused_as_kong_does() {
    let reader = reader_with_credentials();
    let text = "_format_version: '1.1'\nconsumers:\n- username: bob\n  basicauth_credentials:\n  - username: u\n    password: p\n    consumer: alice\n";
    let error = reader.read(text, None).unwrap_err().to_db_error();
    assert_eq!(
        Value::Object(*error.fields.unwrap()),
        json!({"consumers": [{"basicauth_credentials": [{
            "@entity": ["all or none of these fields must be set: 'password', 'consumer.id'"],
            "consumer": "value must be null",
        }]}]})
    );
    let text =
        "_format_version: '1.1'\nbasicauth_credentials:\n- username: u\n  password: p\n  consumer: alice\n";
    let error = reader.read(text, None).unwrap_err().to_db_error();
    assert_eq!(
        Value::Object(*error.fields.unwrap()),
        json!({"basicauth_credentials": [{
            "@entity": ["all or none of these fields must be set: 'password', 'consumer.id'"],
            "consumer": {"id": "missing primary key"},
        }]})
    );
}

#[test]
fn a_reference_may_be_a_table_with_an_id() {
    let text = "_format_version: '2.1'\nservices:\n- name: s\n  url: http://localhost\n  routes:\n  - name: r\n    paths: [/]\n    service: {id: 769bdf51-16df-5476-9830-ef26800b5448}\n";
    let error = reader().read(text, None).unwrap_err().to_db_error();
    assert_eq!(
        Value::Object(*error.fields.unwrap()),
        json!({"routes": {"r": ["invalid reference 'service: {\"id\":\"769bdf51-16df-5476-9830-ef26800b5448\"}' (no such entry in 'services')"]}})
    );
}

#[test]
fn comments_and_ignored_values_are_accepted_everywhere_and_not_kept() {
    let text = "_format_version: '3.0'\n_comment: hi\n_ignore: [{a: b}, 1]\nservices:\n- name: s\n  host: x\n  _comment: x\n  _ignore: [1]\n  routes:\n  - paths: [/]\n    _comment: y\n";
    let configuration = read(text);
    assert!(only(&configuration, "services").get("_comment").is_none());
    for (wrong, message) in [
        ("_comment: 1", "expected a string"),
        ("_ignore: 1", "expected an array"),
        ("_ignore: {a: b}", "expected an array"),
    ] {
        let key = wrong.split(':').next().unwrap();
        assert_eq!(refused(&format!("_format_version: '3.0'\n{wrong}\n")), format!("in '{key}': {message}"));
    }
}

#[test]
fn identical_entities_below_different_parents_get_different_ids() {
    let text = "_format_version: '1.1'\nupstreams:\n- {name: a, targets: [{target: '10.0.0.1:1'}]}\n- {name: b, targets: [{target: '10.0.0.1:1'}]}\n";
    assert_eq!(read(text).entities["targets"].len(), 2);
}

#[test]
fn repeated_values_of_other_unique_fields_name_the_later_entity() {
    let text =
        "_format_version: '1.1'\nconsumers: [{username: foo, custom_id: c}, {username: bar, custom_id: c}]\n";
    assert_eq!(
        reader().read(text, None).unwrap_err().to_db_error().message,
        "declarative config is invalid: {consumers={bar=\"uniqueness violation: 'consumers' entity with custom_id set to 'c' already declared\"}}"
    );
}

#[test]
fn a_kept_configuration_has_the_hash_it_was_known_by() {
    let kept = crate::db::off::Kept { hash: "abc".to_owned(), text: NESTED.to_owned() };
    assert_eq!(reader().read_kept(&kept).unwrap().hash, "abc");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "([a-c0-9\\-:,\\[\\]{}&*#|>'\"%!@? \n\t\\\\]|<<: |services:\n|- |é){0,60}", wild in "\\PC{0,80}") {
        for text in [text, wild] {
            let _ = yaml::load(&text);
            let _ = json::load(&text);
            let _ = lines::find(&text, &[vec![lines::Segment::Key("services".to_owned())]]);
        }
    }
}

/// As many services with a route, and consumers with credentials.
fn large(count: usize) -> String {
    let mut text = String::from("_format_version: \"3.0\"\nservices:\n");
    for number in 0..count {
        text.push_str(&format!(
            "- name: service-{number}\n  url: http://10.0.0.1:8080/base\n  routes:\n  - name: route-{number}\n    paths:\n    - /path-{number}\n    hosts:\n    - host-{number}.example.com\n    methods: [GET, POST]\n"
        ));
    }
    text.push_str("consumers:\n");
    for number in 0..count {
        text.push_str(&format!(
            "- username: user-{number}\n  basicauth_credentials:\n  - username: name-{number}\n    password: secret-{number}\n"
        ));
    }
    text
}

/// Seconds that this thread has worked.
fn worked() -> f64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
    time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9
}

#[test]
fn a_large_configuration_becomes_a_dataset_in_time() {
    let reader = reader_with_credentials();
    let (count, limit) = if cfg!(debug_assertions) { (1_000, 5.0) } else { (10_000, 1.2) };
    let text = large(count);
    let begin = worked();
    let document = document::Document::read(&text, None).unwrap();
    let parsed = worked() - begin;
    let configuration = reader.resolve(document).unwrap();
    let resolved = worked() - begin;
    let rows = reader.rows(configuration).unwrap();
    let stored = worked() - begin;
    let dataset = Dataset::build(reader.model().clone(), rows, "x").unwrap();
    let built = worked() - begin;
    println!("parsed {parsed:.3}, resolved {resolved:.3}, stored {stored:.3}, built {built:.3}");
    assert_eq!(dataset.collection("routes").unwrap().len(), count);
    assert_eq!(dataset.collection("basicauth_credentials").unwrap().len(), count);
    assert!(built < limit, "{built}");
}

/// Documents of a few names, so that entities recur, collide and point to each other or to nothing.
mod documents {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    fn route() -> impl Strategy<Value = Value> {
        let service =
            prop_oneof![6 => Just(None), 2 => "[ab]".prop_map(Some), 1 => Just(Some("ghost".to_owned()))];
        ("r[a-e]", "[/x][a-c]", service, prop::option::of(0..3_i64)).prop_map(
            |(name, path, service, priority)| {
                let mut route = json!({"name": name, "paths": [path]});
                service.into_iter().for_each(|service| route["service"] = service.into());
                priority.into_iter().for_each(|priority| route["regex_priority"] = priority.into());
                route
            },
        )
    }

    fn service() -> impl Strategy<Value = Value> {
        let routes = prop::collection::vec(route(), 0..3);
        ("[a-c]", 79..82_u16, routes).prop_map(|(name, port, mut routes)| {
            routes.iter_mut().for_each(|route| drop(route.as_object_mut().unwrap().remove("service")));
            json!({"name": name, "host": "example.com", "port": port, "routes": routes})
        })
    }

    fn consumer() -> impl Strategy<Value = Value> {
        let credentials = prop::collection::vec("u[a-c]", 0..2);
        ("[a-d]", credentials, any::<bool>()).prop_map(|(name, credentials, tagged)| {
            let credentials: Vec<Value> =
                credentials.into_iter().map(|user| json!({"username": user, "password": "p"})).collect();
            let tags = if tagged { json!(["t"]) } else { Value::Null };
            json!({"username": name, "tags": tags, "basicauth_credentials": credentials})
        })
    }

    fn by_name(items: Vec<Value>, key: &str) -> Value {
        let mut known = std::collections::HashSet::new();
        Value::Array(items.into_iter().filter(|item| known.insert(item[key].to_string())).collect())
    }

    /// Any document; most of the larger ones are wrong.
    pub(super) fn any_document() -> impl Strategy<Value = Map<String, Value>> {
        let lists = (
            prop::collection::vec(service(), 0..3),
            prop::collection::vec(route(), 0..3),
            prop::collection::vec(consumer(), 0..3),
        );
        (lists, any::<bool>()).prop_map(|((services, routes, consumers), transform)| {
            let document = json!({"_format_version": "3.0", "_transform": transform, "services": services,
                "routes": routes, "consumers": consumers});
            document.as_object().cloned().unwrap()
        })
    }

    /// A document whose names differ and whose references lead somewhere, with all paths right.
    pub(super) fn right_document() -> impl Strategy<Value = Map<String, Value>> {
        any_document().prop_map(|mut document| {
            let mut taken = std::collections::HashSet::new();
            let mut right = |route: &mut Value| {
                let path = route["paths"][0].as_str().unwrap().replace('x', "/");
                route["paths"][0] = path.into();
                route.as_object_mut().unwrap().remove("service");
                taken.insert(route["name"].to_string())
            };
            let mut services = by_name(document["services"].as_array().cloned().unwrap(), "name");
            for service in services.as_array_mut().unwrap() {
                service["routes"].as_array_mut().unwrap().retain_mut(&mut right);
            }
            document["routes"].as_array_mut().unwrap().retain_mut(&mut right);
            if let Some(name) = services[0]["name"].as_str() {
                document["routes"]
                    .as_array_mut()
                    .unwrap()
                    .iter_mut()
                    .for_each(|route| route["service"] = name.into());
            }
            document["services"] = services;
            let mut users = std::collections::HashSet::new();
            let mut consumers = by_name(document["consumers"].as_array().cloned().unwrap(), "username");
            for consumer in consumers.as_array_mut().unwrap() {
                let credentials = consumer["basicauth_credentials"].as_array_mut().unwrap();
                credentials.retain(|credential| users.insert(credential["username"].to_string()));
            }
            document["consumers"] = consumers;
            document
        })
    }
}

/// The rows of a document without times, or what is wrong with it.
fn rows_of(
    reader: &Reader,
    table: &serde_json::Map<String, Value>,
) -> Result<crate::db::Entities, ConfigError> {
    let document = document::Document { table: table.clone(), hash: String::new() };
    Ok(without_times(reader.rows(reader.resolve(document)?).unwrap()))
}

fn without_times(mut rows: crate::db::Entities) -> crate::db::Entities {
    rows.retain(|_, rows| !rows.is_empty());
    for row in rows.values_mut().flat_map(|rows| rows.values_mut()) {
        let row = std::sync::Arc::make_mut(row);
        row.retain(|field, _| !matches!(field.as_str(), "created_at" | "updated_at"));
    }
    rows
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_read_before_makes_no_difference(
        documents in proptest::collection::vec(documents::any_document(), 1..4),
        last in proptest::prop_oneof![documents::any_document(), documents::right_document()],
    ) {
        let reader = reader_with_credentials();
        for document in &documents {
            let _ = rows_of(&reader, document);
        }
        proptest::prop_assert_eq!(rows_of(&reader, &last), rows_of(&reader_with_credentials(), &last));
    }

    #[test]
    fn any_export_reads_as_the_same_entities(table in documents::right_document()) {
        let reader = reader_with_credentials();
        let rows = rows_of(&reader, &table).unwrap();
        let exported = export::document(reader.model(), &rows);
        proptest::prop_assert_eq!(rows_of(&reader, &exported).unwrap(), rows);
    }

    #[test]
    fn the_difference_of_two_configurations_leads_from_one_to_the_other(
        one in documents::right_document(),
        other in documents::right_document(),
    ) {
        let reader = reader_with_credentials();
        let (one, other) = (rows_of(&reader, &one).unwrap(), rows_of(&reader, &other).unwrap());
        proptest::prop_assert_eq!(diff::Diff::between(&one, &other).apply(one), other);
    }
}

fn read_by(reader: &Reader, text: &str) -> crate::db::Entities {
    reader.rows(reader.read(text, None).unwrap()).unwrap()
}

#[test]
fn an_entity_that_is_left_alone_is_the_same_one_and_a_changed_one_is_not() {
    let reader = reader_with_credentials();
    let text = |port: u16| {
        format!(
            "_format_version: '3.0'\nservices:\n- {{name: a, host: x, port: {port}, routes: [{{name: r, paths: [/]}}]}}\n\
             - {{name: b, host: y}}\nroutes: [{{name: s, paths: [/s], service: a}}]\n\
             consumers: [{{username: bob, basicauth_credentials: [{{username: u, password: p}}]}}]\n"
        )
    };
    let (before, after) = (read_by(&reader, &text(80)), read_by(&reader, &text(81)));
    let is_same = |kind: &str, at: usize| std::sync::Arc::ptr_eq(&before[kind][at], &after[kind][at]);
    assert!(!is_same("services", 0));
    assert_eq!(after["services"][0]["port"], 81);
    assert!(is_same("services", 1) && is_same("routes", 1) && is_same("consumers", 0));
    assert!(is_same("basicauth_credentials", 0) && is_same("workspaces", 0));
}

#[test]
fn a_reference_by_name_follows_an_entity_that_gets_another_id() {
    let reader = reader();
    let text = |id: &str| {
        format!(
            "_format_version: '3.0'\nservices: [{{name: a, host: x{id}}}]\nroutes: [{{name: r, paths: [/], service: a}}]\n"
        )
    };
    let given = "d2e33f63-1424-408f-be55-d9d16cd2a382";
    assert_eq!(read_by(&reader, &text(""))["routes"][0]["service"]["id"], ids::id("services", "a"));
    assert_eq!(read_by(&reader, &text(&format!(", id: {given}")))["routes"][0]["service"]["id"], given);
    assert_eq!(read_by(&reader, &text(""))["routes"][0]["service"]["id"], ids::id("services", "a"));
}

#[test]
fn entities_that_are_written_alike_are_different_ones_each_time() {
    let reader = reader();
    let text = "_format_version: '3.0'\nroutes: [{paths: [/]}, {paths: [/]}]\n";
    let (before, after) = (read_by(&reader, text), read_by(&reader, text));
    assert_eq!(before["routes"].len(), 2);
    assert_eq!(before["routes"].keys().collect::<Vec<_>>(), after["routes"].keys().collect::<Vec<_>>());
}
