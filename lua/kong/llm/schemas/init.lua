-- How a language model is reached: what the plugins around one have in their configuration.

local typedefs = require "kong.db.schema.typedefs"

local function text(description, more)
  local field = { type = "string", required = false, description = description }
  for name, value in pairs(more or {}) do
    field[name] = value
  end
  return field
end

local function secret(description)
  return text(description, { referenceable = true, encrypted = true })
end

local function number(kind, description, more)
  local field = text(description, more)
  field.type = kind
  return field
end

local function flag(description, default)
  return { type = "boolean", required = false, default = default, description = description }
end

local function record(fields, entity_checks, description)
  return { type = "record", required = false, fields = fields, entity_checks = entity_checks,
           description = description }
end

local auth = record {
  { header_name = text("The header that carries the credential.", { referenceable = true }) },
  { header_value = secret "The whole value of that header, for example `Bearer` and a key." },
  { param_name = text("The parameter that carries the credential.", { referenceable = true }) },
  { param_value = secret "The value of that parameter." },
  { param_location = text("Where the parameter goes: the query string or the body.",
                          { one_of = { "query", "body" } }) },
  { gcp_use_service_account = flag("Whether a service account of Google Cloud signs in.", false) },
  { gcp_service_account_json = text("The key of that account as JSON; the environment variable "
      .. "GCP_SERVICE_ACCOUNT without it.", { referenceable = true }) },
  { aws_access_key_id = secret "The id of the AWS key, instead of the one in the environment." },
  { aws_secret_access_key = secret "The secret of the AWS key, instead of the one in the environment." },
  { allow_override = flag("Whether a credential that a client sends is kept.", false) },
}

local gemini = record({
  { api_endpoint = text "The host of the regional endpoint, on Vertex." },
  { project_id = text "The project, on Vertex." },
  { location_id = text "The location, on Vertex." },
}, { { mutually_required = { "api_endpoint", "project_id", "location_id" } } })

local bedrock = record {
  { aws_region = text "The AWS region, instead of the one in the environment." },
}

local huggingface = record {
  { use_cache = flag "Whether an answer may come out of the provider's cache." },
  { wait_for_model = flag "Whether to wait for a model that is not ready." },
}

local model_options = record({
  { max_tokens = number("integer", "How many tokens an answer may have.") },
  { input_cost = number("number", "What a million tokens of a prompt cost.", { gt = 0 }) },
  { output_cost = number("number", "What a million tokens of an answer cost.", { gt = 0 }) },
  { temperature = number("number", "The sampling temperature.", { between = { 0.0, 5.0 } }) },
  { top_p = number("number", "The probability mass of nucleus sampling.", { between = { 0, 1 } }) },
  { top_k = number("integer", "How many tokens to sample from.", { between = { 0, 500 } }) },
  { anthropic_version = text "The version of Anthropic's interface." },
  { azure_instance = text "The instance, on Azure." },
  { azure_api_version = text("The version of Azure's interface.", { default = "2023-05-15" }) },
  { azure_deployment_id = text "The deployment, on Azure." },
  { llama2_format = text("What a Llama 2 server speaks.", { one_of = { "raw", "openai", "ollama" } }) },
  { mistral_format = text("What a Mistral server speaks.", { one_of = { "openai", "ollama" } }) },
  { upstream_url = typedefs.url { required = false,
      description = "The whole address to ask, instead of the provider's." } },
  { upstream_path = text "The path to ask, instead of the operation's." },
  { gemini = gemini },
  { bedrock = bedrock },
  { huggingface = huggingface },
}, nil, "How the model answers, and where it is.")

local model = {
  type = "record",
  required = true,
  fields = {
    { provider = text("Whose interface the model has.", { required = true, one_of = {
        "openai", "azure", "anthropic", "cohere", "mistral", "llama2", "gemini", "bedrock", "huggingface",
    } }) },
    { name = text "The model." },
    { options = model_options },
  },
}

local logging = {
  type = "record",
  required = true,
  fields = {
    { log_statistics = { type = "boolean", required = true, default = false,
        description = "Whether logs get the model and how many tokens it took." } },
    { log_payloads = { type = "boolean", required = true, default = false,
        description = "Whether logs get the bodies of request and response." } },
  },
}

-- A check that a provider's option is set.
local function needs(provider, option, err)
  return { conditional_at_least_one_of = {
    if_field = "model.provider",
    if_match = { one_of = { provider } },
    then_at_least_one_of = { "model.options." .. option },
    then_err = err or "must set %s for " .. provider .. " provider",
  } }
end

-- Anthropic tells no counts for completions.
local function check_statistics(entity)
  if entity.logging.log_statistics and entity.route_type == "llm/v1/completions"
     and entity.model.provider == "anthropic"
  then
    return nil, "anthropic does not support statistics when route_type is llm/v1/completions"
  end
  return true
end

return {
  type = "record",
  fields = {
    { route_type = text("What the route does; `preserve` passes requests as they are.",
        { required = true, one_of = { "llm/v1/chat", "llm/v1/completions", "preserve" } }) },
    { auth = auth },
    { model = model },
    { logging = logging },
  },
  entity_checks = {
    { conditional = {
        if_field = "model.provider", if_match = { one_of = { "bedrock", "gemini" } },
        then_field = "auth.allow_override", then_match = { eq = false },
        then_err = "bedrock and gemini only support auth.allow_override = false",
    } },
    { mutually_required = { "auth.header_name", "auth.header_value" } },
    { mutually_required = { "auth.param_name", "auth.param_value", "auth.param_location" } },
    needs("llama2", "llama2_format"),
    needs("mistral", "mistral_format"),
    needs("anthropic", "anthropic_version"),
    needs("azure", "azure_instance"),
    needs("azure", "azure_api_version"),
    needs("azure", "azure_deployment_id"),
    needs("llama2", "upstream_url", "must set %s for self-hosted providers/models"),
    { custom_entity_check = { field_sources = { "route_type", "model", "logging" }, fn = check_statistics } },
  },
}
