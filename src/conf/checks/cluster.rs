//! Hybrid mode: what each role needs and must not have.

use super::pem::{self, Content};
use super::{Findings, labels};
use crate::conf::value::ConfValue;
use crate::conf::values::Values;

/// Checks the properties of the node's role.
pub fn check(values: &mut Values, findings: &mut Findings) {
    let role = values.text("role").unwrap_or_default().to_owned();
    if role == "control_plane" || role == "data_plane" {
        check_certificates(values, findings);
    }
    match role.as_str() {
        "control_plane" => check_control_plane(values, findings),
        "data_plane" => check_data_plane(values, findings),
        _ => check_traditional(values, findings),
    }
    if values.is_on("cluster_incremental_sync") && !values.is_on("cluster_rpc") {
        findings.warn("Cluster incremental sync has been forcibly disabled, please enable cluster RPC.");
        values.set("cluster_incremental_sync", ConfValue::Boolean(false));
    }
}

fn check_certificates(values: &mut Values, findings: &mut Findings) {
    if values.text("cluster_cert").is_none() || values.text("cluster_cert_key").is_none() {
        findings.error("cluster certificate and key must be provided to use Hybrid mode");
    } else {
        pem::check_text(values, "cluster_cert", Content::Certificate, findings);
        pem::check_text(values, "cluster_cert_key", Content::Key, findings);
    }
    pem::check_text(values, "cluster_ca_cert", Content::Certificate, findings);
}

fn check_traditional(values: &Values, findings: &mut Findings) {
    if !values.texts("cluster_dp_labels").is_empty() {
        findings.error("cluster_dp_labels can only be used when role = \"data_plane\"");
    }
    check_cluster_proxy(values, findings);
}

fn check_cluster_proxy(values: &Values, findings: &mut Findings) {
    if values.is_on("cluster_use_proxy") && values.text("proxy_server").is_none() {
        findings.error("cluster_use_proxy is turned on but no proxy_server is configured");
    }
}

fn check_control_plane(values: &Values, findings: &mut Findings) {
    if values.is_off("admin_listen") {
        findings.error("admin_listen must be specified when role = \"control_plane\"");
    }
    if values.text("cluster_mtls") == Some("pki") && values.text("cluster_ca_cert").is_none() {
        findings.error("cluster_ca_cert must be specified when cluster_mtls = \"pki\"");
    }
    if values.is_off("cluster_listen") {
        findings.error("cluster_listen must be specified when role = \"control_plane\"");
    }
    if values.text("database") == Some("off") {
        findings.error("in-memory storage can not be used when role = \"control_plane\"");
    }
    if values.is_on("cluster_use_proxy") {
        findings.error("cluster_use_proxy can not be used when role = \"control_plane\"");
    }
    if !values.texts("cluster_dp_labels").is_empty() {
        findings.error("cluster_dp_labels can not be used when role = \"control_plane\"");
    }
}

