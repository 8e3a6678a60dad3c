//! The set of all shared dictionaries.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::{Dict, ShmError};

/// All dictionaries by name, in the order of their declaration.
///
/// The master makes the set and keeps it for its life; worker processes attach to it. Cloning shares the
/// dictionaries.
#[derive(Clone, Default)]
pub struct Dicts {
    dicts: Vec<Arc<Dict>>,
}

impl Dicts {
    /// Makes a dictionary for each name and size in bytes. Of a name given twice the last size counts.
    ///
    /// # Errors
    /// The first dictionary that cannot be made.
    pub fn create(sizes: &[(&str, usize)]) -> Result<Dicts, ShmError> {
        Dicts::default().resized(sizes)
    }

    /// Maps the dictionaries behind inherited file descriptors.
    ///
    /// # Errors
    /// The first dictionary that cannot be mapped.
    pub fn attach(inherited: Vec<(String, OwnedFd)>) -> Result<Dicts, ShmError> {
        let dicts = inherited.into_iter().map(|(name, fd)| Dict::attach(&name, fd).map(Arc::new));
        Ok(Dicts { dicts: dicts.collect::<Result<_, _>>()? })
    }

    /// The set for a changed configuration: a dictionary whose size is as before is shared with this set, any
    /// other is new and empty.
    ///
    /// # Errors
    /// The first dictionary that cannot be made.
    pub fn resized(&self, sizes: &[(&str, usize)]) -> Result<Dicts, ShmError> {
        let mut seen = HashSet::new();
        let mut dicts = Vec::with_capacity(sizes.len());
        for (name, bytes) in sizes.iter().rev().filter(|(name, _)| seen.insert(*name)) {
            let kept = self.find(name).filter(|dict| dict.capacity() == *bytes).cloned();
            dicts.push(kept.map_or_else(|| Dict::create(name, *bytes).map(Arc::new), Ok)?);
        }
        dicts.reverse();
        Ok(Dicts { dicts })
    }

    /// The dictionary of that name.
    ///
    /// *Cost*: a search; a Lua VM does it once for each name.
    pub fn find(&self, name: &str) -> Option<&Arc<Dict>> {
        self.dicts.iter().find(|dict| dict.name() == name)
    }

    /// All of them, in the order of their declaration.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Dict>> {
        self.dicts.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::Value;

    #[test]
    fn a_resized_set_keeps_what_did_not_change() {
        let before = Dicts::create(&[("kept", 1 << 20), ("grown", 1 << 20), ("gone", 1 << 20)]).unwrap();
        for dict in before.iter() {
            dict.set(b"key", Value::Number(1.0), 0, 0);
        }
        let after = before.resized(&[("new", 1 << 20), ("kept", 1 << 20), ("grown", 2 << 20)]).unwrap();
        let names: Vec<&str> = after.iter().map(|dict| dict.name()).collect();
        assert_eq!(names, ["new", "kept", "grown"]);
        let has_key = |name| !after.find(name).unwrap().keys(0).is_empty();
        assert!(has_key("kept") && !has_key("grown") && !has_key("new"));
        assert!(after.find("gone").is_none());
        assert_eq!(after.find("grown").unwrap().capacity(), 2 << 20);
    }

    #[test]
    fn of_a_name_given_twice_the_last_size_counts() {
        let dicts = Dicts::create(&[("twice", 1 << 20), ("other", 1 << 20), ("twice", 2 << 20)]).unwrap();
        assert_eq!(dicts.iter().count(), 2);
        assert_eq!(dicts.find("twice").unwrap().capacity(), 2 << 20);
    }

    #[test]
    fn an_attached_set_shows_what_the_creator_stored() {
        let made = Dicts::create(&[("shared", 1 << 20)]).unwrap();
        let dict = made.find("shared").unwrap();
        dict.set(b"key", Value::String(b"value"), 0, 7);
        let attached =
            Dicts::attach(vec![("shared".to_owned(), dict.fd().try_clone_to_owned().unwrap())]).unwrap();
        let mut buffer = Vec::new();
        let found = attached.find("shared").unwrap().get(b"key", &mut buffer).unwrap().unwrap();
        assert_eq!((buffer.as_slice(), found.flags), (&b"value"[..], 7));
    }

    #[test]
    fn foreign_memory_is_not_attached() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 20).unwrap();
        assert!(matches!(
            Dicts::attach(vec![("foreign".to_owned(), OwnedFd::from(file))]),
            Err(ShmError::Layout { .. })
        ));
    }
}
