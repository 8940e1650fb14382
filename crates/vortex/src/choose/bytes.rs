//! Encodings of byte strings and of JSON.

use bytes::Bytes;

use crate::Profile;
use crate::bitpack::packed_bytes;
use crate::choose::plan::{Place, STRINGS, Way};
use crate::choose::words::plain;
use crate::choose::{Chooser, shorter};
use crate::distinct::distinct_strings;
use crate::json::cbor_of;
use crate::node::Node;
use crate::text_node::Head;
use crate::texts::Strings;

/// Which part of a column's strings the choice of an encoding for them is.
const STRINGS_PART: u64 = 63;

/// Fewer codes than this are not compressed.
const CODES_MIN: usize = 1_024;

impl Chooser {
    /// Encodes byte strings, each of its own length.
    pub(super) fn strings(&mut self, offsets: &[i32], data: &[u8]) -> Node {
        let strings = Strings { offsets, data };
        if let Some(constant) = constant(&mut strings.iter()) {
            return constant;
        }
        // Their bytes tell more of what they cost than how many there are.
        let weight = data.len() + strings.count();
        let place = Place::root(self.part.wrapping_add(STRINGS_PART));
        let kept = self.plan.way(place).and_then(|way| {
            let node = self.strings_way(way, &strings)?;
            let cost = node.cost(strings.count(), self.profile);
            let is_kept = self.plan.keeps(place, cost, weight, STRINGS);
            is_kept.then_some(node)
        });
        if let Some(node) = kept {
            return node;
        }
        let node = self.search_strings(&strings);
        let way = match &node {
            Node::Dictionary { .. } => Way::Dictionary,
            Node::Text(text) => match text.head {
                Head::Shapes(_) => Way::Shapes,
                Head::Fsst { .. } | Head::Blocks { .. } => Way::Strings,
                _ => Way::Structured,
            },
            _ => Way::Strings,
        };
        let cost = node.cost(strings.count(), self.profile);
        self.plan.note(place, way, cost, weight);
        node
    }

    /// The strings in one way; nothing where they cannot have it.
    fn strings_way(&mut self, way: Way, strings: &Strings<'_>) -> Option<Node> {
        match way {
            Way::Dictionary => self.string_dictionary(strings),
            Way::Shapes => self.shapes(*strings),
            Way::Structured => self.structured(*strings),
            _ => Some(self.compressed_strings(strings, None)),
        }
    }

    fn search_strings(&mut self, strings: &Strings<'_>) -> Node {
        let dictionary = self.string_dictionary(strings);
        if let Some(dictionary) = &dictionary
            && dictionary.size() * 16 < strings.data.len()
        {
            return dictionary.clone();
        }
        let structured = match self.shapes(*strings) {
            Some(shapes) => Some(shapes),
            None => self.structured(*strings),
        };
        let light = match (dictionary, structured) {
            (Some(one), Some(other)) => Some(self.cheaper(one, other, strings.count())),
            (one, other) => one.or(other),
        };
        match light {
            // What is compressed already inside does not get smaller.
            Some(Node::Text(node)) if matches!(node.head, Head::Shapes(_)) => Node::Text(node),
            light => self.compressed_strings(strings, light),
        }
    }

    /// The cheapest of the dictionary, the plain strings and those compressed.
    fn compressed_strings(&mut self, strings: &Strings<'_>, dictionary: Option<Node>) -> Node {
        let count = strings.count();
        let plain = Node::PlainBytes {
            lengths: Box::new(self.lengths(strings.offsets)),
            data: Bytes::copy_from_slice(strings.data),
        };
        let light = match dictionary {
            Some(dictionary) => self.cheaper(dictionary, plain, count),
            None => plain,
        };
        let size = light.size();
        if size < super::ZSTD_BYTES_MIN {
            return light;
        }
        let dense = match self.profile {
            // Symbols are looked up about as fast as bytes come from memory.
            Profile::Fast => return self.coded(*strings, size).unwrap_or(light),
            Profile::Balanced => self.blocks(*strings, size - size / 16),
            Profile::Small => self.blocks(*strings, size),
        };
        match dense {
            Some(dense) => self.cheaper(dense, light, count),
            None => light,
        }
    }

