//! A map by hash.

use super::PART;
use foldhash::fast::RandomState;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

/// A map of which copies share all shards that no change falls into.
#[derive(Debug)]
pub struct Shards<K, V> {
    /// As many as a power of two, or none.
    shards: Vec<Arc<Shard<K, V>>>,
    hasher: RandomState,
    len: usize,
}

type Shard<K, V> = HashMap<K, V, RandomState>;

impl<K, V> Clone for Shards<K, V> {
    fn clone(&self) -> Self {
        Shards { shards: self.shards.clone(), hasher: self.hasher.clone(), len: self.len }
    }
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        Shards { shards: Vec::new(), hasher: RandomState::default(), len: 0 }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Shards<K, V> {
    /// Without elements, and with room for so many.
    pub fn with_capacity(capacity: usize) -> Self {
        let mut map = Shards::default();
        map.shards = map.empty((capacity / PART).next_power_of_two());
        map
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of a key.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.shards.get(self.place(key))?.get(key)
    }

    /// The value of a key, to be changed.
    pub fn get_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.get(key)?;
        let place = self.place(key);
        Arc::make_mut(self.shards.get_mut(place)?).get_mut(key)
    }

    /// All keys with their values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    /// Puts a value in the place of the key's, which is returned.
    ///
    /// *Cost*: that of all elements now and then: when their number has doubled.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if self.len >= self.shards.len() * PART {
            self.grow();
        }
        let place = self.place(&key);
        let old = Arc::make_mut(self.shards.get_mut(place)?).insert(key, value);
        self.len += usize::from(old.is_none());
        old
    }

    /// Takes a key out, and returns its value.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.get(key)?;
        let place = self.place(key);
        let old = Arc::make_mut(self.shards.get_mut(place)?).remove(key);
        self.len -= usize::from(old.is_some());
        old
    }

    fn grow(&mut self) {
        let shards = self.empty(self.shards.len().max(1) * 2);
        let old = std::mem::replace(&mut self.shards, shards);
        for shard in old {
            for (key, value) in shard.iter() {
                let place = self.place(key);
                if let Some(shard) = self.shards.get_mut(place) {
                    Arc::make_mut(shard).insert(key.clone(), value.clone());
                }
            }
        }
    }

    fn empty(&self, count: usize) -> Vec<Arc<Shard<K, V>>> {
        (0..count).map(|_| Arc::new(HashMap::with_hasher(self.hasher.clone()))).collect()
    }

    /// Bits in the middle: those at both ends place a key within its shard.
    fn place<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        (self.hasher.hash_one(key) >> 32) as usize & self.shards.len().wrapping_sub(1)
    }
}

impl<K: Hash + Eq + Clone, V: Clone> FromIterator<(K, V)> for Shards<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(elements: I) -> Self {
        let elements = elements.into_iter();
        let mut map = Shards::with_capacity(elements.size_hint().0);
        elements.for_each(|(key, value)| drop(map.insert(key, value)));
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_has_what_a_plain_map_has_and_copies_keep_what_they_had(
            changes in prop::collection::vec((0..500_u16, prop::option::weighted(0.7, any::<u8>())), 0..600),
        ) {
            let (mut map, mut plain) = (Shards::default(), HashMap::new());
            let mut kept = None;
            for (number, (key, value)) in changes.iter().enumerate() {
                match value {
                    Some(value) => prop_assert_eq!(map.insert(*key, *value), plain.insert(*key, *value)),
                    None => prop_assert_eq!(map.remove(key), plain.remove(key)),
                }
                if number == changes.len() / 2 {
                    kept = Some((map.clone(), plain.clone()));
                }
            }
            for (map, plain) in kept.into_iter().chain([(map, plain)]) {
                prop_assert_eq!(map.len(), plain.len());
                prop_assert!((0..500).all(|key| map.get(&key) == plain.get(&key)));
                prop_assert_eq!(map.iter().count(), plain.len());
            }
        }
    }
}
