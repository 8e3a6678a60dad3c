//! The forward proxy that the node's own calls go through.

use super::Findings;
use crate::conf::values::Values;

/// `proxy_server` is `http[s]://[user:password@]host[:port]`.
pub fn check(values: &Values, findings: &mut Findings) {
    let Some(url) = values.text("proxy_server") else { return };
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) else {
        return findings.error("proxy_server missing scheme");
    };
    if scheme != "http" && scheme != "https" {
        return findings.error(format!("proxy_server only supports \"http\" and \"https\", got {scheme}"));
    }
    let authority = rest.split(['/', '?', '#', ';']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let is_unfinished = rest.contains('#') && !authority.contains('@');
    if (host.is_empty() || host.starts_with(':')) && !is_unfinished {
        findings.error("proxy_server missing host");
    } else if rest.contains(['?', '#', ';']) {
        findings.error("fragments, query strings or parameters are meaningless in proxy configuration");
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || matches!(character, '+' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::super::trial::errors;

    #[test]
    fn the_url_is_taken_apart() {
        let meaningless = "fragments, query strings or parameters are meaningless in proxy configuration";
        for (url, expected) in [
            ("http://cool:pwd@localhost:2333", None),
            ("http://😉.tld", None),
            ("http://%F0%9F%98%89.tld", None),
            ("http://user:password%23@localhost:2333", None),
            ("://localhost:2333", Some("proxy_server missing scheme")),
            ("cool://localhost:2333", Some("proxy_server only supports \"http\" and \"https\", got cool")),
            ("http://:2333", Some("proxy_server missing host")),
            ("http://localhost:2333/?a=1", Some(meaningless)),
            ("http://user:password#@localhost:2333", Some(meaningless)),
        ] {
            assert_eq!(errors(&[("proxy_server", url)]).first().map(String::as_str), expected, "{url}");
        }
    }
}
