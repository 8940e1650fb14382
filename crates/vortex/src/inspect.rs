//! What an encoding tree looks like to people.

use std::fmt;

use crate::arrays::dense;
use crate::choose::Chooser;
use crate::data_type::shape;
use crate::node::Node;
use crate::{Profile, Result, VortexDecoder};

/// One node of a page's encoding tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// The encoding's name, as `docs/format/vortex-blob.md` has it.
    pub name: &'static str,
    /// Its parameters, such as `12 bits`; empty if it has none.
    pub detail: String,
    /// Bytes it takes with all nodes below, before compression by the nodes above.
    pub bytes: usize,
    /// The nodes below.
    pub children: Vec<Self>,
}

/// What a page would take in another encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// The encoding at the top of the tree; what is below it is chosen as usual.
    pub name: &'static str,
    /// Bytes of the page's values, nulls and the values that pages share left out.
    pub bytes: usize,
}

impl VortexDecoder {
    /// Encodes a page anew in each way that its values may have and says how many bytes that takes,
    /// fewest first. A column's choice also weighs the time to decode, so the first is not always
    /// the one that was taken. Nothing for bits, lists and byte strings of one length.
    pub fn page_alternatives(&self, column_index: usize, page: usize) -> Result<Vec<Alternative>> {
        let array = self.read_page(column_index, page)?;
        let (_, values) = dense(&array)?;
        let found = Chooser::new(Profile::Small).alternatives(&values, &shape(array.data_type())?);
        let mut found: Vec<_> = found
            .into_iter()
            .map(|(name, bytes)| Alternative { name, bytes })
            .collect();
        found.sort_by_key(|alternative| alternative.bytes);
        Ok(found)
    }
}

impl Encoding {
    pub(crate) fn of(node: &Node) -> Self {
        let (name, detail) = match node {
            Node::Null => ("null", String::new()),
            Node::Nullable { count, .. } => ("nullable", format!("{count} valid")),
            Node::Plain(_) | Node::PlainBytes { .. } => ("plain", String::new()),
            Node::ConstantWord(_) | Node::ConstantBytes(_) => ("constant", String::new()),
            Node::Packed { width, .. } => ("packed", format!("{width} bits")),
            Node::Delta { .. } => ("delta", String::new()),
            Node::Multiple { factor, .. } => ("multiple", format!("of {factor}")),
            Node::Runs { count, .. } => ("runs", count.to_string()),
            Node::Dictionary { count, .. } => ("dictionary", format!("{count} entries")),
            Node::Zstd { raw_bytes, .. } => ("zstd", format!("of {raw_bytes} bytes")),
            Node::Decimal { exponent, .. } => ("decimal", format!("{exponent} places")),
            Node::Cbor { .. } => ("cbor", String::new()),
            Node::Lists { count, .. } => ("list", format!("{count} elements")),
            Node::FixedLists(_) => ("list", "of one length".to_owned()),
            Node::Text(node) => node.head.name(),
            Node::Patched { count, .. } => ("patched", count.to_string()),
            Node::Shared { .. } => ("shared", String::new()),
            Node::Pco { .. } => ("pco", String::new()),
        };
        Self {
            name,
            detail,
            bytes: node.size(),
            children: node.children().into_iter().map(Self::of).collect(),
        }
    }
}

/// On one line: `dictionary(3 entries)[plain[constant], packed(2 bits)]`.
impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if !self.detail.is_empty() {
            write!(f, "({})", self.detail)?;
        }
        for (place, child) in self.children.iter().enumerate() {
            write!(f, "{}{child}", if place == 0 { "[" } else { ", " })?;
        }
        f.write_str(if self.children.is_empty() { "" } else { "]" })
    }
}
