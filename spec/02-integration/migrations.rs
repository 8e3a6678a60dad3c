//! `kong migrations` on a real PostgreSQL.

use crate::support::{Postgres, kong};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

const FACTS: &str = include_str!("../fixtures/postgres/facts.sql");
const KONG_3_9: &str = include_str!("../fixtures/postgres/kong_3.9.txt");
const KONG_3_9_META: &str = include_str!("../fixtures/postgres/kong_3.9_meta.txt");
const META: &str = "SELECT subsystem || ' ' || last_executed || ' ' || array_to_string(executed, ',') FROM schema_meta \
    WHERE COALESCE(pending, '{}') = '{}' ORDER BY subsystem COLLATE \"C\"";
const NEEDS_BOOTSTRAP: &str = "Database needs bootstrapping or is older than Kong 1.0";

/// A database and a kong.conf that leads to it.
struct Database {
    server: Arc<Postgres>,
    name: String,
    folder: tempfile::TempDir,
}

impl Database {
    fn new() -> Database {
        let server = Postgres::shared();
        let database = Database { name: server.database(), server, folder: tempfile::tempdir().unwrap() };
        database.configure(&[]);
        database
    }

    fn conf(&self) -> PathBuf {
        self.folder.path().join("kong.conf")
    }

    fn configure(&self, more: &[(&str, &str)]) {
        let mut text = format!("prefix = {}\n", self.folder.path().join("prefix").display());
        for (name, value) in self.server.properties(&self.name) {
            text.push_str(&format!("{name} = {value}\n"));
        }
        for (name, value) in more {
            text.push_str(&format!("{name} = {value}\n"));
        }
        std::fs::write(self.conf(), text).unwrap();
    }

    fn migrations(&self, arguments: &[&str]) -> Output {
        let conf = self.conf();
        kong(&[&["migrations"], arguments, &["-c", conf.to_str().unwrap()]].concat())
    }

