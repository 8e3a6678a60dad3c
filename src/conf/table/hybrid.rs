//! Properties of the section "Hybrid mode".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section { title: "Hybrid mode", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::one_of("role", &["data_plane", "control_plane", "traditional"], "traditional", ""),
    Property::one_of("cluster_mtls", &["shared", "pki"], "shared", ""),
    Property::text("cluster_cert", "", ""),
    Property::text("cluster_cert_key", "", "").sensitive(),
    Property::text("cluster_ca_cert", "", ""),
];
