//! Which way suits numbers, estimated on a sample without encoding anything.

use crate::Profile;
use crate::bitpack::packed_bytes;
use crate::choose::factor::common_factor;
use crate::choose::plan::Way;
use crate::choose::sketch::{PARTS, Sketch, logarithm};
use crate::cost;

/// Bytes that a node takes besides its payload, about.
const NODE_BYTES: usize = 4;

/// Bytes that a number takes which is an exception, about: its place and itself.
pub(super) const PATCH_BYTES: usize = 6;

/// Fewer numbers have no distribution to speak of, and Pcodec is not tried.
pub(super) const PCO_COUNT_MIN: usize = 256;

/// Bytes in which Pcodec describes one range of its distribution.
const BIN_BYTES: usize = 9;

/// Fewer numbers of a sample tell nothing of encodings below each other.
const BELOW_MIN: usize = 16;

/// Numbers that stand for more of them.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// Some of them, in stretches.
    pub(super) words: Vec<u64>,
    /// Where stretches meet.
    pub(super) breaks: usize,
    /// How many numbers these stand for.
    pub(super) count: usize,
    /// Bytes each takes where it stands plain.
    pub(super) bytes: usize,
    /// Whether they are whole numbers, not the bits of floats.
    pub(super) is_whole: bool,
    /// Bits of a number less the least one, where that is known of all of them.
    pub(super) width: Option<u32>,
    /// How often a number differs from the one before, where that is known of all of them.
    pub(super) runs: Option<usize>,
}

/// Weighs ways against each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimator {
    pub(super) profile: Profile,
    /// Ranges of Pcodec's distributions; 0 where it is not used.
    pub(super) pco_bins: usize,
}

/// A way, what it costs a reader, and the next best one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Estimate {
    pub(super) way: Way,
    pub(super) cost: usize,
    pub(super) second: Option<(Way, usize)>,
}

impl Estimate {
    pub(super) fn improve(&mut self, way: Way, cost: usize) {
        if cost < self.cost {
            self.second = Some((self.way, self.cost));
            (self.way, self.cost) = (way, cost);
        } else if self.second.is_none_or(|(_, second)| cost < second) {
            self.second = Some((way, cost));
        }
    }
}

impl Estimator {
    /// The way that costs least; below it may be so many more.
    pub(super) fn best(&self, sample: &Sample, levels: usize) -> Estimate {
        let count = sample.count;
        let Some(first) = sample.words.first() else {
            return flat(NODE_BYTES);
        };
        let is_constant = sample.runs.map_or_else(
            || sample.words.iter().all(|word| word == first),
            |runs| runs == 1,
        );
        if is_constant {
            return flat(NODE_BYTES);
        }
        if let Some(multiples) = sample.multiples() {
            let time = self.time(count * cost::MULTIPLE);
            let below = self.best(&multiples, levels).cost;
            return Estimate {
                way: Way::Multiple,
                cost: 2 * NODE_BYTES + time + below,
                second: None,
            };
        }
        self.unfactored(sample, levels)
    }

    /// The way that costs least for numbers that have no factor in common.
    pub(super) fn unfactored(&self, sample: &Sample, levels: usize) -> Estimate {
        let count = sample.count;
        let sketch = Sketch::of(&sample.words, sample.breaks);
        let width = sample.width.unwrap_or_else(|| sketch.width());
        let packed = packed_bytes(count, width).min(count * sample.bytes);
        let mut best = flat(NODE_BYTES + packed + self.time(count * cost::PACKED));
        let (bytes, patches) = sketch.narrowed(count, PATCH_BYTES);
        if bytes + packed / 16 < packed {
            let time = count * cost::PACKED + patches * cost::PATCH;
            best.improve(Way::Narrowed, 4 * NODE_BYTES + bytes + self.time(time));
        }
        self.runs(sample, &sketch, levels, &mut best);
        self.dictionary(sample, &sketch, levels, &mut best);
        self.delta(sample, &sketch, levels, &mut best);
        self.pco(sample, &sketch, &mut best);
        best
    }

    /// Bytes that tenths of a nanosecond are worth.
    fn time(&self, tenths: usize) -> usize {
        cost::bytes_of(tenths, self.profile)
    }

    fn runs(&self, sample: &Sample, sketch: &Sketch, levels: usize, best: &mut Estimate) {
        let words = &sample.words;
        let changes = words.windows(2).filter(|pair| pair[0] != pair[1]).count();
        let runs = sample
            .runs
            .unwrap_or((changes + 1) * sample.count / words.len());
        if runs * 2 >= sample.count {
            return;
        }
        let own = NODE_BYTES + self.time(sample.count + runs * cost::RUN);
        let least = packed_bytes(runs, 2);
        if own + least >= best.cost {
            return;
        }
        if levels == 0 || changes < BELOW_MIN {
            let width = logarithm(sketch.distinct_of(runs) as u64).div_ceil(PARTS);
            let length = logarithm((sample.count / runs) as u64) / PARTS + 2;
            let bytes = runs * (width + length) / 8 + self.time(runs * 2 * cost::PACKED);
            best.improve(Way::Runs, own + 2 * NODE_BYTES + bytes);
            return;
        }
        let (mut values, mut lengths) = (Vec::new(), Vec::new());
        for run in words.chunk_by(|one, other| one == other) {
            values.push(run[0]);
            lengths.push(run.len() as u64);
        }
        let values = sample.below(values, runs, sample.bytes, sample.is_whole);
        let lengths = sample.below(lengths, runs, 4, true);
        let below = self.best(&values, levels - 1).cost + self.best(&lengths, levels - 1).cost;
        best.improve(Way::Runs, own + below);
    }

