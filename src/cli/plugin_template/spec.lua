local helpers = require "spec.helpers"


local PLUGIN = "%NAME%"


describe(PLUGIN .. ": (schema)", function()
  local validate = function(config)
    return helpers.validate_plugin_config_schema(config, require("kong.plugins." .. PLUGIN .. ".schema"))
  end

  it("accepts an empty configuration", function()
    local ok, err = validate({})
    assert.is_nil(err)
    assert.is_truthy(ok)
  end)

  it("refuses what is no header name", function()
    local ok, err = validate({ response_header = "not a header" })
    assert.is_nil(ok)
    assert.is_string(err.config.response_header)
  end)
end)


for _, strategy in helpers.each_strategy() do
  describe(PLUGIN .. ": (access) [#" .. strategy .. "]", function()
    local client

    lazy_setup(function()
      local bp = helpers.get_db_utils(strategy, nil, { PLUGIN })

      -- A blueprint fills in what is left out: the route gets a service, the mock upstream.
      local route = bp.routes:insert({ hosts = { "test.example" } })
      bp.plugins:insert({ name = PLUGIN, route = { id = route.id }, config = {} })

      -- With an `nginx_conf` the mock upstream is started beside the gateway.
      assert(helpers.start_kong({
        nginx_conf = "spec/fixtures/custom_nginx.template",
        plugins = "bundled," .. PLUGIN,
        database = strategy,
      }))
    end)

    lazy_teardown(function()
      helpers.stop_kong()
    end)

    before_each(function()
      client = helpers.proxy_client()
    end)

    after_each(function()
      client:close()
    end)

    it("sets a header of the request", function()
      local res = client:get("/request", { headers = { host = "test.example" } })
      assert.response(res).has.status(200)
      assert.equal("GET", assert.request(res).has.header("X-%NAME%-Method"))
    end)

    it("sets a header of the response", function()
      local res = client:get("/request", { headers = { host = "test.example" } })
      assert.response(res).has.status(200)
      assert.equal("hello from " .. PLUGIN, assert.response(res).has.header("X-%NAME%"))
    end)
  end)
end
