//! Servers of plugins in other languages.

use std::path::Path;

use super::Findings;
use crate::conf::value::ConfValue;
use crate::conf::values::Values;

/// Where a server's executable is looked for when no command is given.
const DEFAULT_DIRECTORY: &str = "/usr/local/bin";

/// Every server can be asked what plugins it has.
pub fn check(values: &Values, findings: &mut Findings) {
    for name in values.texts("pluginserver_names").iter().map(|name| name.to_lowercase()) {
        let (start, query) = commands(values, &name);
        if query.is_none() {
            findings.error(format!("query_command undefined for pluginserver {name}"));
        } else if start.is_none() {
            findings.warn(format!(
                "start_command undefined for pluginserver {name}; assuming external process management"
            ));
        }
    }
}

/// The servers as Kong's configuration holds them.
pub fn list(values: &Values) -> ConfValue {
    let prefix = values.text("prefix").unwrap_or_default();
    let servers = values.texts("pluginserver_names").into_iter().map(|name| {
        let name = name.to_lowercase();
        let (start, query) = commands(values, &name);
        let socket = values.text(&property(&name, "socket"));
        let socket = socket.map_or_else(|| format!("{prefix}/{name}.socket"), str::to_owned);
        let fields = [
            ("name", Some(name)),
            ("socket", Some(socket)),
            ("start_command", start),
            ("query_command", query),
        ];
        let set =
            fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), ConfValue::String(value?))));
        ConfValue::Map(set.collect())
    });
    ConfValue::Array(servers.collect())
}

/// The commands that start and query a server.
fn commands(values: &Values, name: &str) -> (Option<String>, Option<String>) {
    let configured = |what| values.text(&property(name, what)).map(str::to_owned);
    let executable = Some(format!("{DEFAULT_DIRECTORY}/{name}")).filter(|path| Path::new(path).exists());
    let start = configured("start_cmd").or_else(|| executable.clone());
    let query = configured("query_cmd").or_else(|| executable.map(|path| format!("{path} -dump")));
    (start, query)
}

fn property(name: &str, what: &str) -> String {
    format!("pluginserver_{}_{what}", name.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::super::trial::{errors, load};
    use super::*;

    #[test]
    fn a_server_that_cannot_be_queried_is_refused() {
        assert_eq!(
            errors(&[("pluginserver_names", "gopher")]),
            ["query_command undefined for pluginserver gopher"]
        );
    }

    #[test]
    fn a_server_without_a_start_command_is_somebody_elses() {
        let conf =
            load(&[("pluginserver_names", "gopher"), ("pluginserver_gopher_query_cmd", "gopher -dump")])
                .unwrap();
        assert_eq!(
            conf.warnings,
            ["start_command undefined for pluginserver gopher; assuming external process management"]
        );
        let Some(ConfValue::Array(servers)) = conf.value("pluginservers") else { panic!("no list") };
        let Some(ConfValue::Map(fields)) = servers.first() else { panic!("no server") };
        let socket = conf.prefix.join("gopher.socket").to_string_lossy().into_owned();
        assert!(fields.contains(&("socket".to_owned(), ConfValue::String(socket))));
        assert!(fields.contains(&("query_command".to_owned(), ConfValue::from("gopher -dump"))));
    }
}
