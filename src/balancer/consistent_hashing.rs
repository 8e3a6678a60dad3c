//! Consistent hashing: addresses lie at many points of a ring, a value goes to the nearest below it.
//!
//! *Kong parity*: points, hash and direction are Kong's, so a value meets the same target in both.

use super::target::Target;
use super::upstream::Address;
use super::xxhash::xxhash32;

/// The least number of slots; upstreams with fewer get this many.
const MIN_SLOTS: u32 = 1000;
/// Points of an address when all weigh the same.
const POINTS: f64 = 160.0;

/// The ring: occupied slots in ascending order, each with the position of an address.
#[derive(Debug)]
pub(super) struct Ring {
    size: u32,
    points: Vec<(u32, u32)>,
}

impl Ring {
    pub(super) fn new(slots: u32) -> Self {
        Self { size: slots.max(MIN_SLOTS), points: Vec::new() }
    }

    /// Places all addresses, in an order that does not depend on how they became known.
    pub(super) fn rebuild(&mut self, addresses: &[Address], targets: &[Target]) {
        let total: f64 = addresses.iter().map(|address| f64::from(address.weight)).sum();
        let mut order: Vec<usize> = (0..addresses.len()).collect();
        order.sort_by_key(|&place| {
            let address = addresses.get(place)?;
            let target = targets.get(address.target)?;
            let text = format!("{}:{}", address.host, address.port);
            Some((target.spec.host.as_str(), target.spec.port, text))
        });
        let mut slots: Vec<Option<u32>> = vec![None; self.size as usize];
        for place in order {
            let Some(address) = addresses.get(place) else {
                continue;
            };
            let share = f64::from(address.weight) / total;
            let points = (share * targets.len() as f64 * POINTS) as u32;
            let points = if address.weight > 0 { points.max(1) } else { 0 };
            self.place(&mut slots, place as u32, address, points);
        }
        let occupied = slots.into_iter().enumerate();
        self.points = occupied.filter_map(|(slot, place)| Some((slot as u32, place?))).collect();
    }

    /// Takes `points` free slots for an address; a taken slot costs another try.
    fn place(&self, slots: &mut [Option<u32>], place: u32, address: &Address, points: u32) {
        let mut left = points;
        for number in 1..=self.size {
            if left == 0 {
                return;
            }
            let name = format!("{}::{} {number}", address.host, address.port);
            if let Some(slot @ None) = slots.get_mut(self.slot(&name)) {
                *slot = Some(place);
                left -= 1;
            }
        }
    }

    /// The available address at or below where `value` lies.
    pub(super) fn choose(&self, addresses: &[Address], value: &str) -> Option<usize> {
        let start = self.slot(value) as u32;
        let below = self.points.partition_point(|(slot, _)| *slot <= start);
        let (low, high) = self.points.split_at_checked(below)?;
        low.iter()
            .rev()
            .chain(high.iter().rev())
            .map(|(_, place)| *place as usize)
            .find(|place| addresses.get(*place).is_some_and(Address::is_available))
    }

    fn slot(&self, value: &str) -> usize {
        (xxhash32(value.as_bytes()) % self.size) as usize
    }
}
