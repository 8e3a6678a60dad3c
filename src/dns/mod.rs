//! The resolver: order of record types, SRV, stale and negative answers.
