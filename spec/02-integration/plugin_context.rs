//! What plugins find in `ngx.ctx` and `ngx.shared`: the fields and dictionaries that Kong has there.

use crate::support::{Gateway, Setup, Upstream, get};
use serde_json::json;

/// Logs the names of the fields that are not there, after a mark.
const MISSING: &str = r#"
local missing = {}
for name in (NAMES):gmatch("%S+") do
  local value = ngx
  for part in name:gmatch("[^.]+") do
    value = value and value[part]
  end
  if value == nil then
    missing[#missing + 1] = name
  end
end
kong.log.notice("missing in ", ngx.get_phase(), ": [", table.concat(missing, " "), "]")
"#;

/// After a request that was proxied for a known consumer.
const PROXIED: &str = "
  ctx.route ctx.route.id ctx.service ctx.service.host ctx.KONG_PHASE ctx.KONG_LOG ctx.KONG_PROXIED
  ctx.request_id ctx.host_port ctx.workspace ctx.plugin_id ctx.router_matches ctx.authenticated_consumer.id
  ctx.authenticated_credential.id ctx.balancer_data ctx.balancer_data.host ctx.balancer_data.ip
  ctx.balancer_data.port ctx.balancer_data.tries ctx.balancer_data.try_count
  ctx.KONG_PROCESSING_START ctx.KONG_REWRITE_START ctx.KONG_REWRITE_ENDED_AT ctx.KONG_REWRITE_TIME
  ctx.KONG_ACCESS_START ctx.KONG_ACCESS_ENDED_AT ctx.KONG_ACCESS_TIME
  ctx.KONG_BALANCER_START ctx.KONG_BALANCER_ENDED_AT ctx.KONG_BALANCER_TIME
  ctx.KONG_UPSTREAM_DNS_START ctx.KONG_UPSTREAM_DNS_END_AT ctx.KONG_UPSTREAM_DNS_TIME
  ctx.KONG_HEADER_FILTER_START ctx.KONG_HEADER_FILTER_ENDED_AT ctx.KONG_HEADER_FILTER_TIME
  ctx.KONG_BODY_FILTER_START ctx.KONG_BODY_FILTER_ENDED_AT ctx.KONG_BODY_FILTER_TIME
  ctx.KONG_WAITING_TIME ctx.KONG_RECEIVE_TIME ctx.KONG_PROXY_LATENCY
  shared.kong shared.kong_locks shared.kong_cluster_events shared.kong_db_cache shared.kong_db_cache_miss
  shared.kong_core_db_cache shared.kong_core_db_cache_miss shared.kong_secrets
  shared.kong_rate_limiting_counters shared.kong_healthchecks shared.prometheus_metrics
  var.http_apikey var.request_id worker config";

/// After a request that a plugin ended.
const EXITED: &str = "ctx.KONG_EXITED ctx.KONG_RESPONSE_LATENCY ctx.KONG_PROCESSING_START ctx.route";

fn log(names: &str) -> String {
    MISSING.replace("NAMES", &format!("[[{names}]]"))
}

fn start(upstream: &Upstream) -> Gateway {
    let function = |config: serde_json::Value| json!({ "name": "pre-function", "config": config });
    let yaml = json!({
        "_format_version": "3.0",
        "services": [{ "url": upstream.url(), "routes": [
            { "paths": ["/proxied"], "plugins": [{ "name": "key-auth" }, function(json!({ "log": [log(PROXIED)] }))] },
            { "paths": ["/exited"], "plugins": [
                function(json!({ "access": ["kong.response.exit(418)"], "log": [log(EXITED)] })),
            ] },
        ] }],
        "consumers": [{ "username": "alice", "keyauth_credentials": [{ "key": "secret" }] }],
    });
    Setup::declarative(yaml.to_string()).with("untrusted_lua", "on").start()
}

#[test]
fn the_fields_and_dictionaries_of_kong_are_there() {
    let upstream = Upstream::start();
    let gateway = start(&upstream);
    assert_eq!(get(gateway.proxy, "/proxied", &[("apikey", "secret")]).status, 200);
    gateway.wait_for_log("missing in log: ");
    let written = gateway.error_log();
    assert!(written.contains("missing in log: []"), "{written}");
    assert_eq!(get(gateway.proxy, "/exited", &[]).status, 418);
    gateway.eventually("the second line", |gateway| {
        gateway.error_log().matches("missing in log: ").count() == 2
    });
    assert_eq!(gateway.error_log().matches("missing in log: []").count(), 2, "{}", gateway.error_log());
}
