//! Numbers within bounds.

use super::Findings;
use crate::conf::values::Values;

/// Counts and times of the Postgres pools: whole and not negative.
pub fn check_database(values: &Values, findings: &mut Findings) {
    for pool in ["pg_", "pg_ro_"] {
        for name in
            ["max_concurrent_queries", "semaphore_timeout", "keepalive_timeout", "pool_size", "backlog"]
        {
            let name = format!("{pool}{name}");
            let Some(number) = values.number(&name) else { continue };
            if number < 0.0 {
                findings.error(format!("{name} must be greater than 0"));
            }
            if number.fract() != 0.0 {
                findings.error(format!("{name} must be an integer greater than 0"));
            }
        }
    }
}

/// The frequency is a time: more than nothing.
pub fn check_worker_state_update_frequency(values: &Values, findings: &mut Findings) {
    if values.number("worker_state_update_frequency").is_some_and(|number| number <= 0.0) {
        findings.error("worker_state_update_frequency must be greater than 0");
    }
}

/// Properties with a least value, and how Kong words it.
const AT_LEAST: [(&str, f64, &str); 7] = [
    ("lua_time_limit", 0.0, "0 or greater"),
    ("cluster_data_plane_purge_delay", 60.0, "60 or greater"),
    ("cluster_max_payload", 4_194_304.0, "4194304 (4MB) or greater"),
    ("upstream_keepalive_pool_size", 0.0, "0 or greater"),
    ("upstream_keepalive_max_requests", 0.0, "0 or greater"),
    ("upstream_keepalive_idle_timeout", 0.0, "0 or greater"),
    ("resolver_error_ttl", 0.0, "0 or greater"),
];

/// Least values of hybrid mode and of upstream connections.
pub fn check_cluster_and_upstream(values: &Values, findings: &mut Findings) {
    for (name, least, wording) in AT_LEAST {
        if values.number(name).is_some_and(|number| number < least) {
            findings.error(format!("{name} must be {wording}"));
        }
    }
}

/// How many fields and arguments Lua may see.
pub fn check_lua(values: &Values, findings: &mut Findings) {
    for name in ["lua_max_req_headers", "lua_max_resp_headers", "lua_max_uri_args", "lua_max_post_args"] {
        if values
            .number(name)
            .is_some_and(|number| !(1.0..=1000.0).contains(&number) || number.fract() != 0.0)
        {
            findings.error(format!("{name} must be an integer between 1 and 1000"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::{errors, load};

    #[test]
    fn pool_numbers_are_whole_and_not_negative() {
        for name in ["pg_max_concurrent_queries", "pg_semaphore_timeout", "pg_ro_pool_size", "pg_backlog"] {
            assert_eq!(errors(&[(name, "-1")]), [format!("{name} must be greater than 0")]);
            assert_eq!(errors(&[(name, "0.1")]), [format!("{name} must be an integer greater than 0")]);
            assert!(errors(&[(name, "10")]).is_empty());
        }
    }

    #[test]
    fn frequencies_may_be_fractions_but_not_nothing() {
        for wrong in ["0", "-1"] {
            assert_eq!(
                errors(&[("worker_state_update_frequency", wrong)]),
                ["worker_state_update_frequency must be greater than 0"]
            );
        }
        let conf = load(&[("worker_state_update_frequency", "0.01")]).unwrap();
        assert_eq!(conf.worker_state_update_frequency, std::time::Duration::from_millis(10));
    }

    #[test]
    fn least_values_are_named() {
        assert_eq!(
            errors(&[
                ("cluster_data_plane_purge_delay", "59"),
                ("cluster_max_payload", "4194303"),
                ("upstream_keepalive_pool_size", "-1"),
            ]),
            [
                "cluster_data_plane_purge_delay must be 60 or greater",
                "cluster_max_payload must be 4194304 (4MB) or greater",
                "upstream_keepalive_pool_size must be 0 or greater"
            ]
        );
        let accepted = [("cluster_data_plane_purge_delay", "60"), ("upstream_keepalive_idle_timeout", "0")];
        assert!(errors(&accepted).is_empty());
    }

    #[test]
    fn lua_sees_between_one_and_a_thousand() {
        for wrong in ["0", "1001", "1.5", "-1"] {
            assert_eq!(
                errors(&[("lua_max_uri_args", wrong)]),
                ["lua_max_uri_args must be an integer between 1 and 1000"]
            );
        }
        assert_eq!(load(&[("lua_max_post_args", "1000")]).unwrap().lua_max_post_args, 1000);
    }
}
