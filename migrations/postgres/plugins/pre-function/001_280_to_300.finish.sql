UPDATE plugins SET config = config - 'functions'
  WHERE name = 'pre-function' AND jsonb_typeof(config -> 'functions') = 'array' AND config -> 'functions' <> '[]';
