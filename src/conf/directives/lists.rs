//! The directives as Kong's configuration holds them: one list of names and values per namespace.

use super::main;
use super::reader::NONE;
use super::shared_dict::prometheus_dicts;
use crate::conf::table::{FAMILIES, family_of};
use crate::conf::value::ConfValue;
use crate::conf::values::Values;

/// Adds `nginx_http_directives` and its siblings, sorted by name, and settles the user to run as.
pub fn add(values: &mut Values) {
    drop_unusable_user(values);
    for family in FAMILIES {
        let Some(list) = family.directives else { continue };
        let mut directives: Vec<(String, String)> = values
            .iter()
            .filter(|(name, _)| family_of(name) == Some(family))
            .filter_map(|(name, value)| Some((family.member(name)?, value.as_str()?)))
            .filter(|(member, value)| *value != NONE && !family.ignored.contains(member))
            .map(|(member, value)| (member.to_owned(), value.to_owned()))
            .collect();
        for name in prometheus_dicts(values).filter(|name| is_home(name, family.prefix)) {
            directives.push(("lua_shared_dict".to_owned(), format!("{name} 5m")));
        }
        directives.sort_by(|a, b| a.0.cmp(&b.0));
        let tables = directives.into_iter().map(|(name, value)| {
            ConfValue::Map(vec![
                ("name".to_owned(), ConfValue::String(name)),
                ("value".to_owned(), ConfValue::String(value)),
            ])
        });
        values.set(list, ConfValue::Array(tables.collect()));
    }
}

fn is_home(dict: &str, prefix: &str) -> bool {
    match prefix {
        "nginx_http_" => dict == "prometheus_metrics",
        "nginx_stream_" => dict == "stream_prometheus_metrics",
        _ => false,
    }
}

/// *Kong parity*: `nobody` unsets the user, and so does the default user where the system lacks it.
fn drop_unusable_user(values: &mut Values) {
    let words = |values: &Values, name: &str| -> Vec<String> {
        values.text(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    let is = |names: &[String], wanted: &str| !names.is_empty() && names.iter().all(|name| name == wanted);
    let properties = ["nginx_user", "nginx_main_user"];
    let all_default = properties.iter().all(|name| is(&words(values, name), "kong"));
    for name in properties {
        if is(&words(values, name), "nobody") || (all_default && !main::exists("kong")) {
            values.set_text(name, None);
        }
    }
}