/// A data plane trusts the certificate that identifies its control plane.
fn check_data_plane(values: &mut Values, findings: &mut Findings) {
    if values.is_off("proxy_listen") {
        findings.error("proxy_listen must be specified when role = \"data_plane\"");
    }
    if values.text("database") != Some("off") {
        findings.error(
            "only in-memory storage can be used when role = \"data_plane\"\n\
             Hint: set database = off in your kong.conf",
        );
    }
    let authority = match values.text("cluster_mtls") {
        Some("shared") => values.text("cluster_cert"),
        _ => values.text("cluster_ca_cert"),
    };
    if let Some(authority) = authority.map(str::to_owned) {
        let mut trusted = values.texts("lua_ssl_trusted_certificate");
        trusted.push(authority);
        values.set("lua_ssl_trusted_certificate", ConfValue::list(trusted));
    }
    check_cluster_proxy(values, findings);
    if let Err(error) = labels::check(&values.texts("cluster_dp_labels")) {
        findings.error(error);
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::{errors, load};
    use crate::conf::prefix::cluster_certificate;

    /// Properties of a node with a role and a certificate, as content.
    fn with_role<'a>(
        role: &'a str,
        pair: &'a [String; 2],
        more: &[(&'a str, &'a str)],
    ) -> Vec<(&'a str, &'a str)> {
        let [certificate, key] = pair;
        let mut properties = vec![("role", role), ("cluster_cert", certificate), ("cluster_cert_key", key)];
        properties.extend(more);
        properties
    }

    fn pair() -> [String; 2] {
        let pair = cluster_certificate(1).unwrap();
        let encode = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
        [encode(&pair.certificate), encode(&pair.key)]
    }

    #[test]
    fn a_data_plane_stores_nothing_and_trusts_the_shared_certificate() {
        let pair = pair();
        let conf = load(&with_role("data_plane", &pair, &[("database", "off")])).unwrap();
        let trusted = conf.lua_ssl_trusted_certificate.last().unwrap();
        assert!(trusted.starts_with("-----BEGIN CERTIFICATE-----"));
        assert_eq!(
            errors(&with_role("data_plane", &pair, &[])),
            [
                "only in-memory storage can be used when role = \"data_plane\"\nHint: set database = off in your kong.conf"
            ]
        );
    }

    #[test]
    fn a_control_plane_needs_a_store_and_its_listeners() {
        let pair = pair();
        assert!(errors(&with_role("control_plane", &pair, &[])).is_empty());
        let wrong = [
            ("database", "off"),
            ("admin_listen", "off"),
            ("cluster_listen", "off"),
            ("cluster_mtls", "pki"),
            ("cluster_dp_labels", "a:b"),
        ];
        assert_eq!(
            errors(&with_role("control_plane", &pair, &wrong)),
            [
                "admin_listen must be specified when role = \"control_plane\"",
                "cluster_ca_cert must be specified when cluster_mtls = \"pki\"",
                "cluster_listen must be specified when role = \"control_plane\"",
                "in-memory storage can not be used when role = \"control_plane\"",
                "cluster_dp_labels can not be used when role = \"control_plane\""
            ]
        );
    }

    #[test]
    fn the_proxy_is_for_data_planes_only_and_must_be_configured() {
        let pair = pair();
        let proxied = [("cluster_use_proxy", "on"), ("proxy_server", "http://proxy:1")];
        assert_eq!(
            errors(&with_role("control_plane", &pair, &proxied)),
            ["cluster_use_proxy can not be used when role = \"control_plane\""]
        );
        let mut properties =
            with_role("data_plane", &pair, &[("database", "off"), ("cluster_use_proxy", "on")]);
        assert_eq!(errors(&properties), ["cluster_use_proxy is turned on but no proxy_server is configured"]);
        properties.push(("proxy_server", "http://proxy:1"));
        assert!(errors(&properties).is_empty());
        assert_eq!(
            errors(&[("cluster_use_proxy", "on")]),
            ["cluster_use_proxy is turned on but no proxy_server is configured"]
        );
    }

    #[test]
    fn certificates_are_required_and_must_be_some() {
        assert_eq!(
            errors(&[("role", "control_plane")]),
            ["cluster certificate and key must be provided to use Hybrid mode"]
        );
        assert_eq!(
            errors(&[
                ("role", "control_plane"),
                ("cluster_cert", "path/nope.crt"),
                ("cluster_cert_key", "path/nope.key")
            ]),
            [
                "cluster_cert: failed loading certificate from path/nope.crt",
                "cluster_cert_key: failed loading key from path/nope.key"
            ]
        );
    }

    #[test]
    fn labels_are_for_data_planes() {
        assert_eq!(
            errors(&[("cluster_dp_labels", "a:b")]),
            ["cluster_dp_labels can only be used when role = \"data_plane\""]
        );
    }

    #[test]
    fn incremental_sync_needs_rpc() {
        let conf = load(&[("cluster_incremental_sync", "on")]).unwrap();
        assert!(!conf.cluster_incremental_sync);
        assert_eq!(
            conf.warnings,
            ["Cluster incremental sync has been forcibly disabled, please enable cluster RPC."]
        );
    }
}
