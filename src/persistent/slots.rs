//! A list whose elements keep their places.

use super::PART;
use std::sync::Arc;

type Part<T> = [Option<T>; PART];

/// A list with gaps: an element keeps its place as long as it is there, whatever happens to others.
#[derive(Debug)]
pub struct Slots<T> {
    parts: Vec<Counted<T>>,
}

#[derive(Debug)]
struct Counted<T> {
    elements: Arc<Part<T>>,
    count: usize,
}

impl<T> Clone for Counted<T> {
    fn clone(&self) -> Self {
        Counted { elements: Arc::clone(&self.elements), count: self.count }
    }
}

impl<T> Clone for Slots<T> {
    fn clone(&self) -> Self {
        Slots { parts: self.parts.clone() }
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots { parts: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// The element at a place.
    pub fn get(&self, at: usize) -> Option<&T> {
        self.parts.get(at / PART)?.elements.get(at % PART)?.as_ref()
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.count).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(|part| part.count == 0)
    }

    /// All elements by their places.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.places().map(|(_, element)| element)
    }

    /// All elements with their places.
    pub fn places(&self) -> impl Iterator<Item = (usize, &T)> {
        self.parts.iter().enumerate().flat_map(|(number, part)| places_of(number, &part.elements))
    }

    /// Whether the other is a copy that neither has changed since; false for some that are equal otherwise.
    pub fn is_same(&self, other: &Self) -> bool {
        let is_same = |(one, other): (&Counted<T>, &Counted<T>)| Arc::ptr_eq(&one.elements, &other.elements);
        self.parts.len() == other.parts.len() && self.parts.iter().zip(&other.parts).all(is_same)
    }

    /// The places at which `is_same` does not hold between this list and another, or only one of both has an element.
    ///
    /// *Cost*: looks only at parts that the two do not share.
    pub fn differences(&self, other: &Self, is_same: impl Fn(&T, &T) -> bool) -> Vec<usize> {
        let mut places = Vec::new();
        for number in 0..self.parts.len().max(other.parts.len()) {
            match (self.parts.get(number), other.parts.get(number)) {
                (Some(one), Some(other)) if Arc::ptr_eq(&one.elements, &other.elements) => {}
                _ => {
                    let all = number * PART..(number + 1) * PART;
                    places.extend(all.filter(|&at| match (self.get(at), other.get(at)) {
                        (Some(one), Some(other)) => !is_same(one, other),
                        (None, None) => false,
                        _ => true,
                    }));
                }
            }
        }
        places
    }
}

impl<T: Clone> Slots<T> {
    /// Puts an element into the first gap, or at the end; returns its place.
    pub fn add(&mut self, element: T) -> usize {
        let number = self.parts.iter().position(|part| part.count < PART).unwrap_or(self.parts.len());
        let gap = self.parts.get(number).and_then(|part| part.elements.iter().position(Option::is_none));
        let at = number * PART + gap.unwrap_or(0);
        self.set(at, Some(element));
        at
    }

    /// Puts an element at a place, or makes a gap of it; returns what was there.
    pub fn set(&mut self, at: usize, element: Option<T>) -> Option<T> {
        let number = at / PART;
        if element.is_none() && self.get(at).is_none() {
            return None;
        }
        if self.parts.len() <= number {
            let empty = || Counted { elements: Arc::new(std::array::from_fn(|_| None)), count: 0 };
            self.parts.resize_with(number + 1, empty);
        }
        let part = self.parts.get_mut(number)?;
        let place = Arc::make_mut(&mut part.elements).get_mut(at % PART)?;
        part.count = part.count + usize::from(element.is_some()) - usize::from(place.is_some());
        std::mem::replace(place, element)
    }
}

impl<T: Clone> FromIterator<T> for Slots<T> {
    /// In a row, without gaps.
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        let mut slots = Slots::default();
        elements.into_iter().enumerate().for_each(|(at, element)| drop(slots.set(at, Some(element))));
        slots
    }
}

fn places_of<T>(number: usize, part: &Part<T>) -> impl Iterator<Item = (usize, &T)> {
    part.iter().enumerate().filter_map(move |(at, element)| Some((number * PART + at, element.as_ref()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_element_keeps_its_place_and_a_gap_is_filled_first() {
        let mut slots: Slots<u32> = (0..200).collect();
        assert_eq!(slots.set(70, None), Some(70));
        assert_eq!((slots.get(70), slots.get(71), slots.len()), (None, Some(&71), 199));
        assert_eq!((slots.add(1000), slots.add(1001)), (70, 200));
        assert_eq!(slots.len(), 201);
    }

    proptest! {
        #[test]
        fn a_copy_keeps_what_it_had_and_differences_are_told(
            count in 0..300_usize,
            changes in prop::collection::vec((0..400_usize, prop::option::of(any::<u32>())), 0..20),
        ) {
            let before: Slots<u32> = (0..count as u32).collect();
            let mut after = before.clone();
            prop_assert!(before.is_same(&after));
            let mut expected: std::collections::BTreeMap<usize, u32> = (0..count).map(|at| (at, at as u32)).collect();
            for (at, element) in changes {
                after.set(at, element);
                match element {
                    Some(element) => drop(expected.insert(at, element)),
                    None => drop(expected.remove(&at)),
                }
            }
            prop_assert_eq!(before.iter().copied().collect::<Vec<_>>(), (0..count as u32).collect::<Vec<_>>());
            let all: Vec<_> = after.places().map(|(at, element)| (at, *element)).collect();
            prop_assert_eq!(after.len(), all.len());
            prop_assert_eq!(&all, &expected.iter().map(|(at, element)| (*at, *element)).collect::<Vec<_>>());
            let differ: Vec<_> = (0..448).filter(|&at| before.get(at) != after.get(at)).collect();
            prop_assert_eq!(before.differences(&after, |one, other| one == other), differ);
        }
    }
}
