//! Least connections: the address with the fewest exchanges under way for its weight.

use super::AddressId;
use super::upstream::Address;

/// The least loaded available address that was not tried; when all were, the least loaded one.
///
/// Ties go round by a random start, so that an idle upstream is used evenly.
/// *Cost*: a pass over all addresses, a few nanoseconds each.
pub(super) fn choose(addresses: &[Address], tried: &[AddressId]) -> Option<usize> {
    let fresh = least_loaded(addresses, |address| !tried.contains(&address.id));
    fresh.or_else(|| least_loaded(addresses, |_| true))
}

fn least_loaded(addresses: &[Address], eligible: impl Fn(&Address) -> bool) -> Option<usize> {
    let start = if addresses.is_empty() { 0 } else { fastrand::usize(..addresses.len()) };
    let places = (start..addresses.len()).chain(0..start);
    let mut best: Option<(f64, usize)> = None;
    for place in places {
        let Some(address) = addresses.get(place) else {
            continue;
        };
        if address.weight == 0 || !address.is_available() || !eligible(address) {
            continue;
        }
        let load = f64::from(address.connections + 1) / f64::from(address.weight);
        if best.is_none_or(|(least, _)| load < least) {
            best = Some((load, place));
        }
    }
    best.map(|(_, place)| place)
}
