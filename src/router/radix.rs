//! A radix tree over bytes that reports every stored key that a text starts with.

/// Stands for "nothing stored".
const NONE: u32 = u32::MAX;

/// Keys of two kinds, each with a number: *prefix* keys match texts that start with them, *exact*
/// keys match texts that equal them.
///
/// *Cost*: a look-up walks the text once, whatever the number of keys.
#[derive(Debug)]
pub(super) struct RadixTree {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    label: Box<[u8]>,
    prefix: u32,
    exact: u32,
    /// First bytes of the children, sorted; beside them the children.
    first_bytes: Vec<u8>,
    children: Vec<u32>,
}

/// How a key matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Prefix,
    Exact,
}

impl RadixTree {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::new(&[])] }
    }

    /// Stores `number` for `key`.
    pub(super) fn insert(&mut self, key: &[u8], kind: Kind, number: u32) {
        let at = self.descend(key);
        if let Some(node) = self.nodes.get_mut(at) {
            match kind {
                Kind::Prefix => node.prefix = number,
                Kind::Exact => node.exact = number,
            }
        }
    }

    /// Calls `found` with the number of each key that matches `text`, shortest key first.
    pub(super) fn each_match(&self, text: &[u8], found: &mut dyn FnMut(u32)) {
        let mut rest = text;
        let mut node = self.nodes.first();
        while let Some(current) = node {
            let Some(tail) = rest.strip_prefix(&*current.label) else {
                return;
            };
            rest = tail;
            if current.prefix != NONE {
                found(current.prefix);
            }
            let Some(first) = rest.first() else {
                if current.exact != NONE {
                    found(current.exact);
                }
                return;
            };
            node = current.child(*first).and_then(|child| self.nodes.get(child));
        }
    }

    /// The node for `key`, made if need be.
    fn descend(&mut self, key: &[u8]) -> usize {
        let mut at = 0;
        let mut rest = key;
        loop {
            let Some(&first) = rest.first() else {
                return at;
            };
            let Some(child) = self.nodes.get(at).and_then(|node| node.child(first)) else {
                return self.add_child(at, Node::new(rest));
            };
            let common = self
                .nodes
                .get(child)
                .map_or(0, |node| node.label.iter().zip(rest).take_while(|(a, b)| a == b).count());
            self.split(child, common);
            at = child;
            rest = rest.get(common..).unwrap_or_default();
        }
    }

    /// Shortens the label of `at` to `length`, moving the rest of it into a child.
    fn split(&mut self, at: usize, length: usize) {
        let Some(node) = self.nodes.get_mut(at) else {
            return;
        };
        let Some((head, tail)) = node.label.split_at_checked(length) else {
            return;
        };
        if tail.is_empty() {
            return;
        }
        let lower = Node { label: tail.into(), ..std::mem::replace(node, Node::new(head)) };
        self.add_child(at, lower);
    }

    fn add_child(&mut self, at: usize, child: Node) -> usize {
        let number = self.nodes.len();
        if let (Some(node), Some(&first)) = (self.nodes.get_mut(at), child.label.first()) {
            let place = node.first_bytes.partition_point(|&byte| byte < first);
            node.first_bytes.insert(place, first);
            node.children.insert(place, number as u32);
        }
        self.nodes.push(child);
        number
    }
}

impl Node {
    fn new(label: &[u8]) -> Self {
        Self { label: label.into(), prefix: NONE, exact: NONE, first_bytes: Vec::new(), children: Vec::new() }
    }

    fn child(&self, first: u8) -> Option<usize> {
        let place = match self.first_bytes.len() {
            0..=8 => self.first_bytes.iter().position(|&byte| byte == first)?,
            _ => self.first_bytes.binary_search(&first).ok()?,
        };
        self.children.get(place).map(|&child| child as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(tree: &RadixTree, text: &[u8]) -> Vec<u32> {
        let mut found = Vec::new();
        tree.each_match(text, &mut |number| found.push(number));
        found
    }

    proptest! {
        #[test]
        fn a_look_up_finds_what_a_scan_finds(
            keys in proptest::collection::vec(("[ab]{0,5}", any::<bool>()), 0..20),
            text in "[abc]{0,6}",
        ) {
            let mut tree = RadixTree::new();
            let mut stored: Vec<(String, bool)> = Vec::new();
            for (key, exact) in keys {
                let kind = if exact { Kind::Exact } else { Kind::Prefix };
                if !stored.contains(&(key.clone(), exact)) {
                    tree.insert(key.as_bytes(), kind, stored.len() as u32);
                    stored.push((key, exact));
                }
            }
            let mut expected: Vec<u32> = (0..stored.len() as u32)
                .filter(|&number| {
                    let (key, exact) = &stored[number as usize];
                    if *exact { text == *key } else { text.starts_with(&**key) }
                })
                .collect();
            let mut found = matches(&tree, text.as_bytes());
            found.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
