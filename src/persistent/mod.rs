//! Collections of which a copy costs little, and a changed copy little more than the change.
//!
//! What the gateway is run by is immutable, and replaced whole by each change: ten thousand routes of which one differs.
//! These collections consist of parts that copies share; a change copies the part it falls into and leaves the others.
//!
//! *Cost*: a copy is one counter for every 64 elements, a change besides one part of that size. Look-ups cost about what
//! they cost in the standard library's collections.
//!
//! | file | owns |
//! |---|---|
//! | `slots` | a list whose elements keep their places |
//! | `shards` | a map by hash |
//! | `sorted` | a map by order |

mod shards;
mod slots;
mod sorted;

pub use shards::Shards;
pub use slots::Slots;
pub use sorted::Sorted;

/// About so many elements are in one part.
const PART: usize = 64;
