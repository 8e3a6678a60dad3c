//! Properties of the section "Hybrid mode: data plane".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section =
    Section { title: "Hybrid mode: data plane", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::text("cluster_server_name", "", ""),
    Property::text("cluster_control_plane", "127.0.0.1:8005", "").shown_as(""),
    Property::number("cluster_max_payload", "16777216", ""),
    Property::list("cluster_dp_labels", "", ""),
];
