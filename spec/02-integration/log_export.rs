//! What plugins log, as a collector of OpenTelemetry gets it.

use crate::support::{Answer, Gateway, Mock, Setup, get};
use serde_json::json;
use std::collections::BTreeMap;

const PLUGIN: &str = r#"
return {
  VERSION = "1.0.0", PRIORITY = 5,
  access = function(_, conf)
    kong.log.warn("by the PDK: ", 42, true)
    ngx.log(ngx.ERR, "by ngx")
    kong.log.debug("too fine for this level")
    assert(kong.telemetry.log("talker", conf, "of a type", "a record", { ["my.number"] = 7 }))
  end,
}"#;

const SCHEMA: &str =
    r#"return { name = "talker", fields = { { config = { type = "record", fields = {} } } } }"#;

/// The fields of a message of Protocol Buffers: number and content, in order.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let length = match tag & 7 {
            0 => {
                let value = varint(&mut bytes);
                all.push((tag >> 3, value.to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            2 => varint(&mut bytes) as usize,
            5 => 4,
            kind => panic!("wire type {kind}"),
        };
        all.push((tag >> 3, bytes[..length].to_vec()));
        bytes = &bytes[length..];
    }
    all
}

fn parts(bytes: &[u8], number: u64) -> Vec<Vec<u8>> {
    fields(bytes).into_iter().filter(|(field, _)| *field == number).map(|(_, content)| content).collect()
}

fn text(bytes: &[u8], number: u64) -> String {
    parts(bytes, number).first().map(|text| String::from_utf8(text.clone()).unwrap()).unwrap_or_default()
}

/// A log record: severity, text, attributes, trace and span.
#[derive(Debug)]
struct Entry {
    severity: String,
    body: String,
    attributes: BTreeMap<String, String>,
    trace: Vec<u8>,
    span: Vec<u8>,
}

impl Entry {
    fn read(record: &[u8]) -> Entry {
        let value = |value: &[u8]| match &fields(value)[..] {
            [(4, bytes)] => f64::from_le_bytes(bytes.clone().try_into().unwrap()).to_string(),
            [(1, bytes)] => String::from_utf8(bytes.clone()).unwrap(),
            other => panic!("{other:?}"),
        };
        Entry {
            severity: text(record, 3),
            body: value(&parts(record, 5)[0]),
            attributes: parts(record, 6).iter().map(|one| (text(one, 1), value(&parts(one, 2)[0]))).collect(),
            trace: parts(record, 9).concat(),
            span: parts(record, 10).concat(),
        }
    }
}

fn start(collector: &Mock, upstream: &Mock, folder: &std::path::Path) -> Gateway {
    let plugin = folder.join("kong/plugins/talker");
    std::fs::create_dir_all(&plugin).unwrap();
    std::fs::write(plugin.join("handler.lua"), PLUGIN).unwrap();
    std::fs::write(plugin.join("schema.lua"), SCHEMA).unwrap();
    let queue = json!({ "max_batch_size": 100, "max_coalescing_delay": 0.2 });
    let yaml = json!({
        "_format_version": "3.0",
        "services": [{ "url": upstream.url(), "routes": [{
            "paths": ["/talk"],
            "plugins": [
                { "name": "talker", "instance_name": "first" },
                { "name": "opentelemetry", "config": {
                    "logs_endpoint": format!("{}/logs", collector.url()), "queue": queue,
                    "traces_endpoint": format!("{}/traces", collector.url()),
                    "resource_attributes": { "service.name": "shop" } } },
            ],
        }] }],
    });
    Setup::declarative(yaml.to_string())
        .with("plugins", "bundled,talker")
        .with("lua_package_path", format!("{}/?.lua;;", folder.display()))
        .with("tracing_instrumentations", "request")
        .with("tracing_sampling_rate", "1")
        .with("log_level", "notice")
        .start()
}

#[test]
fn what_a_request_logs_is_exported_with_its_place_and_trace() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Mock::start(|_| Answer::text(200, ""));
    let upstream = Mock::start(|_| Answer::text(200, "hello"));
    let gateway = start(&collector, &upstream, folder.path());
    let answer = get(gateway.proxy, "/talk", &[]);
    assert_eq!(answer.status, 200);

    let export = collector.wait_for(|one| one.target == "/logs").unwrap();
    assert_eq!(export.field("content-type"), Some("application/x-protobuf"));
    let resource = parts(&export.body, 1);
    let named: Vec<_> = parts(&parts(&resource[0], 1)[0], 1).iter().map(|one| text(one, 1)).collect();
    assert!(named.contains(&"service.instance.id".to_owned()), "{named:?}");
    let scope = &parts(&resource[0], 2)[0];
    assert_eq!(text(&parts(scope, 1)[0], 1), "kong-internal");
    let entries: Vec<Entry> = parts(scope, 2).iter().map(|record| Entry::read(record)).collect();
    let find = |body: &str| {
        let mut found = entries.iter().filter(|entry| entry.body == body);
        let entry = found.next().unwrap_or_else(|| panic!("{body} is not in {entries:#?}"));
        assert!(found.next().is_none(), "{body} is there twice");
        entry
    };
    let (pdk, ngx, record) = (find("by the PDK: 42true"), find("by ngx"), find("a record"));
    assert_eq!((&*pdk.severity, &*ngx.severity, &*record.severity), ("WARN", "ERR", ""));
    for (entry, line) in [(pdk, "5"), (ngx, "6"), (record, "8")] {
        assert_eq!(entry.attributes["introspection.current.line"], line);
        assert!(entry.attributes["introspection.source"].ends_with("talker/handler.lua"));
        assert_eq!(entry.attributes["request.id"], answer.field("x-kong-request-id").unwrap());
        assert_eq!((entry.trace.len(), entry.span.len()), (16, 8));
        assert_eq!(entry.trace, pdk.trace);
    }
    assert_eq!(record.attributes["message.type"], "of a type");
    assert_eq!(record.attributes["plugin.name"], "talker");
    assert_eq!(record.attributes["plugin.instance.name"], "first");
    assert_eq!(record.attributes["my.number"], "7");
    assert!(!entries.iter().any(|entry| entry.body.contains("too fine")), "{entries:#?}");
    // The error log has them as well, with the place of the plugin.
    gateway.wait_for_log("handler.lua:6: access(): by ngx");
}
