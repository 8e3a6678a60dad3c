//! Properties of the section "Miscellaneous".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section { title: "Miscellaneous", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::list("lua_ssl_trusted_certificate", "system", ""),
    Property::number("lua_ssl_verify_depth", "1", ""),
    Property::text("lua_ssl_protocols", "TLSv1.2 TLSv1.3", "")
        .sets(&["nginx_http_lua_ssl_protocols", "nginx_stream_lua_ssl_protocols"]),
    Property::text("lua_package_path", "./?.lua;./?/init.lua;", ""),
    Property::text("lua_package_cpath", "", ""),
    Property::number("lua_socket_pool_size", "256", ""),
    Property::one_of("untrusted_lua", &["on", "off", "sandbox"], "sandbox", ""),
    Property::list("untrusted_lua_sandbox_requires", "", ""),
    Property::list("untrusted_lua_sandbox_environment", "", ""),
    Property::text("openresty_path", "", ""),
    Property::text("node_id", "", ""),
];
