//! What has to change for one set of entities to become another.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::db::{Entities, Rows};

/// The changes from one set of entities to another.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Diff {
    /// Kinds that are gone altogether.
    pub removed_kinds: Vec<String>,
    /// Changes within kinds; a kind that is new is here even without entities.
    pub kinds: IndexMap<String, KindDiff>,
}

/// The changes within one kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KindDiff {
    /// Keys of entities that are gone.
    pub removed: Vec<Arc<str>>,
    /// Entities that are new or have changed, by key.
    pub put: Rows,
}

impl Diff {
    /// The changes that lead from `before` to `after`.
    pub fn between(before: &Entities, after: &Entities) -> Self {
        let gone = before.keys().filter(|kind| !after.contains_key(*kind)).cloned();
        let mut kinds = IndexMap::new();
        for (kind, after) in after {
            let known = before.get(kind);
            let diff = KindDiff::between(known.unwrap_or(&Rows::default()), after);
            if known.is_none() || !diff.is_empty() {
                kinds.insert(kind.clone(), diff);
            }
        }
        Diff { removed_kinds: gone.collect(), kinds }
    }

    /// Makes the changes.
    ///
    /// *Invariant*: `Diff::between(&a, &b).apply(a)` gives `b`.
    pub fn apply(self, mut entities: Entities) -> Entities {
        for kind in &self.removed_kinds {
            entities.swap_remove(kind);
        }
        for (kind, diff) in self.kinds {
            let rows = entities.entry(kind).or_default();
            for key in &diff.removed {
                rows.swap_remove(&**key);
            }
            rows.extend(diff.put);
        }
        entities
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.removed_kinds.is_empty() && self.kinds.is_empty()
    }
}

impl KindDiff {
    fn between(before: &Rows, after: &Rows) -> Self {
        let removed = before.keys().filter(|key| !after.contains_key(&***key)).cloned().collect();
        let changed = after.iter().filter(|(key, entity)| before.get(&***key) != Some(entity));
        let put = changed.map(|(key, entity)| (Arc::clone(key), Arc::clone(entity))).collect();
        KindDiff { removed, put }
    }

    fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.put.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::db::Entity;

    fn entities() -> impl Strategy<Value = Entities> {
        let entity = (0..3_i64, prop::option::of("[a-c]")).prop_map(|(port, name)| {
            let entity = json!({"port": port, "name": name});
            entity.as_object().cloned().unwrap_or_default()
        });
        let rows = prop::collection::hash_map("[a-f]", entity, 0..6);
        let kinds = prop::collection::hash_map("(routes|services|plugins)", rows, 0..4);
        kinds.prop_map(|kinds| {
            let shared = |(key, entity): (String, Entity)| (key.into(), Arc::new(entity));
            let rows = |(kind, rows): (String, HashMap<String, Entity>)| {
                (kind, rows.into_iter().map(shared).collect())
            };
            kinds.into_iter().map(rows).collect()
        })
    }

    proptest! {
        #[test]
        fn applying_a_difference_gives_the_other_side(a in entities(), b in entities()) {
            let diff = Diff::between(&a, &b);
            prop_assert_eq!(diff.is_empty(), a == b);
            prop_assert_eq!(diff.apply(a), b);
        }
    }

    #[test]
    fn only_what_changed_is_in_the_difference() {
        let one = |port: i64| -> Entities {
            let entity = |value: Value| value.as_object().unwrap().clone();
            let rows = [("a", entity(json!({"port": port}))), ("b", entity(json!({"port": 2})))];
            let rows = rows.into_iter().map(|(key, entity)| (key.into(), Arc::new(entity))).collect();
            Entities::from_iter([("services".to_owned(), rows)])
        };
        let diff = Diff::between(&one(1), &one(3));
        assert_eq!(diff.kinds["services"].put.keys().map(|key| &**key).collect::<Vec<_>>(), ["a"]);
        assert!(Diff::between(&one(1), &one(1)).is_empty());
    }
}
