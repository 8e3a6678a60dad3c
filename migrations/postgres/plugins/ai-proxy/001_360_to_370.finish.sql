-- Statistics of Anthropic's completions were never right and are refused now.
UPDATE plugins SET config = jsonb_set(config, '{logging,log_statistics}', 'false')
  WHERE name = 'ai-proxy' AND config #> '{logging,log_statistics}' = 'true'
    AND config ->> 'route_type' = 'llm/v1/completions' AND config #>> '{model,provider}' = 'anthropic';
