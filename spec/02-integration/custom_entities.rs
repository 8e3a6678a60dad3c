//! Entities and Admin API endpoints that plugins bring, without a database.

use crate::foreign_sources;
use crate::support::{Gateway, Reply, Setup, Upstream, get, request};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const DAOS: &str = r#"
local typedefs = require "kong.db.schema.typedefs"
return {
  { name = "shelves", primary_key = { "id" }, endpoint_key = "name", cache_key = { "name" },
    admin_api_name = "book-shelves",
    fields = {
      { id = typedefs.uuid },
      { name = { type = "string", unique = true, required = true } },
      { tags = typedefs.tags },
    } },
  { name = "books", primary_key = { "id" }, endpoint_key = "title", cache_key = { "shelf", "title" }, ttl = true,
    workspaceable = true,
    fields = {
      { id = typedefs.uuid },
      { created_at = typedefs.auto_timestamp_s },
      { title = { type = "string", required = true, unique = true } },
      { pages = { type = "integer", default = 100, between = { 1, 5000 } } },
      { shelf = { type = "foreign", reference = "shelves", required = true, on_delete = "cascade" } },
      { consumer = { type = "foreign", reference = "consumers" } },
    } },
}"#;

const API: &str = r#"
local endpoints = require "kong.api.endpoints"
local books, shelves = kong.db.books, kong.db.shelves
return {
  ["/book-shelves/:shelves/first"] = {
    schema = books.schema,
    methods = {
      before = function(self, db)
        local shelf, _, err_t = endpoints.select_entity(self, db, shelves.schema)
        if err_t then return endpoints.handle_error(err_t) end
        if not shelf then return kong.response.exit(404, { message = "no such shelf" }) end
        self.shelf = shelf
      end,
      GET = function(self)
        local rows = books:page_for_shelf({ id = self.shelf.id }, 1)
        return kong.response.exit(200, rows[1])
      end,
    },
  },
  ["/books"] = {
    schema = books.schema,
    GET = function(self, db, helpers, parent)
      kong.response.set_header("X-Counted", #books:page(1000))
      return parent()
    end,
  },
}"#;

/// Of the style without schemas.
const OLD_API: &str = r#"
return {
  ["/echo/:word/"] = {
    before = function(self) self.seen = "before" end,
    GET = function(self)
      return kong.response.exit(200, { word = self.params.word, seen = self.seen, size = self.params.size })
    end,
    POST = function(self, dao, helpers)
      if self.params.fail then return helpers.yield_error({ unique = true, tbl = { name = "taken" } }) end
      return kong.response.exit(201, self.params)
    end,
    PUT = function() error("not my day") end,
    DELETE = function() ngx.sleep(0.01) return { status = 202, json = { later = true } } end,
  },
}"#;

const HANDLER: &str = r#"
local Library = { VERSION = "1.0", PRIORITY = 1 }
local shelves = kong.db.shelves.schema and kong.db.shelves
function Library:access()
  local book = kong.db.books:select_by_title("Dune")
  local shelf = shelves:select(book.shelf)
  local names = {}
  for row in kong.db.books:each_for_shelf(shelf) do names[#names + 1] = row.title end
  table.sort(names)
  local by_key = kong.db.books:select_by_cache_key(kong.db.books:cache_key(book))
  local ok, err, err_t = kong.db.shelves:insert({ name = "new" })
  kong.response.exit(200, {
    pages = book.pages, shelf = shelf.name, titles = table.concat(names, ","), same = by_key.id == book.id,
    key = shelves:cache_key("left"), ok = ok == nil, err = err, code = err_t.code,
    missing = kong.db.shelves:select_by_name("none") == nil,
  })
end
return Library"#;

const SCHEMA: &str = "return { name = 'NAME', fields = { { config = { type = 'record', fields = {} } } } }";

const MIGRATION: &str = "return { postgres = { up = 'CREATE TABLE books ()' } }";

fn write(folder: &Path, plugin: &str, files: &[(&str, &str)]) {
    let folder = folder.join("kong/plugins").join(plugin);
    fs::create_dir_all(folder.join("migrations")).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text.replace("NAME", plugin)).unwrap();
    }
}

/// A gateway with the plugin `library`, whose entities stand in kong.yml, and `echoing`.
fn gateway(modules: &Path) -> Gateway {
    let migrations =
        [("migrations/init.lua", "return { '000_base' }"), ("migrations/000_base.lua", MIGRATION)];
    let own = [("handler.lua", HANDLER), ("schema.lua", SCHEMA), ("daos.lua", DAOS), ("api.lua", API)];
    write(modules, "library", &[&own[..], &migrations[..]].concat());
    let handler = "return { VERSION = '1', PRIORITY = 2, access = function() end }";
    write(modules, "echoing", &[("handler.lua", handler), ("schema.lua", SCHEMA), ("api.lua", OLD_API)]);
    let yaml = json!({
        "_format_version": "3.0",
        "services": [{"name": "s", "url": Upstream::start().url(), "routes": [{"name": "r", "paths": ["/"]}]}],
        "plugins": [{"name": "library", "route": "r"}],
        "consumers": [{"username": "bob", "books": [{"title": "Emma", "shelf": "right"}]}],
        "shelves": [
            {"name": "left", "tags": ["old"], "books": [{"title": "Dune", "pages": 412}, {"title": "Ulysses"}]},
            {"name": "right"},
        ],
    });
    Setup::declarative(yaml.to_string())
        .with("plugins", "bundled,library,echoing")
        .with("lua_package_path", foreign_sources::package_path(&[modules]))
        .start()
}

