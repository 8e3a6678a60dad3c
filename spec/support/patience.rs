//! Upper bounds of time, which hold on a machine that does nothing else.

use std::time::Duration;

/// What a bound is on this machine: as it stands where `SPEC_FULL` is set, since nothing else runs then, and ten
/// times as much where other specs, or other users of the machine, take their share.
pub fn at_most(bound: Duration) -> Duration {
    if std::env::var_os("SPEC_FULL").is_some() { bound } else { bound * 10 }
}
