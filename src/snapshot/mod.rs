//! Entities → the immutable run-time view that requests read.