fn send(port: u16, method: &str, path: &str, body: Value) -> Reply {
    request(port, method, path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
}

#[test]
fn a_plugins_entities_are_read_from_the_file_by_its_code_and_by_the_admin_api() {
    let modules = tempfile::tempdir().unwrap();
    let gateway = gateway(modules.path());
    let answer = get(gateway.proxy, "/", &[]).json();
    let wanted = json!({
        "pages": 412, "shelf": "left", "titles": "Dune,Ulysses", "same": true, "key": "shelves:left:::::",
        "ok": true, "err": "[off] cannot create 'shelves' entities when not using a database", "code": 12,
        "missing": true,
    });
    assert_eq!(answer, wanted);

    let admin = |path: &str| get(gateway.admin, path, &[]);
    let titles = |path: &str| -> Vec<String> {
        let rows = admin(path).json()["data"].as_array().cloned().unwrap_or_default();
        let mut titles: Vec<_> =
            rows.iter().filter_map(|row| row["title"].as_str().map(str::to_owned)).collect();
        titles.sort();
        titles
    };
    assert_eq!(titles("/book-shelves/left/books"), ["Dune", "Ulysses"]);
    assert_eq!(titles("/consumers/bob/books"), ["Emma"]);
    assert_eq!(admin("/books/Ulysses").json()["pages"], 100);
    assert_eq!(admin("/books/Ulysses/shelf").json()["name"], "left");
    assert_eq!(admin("/book-shelves?tags=old").json()["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(admin("/schemas/books").json()["fields"][3]["pages"]["default"], 100);
    let all = admin("/books");
    assert_eq!((all.field("X-Counted"), titles("/books").len()), (Some("3"), 3));
    assert!(admin("/book-shelves/left/first").json()["pages"].as_u64().is_some());
    assert_eq!(admin("/book-shelves/none/first").json()["message"], "no such shelf");
}

#[test]
fn writes_of_a_plugins_entities_are_checked_and_refused_without_a_database() {
    let modules = tempfile::tempdir().unwrap();
    let gateway = gateway(modules.path());
    let refused = send(gateway.admin, "POST", "/book-shelves", json!({"name": "new"}));
    assert_eq!(refused.status, 405);
    assert_eq!(refused.json()["message"], "cannot create 'shelves' entities when not using a database");
    let wrong = send(gateway.admin, "POST", "/book-shelves/left/books", json!({"title": "T", "pages": 0}));
    assert_eq!(wrong.status, 400);
    assert_eq!(wrong.json()["fields"]["pages"], "value should be between 1 and 5000");
    for (entity, message) in [
        (
            json!({"name": "a", "books": [{"title": "x", "pages": 6000}]}),
            "value should be between 1 and 5000",
        ),
        (json!({"name": "a", "height": 2}), "unknown field"),
    ] {
        let config = json!({"_format_version": "3.0", "shelves": [entity]}).to_string();
        let reply = send(gateway.admin, "POST", "/config", json!({ "config": config }));
        assert_eq!(reply.status, 400);
        assert!(reply.text().contains(message), "{}", reply.text());
    }
    let twice = json!({"_format_version": "3.0", "shelves": [{"name": "a"}, {"name": "a"}]}).to_string();
    let reply = send(gateway.admin, "POST", "/config", json!({ "config": twice }));
    assert!(
        reply.text().contains("uniqueness violation: 'shelves' entity with name set to 'a' already declared")
    );
}

#[test]
fn endpoints_without_schemas_run_with_parameters_filters_and_errors_of_their_own() {
    let modules = tempfile::tempdir().unwrap();
    let gateway = gateway(modules.path());
    let reply = get(gateway.admin, "/echo/hello?size=3", &[]);
    assert_eq!(reply.json(), json!({"word": "hello", "seen": "before", "size": "3"}));
    assert_eq!(send(gateway.admin, "POST", "/echo/x", json!({"a": [1]})).json()["a"], json!([1]));
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let reply = request(gateway.admin, "POST", "/echo/x", &form, b"a.b=1&c[]=2&c[]=3&d=true");
    assert_eq!(reply.json(), json!({"word": "x", "a": {"b": "1"}, "c": ["2", "3"], "d": true}));
    let taken = send(gateway.admin, "POST", "/echo/x", json!({"fail": true}));
    assert_eq!((taken.status, taken.json()), (409, json!({"name": "taken"})));
    let broken = request(gateway.admin, "POST", "/echo/x", &[("Content-Type", "application/json")], b"{");
    assert_eq!((broken.status, broken.json()["message"].as_str()), (400, Some("Cannot parse JSON body")));
    let failed = send(gateway.admin, "PUT", "/echo/x", json!({}));
    assert_eq!(failed.json()["message"], "An unexpected error occurred");
    gateway.wait_for_log("not my day");
    let later = request(gateway.admin, "DELETE", "/echo/x", &[], b"");
    assert_eq!((later.status, later.json()), (202, json!({"later": true})));
    assert_eq!(request(gateway.admin, "PATCH", "/echo/x", &form, b"").status, 405);
    let options = request(gateway.admin, "OPTIONS", "/echo/x", &[], b"");
    assert_eq!(options.field("Allow"), Some("DELETE, GET, HEAD, OPTIONS, POST, PUT"));
}
