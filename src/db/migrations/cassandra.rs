//! The migrations that come with the gateway for Cassandra, under the names that Kong gave those of PostgreSQL.

use std::borrow::Cow;

use super::{CORE, ConfigChange, Migration, Step, Subsystem};

/// The core's migrations and those of the bundled ones among some plugins, sorted by name.
pub fn bundled_in_cql<'a>(plugins: impl Iterator<Item = &'a String>) -> Vec<Subsystem> {
    let mut plugins: Vec<&str> = plugins.map(String::as_str).collect();
    plugins.sort_unstable();
    plugins.dedup();
    std::iter::once(core()).chain(plugins.into_iter().filter_map(plugin)).collect()
}

macro_rules! cql {
    ($file:literal) => {
        Step::Sql(Cow::Borrowed(include_str!(concat!("../../../migrations/cassandra/", $file, ".cql"))))
    };
}

/// A migration up to Kong 2.8: its name, and whether Kong has a second half of it.
type Old = (&'static str, bool);

fn core() -> Subsystem {
    let mut migrations = old(
        &[
            ("000_base", false),
            ("003_100_to_110", false),
            ("004_110_to_120", false),
            ("005_120_to_130", true),
            ("006_130_to_140", false),
            ("007_140_to_150", true),
            ("008_150_to_200", true),
            ("009_200_to_210", true),
            ("010_210_to_211", true),
            ("011_212_to_213", false),
            ("012_213_to_220", true),
            ("013_220_to_230", true),
            ("014_230_to_270", false),
            ("015_270_to_280", false),
        ],
        vec![cql!("core/base")],
        &[Step::Refuse],
    );
    let copy = |from, to| Step::CopyRows { from, to };
    migrations.extend([
        halves(
            "016_280_to_300",
            vec![
                cql!("core/016_280_to_300"),
                copy("vaults_beta", "sm_vaults"),
                copy("vaults", "vault_auth_vaults"),
                Step::RoutePaths,
            ],
            vec![Step::TargetsOnce, cql!("core/016_280_to_300.finish")],
        ),
        up("017_300_to_310", vec![cql!("core/017_300_to_310")]),
        up("018_310_to_320", vec![cql!("core/018_310_to_320")]),
        up("019_320_to_330", vec![cql!("core/019_320_to_330")]),
        up("020_330_to_340", vec![cql!("core/020_330_to_340"), Step::GivenLists]),
        up("021_340_to_350", vec![cql!("core/021_340_to_350")]),
        up("022_350_to_360", vec![cql!("core/022_350_to_360")]),
        up("023_360_to_370", vec![cql!("core/023_360_to_370")]),
        up("024_380_to_390", Vec::new()),
    ]);
    Subsystem { name: Cow::Borrowed(CORE), namespace: "kong.db.migrations.core".to_owned(), migrations }
}

fn plugin(name: &str) -> Option<Subsystem> {
    let (name, migrations) = with_tables(name).or_else(|| with_configuration(name))?;
    Some(Subsystem {
        name: Cow::Borrowed(name),
        namespace: format!("kong.plugins.{name}.migrations"),
        migrations,
    })
}

/// The plugins that have tables of their own.
fn with_tables(name: &str) -> Option<(&'static str, Vec<Migration>)> {
    let credentials = |names: &[Old], base| old(names, vec![base], &[]);
    Some(match name {
        "acl" => {
            let names = [
                ("000_base_acl", false),
                ("002_130_to_140", false),
                ("003_200_to_210", true),
                ("004_212_to_213", true),
            ];
            ("acl", credentials(&names, cql!("plugins/acl/base")))
        }
        "acme" => {
            let mut all = old(&[("000_base_acme", false)], vec![cql!("plugins/acme/base")], &[]);
            all.push(up("001_280_to_300", Vec::new()));
            all.push(up("002_320_to_330", Vec::new()));
            all.push(configured("003_350_to_360", &[ConfigChange::AcmeRedis], &[ConfigChange::AcmeOldRedis]));
            ("acme", all)
        }
        "basic-auth" => {
            let names = [("000_base_basic_auth", false), ("002_130_to_140", false), ("003_200_to_210", true)];
            ("basic-auth", credentials(&names, cql!("plugins/basic-auth/base")))
        }
        "hmac-auth" => {
            let names = [("000_base_hmac_auth", false), ("002_130_to_140", false), ("003_200_to_210", true)];
            ("hmac-auth", credentials(&names, cql!("plugins/hmac-auth/base")))
        }
        "jwt" => {
            let names = [("000_base_jwt", false), ("002_130_to_140", false), ("003_200_to_210", true)];
            ("jwt", credentials(&names, cql!("plugins/jwt/base")))
        }
        "key-auth" => {
            let names = [("000_base_key_auth", false), ("002_130_to_140", false), ("003_200_to_210", true)];
            let mut all = credentials(&names, cql!("plugins/key-auth/base"));
            all.push(up("004_320_to_330", Vec::new()));
            ("key-auth", all)
        }
        "oauth2" => {
            let names = [
                ("000_base_oauth2", false),
                ("003_130_to_140", false),
                ("004_200_to_210", true),
                ("005_210_to_211", true),
            ];
            let mut all = credentials(&names, cql!("plugins/oauth2/base"));
            all.push(up("006_320_to_330", Vec::new()));
            all.push(up("007_320_to_330", vec![cql!("plugins/oauth2/007_320_to_330")]));
            ("oauth2", all)
        }
        "rate-limiting" => {
            let names =
                [("000_base_rate_limiting", false), ("003_10_to_112", false), ("004_200_to_210", false)];
            let mut all = old(&names, vec![cql!("plugins/rate-limiting/base")], &[]);
            all.push(up("005_320_to_330", Vec::new()));
            let redis = ConfigChange::Redis { plugin: "rate-limiting" };
            let gone = ConfigChange::OldRedis { plugin: "rate-limiting" };
            all.push(configured("006_350_to_360", &[redis], &[gone]));
            ("rate-limiting", all)
        }
        "response-ratelimiting" => {
            let names = [("000_base_response_rate_limiting", false)];
            let mut all = old(&names, vec![cql!("plugins/response-ratelimiting/base")], &[]);
            let redis = ConfigChange::Redis { plugin: "response-ratelimiting" };
            let gone = ConfigChange::OldRedis { plugin: "response-ratelimiting" };
            all.push(configured("001_350_to_360", &[redis], &[gone]));
            ("response-ratelimiting", all)
        }
        "session" => {
            let names = [("000_base_session", false), ("001_add_ttl_index", false)];
            let mut all = old(&names, vec![cql!("plugins/session/base")], &[]);
            all.push(up("002_320_to_330", Vec::new()));
            ("session", all)
        }
        _ => return None,
    })
}

/// The plugins of which only the configuration changed.
fn with_configuration(name: &str) -> Option<(&'static str, Vec<Migration>)> {
    let functions = |plugin| {
        let (to, gone) = (ConfigChange::Functions { plugin }, ConfigChange::OldFunctions { plugin });
        vec![configured("001_280_to_300", &[to], &[gone])]
    };
    let later = |name, change| vec![Migration { up: Vec::new(), ..configured(name, &[], &[change]) }];
    Some(match name {
        "ai-proxy" => ("ai-proxy", later("001_360_to_370", ConfigChange::AiProxyStatistics)),
        "bot-detection" => ("bot-detection", old(&[("001_200_to_210", true)], Vec::new(), &[])),
        "http-log" => ("http-log", later("001_280_to_300", ConfigChange::HttpLogHeaders)),
        "ip-restriction" => ("ip-restriction", old(&[("001_200_to_210", true)], Vec::new(), &[])),
        "opentelemetry" => ("opentelemetry", later("001_331_to_332", ConfigChange::OpentelemetryBatches)),
        "post-function" => ("post-function", functions("post-function")),
        "pre-function" => ("pre-function", functions("pre-function")),
        _ => return None,
    })
}

fn old(names: &[Old], base: Vec<Step>, finish: &[Step]) -> Vec<Migration> {
    let mut base = Some(base);
    let migration = |(name, has_halves): &Old| Migration {
        name: Cow::Borrowed(*name),
        old: true,
        up: base.take().unwrap_or_default(),
        finish: has_halves.then(|| finish.to_vec()),
    };
    names.iter().map(migration).collect()
}

fn up(name: &'static str, up: Vec<Step>) -> Migration {
    Migration { name: Cow::Borrowed(name), old: false, up, finish: None }
}

fn halves(name: &'static str, up: Vec<Step>, finish: Vec<Step>) -> Migration {
    Migration { name: Cow::Borrowed(name), old: false, up, finish: Some(finish) }
}

fn configured(name: &'static str, to: &[ConfigChange], gone: &[ConfigChange]) -> Migration {
    let steps = |changes: &[ConfigChange]| changes.iter().copied().map(Step::Config).collect();
    halves(name, steps(to), steps(gone))
}

#[cfg(test)]
mod tests {
    use super::super::bundled;
    use super::*;
    use crate::conf::BUNDLED_PLUGINS;

    #[test]
    fn both_databases_have_the_same_migrations_by_name() {
        let plugins: Vec<String> = BUNDLED_PLUGINS.iter().map(|name| (*name).to_owned()).collect();
        let names = |all: Vec<Subsystem>| -> Vec<(String, Vec<String>)> {
            let names = |one: &Subsystem| one.migrations.iter().map(|one| one.name.to_string()).collect();
            all.iter().map(|one| (one.name.to_string(), names(one))).collect()
        };
        assert_eq!(names(bundled_in_cql(plugins.iter())), names(bundled(plugins.iter())));
    }
}
