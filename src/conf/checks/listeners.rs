//! Listen addresses.

use crate::conf::derived::LISTENERS;
use crate::conf::listen;
use crate::conf::values::Values;

/// Checks the grammar of each `*_listen` property.
pub fn check(values: &Values, errors: &mut Vec<String>, warnings: &mut Vec<String>) {
    for (name, subsystem, _) in LISTENERS {
        if let Err(usage) = listen::parse(&values.texts(name), *subsystem) {
            errors.push(format!("{name} {usage}"));
        }
    }
    if values.is_off("admin_listen") && !values.is_off("admin_gui_listen") {
        warnings.push(
            "Kong Manager won't be functional because the Admin API is not listened on any interface"
                .to_owned(),
        );
    }
}
