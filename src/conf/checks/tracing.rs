//! Tracing.

use super::Findings;
use crate::conf::values::Values;

const TYPES: [&str; 12] = [
    "all",
    "balancer",
    "create_span",
    "db_query",
    "dns_query",
    "http_client",
    "off",
    "plugin_access",
    "plugin_header_filter",
    "plugin_rewrite",
    "request",
    "router",
];

/// `tracing_instrumentations` are known, `off` is alone, and the rate is a part of one.
pub fn check(values: &Values, findings: &mut Findings) {
    let types = values.texts("tracing_instrumentations");
    if types.is_empty() {
        return;
    }
    for unknown in types.iter().filter(|name| !TYPES.contains(&name.as_str())) {
        findings.error(format!("invalid tracing type: {unknown}"));
    }
    if types.len() > 1 && types.iter().any(|name| name == "off") {
        findings.error("invalid tracing types: off, other types are mutually exclusive");
    }
    if values.number("tracing_sampling_rate").is_some_and(|rate| !(0.0..=1.0).contains(&rate)) {
        findings.error("tracing_sampling_rate must be between 0 and 1");
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::{errors, load};

    #[test]
    fn types_and_rate_are_checked() {
        assert_eq!(errors(&[("tracing_instrumentations", "request,lunch")]), ["invalid tracing type: lunch"]);
        assert_eq!(
            errors(&[("tracing_instrumentations", "off,router")]),
            ["invalid tracing types: off, other types are mutually exclusive"]
        );
        assert_eq!(
            errors(&[("tracing_sampling_rate", "1.1")]),
            ["tracing_sampling_rate must be between 0 and 1"]
        );
    }

    #[test]
    fn the_old_names_set_the_new_ones() {
        let conf = load(&[
            ("opentelemetry_tracing", "request,router"),
            ("opentelemetry_tracing_sampling_rate", "0.5"),
        ]);
        let conf = conf.unwrap();
        assert_eq!(conf.tracing_instrumentations, ["request", "router"]);
        assert!((conf.tracing_sampling_rate - 0.5).abs() < f64::EPSILON);
        assert_eq!(conf.warnings.len(), 2);
    }
}
