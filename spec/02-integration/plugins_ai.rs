//! The plugins around language models, with mocks of the providers.

use crate::support::{Answer, Gateway, Mock, Received, Reply, Setup, Upstream, request};
use serde_json::{Value, json};

const CHAT: &str =
    r#"{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"What is it?"}]}"#;
const JSON: (&str, &str) = ("Content-Type", "application/json");
const WORDS: &str = "the model's words";

fn post(gateway: &Gateway, path: &str, fields: &[(&str, &str)], body: &str) -> Reply {
    let mut all = vec![JSON];
    all.extend_from_slice(fields);
    request(gateway.proxy, "POST", path, &all, body.as_bytes())
}

/// A gateway with a route `/name` for each list of plugins.
fn start(service: &str, routes: &[(&str, Value)]) -> Gateway {
    let routes: Vec<Value> = routes
        .iter()
        .map(|(name, plugins)| json!({"name": name, "paths": [format!("/{name}")], "plugins": plugins}))
        .collect();
    let text =
        json!({"_format_version": "3.0", "services": [{"name": "s", "url": service, "routes": routes}]});
    Setup::declarative(text.to_string()).with("plugins", "bundled").start()
}

fn model(provider: &str, url: &str, options: Value) -> Value {
    let mut all = json!({"upstream_url": url});
    all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    json!({"route_type": "llm/v1/chat", "model": {"provider": provider, "name": "m", "options": all},
        "auth": {"header_name": "Authorization", "header_value": "Bearer key"}})
}

fn proxy(config: Value) -> Value {
    json!([{"name": "ai-proxy", "config": config}])
}

// ---- providers ------------------------------------------------------------------------------

