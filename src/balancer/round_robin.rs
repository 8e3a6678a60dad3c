//! Round-robin: a wheel on which every address has as many slots as its weight says.

use super::upstream::Address;

/// Weights that would take more slots are rounded: with SRV records they come from the network.
const MAX_SLOTS: u64 = 1 << 20;

/// The wheel: positions of addresses, shuffled so that heavy ones do not come in rows.
#[derive(Debug, Default)]
pub(super) struct Wheel {
    slots: Vec<u32>,
    pointer: usize,
}

impl Wheel {
    /// Lays out the addresses; weights are divided by what they have in common.
    pub(super) fn rebuild(&mut self, addresses: &[Address]) {
        let divisor = addresses.iter().fold(0, |divisor, address| gcd(divisor, address.weight)).max(1);
        let total: u64 = addresses.iter().map(|address| u64::from(address.weight / divisor)).sum();
        let divisor = u64::from(divisor) * total.div_ceil(MAX_SLOTS).max(1);
        self.slots.clear();
        for (place, address) in addresses.iter().enumerate() {
            let share = match address.weight {
                0 => 0,
                weight => (u64::from(weight) / divisor).max(1) as usize,
            };
            self.slots.extend(std::iter::repeat_n(place as u32, share));
        }
        fastrand::shuffle(&mut self.slots);
    }

    /// The next available address; `None` after a full turn without one.
    pub(super) fn choose(&mut self, addresses: &[Address]) -> Option<usize> {
        for _ in 0..self.slots.len() {
            self.pointer = if self.pointer + 1 >= self.slots.len() { 0 } else { self.pointer + 1 };
            let place = *self.slots.get(self.pointer)? as usize;
            if addresses.get(place).is_some_and(Address::is_available) {
                return Some(place);
            }
        }
        None
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
