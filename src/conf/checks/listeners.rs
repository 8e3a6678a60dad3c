//! Listen addresses.

use super::Findings;
use crate::conf::derived::LISTENERS;
use crate::conf::listen;
use crate::conf::values::Values;

/// Checks the grammar of each `*_listen` property.
pub fn check(values: &Values, findings: &mut Findings) {
    for (name, subsystem, _) in LISTENERS {
        if let Err(usage) = listen::parse(&values.texts(name), *subsystem) {
            findings.error(format!("{name} {usage}"));
        }
    }
    if values.is_off("admin_listen") && !values.is_off("admin_gui_listen") {
        findings
            .warn("Kong Manager won't be functional because the Admin API is not listened on any interface");
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::{errors, load};

    #[test]
    fn wrong_addresses_are_answered_with_the_propertys_name_and_the_usage() {
        for name in ["admin_listen", "proxy_listen", "admin_gui_listen"] {
            for wrong in ["127.0.0.1", ""] {
                let found = errors(&[(name, wrong)]);
                assert_eq!(found.len(), 1, "{found:?}");
                assert!(
                    found[0]
                        .starts_with(&format!("{name} must be of form: [off] | <ip>:<port> [ssl] [http2]"))
                );
            }
        }
    }

    #[test]
    fn a_manager_without_admin_api_is_warned_about() {
        let warned = |admin, gui| {
            !load(&[("admin_listen", admin), ("admin_gui_listen", gui)]).unwrap().warnings.is_empty()
        };
        assert!(warned("off", "0.0.0.0:8002"));
        assert!(!warned("off", "off"));
        assert!(!warned("127.0.0.1:8001", "0.0.0.0:8002"));
    }
}
