//! Writes, over the model of a store.

use crate::db::dao::Unobserved;
use crate::db::memory::Memory;
use crate::db::{Change, Entity, Expiry, Model, Store, Write};
use crate::schema::{Field, Record};

use super::*;

const WORKSPACE: &str = "0dc6f45b-8f8d-40d2-a504-473544ee190b";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// A node over an empty store, with a plugin `limit` whose configuration is a number and a list.
fn node() -> Rc<TestNode> {
    let mut node = node_without_database();
    let config = Record::new([
        ("minute", Field::integer()),
        ("headers", Field::array(Field::string())),
        ("kind", Field::string().default("plain")),
    ]);
    node.registry.add_plugin("limit", Record::new([("config", Field::record(config))])).unwrap();
    let model = Arc::new(Model::of(node.registry.sorted().iter().map(AsRef::as_ref)));
    let store = Memory::new(Arc::clone(&model));
    let workspace = json!({"id": WORKSPACE, "name": "default"});
    let write = Write::Insert(workspace.as_object().unwrap().clone(), Expiry::Never);
    let change = Change::new(model.kind("workspaces").unwrap(), None, write);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.write(vec![change])).unwrap();
    let registry = node.registry.clone();
    node.dao = Some(Dao::new(registry, model, Arc::new(store), WORKSPACE, Rc::new(Unobserved)));
    node.identity.is_dbless = false;
    Rc::new(node)
}

fn run<F: Future<Output = ()>>(test: impl FnOnce(Client) -> F) {
    with(Api::admin(Box::new(node())), test);
}

impl Client {
    async fn made(&self, path: &str, body: Value) -> Entity {
        let answer = self.json("POST", path, body).await;
        assert_eq!(answer.status, 201, "{path}: {}", answer.body);
        answer.json().as_object().unwrap().clone()
    }
    async fn told(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let answer = self.json(method, path, body).await;
        let body = if answer.body.is_empty() { Value::Null } else { answer.json() };
        (answer.status, body)
    }
}

fn id(entity: &Entity) -> &str {
    entity["id"].as_str().unwrap()
}

#[test]
fn a_change_that_names_another_key_finds_nothing_and_is_checked_first() {
    run(|client| async move {
        let service = client.made("/services", json!({"name": "a", "host": "x"})).await;
        let path = format!("/services/{}", id(&service));
        let other = "00000005-0000-4000-8000-000000000005";
        let (status, body) = client.told("PATCH", &path, json!({"id": other, "port": "x"})).await;
        assert_eq!((status, &body["code"]), (400, &json!(2)));
        let (status, body) = client.told("PATCH", &path, json!({"id": other})).await;
        assert_eq!((status, &body["code"], &body["fields"]["id"]), (404, &json!(6), &service["id"]));
        let (status, body) = client.told("PATCH", &path, json!({"id": service["id"]})).await;
        assert_eq!((status, &body["id"]), (200, &service["id"]));
        let (status, body) = client.told("PATCH", "/services/a", json!({"id": other})).await;
        assert_eq!((status, &body["id"]), (200, &service["id"]));
    });
}

#[test]
fn of_a_foreign_key_only_the_primary_key_counts() {
    run(|client| async move {
        let key = json!({"id": "11111111-1111-4111-8111-111111111111"});
        let service = json!({"id": key["id"], "name": "x"});
        let (status, body) =
            client.told("POST", "/routes", json!({"paths": ["/a"], "service": service})).await;
        assert_eq!((status, &body["fields"]["service"]), (400, &key));
    });
}

#[test]
fn lists_are_filtered_by_tags_however_these_are_written() {
    run(|client| async move {
        for (name, tags) in [("a", json!(["t1"])), ("b", json!(["t1", "t2"])), ("c", json!(["t2"]))] {
            client.made("/services", json!({"name": name, "host": "x", "tags": tags})).await;
        }
        for (query, count) in [("t1", 2), ("t1,t2", 1), ("t1/t2", 3), ("t1,", 0)] {
            let page = client.get(&format!("/services?tags={query}")).await.json();
            assert_eq!(page["data"].as_array().unwrap().len(), count, "{query}");
        }
        let page = client.get("/services?tags[]=t1").await.json();
        assert_eq!(page["data"].as_array().unwrap().len(), 2);
        let next = client.get("/tags?size=3").await.json()["next"].clone();
        assert!(next.as_str().unwrap().ends_with("&size=3"), "{next}");
    });
}

