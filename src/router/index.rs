//! The index: from a request to the few routes that could match it, in order of priority.
//!
//! A decision tree. An inner node looks at one field and leads to the subtrees of all shapes that
//! the field's values have (exact, prefix, suffix), and to the subtree of the routes that do not
//! restrict the field. Leaves list candidates by rank. Which field a node looks at is chosen by how
//! well it splits the routes at hand: ten thousand routes on one host are split by path, ten
//! thousand hosts with one path by host.
//!
//! Routes come and go one by one: a changed copy shares all nodes but those on the way to the route's leaves. A subtree
//! into which as many came as were there when its field was chosen is grown anew, so that the choice stays a good one.
//!
//! *Invariant*: every route that matches a request is in one of the leaves reached.
//! *Cost*: the depth of the tree is bounded, and so is what a request reaches: a match among ten
//! thousand routes costs about what it costs among ten.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::Candidate;
use super::expression::{FieldKey, Hint, Hints, address_bytes};
use super::input::{Scheme, Value};
use super::radix::{Kind, RadixTree};

/// Nodes with so few routes are not split: trying them is as quick as another look-up.
const LEAF_SIZE: usize = 6;
/// So many fields are looked at in a row at most.
const MAX_DEPTH: usize = 4;
/// Routes with more shapes in a field than this count as unrestricted by it below the root.
const MAX_SHAPES: usize = 64;
/// Shapes are looked up by so many bytes at most, which bounds the depth of the radix trees.
const MAX_KEY: usize = 256;
/// A subtree is not grown anew before so many routes came.
const LEAST_CHANGES: usize = 32;

/// Reads the values of a field out of whatever is routed.
pub(super) trait Fields {
    /// Calls `visit` with each value of the field until it returns false.
    fn each_value(&self, key: &FieldKey, visit: &mut dyn FnMut(Value<'_>) -> bool);
}

/// The routes of one scheme, by their hints.
#[derive(Debug, Clone)]
pub(super) struct Index {
    scheme: Scheme,
    root: Arc<Node>,
}

type Candidates = Vec<Arc<Candidate>>;

#[derive(Debug, Clone)]
enum Node {
    Leaf(Leaf),
    Split(Box<Split>),
}

#[derive(Debug, Clone, Default)]
struct Leaf {
    /// By rank.
    candidates: Candidates,
    /// With more candidates than this it is tried to split it.
    room: usize,
}

#[derive(Debug, Clone)]
struct Split {
    key: FieldKey,
    forward: RadixTree<Arc<Node>>,
    backward: Option<RadixTree<Arc<Node>>>,
    rest: Arc<Node>,
    /// How many more routes may come before it is grown anew.
    room: usize,
}

impl Index {
    /// Builds the index of candidates, listed by rank; those that can never match are left out.
    pub(super) fn build(scheme: Scheme, mut candidates: Candidates) -> Self {
        candidates.retain(|candidate| known(candidate, scheme).is_some());
        Self { scheme, root: Arc::new(grow(scheme, candidates, &mut Vec::new())) }
    }

    /// An index that leads to all candidates, whatever the request.
    #[cfg(test)]
    pub(super) fn scan(scheme: Scheme, candidates: Candidates) -> Self {
        Self { scheme, root: Arc::new(Node::Leaf(Leaf::of(candidates))) }
    }

    /// Adds a candidate.
    pub(super) fn insert(&mut self, candidate: &Arc<Candidate>) {
        if known(candidate, self.scheme).is_some() {
            Arc::make_mut(&mut self.root).insert(self.scheme, candidate, &mut Vec::new());
        }
    }

    /// Takes a candidate out.
    pub(super) fn remove(&mut self, candidate: &Candidate) {
        if known(candidate, self.scheme).is_some() {
            Arc::make_mut(&mut self.root).remove(self.scheme, candidate, 0);
        }
    }

    /// The candidates that may match, in order of rank, each once.
    pub(super) fn candidates(&self, fields: &dyn Fields) -> Found<'_> {
        let mut lists = SmallVec::new();
        self.root.collect(fields, &mut lists);
        Found { lists }
    }
}

impl Node {
    fn collect<'i>(&'i self, fields: &dyn Fields, lists: &mut Lists<'i>) {
        let split = match self {
            Node::Leaf(leaf) => {
                if !leaf.candidates.is_empty() {
                    lists.push(&leaf.candidates);
                }
                return;
            }
            Node::Split(split) => split,
        };
        fields.each_value(&split.key, &mut |value| {
            with_bytes(value, &mut |bytes| {
                split.forward.each_match(bytes, &mut |child| child.collect(fields, lists));
                if let Some(backward) = &split.backward {
                    let reversed: SmallVec<[u8; 128]> = bytes.iter().rev().copied().collect();
                    backward.each_match(&reversed, &mut |child| child.collect(fields, lists));
                }
            });
            true
        });
        split.rest.collect(fields, lists);
    }

