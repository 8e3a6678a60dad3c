//! `docs/pdk.md`: what the PDK serves and in which phases, asked of the running code.
//!
//! `UPDATE_DOCS=1 cargo test --lib document` writes it anew.

use std::path::Path;

/// Asks each function in a phase that no set has, and in `init_worker`, and reads the refusal: it names the
/// phases. A function that does not refuse has no phase check.
const ASK: &str = r#"
    local NAMESPACES = { "client", "client.tls", "cluster", "ip", "log", "nginx", "node", "plugin", "request",
        "response", "router", "service", "service.request", "service.response", "table", "telemetry", "tracing",
        "vault" }
    local NO_PHASE = 0x40000
    local lines = {}
    -- What is there only to refuse: it checks phase and arguments, and answers an error.
    local REFUSES = {
        ["kong.client.tls.disable_http2_alpn"] = "no: plugins have no such phase, in Kong neither",
    }
    local function line(name, phases)
        lines[#lines + 1] = "| `" .. name .. "` | " .. phases .. " | " .. (REFUSES[name] or "yes") .. " |"
        REFUSES[name] = nil
    end

    local function phases_of(call)
        for _, phase in ipairs { NO_PHASE, require("kong.pdk.private.phases").phases.init_worker } do
            ngx.ctx.KONG_PHASE = phase
            local ok, err = pcall(call)
            ngx.ctx.KONG_PHASE = require("kong.pdk.private.phases").phases.access
            local only = not ok and tostring(err):match("%(only in: (.-)%)$")
            local except = not ok and tostring(err):match("any phases except: (.-)%)$")
            if only then return only elseif except then return "any but " .. except end
        end
        return "any"
    end

    local function sorted(map)
        local names = {}
        for name in pairs(map) do names[#names + 1] = name end
        table.sort(names)
        return names
    end

    -- Functions that would end the phase, change it, or make noise where they are not refused.
    local QUIET = { ["tracing"] = true, ["log"] = true, ["vault"] = true }
    for _, path in ipairs(NAMESPACES) do
        local namespace = kong
        for part in path:gmatch("[^.]+") do namespace = namespace[part] end
        for _, name in ipairs(sorted(namespace)) do
            local call = namespace[name]
            local full = "kong." .. path .. "." .. name
            if type(call) == "function" then
                local checked = not QUIET[path] or name == "set_serialize_value" or name == "serialize"
                line(full, checked and phases_of(call) or "any")
            elseif path == "log" then
                line(full, "any")
            end
        end
    end
    assert(getmetatable(kong.log).__call)
    line("kong.log", "any")
    for _, name in ipairs { "on", "off" } do
        assert(type(kong.log.inspect[name]) == "function")
        line("kong.log.inspect." .. name, "any")
    end
    for _, name in ipairs { "shared", "plugin" } do
        kong.ctx[name].documented = true
        line("kong.ctx." .. name, name == "shared" and "any" or "those of plugins")
    end
    local span = require("kong.pdk.tracing").new().new("documented").start_span("documented")
    for _, name in ipairs { "add_event", "each_baggage_item", "finish", "get_baggage_item", "record_error",
                            "set_attribute", "set_baggage_item", "set_status" } do
        if span[name] then
            assert(type(span[name]) == "function")
            line("span:" .. name, "any")
        end
    end
    for _, name in ipairs { "cache", "core_cache", "cluster_events", "worker_events", "timer" } do
        local methods = getmetatable(kong[name]) and getmetatable(kong[name]).__index
        for _, method in ipairs(sorted(type(methods) == "table" and methods or kong[name])) do
            if type(kong[name][method]) == "function" and method ~= "new" then
                line("kong." .. name .. ":" .. method, "any")
            end
        end
    end
    for _, name in ipairs { "resolve", "stats", "toip" } do
        assert(kong.dns[name])
        line("kong.dns." .. name, "any")
    end
    for _, name in ipairs { "configuration", "ctx", "db", "default_workspace", "version", "version_num",
                            "cache", "core_cache", "dns", "worker_events",
                            "cluster_events", "timer" } do
        if kong[name] ~= nil then line("kong." .. name, "any") end
    end
    -- What a gateway of this role and subsystem does not have, in Kong neither.
    local absent = {
        ["kong.clustering"] = "no: hybrid mode alone has it",
        ["kong.pdk_version"] = "no: Kong documents it and sets none",
        ["kong.pdk_major_version"] = "no: Kong documents it and sets none",
        ["kong.rpc"] = "no: hybrid mode alone has it",
        ["kong.service.request.disable_tls"] = "no: stream plugins alone have it",
    }
    for _, name in ipairs(sorted(absent)) do
        local value = _G
        for part in name:gmatch("[^.]+") do value = value[part] end
        assert(value == nil, name .. " is there")
        REFUSES[name] = absent[name]
        line(name, "any")
    end
    for _, name in ipairs { "kong.meta", "kong.constants", "kong.reports", "kong.hooks", "kong.cache",
        "kong.concurrency", "kong.dynamic_hook", "kong.workspaces", "kong.global", "kong.globalpatches",
        "kong.singletons", "kong.deprecation", "kong.timer", "kong.vendor.classic",
        "kong.api.api_helpers", "kong.api.arguments", "kong.api.endpoints", "kong.api.routes.base",
        "kong.db", "kong.db.dao", "kong.db.dao.plugins", "kong.db.declarative", "kong.db.errors",
        "kong.db.iteration", "kong.db.migrations.plugins", "kong.db.schema", "kong.db.schema.entity",
        "kong.db.schema.metaschema", "kong.db.schema.typedefs", "kong.db.strategies.connector",
        "kong.observability.tracing.instrumentation", "kong.observability.tracing.propagation",
        "kong.observability.tracing.request_id", "kong.observability.tracing.tracing_context",
        "kong.observability.otlp", "kong.observability.logs",
        "kong.pdk", "kong.pdk.node", "kong.pdk.private.phases", "kong.pdk.private.rate_limiting",
        "kong.pdk.request", "kong.pdk.response",
        "kong.plugins.base_plugin", "kong.plugins.log-serializers.basic",
        "kong.resty.dns.client", "kong.resty.mlcache", "kong.resty.mlcache.ipc",
        "kong.runloop.balancer", "kong.runloop.balancer.upstreams", "kong.runloop.certificate",
        "kong.runloop.wasm", "kong.conf_loader", "kong.tools.cjson", "kong.tools.dns", "kong.tools.grpc",
        "kong.tools.gzip", "kong.tools.http", "kong.tools.ip", "kong.tools.kong-lua-sandbox",
        "kong.tools.mime_type", "kong.tools.module", "kong.tools.queue", "kong.tools.queue_schema",
        "kong.tools.rand", "kong.tools.redis.schema", "kong.tools.request_aware_table",
        "kong.tools.responses", "kong.tools.sandbox", "kong.tools.sha256", "kong.tools.string",
        "kong.tools.system", "kong.tools.table", "kong.tools.time", "kong.tools.timestamp", "kong.tools.uri",
        "kong.tools.utils", "kong.tools.uuid", "kong.tools.yield",
        "resty.kong.grpc", "resty.kong.log", "resty.kong.tls", "resty.kong.var",
    } do
        local ok, err = pcall(require, name)
        if ok then
            line("require " .. name, "any")
        elseif not tostring(err):find("module '" .. name .. "' not found", 1, true) then
            error(name .. ": " .. tostring(err))
        end
    end
    assert(next(REFUSES) == nil, "there is no function named " .. tostring(next(REFUSES)))
    DOCUMENT = table.concat(lines, "\n")
"#;

const HEAD: &str = "# The PDK that is served

Made from the code by `UPDATE_DOCS=1 cargo test --lib document`. The phases are those that the functions
themselves accept; *any* has no check. What is not served answers an error that says so.

| function | phases | served |
|---|---|---|
";

#[test]
fn the_documented_pdk_is_the_served_one() {
    let (_folder, gateway) = super::kit::gateway(ASK);
    gateway.get("/", &[]);
    let table: String = gateway.vm.lua().globals().get("DOCUMENT").unwrap();
    let served = format!("{HEAD}{table}\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pdk.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &served).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), served, "write it anew: see the file's head");
}
