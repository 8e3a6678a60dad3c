-- A header has one value now: lists are joined, and headers without a value go, as they were never sent.
UPDATE plugins SET config = jsonb_set(config, '{headers}', COALESCE((
    SELECT jsonb_object_agg(header, CASE jsonb_typeof(value) WHEN 'array'
      THEN to_jsonb((SELECT string_agg(line, ', ' ORDER BY place)
        FROM jsonb_array_elements_text(value) WITH ORDINALITY AS lines (line, place)))
      ELSE value END)
    FROM jsonb_each(config -> 'headers') AS headers (header, value) WHERE value NOT IN ('[]', '{}')), 'null'))
  WHERE name = 'http-log' AND jsonb_typeof(config -> 'headers') = 'object'
    AND EXISTS (SELECT 1 FROM jsonb_each(config -> 'headers') AS headers (header, value)
      WHERE jsonb_typeof(value) IN ('array', 'object'));
