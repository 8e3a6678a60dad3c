-- The first releases wrote a batch size of one that nobody had asked for.
UPDATE plugins SET config = jsonb_set(config, '{queue,max_batch_size}', '200')
  WHERE name = 'opentelemetry' AND config #> '{queue,max_batch_size}' = '1';
