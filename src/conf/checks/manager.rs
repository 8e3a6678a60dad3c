//! Kong Manager's path.

use super::Findings;
use crate::conf::values::Values;

/// `admin_gui_path` is `/` or begins and does not end with it.
pub fn check(values: &Values, findings: &mut Findings) {
    let Some(path) = values.text("admin_gui_path") else { return };
    if !path.starts_with('/') {
        findings.error("admin_gui_path must start with a slash ('/')");
    }
    if path.starts_with('/') && path.ends_with('/') && path.len() > 2 {
        findings.error("admin_gui_path must not end with a slash ('/')");
    }
    let is_allowed =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '/');
    if !path.chars().all(is_allowed) {
        findings.error(
            "admin_gui_path can only contain letters, digits, hyphens ('-'), underscores ('_'), and slashes ('/')",
        );
    }
    if path.contains("//") {
        findings.error("admin_gui_path must not contain continuous slashes ('/')");
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::errors;

    #[test]
    fn each_flaw_of_the_path_is_named() {
        for (path, flaws) in [
            ("without-leading-slash", 1),
            ("/with-trailing-slash/", 1),
            ("/with!invalid$characters", 1),
            ("/with//many///continuous////slashes", 1),
            ("with!invalid$characters-but-no-leading-slashes", 2),
            ("/kong/manager", 0),
            ("/", 0),
        ] {
            assert_eq!(errors(&[("admin_gui_path", path)]).len(), flaws, "{path}");
        }
    }
}
