//! Properties of the section "Hybrid mode: control plane".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section =
    Section { title: "Hybrid mode: control plane", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::list(
        "cluster_listen",
        "0.0.0.0:8005",
        "Where a control plane listens for data planes. Without `ssl` in the flags it is TLS all the \
         same.",
    ),
    Property::number(
        "cluster_data_plane_purge_delay",
        "1209600",
        "Seconds after which a control plane forgets a data plane that does not report any more. At \
         least 60.",
    ),
    Property::one_of(
        "cluster_ocsp",
        &["on", "off", "optional"],
        "off",
        "Whether a control plane asks the issuer if a data plane's certificate was revoked. With \
         `optional` a certificate passes when the issuer does not answer.",
    ),
    Property::boolean(
        "cluster_use_proxy",
        "off",
        "Whether a data plane reaches its control plane through proxy_server.",
    ),
];
