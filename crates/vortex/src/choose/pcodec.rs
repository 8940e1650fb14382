//! Numbers in Pcodec's bytes.

use ::bytes::Bytes;

use crate::Profile;
use crate::choose::Chooser;
use crate::node::Node;
use crate::pco;

/// Fewer numbers have no distribution to speak of.
const COUNT_MIN: usize = 256;

impl Chooser {
    /// Whether so many numbers may be worth the time that Pcodec takes.
    pub(super) fn may_use_pco(&self, count: usize) -> bool {
        count >= COUNT_MIN && self.pco_level().is_some()
    }

    /// What Pcodec costs a reader however few bytes it makes.
    pub(super) fn pco_cost_least(&self, count: usize) -> usize {
        let least = Node::Pco {
            is_float: false,
            data: Bytes::new(),
        };
        least.cost(count, self.profile) + count / 32
    }

    /// Whole numbers; nothing where the profile forbids it.
    pub(super) fn whole_pco(&mut self, words: &[u64]) -> Option<Node> {
        let level = self.pco_level()?;
        let numbers: Vec<i64> = words.iter().map(|word| word.cast_signed()).collect();
        Some(Node::Pco {
            is_float: false,
            data: pco::encode(&numbers, level)?.into(),
        })
    }

    /// Floats of 64 bits; nothing where the profile forbids it.
    pub(super) fn float_pco(&mut self, words: &[u64], bytes: usize) -> Option<Node> {
        let level = self.pco_level().filter(|_| bytes == 8)?;
        if words.len() < COUNT_MIN {
            return None;
        }
        let floats: Vec<f64> = words.iter().map(|word| f64::from_bits(*word)).collect();
        Some(Node::Pco {
            is_float: true,
            data: pco::encode(&floats, level)?.into(),
        })
    }

    fn pco_level(&self) -> Option<usize> {
        match self.profile {
            Profile::Fast => None,
            Profile::Balanced => Some(4),
            Profile::Small => Some(8),
        }
    }
}
