//! A map by order.

use super::PART;
use std::borrow::Borrow;
use std::sync::Arc;

/// A sorted map of which copies share all parts that no change falls into.
#[derive(Debug)]
pub struct Sorted<K, V> {
    /// None of them is empty.
    parts: Vec<Arc<Vec<(K, V)>>>,
}

impl<K, V> Clone for Sorted<K, V> {
    fn clone(&self) -> Self {
        Sorted { parts: self.parts.clone() }
    }
}

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Sorted { parts: Vec::new() }
    }
}

impl<K: Ord + Clone, V: Clone> Sorted<K, V> {
    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let part = self.parts.get(self.part_of(key))?;
        let at = part.binary_search_by(|(other, _)| other.borrow().cmp(key)).ok()?;
        part.get(at).map(|(_, value)| value)
    }

    /// The first element.
    pub fn first(&self) -> Option<&(K, V)> {
        self.parts.first()?.first()
    }

    /// All elements in order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.parts.iter().flat_map(|part| part.iter().map(|(key, value)| (key, value)))
    }

    /// Puts a value in the place of the key's, which is returned.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let number = self.part_of(&key).min(self.parts.len().saturating_sub(1));
        let Some(part) = self.parts.get_mut(number) else {
            self.parts.push(Arc::new(vec![(key, value)]));
            return None;
        };
        let part = Arc::make_mut(part);
        match part.binary_search_by(|(other, _)| other.cmp(&key)) {
            Ok(at) => part.get_mut(at).map(|(_, old)| std::mem::replace(old, value)),
            Err(at) => {
                part.insert(at, (key, value));
                if part.len() > 2 * PART {
                    let upper = part.split_off(PART);
                    self.parts.insert(number + 1, Arc::new(upper));
                }
                None
            }
        }
    }

    /// Takes a key out, and returns its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.get(key)?;
        let number = self.part_of(key);
        let part = Arc::make_mut(self.parts.get_mut(number)?);
        let at = part.binary_search_by(|(other, _)| other.borrow().cmp(key)).ok()?;
        let (_, value) = part.remove(at);
        if part.is_empty() {
            self.parts.remove(number);
        }
        Some(value)
    }

    /// The part that a key is in, if it is there at all.
    fn part_of<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        let is_below = |part: &Arc<Vec<(K, V)>>| part.last().is_some_and(|(last, _)| last.borrow() < key);
        self.parts.partition_point(is_below)
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for Sorted<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(elements: I) -> Self {
        let all: Vec<(K, V)> = elements.into_iter().collect();
        if !all.is_sorted_by(|(one, _), (other, _)| one < other) {
            let mut sorted = Sorted::default();
            all.into_iter().for_each(|(key, value)| drop(sorted.insert(key, value)));
            return sorted;
        }
        let mut parts = Vec::with_capacity(all.len().div_ceil(PART));
        let mut all = all.into_iter().peekable();
        while all.peek().is_some() {
            parts.push(Arc::new(all.by_ref().take(PART).collect::<Vec<_>>()));
        }
        Sorted { parts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_has_what_a_plain_map_has_in_its_order(
            first in prop::collection::vec((0..500_u16, any::<u8>()), 0..300),
            changes in prop::collection::vec((0..500_u16, prop::option::weighted(0.6, any::<u8>())), 0..500),
        ) {
            let mut map: Sorted<u16, u8> = first.iter().copied().collect();
            let mut plain: BTreeMap<u16, u8> = first.into_iter().collect();
            let kept = (map.clone(), plain.clone());
            for (key, value) in changes {
                match value {
                    Some(value) => prop_assert_eq!(map.insert(key, value), plain.insert(key, value)),
                    None => prop_assert_eq!(map.remove(&key), plain.remove(&key)),
                }
            }
            for (map, plain) in [kept, (map, plain)] {
                prop_assert_eq!(map.iter().collect::<Vec<_>>(), plain.iter().collect::<Vec<_>>());
                prop_assert!((0..500).all(|key| map.get(&key) == plain.get(&key)));
                prop_assert_eq!(map.first().map(|(key, _)| key), plain.keys().next());
            }
        }
    }
}
