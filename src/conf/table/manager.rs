//! Properties of the section "Kong Manager".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section { title: "Kong Manager", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::list("admin_gui_listen", "0.0.0.0:8002, 0.0.0.0:8445 ssl", "Where Kong Manager listens."),
    Property::list(
        "admin_gui_url",
        "",
        "The addresses that users open Kong Manager under, as URLs, if they differ from the listener: \
         browsers are told to allow these origins.",
    ),
    Property::text("admin_gui_path", "/", "The path below which Kong Manager is served."),
    Property::text(
        "admin_gui_api_url",
        "",
        "The address of the Admin API as browsers of Kong Manager see it. Unset, it follows from \
         admin_listen.",
    ),
    Property::list("admin_gui_ssl_cert", "", "Certificates of Kong Manager, as for ssl_cert."),
    Property::list("admin_gui_ssl_cert_key", "", "The keys of admin_gui_ssl_cert.").sensitive(),
    Property::text(
        "admin_gui_access_log",
        "logs/admin_gui_access.log",
        "Where requests to Kong Manager are logged.",
    ),
    Property::text(
        "admin_gui_error_log",
        "logs/admin_gui_error.log",
        "Where errors of Kong Manager are logged.",
    ),
];
