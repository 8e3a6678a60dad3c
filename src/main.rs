//! The `kong` executable.

fn main() {}
