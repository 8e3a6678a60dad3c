//! How configurations of plugins changed between releases, for databases that cannot do that themselves.

use serde_json::{Map, Value, json};

/// A change of the configurations of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigChange {
    /// The settings of Redis got the names that all plugins use.
    AcmeRedis,
    /// Their old names go.
    AcmeOldRedis,
    /// Statistics of Anthropic's completions were never right and are refused now.
    AiProxyStatistics,
    /// Functions without a phase were those of the access phase.
    Functions {
        /// The plugin.
        plugin: &'static str,
    },
    /// Their old place goes.
    OldFunctions {
        /// The plugin.
        plugin: &'static str,
    },
    /// A header has one value: lists are joined, and headers without a value go, as they were never sent.
    HttpLogHeaders,
    /// The first releases wrote a batch size of one that nobody had asked for.
    OpentelemetryBatches,
    /// The settings of Redis moved into a record of their own.
    Redis {
        /// The plugin.
        plugin: &'static str,
    },
    /// Their old places go.
    OldRedis {
        /// The plugin.
        plugin: &'static str,
    },
}

/// What the record of Redis has of the fields that had `redis_` before their name.
const REDIS: [&str; 9] =
    ["host", "port", "password", "username", "ssl", "ssl_verify", "server_name", "timeout", "database"];

impl ConfigChange {
    /// The plugin whose configurations change.
    pub fn plugin(self) -> &'static str {
        match self {
            ConfigChange::AcmeRedis | ConfigChange::AcmeOldRedis => "acme",
            ConfigChange::AiProxyStatistics => "ai-proxy",
            ConfigChange::HttpLogHeaders => "http-log",
            ConfigChange::OpentelemetryBatches => "opentelemetry",
            ConfigChange::Functions { plugin }
            | ConfigChange::OldFunctions { plugin }
            | ConfigChange::Redis { plugin }
            | ConfigChange::OldRedis { plugin } => plugin,
        }
    }

    /// Changes a configuration.
    pub fn apply(self, config: &mut Map<String, Value>) {
        match self {
            ConfigChange::AcmeRedis => acme_redis(config),
            ConfigChange::AcmeOldRedis => {
                if let Some(redis) = record(config, &["storage_config", "redis"]) {
                    redis.retain(|name, _| {
                        !["auth", "ssl_server_name", "scan_count", "namespace"].contains(&name.as_str())
                    });
                }
            }
            ConfigChange::AiProxyStatistics => ai_proxy(config),
            ConfigChange::Functions { .. } => {
                if let Some(functions) = functions(config) {
                    config.insert("access".to_owned(), functions);
                }
            }
            ConfigChange::OldFunctions { .. } => {
                if functions(config).is_some() {
                    config.shift_remove("functions");
                }
            }
            ConfigChange::HttpLogHeaders => http_log(config),
            ConfigChange::OpentelemetryBatches => {
                if let Some(queue) = record(config, &["queue"])
                    && queue.get("max_batch_size").and_then(Value::as_f64) == Some(1.0)
                {
                    queue.insert("max_batch_size".to_owned(), json!(200));
                }
            }
            ConfigChange::Redis { .. } => redis(config),
            ConfigChange::OldRedis { .. } => {
                config
                    .retain(|name, _| !name.strip_prefix("redis_").is_some_and(|name| REDIS.contains(&name)));
            }
        }
    }
}

fn record<'a>(config: &'a mut Map<String, Value>, path: &[&str]) -> Option<&'a mut Map<String, Value>> {
    let mut record = config;
    for name in path {
        record = record.get_mut(*name)?.as_object_mut()?;
    }
    Some(record)
}

/// The first value that is not null.
fn first<'a>(values: impl IntoIterator<Item = Option<&'a Value>>) -> Value {
    values.into_iter().flatten().find(|value| !value.is_null()).cloned().unwrap_or_default()
}

fn acme_redis(config: &mut Map<String, Value>) {
    let Some(redis) = record(config, &["storage_config", "redis"]) else { return };
    let extra = redis.get("extra_options").cloned().unwrap_or_default();
    let either = |old: &str, new: &str| first([redis.get(old), redis.get(new)]);
    let option = |name: &str| first([redis.get(name), extra.get(name)]);
    let (password, server_name) = (either("auth", "password"), either("ssl_server_name", "server_name"));
    let extra = json!({"scan_count": option("scan_count"), "namespace": option("namespace")});
    redis.insert("password".to_owned(), password);
    redis.insert("server_name".to_owned(), server_name);
    redis.insert("extra_options".to_owned(), extra);
}

