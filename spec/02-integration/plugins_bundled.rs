//! What of the bundled plugins needs more than one request: a database, a cloud, the metrics of a node.

use super::postgres::{eventually, post, prepared, setup};
use crate::support::{Answer, Mock, Postgres, Reply, Setup, Upstream, get, request};
use serde_json::json;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

#[test]
fn what_responses_use_is_counted_in_a_table_of_its_own() {
    let server = Postgres::shared();
    let database = prepared(&server);
    let gateway = setup(&server, &database).start();
    let upstream = Mock::start(|_| {
        let mut answer = Answer::json(200, &json!({}));
        answer.fields.push(("X-Kong-Limit", "video=2".to_owned()));
        answer
    });
    post(&gateway, "/services", &json!({"name": "s", "url": upstream.url()}));
    post(&gateway, "/services/s/routes", &json!({"name": "r", "paths": ["/"]}));
    let config = json!({"policy": "cluster", "limits": {"video": {"day": 4}}, "limit_by": "ip"});
    post(&gateway, "/routes/r/plugins", &json!({"name": "response-ratelimiting", "config": config}));
    let left = |reply: &Reply| reply.field("X-RateLimit-Remaining-video-day").map(str::to_owned);
    eventually("the limit", SOON, || get(gateway.proxy, "/", &[]).status == 429);
    assert_eq!(left(&get(gateway.proxy, "/", &[])).as_deref(), Some("0"));
    let counted = "SELECT DISTINCT period FROM response_ratelimiting_metrics WHERE period = 'video_day'";
    assert_eq!(server.ask(&database, counted).trim(), "video_day");
}

#[test]
fn metrics_tell_the_health_of_targets_and_the_memory_of_workers() {
    let upstream = Upstream::start();
    let target = format!("127.0.0.1:{}", upstream.port);
    let yaml = json!({
        "_format_version": "3.0",
        "upstreams": [{"name": "u", "targets": [{"target": target}]}],
        "services": [{"name": "s", "host": "u", "routes": [{"name": "r", "paths": ["/"]}]}],
        "plugins": [{"name": "prometheus", "config":
            {"upstream_health_metrics": true, "bandwidth_metrics": true, "status_code_metrics": true}}],
    });
    let gateway = Setup::declarative(yaml.to_string()).start();
    assert_eq!(get(gateway.proxy, "/", &[]).status, 200);
    let health = format!(
        "kong_upstream_target_health{{upstream=\"u\",target=\"{target}\",address=\"{target}\",\
         state=\"healthchecks_off\",subsystem=\"http\"}} 1"
    );
    for port in [gateway.admin, gateway.status] {
        let reply = get(port, "/metrics", &[]);
        assert_eq!(reply.field("Content-Type"), Some("text/plain; charset=UTF-8"));
        let text = reply.text();
        for wanted in [
            health.as_str(),
            "kong_http_requests_total{service=\"s\",route=\"r\",code=\"200\",source=\"service\",\
             workspace=\"default\",consumer=\"\"} 1",
            "kong_memory_workers_lua_vms_bytes{node_id=\"",
            "kong_nginx_metric_errors_total 0",
        ] {
            assert!(text.contains(wanted), "{wanted} is not in {text}");
        }
    }
}

#[test]
fn clients_act_with_tokens_that_oauth2_gives_out() {
    let yaml = json!({
        "_format_version": "3.0",
        "services": [{"url": Upstream::start().url(), "routes": [{"paths": ["/"]}], "plugins": [{
            "name": "oauth2",
            "config": {"enable_client_credentials": true, "accept_http_if_already_terminated": true},
        }]}],
        "consumers": [{"username": "bob", "oauth2_credentials": [{"name": "app", "client_id": "app",
            "client_secret": "secret", "redirect_uris": ["http://app.test/"]}]}],
    });
    // Tokens are written: that takes a database.
    let gateway = Setup::default().with("database", "sqlite").with("trusted_ips", "127.0.0.1").start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kong.yml");
    std::fs::write(&file, yaml.to_string()).unwrap();
    let conf = gateway.conf_file();
    let import = ["db_import", file.to_str().unwrap(), "-c", conf.to_str().unwrap()];
    let output = gateway.command("config", &import);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let ask = |secret: &str| {
        let fields = [("Content-Type", "application/x-www-form-urlencoded"), ("X-Forwarded-Proto", "https")];
        let body = format!("grant_type=client_credentials&client_id=app&client_secret={secret}");
        request(gateway.proxy, "POST", "/oauth2/token", &fields, body.as_bytes())
    };
    gateway.eventually("the plugin", |_| ask("wrong").status == 400);
    assert_eq!(ask("wrong").json()["error"], "invalid_client");
    let token = ask("secret").json();
    assert_eq!((&token["token_type"], &token["expires_in"]), (&json!("bearer"), &json!(7200)));
    assert_eq!(get(gateway.proxy, "/", &[]).status, 401);
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let seen = get(gateway.proxy, "/", &[("Authorization", &bearer)]).json();
    assert_eq!(seen["headers"]["x-consumer-username"][0], "bob");
}

#[test]
fn a_function_at_aws_answers_a_signed_call() {
    let aws = Mock::start(|call| {
        Answer::json(200, &json!({"statusCode": 201, "headers": {"X-Made": "yes"}, "body": call.target}))
    });
    let config = json!({"aws_key": "key", "aws_secret": "secret", "aws_region": "us-east-1",
        "host": "127.0.0.1", "port": aws.port, "disable_https": true, "function_name": "f",
        "is_proxy_integration": true});
    let yaml = json!({
        "_format_version": "3.0",
        "routes": [{"paths": ["/"], "plugins": [{"name": "aws-lambda", "config": config}]}],
    });
    let gateway = Setup::declarative(yaml.to_string()).start();
    let reply = get(gateway.proxy, "/?a=1", &[]);
    assert_eq!((reply.status, reply.field("X-Made")), (201, Some("yes")));
    assert_eq!(reply.text(), "/2015-03-31/functions/f/invocations");
    let call = aws.received().pop().unwrap();
    assert_eq!(call.text(), "{\"a\":\"1\"}");
    let proof = call.field("authorization").unwrap();
    assert!(proof.starts_with("AWS4-HMAC-SHA256 Credential=key/"), "{proof}");
}
