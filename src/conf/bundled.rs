//! What the words `bundled` and `off` mean in `plugins` and `vaults`.

/// The plugins that come with the gateway.
pub const PLUGINS: [&str; 45] = [
    "acl",
    "acme",
    "ai-prompt-decorator",
    "ai-prompt-guard",
    "ai-prompt-template",
    "ai-proxy",
    "ai-request-transformer",
    "ai-response-transformer",
    "aws-lambda",
    "azure-functions",
    "basic-auth",
    "bot-detection",
    "correlation-id",
    "cors",
    "datadog",
    "file-log",
    "grpc-gateway",
    "grpc-web",
    "hmac-auth",
    "http-log",
    "ip-restriction",
    "jwt",
    "key-auth",
    "ldap-auth",
    "loggly",
    "oauth2",
    "opentelemetry",
    "post-function",
    "pre-function",
    "prometheus",
    "proxy-cache",
    "rate-limiting",
    "redirect",
    "request-size-limiting",
    "request-termination",
    "request-transformer",
    "response-ratelimiting",
    "response-transformer",
    "session",
    "standard-webhooks",
    "statsd",
    "syslog",
    "tcp-log",
    "udp-log",
    "zipkin",
];

/// The vaults that come with the gateway.
pub const VAULTS: [&str; 1] = ["env"];

/// The names that a list of names and `bundled` stands for, each once, in order. A first item `off`
/// means none; `off` further on is skipped.
pub fn expand(names: &[String], bundled: &[&str]) -> Vec<String> {
    let mut expanded: Vec<String> = Vec::new();
    if names.first().is_some_and(|first| first == "off") {
        return expanded;
    }
    for name in names {
        let stands_for = match name.as_str() {
            "bundled" => bundled,
            "off" | "" => &[],
            single => &[single],
        };
        for name in stands_for {
            if !expanded.iter().any(|known| known == name) {
                expanded.push((*name).to_owned());
            }
        }
    }
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugins(names: &[&str]) -> Vec<String> {
        expand(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), &PLUGINS)
    }

    #[test]
    fn bundled_and_custom_names_are_merged_once() {
        assert_eq!(plugins(&["bundled"]).len(), PLUGINS.len());
        assert_eq!(plugins(&["foo", "bar", "foo"]), ["foo", "bar"]);
        assert_eq!(plugins(&["key-auth", "bundled", "mine"]).len(), PLUGINS.len() + 1);
    }

    #[test]
    fn off_first_means_none() {
        assert!(plugins(&["off", "key-auth"]).is_empty());
        assert_eq!(plugins(&["key-auth", "off"]), ["key-auth"]);
        assert!(plugins(&[]).is_empty());
    }
}
