//! Properties of the section "Hybrid mode: data plane".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section =
    Section { title: "Hybrid mode: data plane", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::text(
        "cluster_server_name",
        "",
        "The server name that a data plane asks for in the TLS handshake with its control plane, for \
         the pki mode.",
    ),
    Property::text(
        "cluster_control_plane",
        "127.0.0.1:8005",
        "The address of the control plane, as `host:port`, that a data plane gets its configuration \
         from.",
    )
    .shown_as(""),
    Property::number(
        "cluster_max_payload",
        "16777216",
        "The largest configuration, in bytes before compression, that is sent to data planes. At \
         least 4 MiB.",
    ),
    Property::list(
        "cluster_dp_labels",
        "",
        "Up to ten labels, as `key:value`, that describe a data plane to its control plane.",
    ),
];
