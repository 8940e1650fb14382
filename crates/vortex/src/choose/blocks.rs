//! Byte strings in blocks that Zstandard compresses, each by itself.

use crate::Profile;
use crate::choose::Chooser;
use crate::node::Node;
use crate::text_node::{Head, TextNode};
use crate::texts::{Strings, at};

/// Raw bytes of a block, about: reading one string decompresses one block.
const BLOCK_BYTES: usize = 64 << 10;

impl Chooser {
    /// Compresses strings, if they take less than `most` bytes then.
    pub(super) fn blocks(&mut self, strings: Strings<'_>, most: usize) -> Option<Node> {
        let (count, raw_bytes) = (strings.count(), strings.data.len());
        let wanted = if self.profile == Profile::Small {
            usize::MAX
        } else {
            BLOCK_BYTES
        };
        let blocks = raw_bytes.div_ceil(wanted).clamp(1, count);
        let block_rows = count.div_ceil(blocks);
        let lengths = self.lengths(strings.offsets);
        let budget = most.checked_sub(lengths.size())?;
        let ends: Vec<usize> = strings
            .offsets
            .iter()
            .step_by(block_rows)
            .map(|end| at(*end))
            .collect();
        let block = |number: usize| {
            let end = ends.get(number + 1).copied().unwrap_or(raw_bytes);
            &strings.data[ends[number]..end]
        };
        let count = strings.count().div_ceil(block_rows);
        if count > 2 {
            // One of them tells whether the others are worth it.
            let sample = block(count / 2);
            let size = self.zstd.compress(sample)?.len();
            if size as u64 * raw_bytes as u64 > (budget + budget / 8) as u64 * sample.len() as u64 {
                return None;
            }
        }
        let (mut frames, mut sizes) = (Vec::new(), Vec::with_capacity(count));
        for number in 0..count {
            let frame = self.zstd.compress(block(number))?;
            sizes.push(frame.len() as u64);
            frames.extend_from_slice(&frame);
            if frames.len() > budget {
                return None;
            }
        }
        let head = Head::Blocks {
            raw_bytes,
            block_rows,
            frame_bytes: frames.len(),
        };
        let node = Node::Text(Box::new(TextNode {
            head,
            children: vec![lengths, self.part_words(40, &sizes, 4)],
            data: frames.into(),
        }));
        (node.size() < most).then_some(node)
    }
}
