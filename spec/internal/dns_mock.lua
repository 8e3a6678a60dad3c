-- DNS records of a spec: the node under test asks a name server that answers them.

local cjson = require "cjson.safe"

local A, CNAME, AAAA, SRV = 1, 5, 28, 33
local HIGHEST = 33

local assert, error, getmetatable, ipairs, pairs, setmetatable =
  assert, error, getmetatable, ipairs, pairs, setmetatable
local insert = table.insert

local dns_mock = {}
dns_mock.__index = dns_mock


function dns_mock:__tostring()
  local document = { mocks_only = self.mocks_only, records = {} }
  for i = 1, HIGHEST do
    document.records[i] = self[i] or {}
  end
  return assert(cjson.encode(document))
end


function dns_mock.new(options)
  return setmetatable(options or {}, dns_mock)
end


-- A method that adds a record with these fields, required ones first.
local function adder(name, kind, required, defaults)
  dns_mock[name] = function(self, record)
    if self == dns_mock then
      error("can't operate on the class, you must create an instance", 2)
    elseif getmetatable(self or {}) ~= dns_mock then
      error(name .. " method must be called using the colon notation", 2)
    end
    assert(record, "Missing record parameter")
    local added = { type = kind, ttl = record.ttl or 600, class = record.class or 1,
                    name = assert(record.name, "No name field in " .. name .. " record") }
    for _, field in ipairs(required) do
      added[field] = assert(record[field], "No " .. field .. " field in " .. name .. " record")
    end
    for field, default in pairs(defaults or {}) do
      added[field] = record[field] or default
    end
    self[kind] = self[kind] or {}
    self[kind][record.name] = self[kind][record.name] or {}
    insert(self[kind][record.name], added)
    return true
  end
end

adder("A", A, { "address" })
adder("AAAA", AAAA, { "address" })
adder("CNAME", CNAME, { "cname" })
adder("SRV", SRV, { "target", "port" }, { weight = 10, priority = 20 })


-- Takes the records of a name away.
function dns_mock:remove(record)
  for _, kind in ipairs { A, AAAA, CNAME, SRV } do
    if self[kind] then
      self[kind][record.name] = nil
    end
  end
end


-- Name servers by the prefix of the node that they were started with.
local running = {}


-- Starts a name server for a node and has the node ask it. Answers the node's settings.
function dns_mock.serve(prefix, mock, env)
  local port = require("spec.internal.waiting").get_available_port()
  running[prefix] = { port = port }
  local thread = require("llthreads2.ex").new({ function(at, document)
    return require("spec.internal.name_server").serve(at, document)
  end }, port, tostring(mock))
  assert(thread:start())
  env.dns_resolver = "127.0.0.1:" .. port
  env.resolver_address = "127.0.0.1:" .. port
  return env
end


-- Stops the name server of a node.
function dns_mock.stop(prefix)
  local server = running[prefix]
  running[prefix] = nil
  if server then
    local socket = require("socket").udp()
    socket:sendto("@DIE@", "127.0.0.1", server.port)
    socket:close()
  end
end


return dns_mock