    pub(super) fn string_dictionary(&mut self, strings: &Strings<'_>) -> Option<Node> {
        let (entries, codes) = distinct(strings.iter(), strings.count())?;
        let mut offsets = vec![0];
        let mut data = Vec::new();
        for entry in &entries {
            data.extend_from_slice(entry);
            offsets.push(i32::try_from(data.len()).ok()?);
        }
        let code_bits = u64::BITS - (entries.len() as u64 - 1).leading_zeros();
        if data.len() + packed_bytes(codes.len(), code_bits) / 4
            > strings.data.len() + strings.count()
        {
            return None;
        }
        let entries_node = Strings {
            offsets: &offsets,
            data: &data,
        };
        Some(Node::Dictionary {
            count: entries.len(),
            values: Box::new(self.compressed_strings(&entries_node, None)),
            codes: Box::new(self.codes(&codes)),
        })
    }

    /// Encodes codes of a dictionary, compressed where sequences of them come again.
    fn codes(&mut self, codes: &[u64]) -> Node {
        let light = self.part_words(41, codes, 4);
        match light.size() * 8 < codes.len() || codes.len() < CODES_MIN {
            true => light,
            false => self.compressed(light, codes.len(), || plain(codes, 4)),
        }
    }

    /// Encodes byte strings that are all `width` long.
    pub(super) fn fixed(&mut self, data: &[u8], width: usize) -> Node {
        if let Some(constant) = constant(&mut data.chunks_exact(width)) {
            return constant;
        }
        let plain = Node::Plain(Bytes::copy_from_slice(data));
        let light = match distinct(data.chunks_exact(width), data.len() / width) {
            Some((entries, codes)) => {
                let dictionary = Node::Dictionary {
                    count: entries.len(),
                    values: Box::new(Node::Plain(entries.concat().into())),
                    codes: Box::new(self.words(&codes, 4)),
                };
                shorter(dictionary, plain.clone())
            }
            None => plain.clone(),
        };
        self.compressed(light, data.len() / width, || plain)
    }

    /// Encodes JSON texts: as CBOR where they come back exactly, unless plain texts are smaller.
    pub(super) fn json(&mut self, offsets: &[i32], data: &[u8]) -> Node {
        let texts = self.strings(offsets, data);
        let (Node::PlainBytes { .. } | Node::Zstd { .. }) = &texts else {
            return texts;
        };
        let strings = Strings { offsets, data };
        let (mut item_offsets, mut items) = (vec![0], Vec::with_capacity(data.len()));
        let mut kept = Vec::with_capacity(strings.count());
        for text in strings.iter() {
            let item = std::str::from_utf8(text).ok().and_then(cbor_of);
            kept.push(item.is_none());
            items.extend_from_slice(item.as_deref().unwrap_or(text));
            // An item may be a little longer than its text.
            let Ok(end) = i32::try_from(items.len()) else {
                return texts;
            };
            item_offsets.push(end);
        }
        if kept.iter().all(|kept| *kept) {
            return texts;
        }
        let cbor = Node::Cbor {
            texts: Box::new(self.bits(&kept.into())),
            items: Box::new(self.strings(&item_offsets, &items)),
        };
        self.cheaper(cbor, texts, strings.count())
    }
}

/// The constant, if all strings are one.
fn constant<'a>(strings: &mut impl Iterator<Item = &'a [u8]>) -> Option<Node> {
    let first = strings.next()?;
    strings
        .all(|other| other == first)
        .then(|| Node::ConstantBytes(Bytes::copy_from_slice(first)))
}

/// The distinct strings and the code of each; nothing if more than half of them differ.
fn distinct<'a>(
    strings: impl Iterator<Item = &'a [u8]>,
    count: usize,
) -> Option<(Vec<&'a [u8]>, Vec<u64>)> {
    let (entries, codes) = distinct_strings(strings, count / 2, usize::MAX)?;
    let codes = codes.into_iter().map(u64::from).collect();
    (!entries.is_empty()).then_some((entries, codes))
}