    fn insert(&mut self, scheme: Scheme, candidate: &Arc<Candidate>, path: &mut Vec<FieldKey>) {
        match self {
            Node::Leaf(leaf) => {
                let at = leaf.candidates.partition_point(|other| other.rank < candidate.rank);
                if leaf.candidates.get(at).is_some_and(|other| other.rank == candidate.rank) {
                    return;
                }
                leaf.candidates.insert(at, Arc::clone(candidate));
                if leaf.candidates.len() > leaf.room {
                    *self = grow(scheme, std::mem::take(&mut leaf.candidates), path);
                }
            }
            Node::Split(split) if split.room > 0 => {
                split.room -= 1;
                split.insert(scheme, candidate, path);
            }
            Node::Split(_) => {
                let mut all = vec![Arc::clone(candidate)];
                self.each(&mut |candidate| all.push(Arc::clone(candidate)));
                all.sort_by_key(|candidate| candidate.rank);
                all.dedup_by_key(|candidate| candidate.rank);
                *self = grow(scheme, all, path);
            }
        }
    }

    fn remove(&mut self, scheme: Scheme, candidate: &Candidate, depth: usize) {
        match self {
            Node::Leaf(leaf) => leaf.candidates.retain(|other| other.rank != candidate.rank),
            Node::Split(split) => split.remove(scheme, candidate, depth),
        }
    }

    /// Calls `visit` with each candidate, with some more than once.
    fn each<'n>(&'n self, visit: &mut dyn FnMut(&'n Arc<Candidate>)) {
        match self {
            Node::Leaf(leaf) => leaf.candidates.iter().for_each(visit),
            Node::Split(split) => {
                split.forward.each(&mut |child| child.each(visit));
                split.backward.iter().for_each(|tree| tree.each(&mut |child| child.each(visit)));
                split.rest.each(visit);
            }
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Node::Leaf(leaf) if leaf.candidates.is_empty())
    }
}

impl Split {
    fn insert(&mut self, scheme: Scheme, candidate: &Arc<Candidate>, path: &mut Vec<FieldKey>) {
        let shapes = placing(candidate, scheme, &self.key, path.len());
        path.push(self.key.clone());
        for shape in shapes.into_iter().flatten() {
            let path = &mut *path;
            self.change(shape, &mut |child| {
                let child = child.get_or_insert_with(|| Arc::new(Node::Leaf(Leaf::of(Vec::new()))));
                Arc::make_mut(child).insert(scheme, candidate, path);
            });
        }
        if shapes.is_none() {
            Arc::make_mut(&mut self.rest).insert(scheme, candidate, path);
        }
        path.pop();
    }

    fn remove(&mut self, scheme: Scheme, candidate: &Candidate, depth: usize) {
        let shapes = placing(candidate, scheme, &self.key, depth);
        for shape in shapes.into_iter().flatten() {
            self.change(shape, &mut |child| {
                let Some(node) = child else { return };
                Arc::make_mut(node).remove(scheme, candidate, depth + 1);
                if node.is_empty() {
                    *child = None;
                }
            });
        }
        if shapes.is_none() {
            Arc::make_mut(&mut self.rest).remove(scheme, candidate, depth + 1);
        }
    }

    /// Has the subtree of a shape changed.
    fn change(&mut self, shape: &Hint, edit: &mut dyn FnMut(&mut Option<Arc<Node>>)) {
        match shape {
            Hint::Exact(bytes) if bytes.len() <= MAX_KEY => self.forward.change(bytes, Kind::Exact, edit),
            Hint::Exact(bytes) | Hint::Prefix(bytes) => {
                let start = bytes.get(..MAX_KEY).unwrap_or(bytes);
                self.forward.change(start, Kind::Prefix, edit);
            }
            Hint::Suffix(bytes) => {
                let reversed: Vec<u8> = bytes.iter().rev().take(MAX_KEY).copied().collect();
                let backward = self.backward.get_or_insert_with(RadixTree::default);
                backward.change(&reversed, Kind::Prefix, edit);
            }
        }
    }
}

impl Leaf {
    fn of(candidates: Candidates) -> Leaf {
        let room = if candidates.len() <= LEAF_SIZE { LEAF_SIZE } else { candidates.len() * 2 };
        Leaf { candidates, room }
    }
}

/// What every matching request has, unless none can match.
fn known(candidate: &Candidate, scheme: Scheme) -> Option<&[(FieldKey, Vec<Hint>)]> {
    match candidate.part.hints(scheme) {
        Hints::Never => None,
        Hints::Known(known) => Some(known),
    }
}

