//! Whether Pcodec is worth its time, page after page of a column.

use crate::Profile;
use crate::choose::Chooser;
use crate::node::Node;

/// Fewer numbers have no distribution to speak of.
const COUNT_MIN: usize = 256;

/// Pages of a column that are not tried again after one where Pcodec did not win.
const PAGES_SKIPPED: u8 = 7;

/// What trying has shown so far in one column.
#[derive(Debug, Default)]
pub(super) struct Pcodec {
    skip: u8,
}

impl Chooser {
    /// Whole numbers in Pcodec's bytes, if they may win over `best`.
    pub(super) fn whole_pco(&mut self, words: &[u64], best: &Node) -> Option<Node> {
        self.pco(words, best, false, |words, level| {
            let numbers: Vec<i64> = words.iter().map(|word| word.cast_signed()).collect();
            crate::pco::encode(&numbers, level)
        })
    }

    /// The same for 64-bit floats.
    pub(super) fn float_pco(&mut self, words: &[u64], bytes: usize, best: &Node) -> Option<Node> {
        if bytes != 8 {
            return None;
        }
        self.pco(words, best, true, |words, level| {
            let floats: Vec<f64> = words.iter().map(|word| f64::from_bits(*word)).collect();
            crate::pco::encode(&floats, level)
        })
    }

    fn pco(
        &mut self,
        words: &[u64],
        best: &Node,
        is_float: bool,
        encode: impl Fn(&[u64], usize) -> Option<Vec<u8>>,
    ) -> Option<Node> {
        let level = match self.profile {
            Profile::Fast => return None,
            Profile::Balanced => 4,
            Profile::Small => 8,
        };
        // At least as many bytes would have to go as its time is worth.
        let least = Node::Pco {
            is_float,
            data: bytes::Bytes::new(),
        };
        let count = words.len();
        if count < COUNT_MIN
            || least.cost(count, self.profile) + count / 16 >= best.cost(count, self.profile)
        {
            return None;
        }
        if self.pcodec.skip > 0 {
            self.pcodec.skip -= 1;
            return None;
        }
        let node = Node::Pco {
            is_float,
            data: encode(words, level)?.into(),
        };
        if self.profile == Profile::Balanced
            && node.cost(count, self.profile) >= best.cost(count, self.profile)
        {
            self.pcodec.skip = PAGES_SKIPPED;
            return None;
        }
        Some(node)
    }
}