/// What each provider answers, by the last segment of the path.
fn provider(request: &Received) -> Answer {
    let name = request.target.trim_start_matches('/').split(['/', '?']).next().unwrap_or_default();
    let openai = json!({"model": "m-1", "choices": [{"index": 0, "message": {"role": "assistant", "content": WORDS}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}});
    let body = match name {
        "anthropic" => {
            json!({"model": "m-1", "content": [{"type": "text", "text": WORDS}], "stop_reason": "end_turn",
            "usage": {"input_tokens": 3, "output_tokens": 4}})
        }
        "cohere" => json!({"text": WORDS, "generation_id": "g",
            "meta": {"billed_units": {"input_tokens": 3, "output_tokens": 4}}}),
        "ollama" => json!({"model": "m-1", "message": {"role": "assistant", "content": WORDS}, "done": true,
            "prompt_eval_count": 3, "eval_count": 4}),
        "raw" => json!({"data": [{"generated_text": format!("<s>[INST] x [/INST] {WORDS}")}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4}}),
        "gemini" => json!({"candidates": [{"finishReason": "STOP", "content": {"parts": [{"text": WORDS}]}}],
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7}}),
        "bedrock" => json!({"output": {"message": {"role": "assistant", "content": [{"text": WORDS}]}},
            "stopReason": "end_turn", "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}}),
        "refusing" => return Answer::json(401, &json!({"error": "no such key"})),
        "chatting" => return Answer::text(200, "good morning"),
        _ => openai,
    };
    Answer::json(200, &body)
}

/// A provider, its options, and where in its request the user's words are.
fn providers() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    vec![
        ("openai", "openai", json!({}), "/messages/1/content"),
        ("azure", "azure", json!({"azure_instance": "i", "azure_deployment_id": "d"}), "/messages/1/content"),
        ("anthropic", "anthropic", json!({"anthropic_version": "v"}), "/messages/0/content"),
        ("cohere", "cohere", json!({}), "/message"),
        ("mistral", "mistral", json!({"mistral_format": "openai"}), "/messages/1/content"),
        ("ollama", "llama2", json!({"llama2_format": "ollama"}), "/messages/1/content"),
        ("raw", "llama2", json!({"llama2_format": "raw"}), "/inputs"),
        ("gemini", "gemini", json!({}), "/contents/0/parts/0/text"),
        ("bedrock", "bedrock", json!({"bedrock": {"aws_region": "r"}}), "/messages/0/content/0/text"),
        ("huggingface", "huggingface", json!({}), "/messages/1/content"),
    ]
}

#[test]
fn a_chat_is_translated_for_each_provider_and_its_answer_back() {
    let mock = Mock::start(provider);
    let routes: Vec<(&str, Value)> = providers()
        .into_iter()
        .map(|(name, provider, options, _)| {
            let mut config = model(provider, &format!("{}/{name}", mock.url()), options);
            if provider == "bedrock" {
                config["auth"] = json!({"aws_access_key_id": "id", "aws_secret_access_key": "secret"});
            }
            (name, proxy(config))
        })
        .collect();
    let gateway = start("http://127.0.0.1:1", &routes);
    for (name, provider, _, place) in providers() {
        let reply = post(&gateway, &format!("/{name}"), &[], CHAT);
        let answer = reply.json();
        assert_eq!(
            (reply.status, &answer["choices"][0]["message"]["content"]),
            (200, &json!(WORDS)),
            "{name}"
        );
        assert_eq!(reply.field("x-kong-llm-model"), Some(format!("{provider}/m").as_str()), "{name}");
        if name != "huggingface" {
            let usage = &answer["usage"];
            assert_eq!(
                (&usage["prompt_tokens"], &usage["completion_tokens"]),
                (&json!(3), &json!(4)),
                "{name}"
            );
        }
        let asked = mock.received().pop().unwrap();
        let body: Value = serde_json::from_str(&asked.text()).unwrap();
        let words = body.pointer(place).and_then(Value::as_str).unwrap_or_default();
        assert!(words.contains("What is it?"), "{name}: {body}");
        let credential = asked.field("authorization").unwrap_or_default();
        match provider {
            "bedrock" => assert!(credential.starts_with("AWS4-HMAC-SHA256 Credential=id/"), "{credential}"),
            _ => assert_eq!(credential, "Bearer key", "{name}"),
        }
        match provider {
            "azure" => assert_eq!(asked.target, "/azure?api-version=2023-05-15"),
            "anthropic" => assert_eq!(asked.field("anthropic-version"), Some("v")),
            "huggingface" => assert_eq!(asked.target, "/huggingface/v1/chat/completions"),
            _ => assert_eq!(asked.target, format!("/{name}")),
        }
    }
}

#[test]
fn a_request_that_no_model_can_take_is_refused_in_kongs_words() {
    let mock = Mock::start(provider);
    let url = mock.url();
    let mut nameless = model("openai", &url, json!({}));
    nameless["model"].as_object_mut().unwrap().remove("name");
    let mut silent = model("openai", &url, json!({}));
    silent["response_streaming"] = json!("deny");
    let mut templated = model("openai", &url, json!({}));
    templated["model"]["name"] = json!("$(headers.x-model)");
    let gateway = start(
        "http://127.0.0.1:1",
        &[
            ("named", proxy(model("openai", &url, json!({})))),
            ("nameless", proxy(nameless)),
            ("silent", proxy(silent)),
            ("templated", proxy(templated)),
            ("refusing", proxy(model("openai", &format!("{url}/refusing"), json!({})))),
            ("chatting", proxy(model("openai", &format!("{url}/chatting"), json!({})))),
        ],
    );
    let message = r#""messages":[{"role":"user","content":"hello"}]"#;
    for (path, body, status, expected) in [
        ("/named", "{}".to_owned(), 400, "request body doesn't contain valid prompts"),
        ("/named", format!(r#"{{"model":"other",{message}}}"#), 400, "cannot use own model - must be: m"),
        (
            "/named",
            r#"{"prompt":"hello"}"#.to_owned(),
            400,
            "[llm/v1/completions] message format is not compatible with [llm/v1/chat] route type",
        ),
        (
            "/named",
            format!(r#"{{"prompt":"hello",{message}}}"#),
            400,
            "request matches multiple LLM request formats",
        ),
        (
            "/nameless",
            format!("{{{message}}}"),
            400,
            "model parameter not found in request, nor in gateway configuration",
        ),
        (
            "/silent",
            format!(r#"{{"stream":true,{message}}}"#),
            400,
            "response streaming is not enabled for this LLM",
        ),
        ("/templated", format!("{{{message}}}"), 400, "headers key x-model was not provided"),
        (
            "/chatting",
            format!("{{{message}}}"),
            500,
            "transformation failed from type openai://llm/v1/chat: failed to decode llm/v1/chat response",
        ),
    ] {
        let reply = post(&gateway, path, &[], &body);
        assert_eq!(
            (reply.status, reply.json()),
            (status, json!({"error": {"message": expected}})),
            "{path} {body}"
        );
    }
    let reply = post(&gateway, "/refusing", &[], CHAT);
    assert_eq!((reply.status, reply.json()), (401, json!({"error": "no such key"})));
    assert_eq!(reply.field("x-kong-llm-model"), None);
    let reply = post(&gateway, "/templated", &[("X-Model", "chosen")], CHAT);
    assert_eq!(reply.field("x-kong-llm-model"), Some("openai/chosen"));
    let reply = post(&gateway, "/nameless", &[], &format!(r#"{{"model":"wished",{message}}}"#));
    assert_eq!(reply.field("x-kong-llm-model"), Some("openai/wished"));
}

// ---- streams --------------------------------------------------------------------------------

/// A message of an AWS event stream whose lengths are below 128; nobody reads the checksums.
fn aws_message(kind: &str, body: &Value) -> String {
    let (body, name) = (body.to_string(), ":event-type");
    let headers = 1 + name.len() + 1 + 2 + kind.len();
    let total = 12 + headers + body.len() + 4;
    let byte = |value: usize| char::from(u8::try_from(value).unwrap());
    assert!(total < 128);
    format!(
        "\0\0\0{}\0\0\0{}\0\0\0\0{}{name}\x07\0{}{kind}{body}\0\0\0\0",
        byte(total),
        byte(headers),
        byte(name.len()),
        byte(kind.len())
    )
}

fn stream(request: &Received) -> Answer {
    let (kind, body) = match request.target.as_str() {
        "/anthropic" => (
            "text/event-stream",
            [
                "event: message_start\ndata: {\"message\":{\"id\":\"i\",\"role\":\"assistant\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n",
                "event: content_block_delta\ndata: {\"delta\":{\"text\":\"one\"}}\n\n",
                "event: ping\ndata: {}\n\n",
                "event: content_block_delta\ndata: {\"delta\":{\"text\":\" two\"}}\n\n",
                "event: message_delta\ndata: {\"usage\":{\"output_tokens\":3}}\n\n",
                "event: message_stop\ndata: {}\n\n",
            ]
            .concat(),
        ),
        "/cohere" => (
            "application/stream+json",
            [
                "{\"event_type\":\"stream-start\",\"generation_id\":\"g\"}\n",
                "{\"event_type\":\"text-generation\",\"text\":\"one\"}\n",
                "{\"event_type\":\"text-generation\",\"text\":\" two\"}\n",
                "{\"event_type\":\"stream-end\",\"response\":{\"meta\":{\"billed_units\":{\"input_tokens\":3,\"output_tokens\":4}}}}\n",
            ]
            .concat(),
        ),
        "/gemini" => {
            let event = |text: &str, count: u8| {
                json!({"candidates": [{"content": {"parts": [{"text": text}]}}],
                    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": count}})
            };
            ("application/json", json!([event("one", 2), event(" two", 4)]).to_string())
        }
        "/bedrock" => (
            "application/vnd.amazon.eventstream",
            [
                aws_message("messageStart", &json!({"role": "assistant"})),
                aws_message("contentBlockDelta", &json!({"delta": {"text": "one"}})),
                aws_message("contentBlockDelta", &json!({"delta": {"text": " two"}})),
                aws_message("metadata", &json!({"usage": {"inputTokens": 3, "outputTokens": 4}})),
            ]
            .concat(),
        ),
        "/nonsense" => ("text/html", "<html>".to_owned()),
        _ => (
            "text/event-stream",
            [
                "data: {\"choices\":[{\"delta\":{\"content\":\"one\"}}]}\n\n",
                "data: {\"choices\":[{\"delta\":{\"content\":\" two\"}}]}\n\n",
                "data: [DONE]\n\n",
            ]
            .concat(),
        ),
    };
    Answer { status: 200, fields: vec![("Content-Type", kind.to_owned())], body }
}

/// The words in a stream, and what its last event is.
fn words_of(reply: &Reply) -> (String, String) {
    let text = reply.text();
    let events: Vec<&str> = text.split("data: ").skip(1).map(str::trim).collect();
    let words = events
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(event).ok())
        .map(|event| event["choices"][0]["delta"]["content"].as_str().unwrap_or_default().to_owned());
    (words.collect(), (*events.last().unwrap()).to_owned())
}

#[test]
fn a_stream_of_any_provider_comes_as_openais_events_and_is_counted() {
    let mock = Mock::start(stream);
    let collector = Mock::start(|_| Answer::text(200, ""));
    let log = json!({"name": "http-log", "config": {"http_endpoint": format!("{}/log", collector.url())}});
    let names = ["openai", "anthropic", "cohere", "gemini", "bedrock"];
    let routes: Vec<(&str, Value)> = names
        .into_iter()
        .map(|name| {
            let options = match name {
                "anthropic" => json!({"anthropic_version": "v"}),
                "bedrock" => json!({"bedrock": {"aws_region": "r"}}),
                _ => json!({}),
            };
            let mut config = model(name, &format!("{}/{name}", mock.url()), options);
            if name == "bedrock" {
                config["auth"] = json!({"aws_access_key_id": "id", "aws_secret_access_key": "secret"});
            }
            config["logging"] = json!({"log_statistics": true, "log_payloads": true});
            (name, json!([{"name": "ai-proxy", "config": config}, log]))
        })
        .collect();
    let gateway = start("http://127.0.0.1:1", &routes);
    let body = r#"{"stream":true,"messages":[{"role":"user","content":"What is it?"}]}"#;
    for name in names {
        let reply = post(&gateway, &format!("/{name}"), &[], body);
        assert_eq!((reply.status, reply.field("content-type")), (200, Some("text/event-stream")), "{name}");
        assert_eq!(words_of(&reply), ("one two".to_owned(), "[DONE]".to_owned()), "{name}");
        let is_of = |entry: &Value| entry["request"]["uri"] == format!("/{name}");
        let entry = |request: &Received| serde_json::from_str::<Value>(&request.text()).ok().filter(is_of);
        let logged = collector.wait_for(|request| entry(request).is_some()).and_then(|found| entry(&found));
        let logged = logged.expect("a log entry");
        let told = &logged["ai"]["proxy"];
        assert_eq!(told["meta"]["provider_name"], name, "{logged}");
        assert_eq!(told["meta"]["request_model"], "m", "{logged}");
        // OpenAI's stream tells no counts: words by 1.8, and a token for four characters
        let counts = if name == "openai" { (json!(5), json!(2)) } else { (json!(3), json!(4)) };
        let usage = (told["usage"]["prompt_tokens"].clone(), told["usage"]["completion_tokens"].clone());
        assert_eq!(usage, counts, "{name}: {logged}");
        let whole: Value = serde_json::from_str(told["payload"]["response"].as_str().unwrap()).unwrap();
        assert_eq!(whole["choices"][0]["message"]["content"], "one two", "{name}");
    }
}

#[test]
fn an_answer_that_is_no_stream_ends_in_an_event_that_says_so() {
    let mock = Mock::start(stream);
    let config = model("openai", &format!("{}/nonsense", mock.url()), json!({}));
    let gateway = start("http://127.0.0.1:1", &[("nonsense", proxy(config))]);
    let body = r#"{"stream":true,"messages":[{"role":"user","content":"What is it?"}]}"#;
    let reply = post(&gateway, "/nonsense", &[], body);
    let expected = r#"data: {"error": true, "message": "empty or unsupported transformer response"}"#;
    assert_eq!((reply.status, reply.text().as_str()), (200, expected));
}

// ---- logs -----------------------------------------------------------------------------------

#[test]
fn logs_tell_the_model_its_tokens_and_what_they_cost() {
    let (mock, collector) = (Mock::start(provider), Mock::start(|_| Answer::text(200, "")));
    let mut config = model("openai", &mock.url(), json!({"input_cost": 1000, "output_cost": 2000}));
    config["logging"] = json!({"log_statistics": true, "log_payloads": false});
    let log = json!({"name": "http-log", "config": {"http_endpoint": format!("{}/log", collector.url())}});
    let gateway =
        start("http://127.0.0.1:1", &[("logged", json!([{"name": "ai-proxy", "config": config}, log]))]);
    assert_eq!(post(&gateway, "/logged", &[], CHAT).status, 200);
    let entry = collector.wait_for(|request| request.target == "/log").expect("a log entry");
    let entry: Value = serde_json::from_str(&entry.text()).unwrap();
    let told = &entry["ai"]["proxy"];
    let meta = &told["meta"];
    assert_eq!((&meta["request_model"], &meta["response_model"]), (&json!("m"), &json!("m-1")));
    assert!(meta["plugin_id"].is_string() && meta["llm_latency"].is_number(), "{meta}");
    let usage = &told["usage"];
    assert_eq!(
        (&usage["prompt_tokens"], &usage["completion_tokens"], &usage["total_tokens"], &usage["cost"]),
        (&json!(3), &json!(4), &json!(7), &json!(0.011))
    );
    assert_eq!(told["payload"], Value::Null);
}

// ---- prompts --------------------------------------------------------------------------------

#[test]
fn prompts_are_guarded_decorated_and_filled_in() {
    let template = "{\"messages\": [{\"role\": \"user\", \"content\": \"about {{thing}} and {{other}}\"}]}";
    let prompts = json!({"prepend": [{"role": "system", "content": "first"}],
        "append": [{"role": "user", "content": "last"}]});
    let gateway = start(
        &Upstream::start().url(),
        &[
            (
                "guarded",
                json!([{"name": "ai-prompt-guard", "config": {"allow_patterns": [".*cake.*"],
                "deny_patterns": [".*bomb.*"]}}]),
            ),
            ("decorated", json!([{"name": "ai-prompt-decorator", "config": {"prompts": prompts}}])),
            (
                "templated",
                json!([{"name": "ai-prompt-template", "config": {"allow_untemplated_requests": false,
                "templates": [{"name": "t", "template": template}]}}]),
            ),
        ],
    );
    let chat = |text: &str| json!({"messages": [{"role": "user", "content": text}]}).to_string();
    let error = |reply: Reply| (reply.status, reply.json()["error"]["message"].as_str().unwrap().to_owned());
    assert_eq!(post(&gateway, "/guarded", &[], &chat("a cake")).status, 200);
    for body in [chat("a bomb in a cake"), chat("a pie"), "{}".to_owned()] {
        assert_eq!(error(post(&gateway, "/guarded", &[], &body)), (400, "bad request".to_owned()), "{body}");
    }

    let seen = post(&gateway, "/decorated", &[], &chat("mine")).json();
    let body: Value = serde_json::from_str(seen["body"].as_str().unwrap()).unwrap();
    let contents: Vec<&str> =
        body["messages"].as_array().unwrap().iter().map(|m| m["content"].as_str().unwrap()).collect();
    assert_eq!(contents, ["first", "mine", "last"]);
    let refusal = "this LLM route only supports llm/chat type requests";
    assert_eq!(error(post(&gateway, "/decorated", &[], r#"{"prompt":"x"}"#)), (400, refusal.to_owned()));

    let fill = |properties: Value| {
        let body = json!({"messages": "{template://t}", "properties": properties}).to_string();
        post(&gateway, "/templated", &[], &body)
    };
    let seen = fill(json!({"thing": "a \"cake\"", "other": "pie"})).json();
    assert!(seen["body"].as_str().unwrap().contains(r#"about a \"cake\" and pie"#), "{seen}");
    for (reply, expected) in [
        (fill(json!({"thing": "x"})), "missing template parameters: [other]"),
        (fill(json!({"thing": 1})), "property values must be a string, got number"),
        (post(&gateway, "/templated", &[], &chat("x")), "this LLM route only supports templated requests"),
        (
            post(&gateway, "/templated", &[], r#"{"messages":"{template://u}"}"#),
            "could not find template name [u]",
        ),
        (
            post(&gateway, "/templated", &[], "{}"),
            "only 'llm/v1/chat' and 'llm/v1/completions' formats are supported for templating",
        ),
    ] {
        assert_eq!(error(reply), (400, expected.to_owned()));
    }
}

// ---- transformers ---------------------------------------------------------------------------

/// Says what it was asked; as a model, tells a status, a header and a body.
fn transforming(request: &Received) -> Answer {
    let content = match request.target.as_str() {
        "/model" => "Sure! {\"a\": 2}".to_owned(),
        "/instructions" => {
            json!({"status": 209, "headers": {"X-Told": "yes"}, "body": "as told"}).to_string()
        }
        "/refusing" => return Answer::json(401, &json!({})),
        _ => return Answer::json(200, &json!({"target": request.target, "body": request.text()})),
    };
    Answer::json(200, &json!({"model": "m-1", "choices": [{"message": {"content": content}}]}))
}

#[test]
fn a_model_transforms_requests_and_responses() {
    let mock = Mock::start(transforming);
    let llm = |path: &str| model("openai", &format!("{}{path}", mock.url()), json!({}));
    let request_by = |path: &str| {
        json!([{"name": "ai-request-transformer", "config": {"prompt": "double it", "llm": llm(path),
            "transformation_extract_pattern": "\\{.*\\}"}}])
    };
    let response_by = |path: &str, instructions: bool| {
        json!([{"name": "ai-response-transformer", "config": {"prompt": "double it", "llm": llm(path),
            "parse_llm_response_json_instructions": instructions}}])
    };
    let gateway = start(
        &mock.url(),
        &[
            ("request", request_by("/model")),
            ("refused", request_by("/refusing")),
            ("response", response_by("/model", false)),
            ("told", response_by("/instructions", true)),
        ],
    );
    let seen = post(&gateway, "/request/x", &[], r#"{"a":1}"#).json();
    assert_eq!(seen["body"], "{\"a\": 2}");
    let asked = mock.received().into_iter().find(|request| request.target == "/model").unwrap();
    let asked: Value = serde_json::from_str(&asked.text()).unwrap();
    let expected =
        json!([{"role": "system", "content": "double it"}, {"role": "user", "content": "{\"a\":1}"}]);
    assert_eq!(asked["messages"], expected);

    let reply = post(&gateway, "/refused", &[], r#"{"a":1}"#);
    let expected = "failed to introspect request with AI service: status code 401";
    assert_eq!((reply.status, reply.json()), (400, json!({"error": {"message": expected}})));

    let reply = post(&gateway, "/response/x?q=1", &[], r#"{"a":1}"#);
    assert_eq!((reply.status, reply.text().as_str()), (200, "Sure! {\"a\": 2}"));
    let served = mock.received().into_iter().find(|request| request.target == "/x?q=1").unwrap();
    assert_eq!(served.text(), r#"{"a":1}"#);

    let reply = post(&gateway, "/told", &[], r#"{"a":1}"#);
    assert_eq!((reply.status, reply.text().as_str(), reply.field("x-told")), (209, "as told", Some("yes")));
}
