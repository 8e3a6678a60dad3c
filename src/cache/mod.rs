//! The two-level entity cache: a table per VM over a shared store, with TTL, negative TTL and single flight.
