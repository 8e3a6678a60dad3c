//! Functions of the PDK that few plugins use: log levels and formats, spans made by hand, and what is left.

use super::kit::access;
use crate::observability::capture;

#[test]
fn each_level_writes_a_line_of_its_own_and_a_format_can_be_set() {
    capture::begin(1 << 20);
    access(
        r#"
        local errlog = require "ngx.errlog"
        errlog.get_logs()
        local function written()
            local found = {}
            local lines = errlog.get_logs()
            for i = 1, #lines, 3 do
                local text = lines[i + 2]:match("mark .- mark")
                if text then found[#found + 1] = lines[i] .. " " .. text end
            end
            return table.concat(found, "; ")
        end
        for _, level in ipairs { "emerg", "alert", "crit", "err", "warn", "notice" } do
            kong.log[level]("mark ", level, " mark")
        end
        kong.log("mark plain mark")
        equal(written(), "1 mark emerg mark; 2 mark alert mark; 3 mark crit mark; 4 mark err mark; "
            .. "5 mark warn mark; 6 mark notice mark; 6 mark plain mark")
        kong.log.set_format("mark <%message> mark")
        kong.log.err("text")
        equal(written(), "4 mark <text> mark")
        refuses("format must be a string", kong.log.set_format, 1)
        "#,
    );
}

#[test]
fn a_tracer_makes_spans_of_ones_own() {
    access(
        r#"
        local tracer = kong.tracing.new("by-hand", { namespace = "HAND" })
        equal(kong.tracing.new("by-hand"), tracer)
        equal(#tracer.init_spans(), 0)
        local root = tracer.start_span("root")
        equal(root:add_event("seen", { n = 1 }) == nil or true, true)
        equal(root.events[1].name, "seen")
        equal(root.events[1].attributes.n, 1)
        equal(tracer.get_spans()[1], root)
        equal(tracer.get_root_span(), root)
        -- A span made for later hangs on its parent when it is linked.
        local later = tracer.create_span(nil, { span_kind = 3, parent = root })
        equal(#tracer.get_spans(), 1)
        local linked = tracer.link_span(tracer, later, "late", {})
        equal(linked.name, "late")
        equal(#tracer.get_spans(), 2)
        equal(linked.parent_id, root.span_id)
        tracer:set_should_sample(false)
        equal(root.should_sample, false)
        tracer:set_should_sample(true)
        equal(linked.should_sample, true)
        equal(tracer:get_sampling_decision(false), false)
        linked:finish() root:finish()
        "#,
    );
}

#[test]
fn the_rest_of_the_pdk_does_what_it_says() {
    access(
        r#"
        equal(kong.core_cache:get("k", nil, function() return 5 end), 5)
        equal(kong.rpc, nil)
        equal(kong.request.get_forwarded_prefix(), nil)
        kong.service.request.set_raw_query("a=1&b=%20")
        equal(ngx.var.args, "a=1&b=%20")
        refuses("query", kong.service.request.set_raw_query, 1)
        refuses("must be a function", kong.service.set_target_retry_callback, 1)
        local function callback() end
        kong.service.set_target_retry_callback(callback)
        equal(ngx.ctx.balancer_data.retry_callback, callback)
        refuses("client_hello", kong.client.tls.disable_http2_alpn)
        kong.vault.warmup { "{vault://env/no-such-thing}", { name = "plain" } }
        "#,
    );
}
