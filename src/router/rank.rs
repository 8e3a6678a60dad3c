//! In which order the parts of routes are tried.

/// The place of a part among all others, whichever these are; the least is tried first.
///
/// *Invariant*: no two parts of one router have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// What the flavor orders by.
    pub(super) order: Order,
    /// The id of the route, or its complement where the greater one wins.
    pub(super) id: u128,
    /// Where the route stands in its list.
    pub(super) route: usize,
    /// Which part of the route it is.
    pub(super) part: usize,
}

/// What orders the parts of routes before their ids do; in the traditional flavor the first number is the category.
pub(super) type Order = [u64; 5];

/// A number such that the greater ones come first.
pub(super) fn descending(number: u64) -> u64 {
    !number
}

/// A signed number in the order of unsigned ones.
pub(super) fn biased(number: i64) -> u64 {
    number.cast_unsigned() ^ (1 << 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_numbers_keep_their_order() {
        let numbers = [i64::MIN, -5, -1, 0, 1, 5, i64::MAX].map(biased);
        assert!(numbers.is_sorted());
        assert!(descending(2) < descending(1));
    }
}
