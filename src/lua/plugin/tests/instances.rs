//! PDKs that code makes for itself, what it tells the phase checks, spans, and what frames a response.

use super::kit::{access, header_filter_and_log};

#[test]
fn a_phase_that_code_claims_holds_until_the_phase_is_over() {
    header_filter_and_log(
        r#"
        local phases = require("kong.pdk.private.phases").phases
        equal(ngx.ctx.KONG_PHASE, phases.header_filter)
        ngx.ctx.KONG_PHASE = phases.certificate
        refuses("function cannot be called in certificate phase (only in: access", kong.client.get_consumer)
        ngx.ctx.KONG_PHASE = nil
        refuses("no phase in ngx.ctx.KONG_PHASE, (need one of access", kong.client.get_consumer)
        "#,
        r#"
        equal(ngx.ctx.KONG_PHASE, 0x2000)
        equal(kong.client.get_consumer(), nil)
        "#,
    );
}

#[test]
fn each_pdk_has_its_own_configuration_and_namespaces() {
    access(
        r#"
        local PDK = require "kong.pdk"
        refuses("kong_config must be a table", PDK.new, 1)
        local some = PDK.new({ trusted_ips = { "10.0.0.0/8", "::1", "unix:" } })
        local every = PDK.new({ trusted_ips = { "0.0.0.0/0", "::/0" } })
        equal(some.ip.is_trusted("10.9.8.7"), true)
        equal(some.ip.is_trusted("::1"), true)
        equal(some.ip.is_trusted("11.0.0.1"), false)
        equal(some.ip.is_trusted("unix:"), false)
        equal(every.ip.is_trusted("unix:"), true)
        equal(kong.ip.is_trusted("10.9.8.7"), false)
        refuses("cannot write to configuration", function() some.configuration.x = 1 end)
        assert(some.service ~= kong.service and some.service.request)
        local global = require "kong.global"
        local own = global.new()
        refuses("ctx PDK module not initialized", global.set_named_ctx, own, "name", "key")
        global.init_pdk(own)
        global.set_named_ctx(own, "name", own)
        own.ctx.name.value = "kept"
        equal(own.ctx.name.value, "kept")
        global.del_named_ctx(own, "name")
        equal(own.ctx.name, nil)
        "#,
    );
}

#[test]
fn tracers_record_spans_and_draw_by_trace_id() {
    access(
        r#"
        equal(kong.tracing.name, "noop")
        equal(kong.tracing.start_span("nothing").is_recording, false)
        local tracer = kong.tracing.new("mine", { sampling_rate = 0.5 })
        equal(kong.tracing("mine"), tracer)
        equal(tracer.sampler(("\0"):rep(16)), true)
        equal(tracer.sampler(("\255"):rep(16)), false)
        equal(select(2, tracer.sampler("short")), "sampling needs trace ID to be longer than 8 bytes to work")
        refuses("invalid span name", tracer.start_span, "")
        refuses("invalid start time", tracer.start_span, "name", { start_time_ns = "now" })

        local root = tracer.start_span("root", { start_time_ns = 5, span_kind = 2 })
        tracer.set_active_span(root)
        local child = tracer.start_span("child")
        equal(child.parent_id, root.span_id)
        equal(child.trace_id, root.trace_id)
        equal(child.should_sample, root.should_sample)
        equal(child.kind, 1)
        child:set_attribute("key", "value")
        child:record_error("broken")
        child:set_status(2)
        equal(child.attributes.key, "value")
        equal(child.events[1].attributes["exception.message"], "broken")
        equal(tracer.get_root_span(), root)
        refuses("invalid span duration", root.finish, root, 4)
        root:finish(9)
        equal(root.end_time_ns, 9)
        equal(tracer.active_span(), nil)
        "#,
    );
}

#[test]
fn a_response_tells_how_it_is_framed() {
    header_filter_and_log(
        r#"
        equal(kong.response.get_header("Transfer-Encoding"), nil)
        equal(kong.response.get_headers().connection, "keep-alive")
        equal(kong.response.get_headers()["transfer-encoding"], nil)
        "#,
        r#"
        equal(kong.log.serialize().response.headers["transfer-encoding"], "chunked")
        equal(ngx.resp.get_headers(0, true)["connection"], "close")
        "#,
    );
}

#[test]
fn a_serializer_makes_what_the_first_level_of_the_cache_holds() {
    access(
        r#"
        local calls = 0
        local function load() return { n = 1 } end
        local opts = { l1_serializer = function(value) calls = calls + 1; return "made of " .. value.n end }
        equal(kong.cache:get("serialized", opts, load), "made of 1")
        equal(select(3, kong.cache:get("serialized", opts, load)), 1)
        equal(calls, 1)
        equal(select(3, kong.cache:probe("serialized")).n, 1)
        equal(select(2, kong.cache:get("bad", { l1_serializer = function() error("no", 0) end }, load)),
              "failed to get from node cache: l1_serializer threw an error: no")
        refuses("opts.ttl must be >= 0", kong.cache.get, kong.cache, "k", { ttl = -1 }, load)
        refuses("callback must be nil or a function", kong.cache.get, kong.cache, "k", nil, 1)
        refuses("key must be a string", kong.cache.get, kong.cache, 1)
        equal(select(3, kong.cache:get("absent")), -1)
        local value, err, ttl = kong.cache:renew("serialized", { ttl = 7 }, function() return 2 end)
        equal(value, 2) equal(err, nil) equal(ttl, 7)
        equal(kong.cache:get("serialized"), 2)
        "#,
    );
}