/// The shapes of a candidate in a field.
fn shapes_of<'c>(candidate: &'c Candidate, scheme: Scheme, key: &FieldKey) -> Option<&'c [Hint]> {
    let known = known(candidate, scheme)?;
    known.iter().find(|(other, _)| other == key).map(|(_, shapes)| shapes.as_slice())
}

/// The shapes under which a node that looks at a field lists a candidate; `None` for the rest.
fn placing<'c>(candidate: &'c Candidate, scheme: Scheme, key: &FieldKey, depth: usize) -> Option<&'c [Hint]> {
    shapes_of(candidate, scheme, key).filter(|shapes| depth == 0 || shapes.len() <= MAX_SHAPES)
}

/// Makes the subtree of candidates that are split by all fields in `path` already.
fn grow(scheme: Scheme, candidates: Candidates, path: &mut Vec<FieldKey>) -> Node {
    let key = match candidates.len() <= LEAF_SIZE || path.len() >= MAX_DEPTH {
        true => None,
        false => best_field(&candidates, scheme, path),
    };
    let Some(key) = key else {
        return Node::Leaf(Leaf::of(candidates));
    };
    let room = candidates.len().max(LEAST_CHANGES);
    let mut shapes: HashMap<&Hint, Candidates, RandomState> = HashMap::default();
    let mut rest = Vec::new();
    for candidate in &candidates {
        match placing(candidate, scheme, &key, path.len()) {
            Some(list) => {
                for hint in list {
                    let bucket = shapes.entry(hint).or_default();
                    if bucket.last().is_none_or(|last| last.rank != candidate.rank) {
                        bucket.push(Arc::clone(candidate));
                    }
                }
            }
            None => rest.push(Arc::clone(candidate)),
        }
    }
    path.push(key.clone());
    let rest = Arc::new(grow(scheme, rest, path));
    let mut split = Split { key, forward: RadixTree::default(), backward: None, rest, room };
    for (hint, bucket) in shapes {
        split.change(hint, &mut |child| match child {
            // Another shape that is as long, as far as it is looked up.
            Some(child) => {
                for candidate in &bucket {
                    Arc::make_mut(child).insert(scheme, candidate, path);
                }
            }
            None => *child = Some(Arc::new(grow(scheme, bucket.clone(), path))),
        });
    }
    path.pop();
    Node::Split(Box::new(split))
}

/// The field that leaves the fewest routes to try, if one is worth it.
fn best_field(candidates: &[Arc<Candidate>], scheme: Scheme, path: &[FieldKey]) -> Option<FieldKey> {
    #[derive(Default)]
    struct Tally<'h> {
        routes: usize,
        shapes: HashMap<&'h Hint, usize, RandomState>,
    }
    let mut tallies: HashMap<&FieldKey, Tally<'_>, RandomState> = HashMap::default();
    for candidate in candidates {
        for (key, shapes) in known(candidate, scheme).unwrap_or_default() {
            if path.contains(key) {
                continue;
            }
            let tally = tallies.entry(key).or_default();
            tally.routes += 1;
            for shape in shapes {
                *tally.shapes.entry(shape).or_default() += 1;
            }
        }
    }
    let left = |tally: &Tally<'_>| {
        let largest = tally.shapes.values().copied().max().unwrap_or(0);
        let average = tally.shapes.values().sum::<usize>() / tally.shapes.len().max(1);
        candidates.len() - tally.routes + (largest + average) / 2
    };
    tallies
        .iter()
        .map(|(key, tally)| (left(tally), *key))
        .min_by(|(left, key), (other_left, other_key)| {
            left.cmp(other_left).then_with(|| format!("{key:?}").cmp(&format!("{other_key:?}")))
        })
        .filter(|(left, _)| left * 4 <= candidates.len() * 3)
        .map(|(_, key)| key.clone())
}

/// Hands over a value in the form in which hints are stored.
fn with_bytes(value: Value<'_>, visit: &mut dyn FnMut(&[u8])) {
    match value {
        Value::Text(text) => visit(text.as_bytes()),
        Value::Int(number) => visit(&number.to_be_bytes()),
        Value::Ip(address) => visit(&address_bytes(address)),
        Value::Bytes(bytes) => visit(bytes),
    }
}

type Lists<'i> = SmallVec<[&'i [Arc<Candidate>]; 24]>;

/// Merges the lists of candidates by rank.
pub(super) struct Found<'i> {
    lists: Lists<'i>,
}

impl<'i> Iterator for Found<'i> {
    type Item = &'i Arc<Candidate>;

    fn next(&mut self) -> Option<&'i Arc<Candidate>> {
        let first = self.lists.iter().filter_map(|list| list.first());
        let lowest = first.min_by(|one, other| one.rank.cmp(&other.rank))?;
        for list in &mut self.lists {
            if let [first, rest @ ..] = *list
                && Arc::ptr_eq(first, lowest)
            {
                *list = rest;
            }
        }
        Some(lowest)
    }
}
