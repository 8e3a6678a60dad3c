//! The cluster of `database = cassandra`.

use super::Findings;
use crate::conf::values::Values;

/// What must hold when that database is chosen.
pub fn check(values: &Values, findings: &mut Findings) {
    if values.text("database") != Some("cassandra") {
        return;
    }
    let policy = values.text("cassandra_lb_policy").unwrap_or_default();
    if policy.contains("DCAware") && values.text("cassandra_local_datacenter").is_none() {
        let message = format!("must specify 'cassandra_local_datacenter' when {policy} policy is in use");
        findings.error(message);
    }
    if values.number("cassandra_refresh_frequency").is_some_and(|number| number < 0.0) {
        findings.error("cassandra_refresh_frequency must be 0 or greater");
    }
    let points = values.texts("cassandra_contact_points");
    if points.is_empty() {
        findings.error("cassandra_contact_points must name at least one node");
    }
    for point in points {
        if has_port(&point) {
            let what = "port must be specified in cassandra_port";
            findings.error(format!("bad cassandra contact point '{point}': {what}"));
        }
    }
    let keyspace = values.text("cassandra_keyspace").unwrap_or_default();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if keyspace.is_empty() || keyspace.len() > 48 || !keyspace.bytes().all(is_word) {
        findings.error("cassandra_keyspace must have 1 to 48 letters, digits and '_'");
    }
    check_replication(values, findings);
}

fn check_replication(values: &Values, findings: &mut Findings) {
    let is_count = |number: f64| number >= 1.0 && number.fract() == 0.0;
    match values.text("cassandra_repl_strategy") {
        Some("NetworkTopologyStrategy") => {
            let centers = values.texts("cassandra_data_centers");
            for center in &centers {
                let count = center.rsplit_once(':').and_then(|(_, count)| count.trim().parse::<u32>().ok());
                if count.is_none() {
                    let message = format!(
                        "bad entry of cassandra_data_centers '{center}': must be '<name>:<number of replicas>'"
                    );
                    findings.error(message);
                }
            }
            if centers.is_empty() {
                findings.error("cassandra_data_centers must name at least one data center");
            }
        }
        _ if !values.number("cassandra_repl_factor").is_some_and(is_count) => {
            findings.error("cassandra_repl_factor must be an integer greater than 0");
        }
        _ => {}
    }
}

/// Whether a name or an address has a port behind it.
fn has_port(point: &str) -> bool {
    match point.rsplit_once(':') {
        // an address of IPv6 has colons of its own
        Some((host, _)) => !host.contains(':') || host.ends_with(']'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::conf::checks::trial::errors;

    #[test]
    fn a_policy_for_data_centers_needs_to_know_which_one_is_the_local_one() {
        let found = errors(&[("database", "cassandra"), ("cassandra_lb_policy", "DCAwareRoundRobin")]);
        assert_eq!(
            found,
            ["must specify 'cassandra_local_datacenter' when DCAwareRoundRobin policy is in use"]
        );
        let given = [
            ("database", "cassandra"),
            ("cassandra_lb_policy", "RequestDCAwareRoundRobin"),
            ("cassandra_local_datacenter", "dc1"),
        ];
        assert!(errors(&given).is_empty());
    }

    #[test]
    fn what_cannot_lead_to_a_cluster_is_refused() {
        let found = errors(&[
            ("database", "cassandra"),
            ("cassandra_contact_points", "one:9042, ::1, [::1]:9042, two"),
            ("cassandra_refresh_frequency", "-1"),
            ("cassandra_keyspace", "k\"; DROP"),
            ("cassandra_repl_factor", "0"),
        ]);
        assert_eq!(
            found,
            [
                "cassandra_refresh_frequency must be 0 or greater",
                "bad cassandra contact point 'one:9042': port must be specified in cassandra_port",
                "bad cassandra contact point '[::1]:9042': port must be specified in cassandra_port",
                "cassandra_keyspace must have 1 to 48 letters, digits and '_'",
                "cassandra_repl_factor must be an integer greater than 0",
            ]
        );
        let found = errors(&[
            ("database", "cassandra"),
            ("cassandra_repl_strategy", "NetworkTopologyStrategy"),
            ("cassandra_data_centers", "dc1:2, dc2"),
        ]);
        assert_eq!(
            found,
            ["bad entry of cassandra_data_centers 'dc2': must be '<name>:<number of replicas>'"]
        );
    }

    #[test]
    fn nothing_is_asked_of_it_where_another_database_is_chosen() {
        assert!(errors(&[("cassandra_contact_points", "one:9042")]).is_empty());
    }
}
