//! Properties of the section "Miscellaneous".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section { title: "Miscellaneous", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::list(
        "lua_ssl_trusted_certificate",
        "system",
        "Authorities that Lua code and the gateway trust for TLS to other servers: paths, the \
         certificates themselves, or `system` for the bundle of the system.",
    ),
    Property::number(
        "lua_ssl_verify_depth",
        "1",
        "How many intermediate certificates may be between a server's certificate and a trusted \
         authority.",
    ),
    Property::text(
        "lua_ssl_protocols",
        "TLSv1.2 TLSv1.3",
        "The TLS versions that Lua code may use towards other servers.",
    )
    .sets(&["nginx_http_lua_ssl_protocols", "nginx_stream_lua_ssl_protocols"]),
    Property::text(
        "lua_package_path",
        "./?.lua;./?/init.lua;",
        "Where Lua modules are looked for, before those that come with the gateway: patterns \
         separated by semicolons, `?` standing for the name. Plugins of your own are found here.",
    ),
    Property::text("lua_package_cpath", "", "Where Lua modules in C are looked for."),
    Property::number(
        "lua_socket_pool_size",
        "256",
        "How many idle connections each pool of Lua sockets keeps in a worker.",
    ),
    Property::one_of(
        "untrusted_lua",
        &["on", "off", "sandbox"],
        "sandbox",
        "What Lua code in the configuration itself (as in the plugins pre-function and post-function) \
         may do: run with few functions (`sandbox`), with all (`on`), or not at all (`off`).",
    ),
    Property::list("untrusted_lua_sandbox_requires", "", "Modules that sandboxed code may load."),
    Property::list(
        "untrusted_lua_sandbox_environment",
        "",
        "Global variables that sandboxed code may read, by name with dots.",
    ),
    Property::text("openresty_path", "", "Accepted for compatibility. There is no OpenResty to find."),
    Property::text(
        "node_id",
        "",
        "The identity of the node in its cluster, a UUID. Unset, the node makes one and keeps it \
         below the prefix.",
    ),
];