fn ai_proxy(config: &mut Map<String, Value>) {
    let is_completion = config.get("route_type").is_some_and(|kind| kind == "llm/v1/completions");
    let is_anthropic =
        config.get("model").and_then(|model| model.get("provider")).is_some_and(|name| name == "anthropic");
    if let Some(logging) = record(config, &["logging"]).filter(|_| is_completion && is_anthropic)
        && logging.get("log_statistics") == Some(&Value::Bool(true))
    {
        logging.insert("log_statistics".to_owned(), Value::Bool(false));
    }
}

fn functions(config: &Map<String, Value>) -> Option<Value> {
    let functions = config.get("functions")?;
    functions.as_array().filter(|functions| !functions.is_empty())?;
    Some(functions.clone())
}

fn http_log(config: &mut Map<String, Value>) {
    let Some(headers) = record(config, &["headers"]) else { return };
    let has_value = |value: &Value| match value {
        Value::Array(lines) => !lines.is_empty(),
        Value::Object(lines) => !lines.is_empty(),
        _ => true,
    };
    headers.retain(|_, value| has_value(value));
    for value in headers.values_mut() {
        if let Value::Array(lines) = value {
            let lines: Vec<&str> = lines.iter().filter_map(Value::as_str).collect();
            *value = Value::from(lines.join(", "));
        }
    }
    if headers.is_empty() {
        config.insert("headers".to_owned(), Value::Null);
    }
}

fn redis(config: &mut Map<String, Value>) {
    let known = config.get("redis").cloned().unwrap_or_default();
    let field = |name: &&str| {
        let value = first([config.get(&format!("redis_{name}")), known.get(*name)]);
        ((*name).to_owned(), value)
    };
    let redis: Map<String, Value> = REDIS.iter().map(field).collect();
    config.insert("redis".to_owned(), Value::Object(redis));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(change: ConfigChange, config: Value) -> Value {
        let mut config = config.as_object().unwrap().clone();
        change.apply(&mut config);
        Value::Object(config)
    }

    #[test]
    fn settings_of_redis_move_into_a_record() {
        let to = ConfigChange::Redis { plugin: "rate-limiting" };
        let moved = changed(
            to,
            json!({"policy": "redis", "redis_host": "h", "redis_port": 1, "redis": {"ssl": true}}),
        );
        assert_eq!((&moved["redis"]["host"], &moved["redis"]["ssl"]), (&json!("h"), &json!(true)));
        let gone = changed(ConfigChange::OldRedis { plugin: "rate-limiting" }, moved);
        assert_eq!(gone.get("redis_host"), None);
        assert_eq!((&gone["policy"], &gone["redis"]["port"]), (&json!("redis"), &json!(1)));
        let acme = json!({"storage_config": {"redis": {"auth": "a", "namespace": "n"}}});
        let moved = changed(ConfigChange::AcmeOldRedis, changed(ConfigChange::AcmeRedis, acme));
        let redis = &moved["storage_config"]["redis"];
        assert_eq!((&redis["password"], &redis["extra_options"]["namespace"]), (&json!("a"), &json!("n")));
        assert_eq!(redis.get("auth"), None);
    }

    #[test]
    fn headers_have_one_value_and_functions_a_phase() {
        let config = json!({"headers": {"a": ["1", "2"], "b": [], "c": "3"}});
        assert_eq!(
            changed(ConfigChange::HttpLogHeaders, config),
            json!({"headers": {"a": "1, 2", "c": "3"}})
        );
        assert_eq!(
            changed(ConfigChange::HttpLogHeaders, json!({"headers": {"b": []}})),
            json!({"headers": null})
        );
        let functions = json!({"functions": ["f"], "access": null});
        let moved = changed(ConfigChange::Functions { plugin: "pre-function" }, functions);
        let gone = changed(ConfigChange::OldFunctions { plugin: "pre-function" }, moved);
        assert_eq!(gone, json!({"access": ["f"]}));
    }
}
