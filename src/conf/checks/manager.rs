//! Where Kong Manager is.

use super::Findings;
use crate::conf::values::Values;

/// The addresses and the path.
pub fn check(values: &Values, findings: &mut Findings) {
    for url in values.texts("admin_gui_url").iter().filter(|url| !is_url(url)) {
        findings.error(format!("admin_gui_url must be a comma separated list of URLs, got '{url}'"));
    }
    check_path(values, findings);
}

/// Whether there is a scheme and something after it: what the origin of a page is made of.
fn is_url(text: &str) -> bool {
    text.split_once("://")
        .is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.starts_with('/') && !rest.is_empty())
}

/// `admin_gui_path` is `/` or begins and does not end with it.
fn check_path(values: &Values, findings: &mut Findings) {
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
    fn addresses_have_a_scheme_and_a_host() {
        assert!(errors(&[("admin_gui_url", "http://a:8002,https://b.example")]).is_empty());
        for wrong in ["manager", "http://", "//host", "/path"] {
            assert_eq!(
                errors(&[("admin_gui_url", wrong)]),
                [format!("admin_gui_url must be a comma separated list of URLs, got '{wrong}'")]
            );
        }
    }

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