#[test]
fn an_entity_is_made_changed_replaced_and_removed() {
    run(|client| async move {
        let service = client.made("/services", json!({"name": "a", "host": "x"})).await;
        assert_eq!((&service["port"], &service["path"]), (&json!(80), &Value::Null));
        assert_eq!(client.get("/services/a").await.json(), Value::Object(service.clone()));
        let (status, changed) = client.told("PATCH", "/services/a", json!({"port": 90})).await;
        assert_eq!((status, &changed["port"], &changed["host"]), (200, &json!(90), &json!("x")));
        let path = format!("/services/{}", id(&service));
        let (status, replaced) = client.told("PUT", &path, json!({"name": "b", "host": "y"})).await;
        assert_eq!((status, &replaced["port"], &replaced["id"]), (200, &json!(80), &service["id"]));
        assert_eq!(client.get("/services/a").await.status, 404);
        assert_eq!(client.send("DELETE", &path, "", "").await.status, 204);
        assert_eq!(client.send("DELETE", &path, "", "").await.status, 204);
        assert_eq!(client.get(&path).await.json(), json!({"message": "Not found"}));
    });
}

#[test]
fn put_makes_what_is_not_there_by_id_and_by_name() {
    run(|client| async move {
        let (status, named) = client.told("PUT", "/services/new", json!({"host": "x"})).await;
        assert_eq!((status, &named["name"]), (200, &json!("new")));
        let (status, again) = client.told("PUT", "/services/new", json!({"host": "y"})).await;
        assert_eq!((status, &again["id"], &again["host"]), (200, &named["id"], &json!("y")));
        let id = "7b7a7e0e-60f6-4d4b-8d5d-9b2b2f2f8a11";
        let (status, by_id) = client.told("PUT", &format!("/services/{id}"), json!({"host": "x"})).await;
        assert_eq!((status, &by_id["id"], &by_id["name"]), (200, &json!(id), &Value::Null));
    });
}

#[test]
fn what_is_wrong_with_a_write_is_told_as_kong_tells_it() {
    run(|client| async move {
        client.made("/consumers", json!({"username": "bob"})).await;
        let (status, body) = client.told("POST", "/consumers", json!({"username": "bob"})).await;
        let message = "UNIQUE violation detected on '{username=\"bob\"}'";
        let expected = json!({"code": 5, "name": "unique constraint violation", "message": message,
            "fields": {"username": "bob"}});
        assert_eq!((status, body), (409, expected));
        let (status, body) = client.told("PATCH", "/consumers/ghost", json!({"username": "x"})).await;
        assert_eq!((status, &body["code"]), (404, &json!(6)));
        let (status, body) = client
            .told(
                "POST",
                "/routes",
                json!({"paths": ["/x"],
            "service": {"id": "7b7a7e0e-60f6-4d4b-8d5d-9b2b2f2f8a11"}}),
            )
            .await;
        assert_eq!((status, &body["code"]), (400, &json!(4)));
        let (status, body) = client.told("POST", "/services", json!({"port": 1_000_000})).await;
        assert_eq!((status, &body["code"]), (400, &json!(2)));
        assert_eq!(client.told("PUT", "/services", json!({})).await.0, 405);
        assert_eq!(client.told("POST", "/tags", json!({})).await.1["code"], 2);
    });
}

#[test]
fn a_parent_is_needed_by_its_children_or_takes_them_with_it() {
    run(|client| async move {
        let service = client.made("/services", json!({"name": "a", "host": "x"})).await;
        client.made("/services/a/routes", json!({"name": "r", "paths": ["/x"]})).await;
        let (status, body) = client.told("DELETE", "/services/a", json!({})).await;
        assert_eq!(
            (status, &body["message"]),
            (400, &json!("an existing 'routes' entity references this 'services' entity"))
        );
        let plugin = client.made("/routes/r/plugins", json!({"name": "limit"})).await;
        assert_eq!(client.send("DELETE", "/routes/r", "", "").await.status, 204);
        assert_eq!(client.get(&format!("/plugins/{}", id(&plugin))).await.status, 404);
        assert_eq!(client.send("DELETE", &format!("/services/{}", id(&service)), "", "").await.status, 204);
    });
}

