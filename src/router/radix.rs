//! A radix tree over bytes that reports every stored key that a text starts with.

use std::sync::Arc;

/// Keys of two kinds, each with a value: *prefix* keys match texts that start with them, *exact* keys match texts that
/// equal them. Copies share the nodes that no change has touched.
///
/// *Cost*: a look-up walks the text once, whatever the number of keys; a change copies the nodes on its way.
#[derive(Debug, Clone)]
pub(super) struct RadixTree<T> {
    root: Node<T>,
}

#[derive(Debug, Clone)]
struct Node<T> {
    label: Box<[u8]>,
    prefix: Option<T>,
    exact: Option<T>,
    /// By their first bytes.
    children: Vec<(u8, Arc<Node<T>>)>,
}

/// How a key matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Prefix,
    Exact,
}

impl<T> Default for RadixTree<T> {
    fn default() -> Self {
        Self { root: Node::new(&[]) }
    }
}

impl<T> RadixTree<T> {
    /// Calls `found` with the value of each key that matches `text`, shortest key first.
    pub(super) fn each_match<'t>(&'t self, text: &[u8], found: &mut dyn FnMut(&'t T)) {
        let mut rest = text;
        let mut node = Some(&self.root);
        while let Some(current) = node {
            let Some(tail) = rest.strip_prefix(&*current.label) else {
                return;
            };
            rest = tail;
            if let Some(value) = &current.prefix {
                found(value);
            }
            let Some(first) = rest.first() else {
                if let Some(value) = &current.exact {
                    found(value);
                }
                return;
            };
            node = current.child(*first);
        }
    }

    /// Calls `visit` with all values.
    pub(super) fn each<'t>(&'t self, visit: &mut dyn FnMut(&'t T)) {
        self.root.each(visit);
    }
}

impl<T: Clone> RadixTree<T> {
    /// Has the value of a key changed; `None` is that of a key that is not stored.
    ///
    /// *Invariant*: is called with keys of bounded length, as is everything that goes down the tree.
    pub(super) fn change(&mut self, key: &[u8], kind: Kind, edit: &mut dyn FnMut(&mut Option<T>)) {
        self.root.change(key, kind, edit);
    }
}

impl<T> Node<T> {
    fn new(label: &[u8]) -> Self {
        Self { label: label.into(), prefix: None, exact: None, children: Vec::new() }
    }

    fn child(&self, first: u8) -> Option<&Self> {
        let at = self.place(first).ok()?;
        self.children.get(at).map(|(_, child)| &**child)
    }

    /// Where the child with this first byte is, or would be.
    fn place(&self, first: u8) -> Result<usize, usize> {
        match self.children.len() {
            0..=8 => {
                let at = self.children.iter().position(|(byte, _)| *byte >= first);
                let at = at.unwrap_or(self.children.len());
                match self.children.get(at) {
                    Some((byte, _)) if *byte == first => Ok(at),
                    _ => Err(at),
                }
            }
            _ => self.children.binary_search_by_key(&first, |(byte, _)| *byte),
        }
    }

    fn is_vacant(&self) -> bool {
        self.prefix.is_none() && self.exact.is_none()
    }

    fn value(&mut self, kind: Kind) -> &mut Option<T> {
        match kind {
            Kind::Prefix => &mut self.prefix,
            Kind::Exact => &mut self.exact,
        }
    }

    fn each<'t>(&'t self, visit: &mut dyn FnMut(&'t T)) {
        self.prefix.iter().chain(&self.exact).for_each(&mut *visit);
        self.children.iter().for_each(|(_, child)| child.each(visit));
    }
}

impl<T: Clone> Node<T> {
    fn change(&mut self, key: &[u8], kind: Kind, edit: &mut dyn FnMut(&mut Option<T>)) {
        let Some(&first) = key.first() else {
            return edit(self.value(kind));
        };
        let at = match self.place(first) {
            Ok(at) => at,
            Err(at) => {
                let mut child = Node::new(key);
                edit(child.value(kind));
                if !child.is_vacant() {
                    self.children.insert(at, (first, Arc::new(child)));
                }
                return;
            }
        };
        let Some((_, child)) = self.children.get_mut(at) else { return };
        let child = Arc::make_mut(child);
        let common = child.label.iter().zip(key).take_while(|(a, b)| a == b).count();
        child.split(common);
        child.change(key.get(common..).unwrap_or_default(), kind, edit);
        if child.tidy() {
            self.children.remove(at);
        }
    }

    /// Shortens the label to `length`, moving the rest of it into a child.
    fn split(&mut self, length: usize) {
        let Some((head, tail)) = self.label.split_at_checked(length) else { return };
        let Some(&first) = tail.first() else { return };
        let (head, tail) = (Node::new(head), tail.into());
        let lower = Node { label: tail, ..std::mem::replace(self, head) };
        self.children.push((first, Arc::new(lower)));
    }

    /// Joins a node without a value and its only child; tells whether nothing is left of it.
    fn tidy(&mut self) -> bool {
        if self.is_vacant()
            && self.children.len() == 1
            && let Some((_, child)) = self.children.pop()
        {
            let label = [&*self.label, &*child.label].concat();
            *self = Node { label: label.into(), ..Arc::unwrap_or_clone(child) };
        }
        self.is_vacant() && self.children.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(tree: &RadixTree<usize>, text: &[u8]) -> Vec<usize> {
        let mut found = Vec::new();
        tree.each_match(text, &mut |number| found.push(*number));
        found
    }

    /// Nodes that carry nothing and lead nowhere else than on.
    fn idle(node: &Node<usize>) -> usize {
        let own = usize::from(node.is_vacant() && node.children.len() < 2);
        own + node.children.iter().map(|(_, child)| idle(child)).sum::<usize>()
    }

    proptest! {
        #[test]
        fn a_look_up_finds_what_a_scan_finds(
            changes in proptest::collection::vec(("[ab]{0,5}", any::<bool>(), prop::bool::weighted(0.7)), 0..40),
            text in "[abc]{0,6}",
        ) {
            let mut tree = RadixTree::default();
            let mut stored: Vec<(String, bool, usize)> = Vec::new();
            for (number, (key, exact, is_added)) in changes.into_iter().enumerate() {
                let kind = if exact { Kind::Exact } else { Kind::Prefix };
                let before = tree.clone();
                let kept = matches(&before, text.as_bytes());
                tree.change(key.as_bytes(), kind, &mut |value| *value = is_added.then_some(number));
                prop_assert_eq!(matches(&before, text.as_bytes()), kept);
                stored.retain(|(other, other_exact, _)| (other, *other_exact) != (&key, exact));
                if is_added {
                    stored.push((key, exact, number));
                }
            }
            let is_found = |(key, exact, _): &&(String, bool, usize)| {
                if *exact { text == *key } else { text.starts_with(&**key) }
            };
            let mut expected: Vec<usize> = stored.iter().filter(is_found).map(|(_, _, number)| *number).collect();
            let mut found = matches(&tree, text.as_bytes());
            found.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
            let mut all = 0;
            tree.each(&mut |_| all += 1);
            prop_assert_eq!(all, stored.len());
            prop_assert!(tree.root.children.iter().all(|(_, child)| idle(child) == 0));
        }
    }
}
