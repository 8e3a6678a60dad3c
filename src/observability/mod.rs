//! The error log, the access log and counters.
