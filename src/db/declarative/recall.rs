//! The blocks of the configuration that was read last.

use std::collections::HashMap;
use std::rc::Rc;

use aws_lc_rs::digest;
use serde_json::{Map, Value};

use super::block::Block;
use super::kinds::Kinds;
use crate::schema::Errors;

/// Blocks by what their items say.
///
/// *Invariant*: two items that are written alike are two entities, so each block is used once; ids and
/// secrets that are generated at random stay with the item they were made for.
#[derive(Debug, Default)]
pub(super) struct Recall {
    blocks: HashMap<Digest, Vec<Rc<Block>>>,
}

/// A block and where it stands.
#[derive(Debug)]
pub(super) struct Placed {
    /// The number of the kind of its list.
    pub(super) kind: usize,
    /// Its place in the list, from 1.
    pub(super) index: usize,
    pub(super) block: Rc<Block>,
}

/// So much of a SHA-256 that no two items share it.
type Digest = [u8; 16];

impl Recall {
    /// The blocks of a document, in the order of kinds, and what to remember of them.
    ///
    /// # Errors
    /// Where an item cannot be accepted, what is known of it.
    pub(super) fn blocks(
        &self,
        kinds: &Kinds,
        document: &Map<String, Value>,
    ) -> Result<(Vec<Placed>, Recall), Errors> {
        let mut placed = Vec::new();
        let mut recall = Recall { blocks: HashMap::with_capacity(self.blocks.len()) };
        let mut written = Vec::new();
        for (kind, (name, _)) in kinds.iter().enumerate() {
            let Some(Value::Array(items)) = document.get(name) else { continue };
            for (index, item) in items.iter().enumerate() {
                written.clear();
                written.extend_from_slice(&kind.to_le_bytes());
                write(item, &mut written);
                let block = self.block(digest_of(&written), &mut recall, || Block::of(kinds, name, item))?;
                placed.push(Placed { kind, index: index + 1, block });
            }
        }
        Ok((placed, recall))
    }

    fn block(
        &self,
        digest: Digest,
        taken: &mut Recall,
        make: impl FnOnce() -> Result<Block, Errors>,
    ) -> Result<Rc<Block>, Errors> {
        let alike = taken.blocks.entry(digest).or_default();
        let known = self.blocks.get(&digest).and_then(|known| known.get(alike.len()));
        let block = match known {
            Some(known) => Rc::clone(known),
            None => Rc::new(make()?),
        };
        alike.push(Rc::clone(&block));
        Ok(block)
    }
}

fn digest_of(written: &[u8]) -> Digest {
    let digest = digest::digest(&digest::SHA256, written);
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

/// Writes a value so that different values are written differently.
fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(b'n'),
        Value::Bool(flag) => out.push(if *flag { b't' } else { b'f' }),
        Value::Number(number) => {
            out.push(b'd');
            write_text(&number.to_string(), out);
        }
        Value::String(text) => {
            out.push(b's');
            write_text(text, out);
        }
        Value::Array(items) => {
            out.push(b'a');
            out.extend_from_slice(&items.len().to_le_bytes());
            items.iter().for_each(|item| write(item, out));
        }
        Value::Object(map) => {
            out.push(b'o');
            out.extend_from_slice(&map.len().to_le_bytes());
            for (key, value) in map {
                write_text(key, out);
                write(value, out);
            }
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&text.len().to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}