#[test]
fn entities_below_others_are_reached_and_written_through_them() {
    run(|client| async move {
        let service = client.made("/services", json!({"name": "a", "host": "x"})).await;
        client.made("/services", json!({"name": "b", "host": "x"})).await;
        let route = client.made("/services/a/routes", json!({"name": "r", "paths": ["/x"]})).await;
        assert_eq!(route["service"], json!({"id": service["id"]}));
        assert_eq!(client.get("/services/b/routes/r").await.status, 404);
        assert_eq!(client.told("PATCH", "/services/b/routes/r", json!({"paths": ["/y"]})).await.0, 404);
        let (status, changed) = client.told("PATCH", "/services/a/routes/r", json!({"paths": ["/y"]})).await;
        assert_eq!((status, &changed["paths"]), (200, &json!(["/y"])));
        let (status, put) = client.told("PUT", "/services/a/routes/s", json!({"paths": ["/z"]})).await;
        assert_eq!((status, &put["service"]), (200, &json!({"id": service["id"]})));
        assert_eq!(client.send("DELETE", "/services/b/routes/r", "", "").await.status, 404);
        assert_eq!(client.send("DELETE", "/services/a/routes/r", "", "").await.status, 204);
        assert_eq!(client.send("DELETE", "/services/none/routes/r", "", "").await.status, 404);
        assert_eq!(client.get("/services/a/routes").await.json()["data"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn the_entity_that_one_points_to_is_changed_and_made_through_it() {
    run(|client| async move {
        client.made("/routes", json!({"name": "r", "paths": ["/x"]})).await;
        assert_eq!(client.told("PATCH", "/routes/r/service", json!({"host": "y"})).await.0, 404);
        assert_eq!(client.told("DELETE", "/routes/r/service", json!({})).await.0, 404);
        let (status, made) = client.told("PUT", "/routes/r/service", json!({"host": "x"})).await;
        assert_eq!(status, 200, "{made}");
        assert_eq!(client.get("/routes/r").await.json()["service"]["id"], made["id"]);
        let (status, changed) = client.told("PATCH", "/routes/r/service", json!({"host": "y"})).await;
        assert_eq!((status, &changed["host"], &changed["id"]), (200, &json!("y"), &made["id"]));
        assert_eq!(
            client.told("DELETE", "/routes/r/service", json!({})).await,
            (405, json!({"message": "Method not allowed"}))
        );
    });
}

#[test]
fn forms_of_both_kinds_are_typed_by_the_schema() {
    run(|client| async move {
        let body = "host=x&port=81&enabled=false&tags[]=a&tags[]=b&path=";
        let answer = client.send("POST", "/services", FORM, body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let service = answer.json();
        assert_eq!(
            json!([service["port"], service["enabled"], service["tags"], service["path"]]),
            json!([81, false, ["a", "b"], null])
        );
        let part = |name: &str, value: &str| {
            format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let id = service["id"].as_str().unwrap();
        let body = [
            part("paths[1]", "/a"),
            part("paths[2]", "/b"),
            part("service.id", id),
            part("headers.x[1]", "1"),
            part("strip_path", "false"),
            "--B--\r\n".to_owned(),
        ]
        .concat();
        let multipart = "Content-Type: multipart/form-data; boundary=B\r\n";
        let answer = client.send("POST", "/routes", multipart, &body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let route = answer.json();
        assert_eq!(
            json!([route["paths"], route["service"], route["headers"], route["strip_path"]]),
            json!([["/a", "/b"], {"id": id}, {"x": ["1"]}, false])
        );
    });
}

#[test]
fn the_configuration_of_a_plugin_is_typed_also_where_only_the_stored_one_has_the_name() {
    run(|client| async move {
        let answer =
            client.send("POST", "/plugins", FORM, "name=limit&config.minute=5&config.headers=a").await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let plugin = answer.json();
        assert_eq!(plugin["config"], json!({"minute": 5, "headers": ["a"], "kind": "plain"}));
        let path = format!("/plugins/{}", plugin["id"].as_str().unwrap());
        let answer = client.send("PATCH", &path, FORM, "config.minute=6").await;
        assert_eq!((answer.status, &answer.json()["config"]["minute"]), (200, &json!(6)), "{}", answer.body);
        let (status, changed) = client.told("PATCH", &path, json!({"config": {"kind": "odd"}})).await;
        assert_eq!(
            (status, &changed["config"]),
            (200, &json!({"minute": 6, "headers": ["a"], "kind": "odd"}))
        );
        let (status, body) = client.told("POST", "/plugins", json!({"name": "limit"})).await;
        assert_eq!((status, &body["code"]), (409, &json!(5)), "{body}");
    });
}

#[test]
fn targets_are_found_by_their_address_and_listed_newest_first() {
    run(|client| async move {
        client.made("/upstreams", json!({"name": "up"})).await;
        let target = client.made("/upstreams/up/targets", json!({"target": "a.test"})).await;
        assert_eq!((&target["target"], &target["weight"]), (&json!("a.test:8000"), &json!(100)));
        // times of creation are in milliseconds
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        client.made("/upstreams/up/targets", json!({"target": "b.test:90", "weight": 0})).await;
        let (status, body) =
            client.told("POST", "/upstreams/up/targets", json!({"target": "a.test:8000"})).await;
        assert_eq!((status, &body["code"]), (409, &json!(5)), "{body}");
        let (status, body) = client.told("POST", "/upstreams/up/targets", json!({"target": "no host"})).await;
        assert_eq!(
            (status, &body["fields"]),
            (400, &json!({"target": "Invalid target; not a valid hostname or ip address"}))
        );
        assert_eq!(client.get("/upstreams/up/targets/a.test:8000").await.json()["id"], target["id"]);
        let (status, changed) =
            client.told("PUT", "/upstreams/up/targets/a.test:8000", json!({"weight": 7})).await;
        assert_eq!((status, &changed["weight"], &changed["id"]), (200, &json!(7), &target["id"]));
        let page = client.get("/upstreams/up/targets?size=1").await.json();
        assert_eq!(
            (page["data"][0]["target"].as_str(), page["offset"].as_str()),
            (Some("b.test:90"), Some("1"))
        );
        assert_eq!(page["next"], "/upstreams/up/targets?offset=1");
        assert_eq!(client.get("/upstreams/up/targets/all").await.json()["data"].as_array().unwrap().len(), 2);
        assert_eq!(client.send("DELETE", "/upstreams/up/targets/b.test:90", "", "").await.status, 204);
        assert_eq!(client.get("/upstreams/up/targets/b.test:90").await.status, 404);
    });
}

#[test]
fn certificates_are_written_with_their_names() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (pem, key) = (certificate.pem(), key.serialize_pem());
    run(|client| async move {
        let body = |snis: Value| json!({"cert": pem, "key": key, "snis": snis});
        let made = client.made("/certificates", body(json!(["b.test", "a.test"]))).await;
        assert_eq!(made["snis"], json!(["a.test", "b.test"]));
        assert_eq!(client.get("/certificates/a.test").await.json(), Value::Object(made.clone()));
        assert_eq!(client.get("/certificates").await.json()["data"][0]["snis"], made["snis"]);
        let (status, wrong) = client.told("POST", "/certificates", body(json!(["c.test", "c.test"]))).await;
        assert_eq!(
            (status, &wrong["message"]),
            (400, &json!("schema violation (snis: c.test is duplicated)"))
        );
        let (status, taken) = client.told("POST", "/certificates", body(json!(["c.test", "a.test"]))).await;
        let message = format!(
            "schema violation (snis: a.test already associated with existing certificate '{}')",
            id(&made)
        );
        assert_eq!((status, &taken["message"]), (400, &json!(message)));
        assert_eq!(client.get("/snis/c.test").await.status, 404);
        let (status, put) = client.told("PUT", "/certificates/d.test", body(json!(["c.test"]))).await;
        assert_eq!((status, &put["snis"]), (200, &json!(["c.test", "d.test"])), "{put}");
        let (status, patched) = client.told("PATCH", "/certificates/a.test", json!({"snis": "b.test"})).await;
        assert_eq!((status, &patched["snis"], &patched["id"]), (200, &json!(["b.test"]), &made["id"]));
        assert_eq!(client.get("/certificates/a.test").await.json(), json!({"message": "SNI not found"}));
        assert_eq!(client.get("/certificates/b.test/snis").await.json()["data"].as_array().unwrap().len(), 1);
        assert_eq!(client.send("DELETE", "/certificates/b.test", "", "").await.status, 204);
        assert_eq!(client.get("/snis/b.test").await.status, 404);
        assert_eq!(client.get("/snis/c.test/certificate").await.status, 404);
    });
}

#[test]
fn tags_of_all_entities_are_listed() {
    run(|client| async move {
        client.made("/services", json!({"name": "a", "host": "x", "tags": ["one", "two"]})).await;
        client.made("/consumers", json!({"username": "b", "tags": ["one"]})).await;
        assert_eq!(client.get("/tags").await.json()["data"].as_array().unwrap().len(), 3);
        let page = client.get("/tags/one?size=1").await.json();
        assert_eq!(page["next"], "/tags/one?offset=WzFd");
        assert_eq!(client.get("/services?tags=two").await.json()["data"][0]["name"], "a");
        assert_eq!(client.get("/services?tags=two,three").await.json()["data"], json!([]));
    });
}

#[test]
fn the_level_of_the_log_is_changed_for_a_time() {
    run(|client| async move {
        let told = async |path: &str| {
            let answer = client.send("PUT", path, "", "").await;
            (answer.status, answer.json()["message"].as_str().unwrap().to_owned())
        };
        for (path, status, message) in [
            ("/debug/node/log-level/debug", 200, "log level changed"),
            ("/debug/cluster/log-level/debug?timeout=5", 200, "log level changed"),
            ("/debug/node/log-level/notice", 200, "log level is already notice"),
            ("/debug/node/log-level/stderr", 400, "unknown log level: stderr"),
            ("/debug/node/log-level/debug?timeout=-1", 400, "timeout must be greater than or equal to 0"),
        ] {
            assert_eq!(told(path).await, (status, message.to_owned()), "{path}");
        }
    });
}

#[test]
fn the_database_is_reachable() {
    run(|client| async move {
        let status = client.get("/status").await.json();
        assert_eq!(status["database"], json!({"reachable": true}));
        assert!(status.get("configuration_hash").is_none());
    });
}
