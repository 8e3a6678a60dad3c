//! The migrations that come with the gateway: for PostgreSQL, under the names that Kong gave them.

use std::borrow::Cow;

use super::{CORE, Migration, Step, Subsystem};

/// The core's migrations and those of the bundled ones among some plugins, sorted by name.
pub fn bundled<'a>(plugins: impl Iterator<Item = &'a String>) -> Vec<Subsystem> {
    let mut plugins: Vec<&str> = plugins.map(String::as_str).collect();
    plugins.sort_unstable();
    plugins.dedup();
    let entries = plugins.into_iter().filter_map(|name| PLUGINS.iter().find(|entry| entry.subsystem == name));
    std::iter::once(&CORE_ENTRY).chain(entries).map(Entry::to_subsystem).collect()
}

/// The migrations of a subsystem.
struct Entry {
    subsystem: &'static str,
    /// Those up to Kong 2.8. All of them run with the first one.
    old: &'static [Old],
    /// What the first of those does.
    base: &'static str,
    /// The second half of those that have one.
    base_finish: Finish,
    /// Those since.
    steps: &'static [Since],
}

/// A migration up to Kong 2.8: its name, and whether Kong has a second half of it.
type Old = (&'static str, bool);

enum Finish {
    Refuse,
    Sql(&'static str),
}

/// A migration since Kong 2.8.
struct Since {
    name: &'static str,
    up: Option<&'static str>,
    route_paths: bool,
    finish: Option<&'static str>,
}

const NOTHING: Finish = Finish::Sql("");

macro_rules! sql {
    ($file:literal) => {
        include_str!(concat!("../../../migrations/postgres/", $file, ".sql"))
    };
}

const fn up(name: &'static str, up: &'static str) -> Since {
    Since { name, up: Some(up), route_paths: false, finish: None }
}

const fn halves(name: &'static str, up: &'static str, finish: &'static str) -> Since {
    Since { name, up: Some(up), route_paths: false, finish: Some(finish) }
}

const fn finish(name: &'static str, finish: &'static str) -> Since {
    Since { name, up: None, route_paths: false, finish: Some(finish) }
}

const CORE_ENTRY: Entry = Entry {
    subsystem: CORE,
    old: &[
        ("000_base", false),
        ("003_100_to_110", false),
        ("004_110_to_120", false),
        ("005_120_to_130", true),
        ("006_130_to_140", false),
        ("007_140_to_150", false),
        ("008_150_to_200", true),
        ("009_200_to_210", true),
        ("010_210_to_211", false),
        ("011_212_to_213", false),
        ("012_213_to_220", true),
        ("013_220_to_230", false),
        ("014_230_to_270", false),
        ("015_270_to_280", false),
    ],
    base: sql!("core/base"),
    base_finish: Finish::Refuse,
    steps: &[
        Since {
            name: "016_280_to_300",
            up: Some(sql!("core/016_280_to_300")),
            route_paths: true,
            finish: Some(sql!("core/016_280_to_300.finish")),
        },
        up("017_300_to_310", sql!("core/017_300_to_310")),
        up("018_310_to_320", sql!("core/018_310_to_320")),
        up("019_320_to_330", sql!("core/019_320_to_330")),
        up("020_330_to_340", sql!("core/020_330_to_340")),
        up("021_340_to_350", sql!("core/021_340_to_350")),
        up("022_350_to_360", sql!("core/022_350_to_360")),
        up("023_360_to_370", sql!("core/023_360_to_370")),
        up("024_380_to_390", sql!("core/024_380_to_390")),
    ],
};

const PLUGINS: &[Entry] = &[
    Entry {
        subsystem: "acl",
        old: &[
            ("000_base_acl", false),
            ("002_130_to_140", false),
            ("003_200_to_210", true),
            ("004_212_to_213", true),
        ],
        base: sql!("plugins/acl/base"),
        base_finish: Finish::Sql(sql!("plugins/acl/base.finish")),
        steps: &[],
    },
    Entry {
        subsystem: "acme",
        old: &[("000_base_acme", false)],
        base: sql!("plugins/acme/base"),
        base_finish: NOTHING,
        steps: &[
            up("001_280_to_300", sql!("plugins/acme/001_280_to_300")),
            up("002_320_to_330", sql!("plugins/acme/002_320_to_330")),
            halves(
                "003_350_to_360",
                sql!("plugins/acme/003_350_to_360"),
                sql!("plugins/acme/003_350_to_360.finish"),
            ),
        ],
    },
    without_tables(
        "ai-proxy",
        &[],
        &[finish("001_360_to_370", sql!("plugins/ai-proxy/001_360_to_370.finish"))],
    ),
    Entry {
        subsystem: "basic-auth",
        old: &[("000_base_basic_auth", false), ("002_130_to_140", false), ("003_200_to_210", true)],
        base: sql!("plugins/basic-auth/base"),
        base_finish: Finish::Sql(sql!("plugins/basic-auth/base.finish")),
        steps: &[],
    },
    without_tables("bot-detection", &[("001_200_to_210", true)], &[]),
    Entry {
        subsystem: "hmac-auth",
        old: &[("000_base_hmac_auth", false), ("002_130_to_140", false), ("003_200_to_210", true)],
        base: sql!("plugins/hmac-auth/base"),
        base_finish: Finish::Sql(sql!("plugins/hmac-auth/base.finish")),
        steps: &[],
    },
    without_tables(
        "http-log",
        &[],
        &[finish("001_280_to_300", sql!("plugins/http-log/001_280_to_300.finish"))],
    ),
    without_tables("ip-restriction", &[("001_200_to_210", true)], &[]),
    Entry {
        subsystem: "jwt",
        old: &[("000_base_jwt", false), ("002_130_to_140", false), ("003_200_to_210", true)],
        base: sql!("plugins/jwt/base"),
        base_finish: Finish::Sql(sql!("plugins/jwt/base.finish")),
        steps: &[],
    },
    Entry {
        subsystem: "key-auth",
        old: &[("000_base_key_auth", false), ("002_130_to_140", false), ("003_200_to_210", true)],
        base: sql!("plugins/key-auth/base"),
        base_finish: Finish::Sql(sql!("plugins/key-auth/base.finish")),
        steps: &[up("004_320_to_330", sql!("plugins/key-auth/004_320_to_330"))],
    },
    Entry {
        subsystem: "oauth2",
        old: &[
            ("000_base_oauth2", false),
            ("003_130_to_140", false),
            ("004_200_to_210", true),
            ("005_210_to_211", false),
        ],
        base: sql!("plugins/oauth2/base"),
        base_finish: Finish::Sql(sql!("plugins/oauth2/base.finish")),
        steps: &[
            up("006_320_to_330", sql!("plugins/oauth2/006_320_to_330")),
            up("007_320_to_330", sql!("plugins/oauth2/007_320_to_330")),
        ],
    },
    without_tables(
        "opentelemetry",
        &[],
        &[finish("001_331_to_332", sql!("plugins/opentelemetry/001_331_to_332.finish"))],
    ),
    without_tables(
        "post-function",
        &[],
        &[halves(
            "001_280_to_300",
            sql!("plugins/post-function/001_280_to_300"),
            sql!("plugins/post-function/001_280_to_300.finish"),
        )],
    ),
    without_tables(
        "pre-function",
        &[],
        &[halves(
            "001_280_to_300",
            sql!("plugins/pre-function/001_280_to_300"),
            sql!("plugins/pre-function/001_280_to_300.finish"),
        )],
    ),
    Entry {
        subsystem: "rate-limiting",
        old: &[("000_base_rate_limiting", false), ("003_10_to_112", false), ("004_200_to_210", false)],
        base: sql!("plugins/rate-limiting/base"),
        base_finish: NOTHING,
        steps: &[
            up("005_320_to_330", sql!("plugins/rate-limiting/005_320_to_330")),
            halves(
                "006_350_to_360",
                sql!("plugins/rate-limiting/006_350_to_360"),
                sql!("plugins/rate-limiting/006_350_to_360.finish"),
            ),
        ],
    },
    Entry {
        subsystem: "response-ratelimiting",
        old: &[("000_base_response_rate_limiting", false)],
        base: sql!("plugins/response-ratelimiting/base"),
        base_finish: NOTHING,
        steps: &[halves(
            "001_350_to_360",
            sql!("plugins/response-ratelimiting/001_350_to_360"),
            sql!("plugins/response-ratelimiting/001_350_to_360.finish"),
        )],
    },
    Entry {
        subsystem: "session",
        old: &[("000_base_session", false), ("001_add_ttl_index", false)],
        base: sql!("plugins/session/base"),
        base_finish: NOTHING,
        steps: &[up("002_320_to_330", sql!("plugins/session/002_320_to_330"))],
    },
];

const fn without_tables(subsystem: &'static str, old: &'static [Old], steps: &'static [Since]) -> Entry {
    Entry { subsystem, old, base: "", base_finish: NOTHING, steps }
}

impl Entry {
    fn to_subsystem(&self) -> Subsystem {
        let old = self.old.iter().enumerate().map(|(place, old)| self.old_migration(place, *old));
        Subsystem {
            name: Cow::Borrowed(self.subsystem),
            namespace: match self.subsystem {
                CORE => "kong.db.migrations.core".to_owned(),
                plugin => format!("kong.plugins.{plugin}.migrations"),
            },
            migrations: old.chain(self.steps.iter().map(Since::to_migration)).collect(),
        }
    }

    fn old_migration(&self, place: usize, (name, has_halves): Old) -> Migration {
        let finish = match &self.base_finish {
            Finish::Refuse => vec![Step::Refuse],
            Finish::Sql(sql) => statements(Some(sql)),
        };
        Migration {
            name: Cow::Borrowed(name),
            old: true,
            up: if place == 0 { statements(Some(self.base)) } else { Vec::new() },
            finish: has_halves.then_some(finish),
        }
    }
}

impl Since {
    fn to_migration(&self) -> Migration {
        let mut up = statements(self.up);
        if self.route_paths {
            up.push(Step::RoutePaths);
        }
        let finish = self.finish.map(|sql| statements(Some(sql)));
        Migration { name: Cow::Borrowed(self.name), old: false, up, finish }
    }
}

fn statements(sql: Option<&'static str>) -> Vec<Step> {
    sql.filter(|sql| !sql.is_empty()).map(|sql| Step::Sql(Cow::Borrowed(sql))).into_iter().collect()
}
