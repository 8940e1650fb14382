//! Numbers in Pcodec's bytes.

use crate::Profile;
use crate::choose::Chooser;
use crate::choose::estimate::{PCO_COUNT_MIN, are_deltas_shorter};
use crate::choose::search::sample_of;
use crate::node::Node;
use crate::pco::{self, Deltas};

impl Chooser {
    /// Ranges of the distributions that Pcodec finds; 0 where the profile forbids it.
    pub(super) fn pco_bins(&self) -> usize {
        self.pco_level().map_or(0, |level| 1 << level.min(6))
    }

    /// Whole numbers; nothing where the profile forbids it.
    pub(super) fn whole_pco(&mut self, words: &[u64]) -> Option<Node> {
        let level = self.pco_level()?;
        if words.len() < PCO_COUNT_MIN {
            return None;
        }
        let numbers: Vec<i64> = words.iter().map(|word| word.cast_signed()).collect();
        let deltas = match self.profile {
            Profile::Small => Deltas::Searched,
            _ if are_deltas_shorter(&sample_of(words, self.profile).0) => Deltas::Taken,
            _ => Deltas::None,
        };
        Some(Node::Pco {
            is_float: false,
            data: pco::encode(&numbers, level, deltas)?.into(),
        })
    }

    /// Floats of 64 bits; nothing where the profile forbids it.
    pub(super) fn float_pco(&mut self, words: &[u64], bytes: usize) -> Option<Node> {
        let level = self.pco_level().filter(|_| bytes == 8)?;
        if words.len() < PCO_COUNT_MIN {
            return None;
        }
        let floats: Vec<f64> = words.iter().map(|word| f64::from_bits(*word)).collect();
        Some(Node::Pco {
            is_float: true,
            data: pco::encode(&floats, level, Deltas::Searched)?.into(),
        })
    }

    fn pco_level(&self) -> Option<usize> {
        match self.profile {
            // A Worker only decodes it.
            _ if cfg!(target_arch = "wasm32") => None,
            Profile::Fast => None,
            Profile::Balanced => Some(4),
            Profile::Small => Some(8),
        }
    }
}
