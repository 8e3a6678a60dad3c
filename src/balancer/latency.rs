//! Latency: the address with the lowest moving average of response times (peak EWMA) for its weight.

use std::time::Duration;

use tokio::time::Instant;

use super::AddressId;
use super::upstream::Address;

/// After this long a value counts for 1/e of what it did.
const DECAY: Duration = Duration::from_secs(10);

/// An exponentially weighted moving average in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Average {
    value: f64,
    touched: Instant,
}

impl Average {
    /// Takes in a response time.
    pub(super) fn add(&mut self, seconds: f64, now: Instant) {
        self.value = self.at(seconds, now);
        self.touched = now;
    }

    /// What the average would be with one more response time.
    fn at(&self, seconds: f64, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.touched);
        let weight = (-elapsed.as_secs_f64() / DECAY.as_secs_f64()).exp();
        self.value * weight + seconds * (1.0 - weight)
    }
}

/// The best address that was not tried; with a single address, that one.
pub(super) fn choose(addresses: &[Address], tried: &[AddressId], now: Instant) -> Option<usize> {
    let taking_part = |address: &&Address| address.latency.is_some() && address.is_available();
    let single = addresses.iter().filter(taking_part).count() == 1;
    let start = if addresses.is_empty() { 0 } else { fastrand::usize(..addresses.len()) };
    let places = (start..addresses.len()).chain(0..start);
    let mut best: Option<(f64, usize)> = None;
    for place in places {
        let Some(address) = addresses.get(place).filter(taking_part) else {
            continue;
        };
        if address.weight == 0 || (!single && tried.contains(&address.id)) {
            continue;
        }
        let average = address.latency.map_or(0.0, |average| average.at(0.0, now));
        let score = average / f64::from(address.weight);
        if best.is_none_or(|(least, _)| score < least) {
            best = Some((score, place));
        }
    }
    best.map(|(_, place)| place)
}

/// Lets new addresses begin at the average of all, and forgets those that went out.
pub(super) fn rebuild(addresses: &mut [Address], now: Instant) {
    let available = addresses.iter().filter(|address| address.is_available());
    let (sum, count) = available.fold((0.0, 0_u32), |(sum, count), address| {
        (sum + address.latency.map_or(0.0, |average| average.value), count + 1)
    });
    let value = if count == 0 { 0.0 } else { sum / f64::from(count) };
    for address in addresses {
        if address.is_available() {
            address.latency.get_or_insert(Average { value, touched: now });
        } else {
            address.latency = None;
        }
    }
}
