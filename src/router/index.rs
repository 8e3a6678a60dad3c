//! The index: from a request to the few routes that could match it, in order of priority.
//!
//! A decision tree. An inner node looks at one field and leads to the subtrees of all shapes that
//! the field's values have (exact, prefix, suffix), and to the subtree of the routes that do not
//! restrict the field. Leaves list candidates by rank. Which field a node looks at is chosen by how
//! well it splits the routes at hand: ten thousand routes on one host are split by path, ten
//! thousand hosts with one path by host.
//!
//! *Invariant*: every route that matches a request is in one of the leaves reached.
//! *Cost*: the depth of the tree is bounded, and so is what a request reaches: a match among ten
//! thousand routes costs about what it costs among ten.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::expression::{FieldKey, Hint, Hints, address_bytes};
use super::input::Value;
use super::radix::{Kind, RadixTree};

/// Nodes with so few routes are not split: trying them is as quick as another look-up.
const LEAF_SIZE: usize = 6;
/// So many fields are looked at in a row at most.
const MAX_DEPTH: usize = 4;
/// Routes with more shapes in a field than this count as unrestricted by it below the root.
const MAX_SHAPES: usize = 64;

/// Reads the values of a field out of whatever is routed.
pub(super) trait Fields {
    /// Calls `visit` with each value of the field until it returns false.
    fn each_value(&self, key: &FieldKey, visit: &mut dyn FnMut(Value<'_>) -> bool);
}

/// The routes of one scheme, by their hints.
#[derive(Debug)]
pub(super) struct Index {
    nodes: Vec<Node>,
    root: u32,
}

#[derive(Debug)]
enum Node {
    Leaf(Box<[u32]>),
    Split(Box<Split>),
}

#[derive(Debug)]
struct Split {
    key: FieldKey,
    forward: RadixTree,
    backward: Option<RadixTree>,
    rest: u32,
}

type RouteHints<'h> = &'h [(FieldKey, Vec<Hint>)];

impl Index {
    /// Builds the index of all routes, listed by rank; those that can never match are left out.
    pub(super) fn build(hints: &[&Hints]) -> Self {
        let known: Vec<Option<RouteHints<'_>>> = hints
            .iter()
            .map(|hints| match hints {
                Hints::Never => None,
                Hints::Known(known) => Some(known.as_slice()),
            })
            .collect();
        let ranks = (0..known.len() as u32)
            .filter(|&rank| known.get(rank as usize).is_some_and(Option::is_some))
            .collect();
        let mut index = Self { nodes: Vec::new(), root: 0 };
        index.root = index.grow(ranks, &known, &mut Vec::new());
        index
    }

    /// The ranks of the routes that may match, lowest first, each once.
    pub(super) fn candidates(&self, fields: &dyn Fields) -> Candidates<'_> {
        let mut lists = SmallVec::new();
        self.collect(self.root, fields, &mut lists);
        Candidates { lists }
    }

    fn collect<'i>(&'i self, node: u32, fields: &dyn Fields, lists: &mut Lists<'i>) {
        let split = match self.nodes.get(node as usize) {
            None => return,
            Some(Node::Leaf(ranks)) => {
                if !ranks.is_empty() {
                    lists.push(ranks);
                }
                return;
            }
            Some(Node::Split(split)) => split,
        };
        fields.each_value(&split.key, &mut |value| {
            with_bytes(value, &mut |bytes| {
                split.forward.each_match(bytes, &mut |child| self.collect(child, fields, lists));
                if let Some(backward) = &split.backward {
                    let reversed: SmallVec<[u8; 128]> = bytes.iter().rev().copied().collect();
                    backward.each_match(&reversed, &mut |child| self.collect(child, fields, lists));
                }
            });
            true
        });
        self.collect(split.rest, fields, lists);
    }

    /// Makes the subtree of `ranks`, which are split by all fields in `path` already.
    fn grow(&mut self, ranks: Vec<u32>, hints: &[Option<RouteHints<'_>>], path: &mut Vec<FieldKey>) -> u32 {
        let key = match ranks.len() <= LEAF_SIZE || path.len() >= MAX_DEPTH {
            true => None,
            false => best_field(&ranks, hints, path),
        };
        let Some(key) = key else {
            return self.add(Node::Leaf(ranks.into()));
        };
        let mut shapes: HashMap<&Hint, Vec<u32>, RandomState> = HashMap::default();
        let mut rest = Vec::new();
        for rank in ranks {
            match shapes_of(rank, hints, &key) {
                Some(list) if path.is_empty() || list.len() <= MAX_SHAPES => {
                    for hint in list {
                        let bucket = shapes.entry(hint).or_default();
                        if bucket.last() != Some(&rank) {
                            bucket.push(rank);
                        }
                    }
                }
                _ => rest.push(rank),
            }
        }
        path.push(key.clone());
        let mut forward = RadixTree::new();
        let mut backward: Option<RadixTree> = None;
        for (hint, bucket) in shapes {
            let child = self.grow(bucket, hints, path);
            match hint {
                Hint::Exact(bytes) => forward.insert(bytes, Kind::Exact, child),
                Hint::Prefix(bytes) => forward.insert(bytes, Kind::Prefix, child),
                Hint::Suffix(bytes) => {
                    let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
                    backward.get_or_insert_with(RadixTree::new).insert(&reversed, Kind::Prefix, child);
                }
            }
        }
        let rest = self.grow(rest, hints, path);
        path.pop();
        self.add(Node::Split(Box::new(Split { key, forward, backward, rest })))
    }

    fn add(&mut self, node: Node) -> u32 {
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }
}

/// The shapes of a route in a field.
fn shapes_of<'h>(rank: u32, hints: &[Option<RouteHints<'h>>], key: &FieldKey) -> Option<&'h [Hint]> {
    let known = (*hints.get(rank as usize)?)?;
    known.iter().find(|(other, _)| other == key).map(|(_, shapes)| shapes.as_slice())
}

/// The field that leaves the fewest routes to try, if one is worth it.
fn best_field(ranks: &[u32], hints: &[Option<RouteHints<'_>>], path: &[FieldKey]) -> Option<FieldKey> {
    #[derive(Default)]
    struct Tally<'h> {
        routes: usize,
        shapes: HashMap<&'h Hint, usize, RandomState>,
    }
    let mut tallies: HashMap<&FieldKey, Tally<'_>, RandomState> = HashMap::default();
    for &rank in ranks {
        let known = hints.get(rank as usize).copied().flatten().unwrap_or_default();
        for (key, shapes) in known {
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
        ranks.len() - tally.routes + (largest + average) / 2
    };
    tallies
        .iter()
        .map(|(key, tally)| (left(tally), *key))
        .min_by(|(left, key), (other_left, other_key)| {
            left.cmp(other_left).then_with(|| format!("{key:?}").cmp(&format!("{other_key:?}")))
        })
        .filter(|(left, _)| left * 4 <= ranks.len() * 3)
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

type Lists<'i> = SmallVec<[&'i [u32]; 24]>;

/// Merges the lists of candidates by rank.
pub(super) struct Candidates<'i> {
    lists: Lists<'i>,
}

impl Iterator for Candidates<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let lowest = self.lists.iter().filter_map(|list| list.first()).min().copied()?;
        for list in &mut self.lists {
            if let [first, rest @ ..] = *list
                && *first == lowest
            {
                *list = rest;
            }
        }
        Some(lowest)
    }
}
