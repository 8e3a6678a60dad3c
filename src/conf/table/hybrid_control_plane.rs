//! Properties of the section "Hybrid mode: control plane".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section =
    Section { title: "Hybrid mode: control plane", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::list("cluster_listen", "0.0.0.0:8005", ""),
    Property::number("cluster_data_plane_purge_delay", "1209600", ""),
    Property::one_of("cluster_ocsp", &["on", "off", "optional"], "off", ""),
    Property::boolean("cluster_use_proxy", "off", ""),
];
