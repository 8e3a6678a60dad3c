//! Properties of the section "Hybrid mode".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section {
    title: "Hybrid mode",
    introduction: "In hybrid mode some nodes are control planes, which have the database and the Admin API, and \
         the others are data planes, which have the proxy and receive their configuration from a \
         control plane.",
    properties: PROPERTIES,
};

const PROPERTIES: &[Property] = &[
    Property::one_of(
        "role",
        &["data_plane", "control_plane", "traditional"],
        "traditional",
        "What the node does: both proxy and administration (`traditional`), or one half of a hybrid \
         deployment.",
    ),
    Property::one_of(
        "cluster_mtls",
        &["shared", "pki"],
        "shared",
        "How control planes and data planes identify each other: by one certificate that all of them \
         have (`shared`), or by certificates that an authority issued (`pki`).",
    ),
    Property::text(
        "cluster_cert",
        "",
        "The certificate of the node for hybrid mode: a path, or the certificate itself, plain or in \
         base64. `kong hybrid gen_cert` makes one for the shared mode.",
    ),
    Property::text("cluster_cert_key", "", "The key of cluster_cert, given in the same way.").sensitive(),
    Property::text(
        "cluster_ca_cert",
        "",
        "The authority that issued the certificates of the other side, for the pki mode: a path or \
         the certificate itself.",
    ),
];
