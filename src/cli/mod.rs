//! The `kong` commands, one file each.