    fn dictionary(&self, sample: &Sample, sketch: &Sketch, levels: usize, best: &mut Estimate) {
        let (count, distinct) = (sample.count, sketch.distinct_of(sample.count));
        if distinct * 2 >= count || sketch.distinct * 4 > sample.words.len() * 3 {
            return;
        }
        let width = logarithm((distinct as u64).saturating_mul(2).saturating_sub(1)) / PARTS;
        // Entries are in order: what they differ by is packed.
        let entry = (sketch.width().saturating_sub(width_bits(distinct)) as usize + 2)
            .min(sample.bytes * 8);
        let own = 2 * NODE_BYTES + distinct * entry / 8 + self.time(count * cost::LOOK_UP);
        let packed = count * width / 8 + self.time(count * cost::PACKED);
        if levels == 0 || own + packed / 4 >= best.cost {
            best.improve(Way::Dictionary, own + packed);
            return;
        }
        let codes = Sample {
            width: u32::try_from(width).ok(),
            runs: sample.runs,
            ..sample.below(sketch.codes(&sample.words), count, 4, true)
        };
        best.improve(Way::Dictionary, own + self.best(&codes, levels - 1).cost);
    }

    fn delta(&self, sample: &Sample, sketch: &Sketch, levels: usize, best: &mut Estimate) {
        let (count, words) = (sample.count, &sample.words);
        if !sample.is_whole || levels == 0 || words.len() < BELOW_MIN {
            return;
        }
        let deltas = deltas(words);
        // Unless they are clearly shorter than the numbers spread, nothing below makes up for them.
        if mean_bits(&deltas) + PARTS * 3 / 4 > sketch.coded(32) {
            return;
        }
        let deltas = sample.below(deltas, count - 1, sample.bytes, true);
        let own = NODE_BYTES + self.time(count * cost::DELTA);
        if own < best.cost {
            best.improve(Way::Delta, own + self.best(&deltas, levels - 1).cost);
        }
    }

    /// What numbers cost that Pcodec holds; nothing where it is not used.
    pub(super) fn coded(&self, sample: &Sample) -> Option<usize> {
        let sketch = Sketch::of(&sample.words, sample.breaks);
        let mut best = flat(usize::MAX);
        self.pco(sample, &sketch, &mut best);
        (best.way == Way::Pco).then_some(best.cost)
    }

    fn pco(&self, sample: &Sample, sketch: &Sketch, best: &mut Estimate) {
        let count = sample.count;
        if self.pco_bins == 0 || !sample.is_whole || count < PCO_COUNT_MIN {
            return;
        }
        let bins = self.pco_bins.min(sketch.distinct);
        let own = NODE_BYTES + bins * BIN_BYTES + self.time(count * cost::PCODEC);
        if own >= best.cost {
            return;
        }
        let mut parts = sketch.coded(bins);
        let deltas = deltas(&sample.words);
        if mean_bits(&deltas) + PARTS / 2 < parts {
            parts = parts.min(Sketch::of(&deltas, sample.breaks).coded(bins));
        }
        best.improve(Way::Pco, own + count * parts / (8 * PARTS));
    }
}

/// Whether the differences of numbers take fewer bits than they do.
pub(super) fn are_deltas_shorter(words: &[u64]) -> bool {
    let deltas = deltas(words);
    let (own, other) = (Sketch::of(words, 0), Sketch::of(&deltas, 0));
    other.coded(32) < own.coded(32)
}

fn deltas(words: &[u64]) -> Vec<u64> {
    let pairs = words.windows(2);
    pairs.map(|pair| pair[1].wrapping_sub(pair[0])).collect()
}

impl Sample {
    /// The numbers less the least one and without the factor that all have; nothing if there is none.
    fn multiples(&self) -> Option<Self> {
        if !self.is_whole {
            return None;
        }
        let least = self.words.iter().map(|word| word.cast_signed()).min()?;
        let factor = common_factor(&self.words, least.cast_unsigned())?;
        let multiple = |word: &u64| word.wrapping_sub(least.cast_unsigned()) / factor;
        let words = self.words.iter().map(multiple).collect();
        let width = self.width.map(|width| width.saturating_sub(factor.ilog2()));
        Some(Self {
            words,
            width,
            ..self.clone()
        })
    }

    /// What an encoding makes of the sample: so many numbers of another kind.
    fn below(&self, words: Vec<u64>, count: usize, bytes: usize, is_whole: bool) -> Self {
        Self {
            words,
            breaks: self.breaks,
            count: count.max(1),
            bytes,
            is_whole,
            width: None,
            runs: None,
        }
    }
}

fn flat(cost: usize) -> Estimate {
    Estimate {
        way: Way::Flat,
        cost,
        second: None,
    }
}

fn width_bits(number: usize) -> u32 {
    usize::BITS - number.leading_zeros()
}

/// Bits of numbers around zero, in parts of one: their mean.
fn mean_bits(numbers: &[u64]) -> usize {
    let bits = |number: &u64| {
        let number = number.cast_signed();
        (65 - (number ^ (number >> 63)).leading_zeros()) as usize
    };
    numbers.iter().map(bits).sum::<usize>() * PARTS / numbers.len().max(1)
}
