-- Functions without a phase were those of the access phase.
UPDATE plugins SET config = config || jsonb_build_object('access', config -> 'functions')
  WHERE name = 'post-function' AND jsonb_typeof(config -> 'functions') = 'array' AND config -> 'functions' <> '[]';
