//! Properties of the section "Kong Manager".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section { title: "Kong Manager", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::list("admin_gui_listen", "0.0.0.0:8002, 0.0.0.0:8445 ssl", ""),
    Property::list("admin_gui_url", "", ""),
    Property::text("admin_gui_path", "/", ""),
    Property::text("admin_gui_api_url", "", ""),
    Property::list("admin_gui_ssl_cert", "", ""),
    Property::list("admin_gui_ssl_cert_key", "", "").sensitive(),
    Property::text("admin_gui_access_log", "logs/admin_gui_access.log", ""),
    Property::text("admin_gui_error_log", "logs/admin_gui_error.log", ""),
];
