//! The schema engine: fields, checks, defaults, shorthands, error trees.
