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
        ["kong.client.tls.disable_http2_alpn"] = true,
    }
    local function line(name, phases)
        lines[#lines + 1] = "| `" .. name .. "` | " .. phases .. " | " .. (REFUSES[name] and "no" or "yes") .. " |"
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
                            "pdk_version", "pdk_major_version" } do
        if kong[name] ~= nil then line("kong." .. name, "any") end
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
