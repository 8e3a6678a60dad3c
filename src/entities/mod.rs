//! The schemas of the core entities, one file each.
