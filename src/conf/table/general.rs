//! Properties of the section "General".

use super::Section;
use crate::conf::property::{Deprecated, Property};

/// The section.
pub const SECTION: Section = Section { title: "General", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::text("prefix", "/usr/local/kong/", ""),
    Property::one_of(
        "log_level",
        &["debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"],
        "notice",
        "",
    ),
    Property::text("proxy_access_log", "logs/access.log", ""),
    Property::text("proxy_error_log", "logs/error.log", ""),
    Property::text("proxy_stream_access_log", "logs/access.log basic", ""),
    Property::text("proxy_stream_error_log", "logs/error.log", ""),
    Property::text("admin_access_log", "logs/admin_access.log", ""),
    Property::text("admin_error_log", "logs/error.log", ""),
    Property::text("status_access_log", "off", ""),
    Property::text("status_error_log", "logs/status_error.log", ""),
    Property::list("vaults", "bundled", ""),
    Property::list("opentelemetry_tracing", "off", "")
        .alias_of("tracing_instrumentations")
        .deprecated(Deprecated::UseInstead("tracing_instrumentations")),
    Property::list("tracing_instrumentations", "off", ""),
    Property::number("opentelemetry_tracing_sampling_rate", "0.01", "")
        .alias_of("tracing_sampling_rate")
        .deprecated(Deprecated::UseInstead("tracing_sampling_rate"))
        .shown_as("1.0"),
    Property::number("tracing_sampling_rate", "0.01", ""),
    Property::list("plugins", "bundled", ""),
    Property::boolean("dedicated_config_processing", "on", ""),
    Property::list("pluginserver_names", "", ""),
    Property::list("port_maps", "", ""),
    Property::boolean("anonymous_reports", "on", ""),
    Property::text("proxy_server", "", "").sensitive(),
    Property::boolean("proxy_server_ssl_verify", "on", "").shown_as("off"),
    Property::text("error_template_html", "", ""),
    Property::text("error_template_json", "", ""),
    Property::text("error_template_xml", "", ""),
    Property::text("error_template_plain", "", ""),
    Property::boolean("config_watch", "on", ""),
];
