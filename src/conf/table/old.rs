//! Names of earlier releases that people still carry in their files. [`crate::conf::legacy`] says what
//! becomes of them.

use super::Section;
use crate::conf::property::{Deprecated, Property};

/// The section.
pub const SECTION: Section =
    Section { title: "Names of earlier releases", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::list("custom_plugins", "", "").deprecated(Deprecated::UseInstead("plugins")),
    Property::text("proxy_listen_ssl", "", "").deprecated(Deprecated::UseInstead("proxy_listen")),
    Property::text("admin_listen_ssl", "", "").deprecated(Deprecated::UseInstead("admin_listen")),
    Property::text("cluster_listen_rpc", "", "").deprecated(Deprecated::Ignored),
    Property::text("cluster_advertise", "", "").deprecated(Deprecated::Ignored),
    Property::text("cluster_encrypt_key", "", "").deprecated(Deprecated::Ignored),
    Property::text("cluster_keyring_key", "", "").deprecated(Deprecated::Ignored),
    Property::text("cluster_profile", "", "").deprecated(Deprecated::Ignored),
    Property::text("cluster_ttl_on_failure", "", "").deprecated(Deprecated::Ignored),
    Property::text("serf_path", "", "").deprecated(Deprecated::Ignored),
    Property::text("dnsmasq", "", "").deprecated(Deprecated::Ignored),
    Property::text("dnsmasq_port", "", "").deprecated(Deprecated::Ignored),
];
