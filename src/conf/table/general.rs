//! Properties of the section "General".

use super::Section;
use crate::conf::property::{Deprecated, Property};

/// The section.
pub const SECTION: Section = Section { title: "General", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::text(
        "prefix",
        "/usr/local/kong/",
        "The directory of the node: its logs, certificates, process id and the configuration in force \
         are kept below it. Each node on a machine needs its own.",
    ),
    Property::one_of(
        "log_level",
        &["debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"],
        "notice",
        "The least severe level that error logs contain. It can be changed while the gateway runs, \
         through the Admin API.",
    ),
    Property::text(
        "proxy_access_log",
        "logs/access.log",
        "Where requests to the proxy are logged: a path relative to the prefix, /dev/stdout, \
         `syslog:server=...`, or `off`. A format name may follow the path: `combined`, `basic`, or \
         one that is defined by nginx_http_log_format.",
    ),
    Property::text(
        "proxy_error_log",
        "logs/error.log",
        "Where errors of the proxy are logged. It takes the same kinds of target as the access log, \
         without a format.",
    ),
    Property::text(
        "proxy_stream_access_log",
        "logs/access.log basic",
        "Where connections to the stream listeners are logged, with the name of the format after the \
         path.",
    ),
    Property::text(
        "proxy_stream_error_log",
        "logs/error.log",
        "Where errors of the stream listeners are logged.",
    ),
    Property::text(
        "admin_access_log",
        "logs/admin_access.log",
        "Where requests to the Admin API are logged, in the combined format unless another one is \
         named. In hybrid mode also those of the cluster listener.",
    ),
    Property::text("admin_error_log", "logs/error.log", "Where errors of the Admin API are logged."),
    Property::text(
        "status_access_log",
        "off",
        "Where requests to the Status API are logged. Health checks would fill the log, so nothing is \
         logged by default.",
    ),
    Property::text("status_error_log", "logs/status_error.log", "Where errors of the Status API are logged."),
    Property::list(
        "vaults",
        "bundled",
        "The vaults that references may name. `bundled` stands for those that come with the gateway, \
         `off` for none.",
    ),
    Property::list("opentelemetry_tracing", "off", "The former name of tracing_instrumentations.")
        .alias_of("tracing_instrumentations")
        .deprecated(Deprecated::UseInstead("tracing_instrumentations")),
    Property::list(
        "tracing_instrumentations",
        "off",
        "What spans are made for: `request`, `db_query`, `dns_query`, `router`, `http_client`, \
         `balancer`, `plugin_rewrite`, `plugin_access`, `plugin_header_filter`, or `all` of them, or \
         `off`. A tracing plugin sends them somewhere.",
    ),
    Property::number(
        "opentelemetry_tracing_sampling_rate",
        "0.01",
        "The former name of tracing_sampling_rate.",
    )
    .alias_of("tracing_sampling_rate")
    .deprecated(Deprecated::UseInstead("tracing_sampling_rate"))
    .shown_as("1.0"),
    Property::number(
        "tracing_sampling_rate",
        "0.01",
        "The part of the requests that is traced, between 0 and 1. Plugins may decide otherwise for \
         theirs.",
    ),
    Property::list(
        "plugins",
        "bundled",
        "The plugins that may be configured. `bundled` stands for all that come with the gateway; a \
         plugin of your own is named as its directory kong/plugins/<name> on lua_package_path. `off` \
         loads none.",
    ),
    Property::boolean(
        "dedicated_config_processing",
        "on",
        "Whether the work of taking over a new configuration is kept away from the workers that serve \
         requests.",
    ),
    Property::list(
        "pluginserver_names",
        "",
        "Names of external processes that provide plugins. Each one needs \
         pluginserver_<name>_query_cmd, the command that lists its plugins, and may have \
         pluginserver_<name>_start_cmd, the command that starts it, and pluginserver_<name>_socket, \
         where it listens.",
    ),
    Property::list(
        "port_maps",
        "",
        "Ports as clients see them where a load balancer or container maps them, as `outside:inside`, \
         for example `80:8000, 443:8443`. Forwarding headers and plugins then name the port outside.",
    ),
    Property::boolean(
        "anonymous_reports",
        "on",
        "Accepted for compatibility. This gateway sends no reports.",
    ),
    Property::text(
        "proxy_server",
        "",
        "A forward proxy, as URL, for calls that the gateway itself makes: a data plane uses it to \
         reach its control plane when cluster_use_proxy is on.",
    )
    .sensitive(),
    Property::boolean(
        "proxy_server_ssl_verify",
        "on",
        "Whether the certificate of an https proxy_server is verified.",
    )
    .shown_as("off"),
    Property::text(
        "error_template_html",
        "",
        "A file that replaces the built-in HTML error page. The first `%s` in it becomes the message, \
         the second one the request id.",
    ),
    Property::text("error_template_json", "", "The same for JSON error bodies."),
    Property::text("error_template_xml", "", "The same for XML error bodies."),
    Property::text("error_template_plain", "", "The same for plain text error bodies."),
    Property::boolean(
        "config_watch",
        "on",
        "Whether the gateway watches this file, the declarative file and the source files of plugins, \
         and takes a change over by itself. A change that is not valid is logged and changes nothing. \
         Not a property of Kong.",
    ),
];