    /// What a command that succeeds prints.
    fn tell(&self, arguments: &[&str]) -> String {
        let output = self.migrations(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    }

    fn ask(&self, sql: &str) -> String {
        self.server.ask(&self.name, sql)
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn assert_contains(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in:\n{text}");
}

#[test]
fn bootstrap_makes_what_kongs_own_migrations_make() {
    let database = Database::new();
    let told = database.tell(&["bootstrap"]);
    assert!(told.starts_with("Bootstrapping database...\nmigrating core on database '"), "{told}");
    assert_contains(&told, "core migrated up to: 009_200_to_210 (executed)\n");
    assert_contains(&told, "\n67 migrations processed\n67 executed\nDatabase is up-to-date\n");
    assert_eq!(database.ask(FACTS), KONG_3_9.trim_end());
    assert_eq!(database.ask(META), KONG_3_9_META.trim_end());
    assert_eq!(database.ask("SELECT count(*), min(name) FROM workspaces"), "1|default");
    assert_eq!(database.ask("SELECT count(*) FROM locks"), "0");
}

#[test]
fn bootstrap_is_done_once_unless_forced() {
    let database = Database::new();
    database.configure(&[("plugins", "off")]);
    assert_contains(&database.tell(&["bootstrap"]), "\n23 migrations processed\n23 executed\n");
    database.ask("INSERT INTO consumers (id, username) VALUES (md5('a')::uuid, 'a')");
    assert_eq!(database.tell(&["bootstrap"]), "Database already bootstrapped\n");
    assert_eq!(database.ask("SELECT count(*) FROM consumers"), "1");
    let told = database.tell(&["bootstrap", "--force"]);
    assert_contains(&told, "Resetting database...\nDatabase successfully reset\nBootstrapping database...\n");
    assert_eq!(database.ask("SELECT count(*) FROM consumers"), "0");
}

#[test]
fn up_bootstraps_an_empty_database_and_finds_nothing_to_do_later() {
    let database = Database::new();
    assert_contains(&database.tell(&["up"]), "Bootstrapping database...\n");
    assert_eq!(database.tell(&["up"]), "Database is already up-to-date\n");
    assert_eq!(database.tell(&["finish"]), "No pending migrations to finish\n");
    assert_eq!(database.ask(META), KONG_3_9_META.trim_end());
}

#[test]
fn migrations_run_again_when_forced_and_change_nothing() {
    let database = Database::new();
    database.tell(&["bootstrap"]);
    let (first, second) = (database.tell(&["up", "-f"]), database.tell(&["up", "-f"]));
    assert_contains(&first, "\n67 migrations processed\n67 executed\n");
    assert_eq!(first, second);
    assert_eq!(database.tell(&["finish", "-f"]), database.tell(&["finish", "-f"]));
    assert_eq!(database.ask(FACTS), KONG_3_9.trim_end());
    assert_eq!(database.ask(META), KONG_3_9_META.trim_end());
}

#[test]
fn a_database_without_tables_is_told_apart() {
    let database = Database::new();
    let listed = database.migrations(&["list"]);
    assert_eq!(listed.status.code(), Some(3));
    assert_contains(&stdout(&listed), NEEDS_BOOTSTRAP);
    let finished = database.migrations(&["finish"]);
    assert_eq!(finished.status.code(), Some(1));
    assert_contains(&stderr(&finished), &format!("Cannot run migrations: {NEEDS_BOOTSTRAP}"));
    let status: serde_json::Value = serde_json::from_str(&database.tell(&["status"])).unwrap();
    assert_eq!(status["needs_bootstrap"], true);
    assert!(status.get("executed_migrations").is_none());
}

#[test]
fn reset_empties_a_database_and_says_when_there_is_nothing() {
    let database = Database::new();
    let nothing = database.migrations(&["reset", "--yes"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert_eq!(stdout(&nothing), "Database not bootstrapped, nothing to reset\n");
    database.tell(&["bootstrap"]);
    database.ask("DROP TABLE locks");
    let output = database.migrations(&["reset", "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "Resetting database...\nDatabase successfully reset\n");
    assert_contains(&stderr(&output), "retrying without cluster lock");
    assert_eq!(database.ask(FACTS), "");
}

#[test]
fn reset_asks_nobody_but_a_terminal() {
    let database = Database::new();
    database.tell(&["bootstrap"]);
    let output = database.migrations(&["reset"]);
    assert_eq!(output.status.code(), Some(1));
    assert_contains(&stderr(&output), "not a tty: invoke 'reset' non-interactively with the --yes flag");
    assert_ne!(database.ask(FACTS), "");
}

#[test]
fn tables_lie_in_the_configured_schema() {
    let database = Database::new();
    database.configure(&[("pg_schema", "gate way")]);
    database.tell(&["bootstrap"]);
    let facts = database.ask(&format!("SET search_path = 'gate way'; {}", FACTS));
    assert_contains(&facts, "column services.ca_certificates uuid[]");
    let own = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(database.ask(own), "0");
    database.tell(&["reset", "-y"]);
    assert_eq!(database.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'gate way'"), "0");
}

#[test]
fn quiet_prints_nothing() {
    let database = Database::new();
    let output = database.migrations(&["bootstrap", "-q"]);
    assert_eq!((stdout(&output).as_str(), stderr(&output).as_str()), ("", ""));
    assert_eq!(database.ask(META), KONG_3_9_META.trim_end());
}

#[test]
fn only_one_node_migrates_at_a_time() {
    let database = Database::new();
    database.tell(&["bootstrap"]);
    let hold =
        "INSERT INTO locks (key, owner, ttl) VALUES ('migrations', 'other', now() + interval '1 hour')";
    database.ask(hold);
    assert_eq!(database.tell(&["finish"]), "aborted: another node is performing database changes\n");
    let timed_out = database.migrations(&["up", "--lock-timeout", "1"]);
    assert_eq!(timed_out.status.code(), Some(1));
    assert_contains(&stderr(&timed_out), "Error: [PostgreSQL error] timeout");
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| database.tell(&["up", "--lock-timeout", "30"]));
        std::thread::sleep(Duration::from_millis(300));
        database.ask("DELETE FROM locks");
        waiting.join().unwrap()
    });
    assert_eq!(waiting, "aborted: another node is performing database changes\n");
    // a lock of which the time is over is nobody's
    database.ask(&hold.replace("+ interval", "- interval"));
    assert_eq!(database.tell(&["up"]), "Database is already up-to-date\n");
}

#[test]
fn several_nodes_that_bootstrap_at_once_leave_one_database() {
    let database = Database::new();
    let told: Vec<String> = std::thread::scope(|scope| {
        let nodes: Vec<_> = (0..4).map(|_| scope.spawn(|| database.tell(&["up"]))).collect();
        nodes.into_iter().map(|node| node.join().unwrap()).collect()
    });
    let leaders = told.iter().filter(|told| told.contains("67 migrations processed")).count();
    assert_eq!(leaders, 1, "{told:?}");
    assert_eq!(database.ask(META), KONG_3_9_META.trim_end());
    assert_eq!(database.ask("SELECT count(*) FROM workspaces"), "1");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let database = Database::new();
    database.configure(&[("pg_port", "1"), ("pg_timeout", "2000")]);
    let output = database.migrations(&["list"]);
    assert_eq!(output.status.code(), Some(1));
    let expected =
        "Error: [PostgreSQL error] failed to retrieve PostgreSQL server_version_num: connection refused\n";
    assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));
}

#[test]
fn a_prefix_that_is_no_folder_is_refused() {
    let database = Database::new();
    let output = database.migrations(&["bootstrap", "-p", "/dev/null"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    assert_contains(&stderr(&output), "/dev/null is not a directory");
}

#[test]
fn stores_without_migrations_answer_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("kong.conf");
    let prefix = folder.path().join("prefix");
    std::fs::write(&conf, format!("prefix = {}\ndatabase = off\n", prefix.display())).unwrap();
    for (command, expected) in [
        ("bootstrap", "Database already bootstrapped\n"),
        ("up", "Database is already up-to-date\n"),
        ("finish", "No pending migrations to finish\n"),
    ] {
        let output = kong(&["migrations", command, "-c", conf.to_str().unwrap()]);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), expected), "{command}");
    }
    let listed = kong(&["migrations", "list", "-c", conf.to_str().unwrap()]);
    assert_eq!(listed.status.code(), Some(0));
    assert_contains(&stdout(&listed), "Executed migrations:\n                 core: 000_base, ");
    // migrations of plugins, written for another database, ask for nothing
    let plugin = folder.path().join("kong/plugins/mine/migrations");
    std::fs::create_dir_all(&plugin).unwrap();
    std::fs::write(plugin.join("init.lua"), "return { '000_base' }").unwrap();
    std::fs::write(plugin.join("000_base.lua"), "return { postgres = { up = 'CREATE TABLE mine ()' } }")
        .unwrap();
    for database in ["off", "sqlite"] {
        let text = format!(
            "prefix = {}\ndatabase = {database}\nplugins = mine\nlua_package_path = {root}/?.lua;{root}/?/init.lua\n",
            prefix.display(),
            root = folder.path().display()
        );
        std::fs::write(&conf, text).unwrap();
        let output = kong(&["migrations", "up", "-c", conf.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{database}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(stdout(&output), "Database is already up-to-date\n");
    }
}

/// Makes a database as Kong 2.8 leaves it: our base files, under the names of then.
fn as_of_2_8(database: &Database) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres");
    let read = |file: PathBuf| std::fs::read_to_string(file).unwrap();
    database.ask(
        "CREATE TABLE schema_meta (key TEXT, subsystem TEXT, last_executed TEXT, executed TEXT[], pending TEXT[], \
         PRIMARY KEY (key, subsystem)); \
         CREATE TABLE locks (key TEXT PRIMARY KEY, owner TEXT, ttl TIMESTAMPTZ); \
         CREATE INDEX locks_ttl_idx ON locks (ttl)",
    );
    database.ask(&read(root.join("core/base.sql")));
    for plugin in std::fs::read_dir(root.join("plugins")).unwrap().flatten() {
        let base = plugin.path().join("base.sql");
        if base.exists() {
            database.ask(&read(base));
        }
    }
    for line in KONG_3_9_META.lines() {
        let mut words = line.split(' ');
        let (subsystem, names) = (words.next().unwrap(), words.nth(1).unwrap());
        let is_old = |name: &&str| {
            let release = name.rsplit('_').next().and_then(|release| release.parse::<u32>().ok());
            release.is_none_or(|release| release <= 280)
        };
        let old: Vec<&str> = names.split(',').filter(is_old).collect();
        if let Some(last) = old.last() {
            let executed = old.join(",");
            database.ask(&format!(
                "INSERT INTO schema_meta (key, subsystem, last_executed, executed) \
                 VALUES ('schema_meta', '{subsystem}', '{last}', '{{{executed}}}')"
            ));
        }
    }
    database.ask(
        "CREATE TABLE vaults_beta (id UUID PRIMARY KEY, ws_id UUID REFERENCES workspaces (id), prefix TEXT UNIQUE, \
         name TEXT NOT NULL, description TEXT, config JSONB NOT NULL, created_at TIMESTAMPTZ, \
         updated_at TIMESTAMPTZ, tags TEXT[])",
    );
}

/// The migrations of each subsystem, in whatever order they were finished.
fn executed(meta: &str) -> Vec<(String, Vec<String>)> {
    let row = |line: &str| {
        let mut words = line.split(' ');
        let (subsystem, names) = (words.next().unwrap(), words.nth(1).unwrap());
        let mut names: Vec<String> = names.split(',').map(str::to_owned).collect();
        names.sort();
        (subsystem.to_owned(), names)
    };
    meta.lines().map(row).collect()
}

#[test]
fn a_database_of_kong_2_8_is_brought_to_3_9_with_what_it_holds() {
    let database = Database::new();
    as_of_2_8(&database);
    database.ask(
        r#"INSERT INTO services (id, name, host, ws_id) SELECT md5('s')::uuid, 's', 'h', id FROM workspaces;
        INSERT INTO routes (id, name, paths, service_id, ws_id)
          SELECT md5('r')::uuid, 'r', ARRAY['/a//b', '/x(\d+)%2E', '/p'], s.id, s.ws_id FROM services s;
        INSERT INTO upstreams (id, name, slots, ws_id) SELECT md5('u')::uuid, 'u', 10, id FROM workspaces;
        INSERT INTO targets (id, target, weight, upstream_id, ws_id, created_at)
          SELECT md5(w::text)::uuid, 't:80', w, u.id, u.ws_id, now() - w * interval '1 hour'
          FROM upstreams u, generate_series(1, 3) w;
        INSERT INTO vaults_beta (id, name, prefix, config, ws_id)
          SELECT md5('v')::uuid, 'env', 'my-env', '{"prefix": "A_"}', id FROM workspaces;
        INSERT INTO plugins (id, name, config, enabled, ws_id) SELECT md5(n)::uuid, n, c::jsonb, true, w.id
          FROM workspaces w, (VALUES
            ('http-log', '{"headers": {"a": ["x", "y"], "b": []}}'),
            ('post-function', '{"functions": []}'),
            ('pre-function', '{"functions": ["return 1"]}'),
            ('rate-limiting', '{"minute": 5, "redis_host": "r"}'),
            ('acme', '{"storage_config": {"redis": {"host": "h", "auth": "pw", "scan_count": 10}}}'),
            ('opentelemetry', '{"queue": {"max_batch_size": 1, "x": 2}}')) v (n, c)"#,
    );
    let listed = database.migrations(&["list"]);
    assert_eq!(listed.status.code(), Some(5));
    assert_contains(&stdout(&listed), "New migrations available:\n                 core: 016_280_to_300, ");
    let told = database.tell(&["up"]);
    assert_contains(&told, "core migrated up to: 016_280_to_300 (pending)\n");
    assert_contains(&told, "24 migrations processed\n15 executed\n9 pending\n");
    assert_contains(&told, "\nDatabase has pending migrations; run 'kong migrations finish' when ready\n");
    // both releases can use it now
    assert_eq!(database.ask("SELECT count(*) FROM vaults_beta, sm_vaults"), "1");
    let listed = database.migrations(&["list"]);
    assert_eq!(listed.status.code(), Some(4));
    let refused = database.migrations(&["up"]);
    assert_contains(&stderr(&refused), "Database has pending migrations; run 'kong migrations finish'");
    database.tell(&["finish"]);

    assert_eq!(database.ask(FACTS), KONG_3_9.trim_end());
    assert_eq!(executed(&database.ask(META)), executed(KONG_3_9_META));
    assert_eq!(database.ask("SELECT array_to_json(paths) FROM routes"), r#"["/a/b","~/x(\\d+)\\.","/p"]"#);
    let target = database.ask("SELECT weight, cache_key LIKE 'targets:%:t:80::::%' FROM targets");
    assert_eq!(target, "1|t");
    assert_eq!(database.ask("SELECT name, prefix, config FROM sm_vaults"), r#"env|my-env|{"prefix": "A_"}"#);
    let config = |name: &str, path: &str| {
        database.ask(&format!("SELECT config #> '{{{path}}}' FROM plugins WHERE name = '{name}'"))
    };
    assert_eq!(config("http-log", ""), r#"{"headers": {"a": "x, y"}}"#);
    assert_eq!(config("pre-function", ""), r#"{"access": ["return 1"]}"#);
    assert_eq!(config("rate-limiting", "redis,host"), "\"r\"");
    assert_eq!(config("rate-limiting", "redis_host"), "");
    assert_eq!(config("acme", "storage_config,redis,password"), "\"pw\"");
    assert_eq!(config("acme", "storage_config,redis,extra_options,scan_count"), "10");
    assert_eq!(config("opentelemetry", "queue"), r#"{"x": 2, "max_batch_size": 200}"#);
}

#[test]
fn a_database_older_than_2_8_is_refused_with_what_to_do() {
    let database = Database::new();
    as_of_2_8(&database);
    database.ask(
        "UPDATE schema_meta SET executed = array_remove(executed, '015_270_to_280'), \
         last_executed = '014_230_to_270' WHERE subsystem = 'core'",
    );
    let output = database.migrations(&["up"]);
    assert_eq!(output.status.code(), Some(1));
    assert_contains(&stderr(&output), "the core tables of this database are older than Kong 2.8");
    assert_contains(&stderr(&output), "migrate it to Kong 2.8 with Kong's own releases first");
    assert_eq!(database.ask("SELECT to_regclass('sm_vaults') IS NULL"), "t");
}

/// A plugin with migrations in Lua, on the package path that is given.
fn plugin_with_migrations(folder: &Path) -> String {
    let migrations = folder.join("kong/plugins/with-migrations/migrations");
    std::fs::create_dir_all(&migrations).unwrap();
    std::fs::write(migrations.join("init.lua"), "return { '000_base', '001_second' }").unwrap();
    std::fs::write(
        migrations.join("000_base.lua"),
        "return { postgres = { up = [[ CREATE TABLE IF NOT EXISTS foos (color TEXT PRIMARY KEY, n INT) ]] } }",
    )
    .unwrap();
    std::fs::write(
        migrations.join("001_second.lua"),
        r#"return { postgres = {
          up = [[ INSERT INTO foos VALUES ('red', 1), ('it''s', 2) ON CONFLICT DO NOTHING ]],
          up_f = function(connector)
            assert(connector:query("ALTER TABLE foos ADD COLUMN IF NOT EXISTS shape TEXT"))
          end,
          teardown = function(connector)
            for row, err in connector:iterate("SELECT color, n FROM foos ORDER BY n") do
              if err then return nil, err end
              assert(type(row.n) == "number")
              assert(connector:query("UPDATE foos SET shape = 'triangle' WHERE color = "
                                     .. connector:escape_literal(row.color)))
            end
            local _, err = connector:query(os.getenv("BREAK_MIGRATION") or "SELECT 1")
            if err then return nil, err end
            return true
          end,
        } }"#,
    )
    .unwrap();
    folder.join("?.lua;").display().to_string() + &folder.join("?/init.lua;;").display().to_string()
}

#[test]
fn migrations_of_plugins_run_as_kong_runs_them() {
    let database = Database::new();
    database.configure(&[("plugins", "off")]);
    database.tell(&["bootstrap"]);
    let path = plugin_with_migrations(database.folder.path());
    database.configure(&[("plugins", "with-migrations"), ("lua_package_path", &path)]);
    let listed = database.migrations(&["list"]);
    assert_eq!(listed.status.code(), Some(5), "{}", stderr(&listed));
    assert_contains(
        &stdout(&listed),
        "\n\nNew migrations available:\nwith-migrations: 000_base, 001_second\n\nRun 'kong migrations up' to proceed",
    );
    let told = database.tell(&["up"]);
    assert_contains(&told, "with-migrations migrated up to: 001_second (pending)\n");
    assert_contains(&told, "\n2 migrations processed\n1 executed\n1 pending\n");
    assert_eq!(database.ask("SELECT count(*), count(shape) FROM foos"), "2|0");
    let told = database.tell(&["finish"]);
    assert_contains(&told, "1 migration processed\n1 executed\n");
    assert_eq!(database.ask("SELECT color FROM foos WHERE shape = 'triangle' ORDER BY n"), "red\nit's");
}

#[test]
fn a_migration_of_a_plugin_that_fails_is_named_and_stays_pending() {
    let database = Database::new();
    database.configure(&[("plugins", "off")]);
    database.tell(&["bootstrap"]);
    let path = plugin_with_migrations(database.folder.path());
    database.configure(&[("plugins", "with-migrations"), ("lua_package_path", &path)]);
    database.tell(&["up"]);
    let conf = database.conf();
    let broken = [("BREAK_MIGRATION", "SELECT nothing FROM nowhere")];
    let output = crate::support::kong_with(&broken, &["migrations", "finish", "-c", conf.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert_contains(
        &stderr(&output),
        "Error: [PostgreSQL error] failed to run migration '001_second' teardown: \
         ERROR: relation \"nowhere\" does not exist",
    );
    assert_eq!(
        database.ask("SELECT pending FROM schema_meta WHERE subsystem = 'with-migrations'"),
        "{001_second}"
    );
    assert_eq!(database.ask("SELECT count(*) FROM locks"), "0");
    database.tell(&["finish"]);
}

#[test]
fn a_plugin_that_is_enabled_later_gets_its_tables_by_up() {
    let database = Database::new();
    database.configure(&[("plugins", "off")]);
    database.tell(&["bootstrap"]);
    database.configure(&[("plugins", "key-auth")]);
    assert_contains(&database.tell(&["up"]), "key-auth migrated up to: 003_200_to_210 (pending)\n");
    database.tell(&["finish"]);
    let facts = database.ask(FACTS);
    for line in KONG_3_9.lines().filter(|line| line.contains("keyauth_credentials")) {
        assert_contains(&facts, line);
    }
}
