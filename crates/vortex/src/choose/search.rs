//! Which way suits numbers: estimated on a sample of them.

use std::borrow::Cow;

use crate::choose::Chooser;
use crate::choose::estimate::{Estimate, Estimator, PCO_COUNT_MIN, Sample};
use crate::choose::plan::Way;
use crate::choose::survey::Survey;
use crate::choose::words::SLOW_COUNT_MIN;
use crate::decimal::decimals;
use crate::{Profile, cost};

/// Numbers of a sample, at most and at least: in between one in eight.
const SAMPLE_MAX: usize = 512;
const SAMPLE_MIN: usize = 128;

/// Most of them where bytes count more than the time that it takes.
const SAMPLE_MAX_SMALL: usize = 1_024;

/// Parts of the numbers that a sample is of.
const STRETCHES: usize = 4;

/// Encodings below each other that a search looks at.
const LEVELS: usize = 2;

impl Chooser {
    /// The best ways for numbers that have no factor in common.
    pub(super) fn search(
        &self,
        words: &[u64],
        bytes: usize,
        is_whole: bool,
        survey: &Survey,
    ) -> Estimate {
        let sample = self.sample(words, bytes, is_whole, survey);
        self.estimator().unfactored(&sample, LEVELS)
    }

    fn sample(&self, words: &[u64], bytes: usize, is_whole: bool, survey: &Survey) -> Sample {
        let (taken, breaks) = sample_of(words, self.profile);
        Sample {
            words: taken.into_owned(),
            breaks,
            count: words.len(),
            bytes,
            is_whole,
            width: Some(survey.width()),
            runs: Some(survey.runs),
        }
    }

    fn estimator(&self) -> Estimator {
        Estimator {
            profile: self.profile,
            pco_bins: self.pco_bins(),
        }
    }

    /// The way of floats that is best.
    pub(super) fn search_floats(&self, words: &[u64], bytes: usize) -> Estimate {
        let (taken, breaks) = sample_of(words, self.profile);
        let (estimator, count) = (self.estimator(), words.len());
        let sample = |words: Vec<u64>, is_whole| Sample {
            words,
            breaks,
            count,
            bytes,
            is_whole,
            width: None,
            runs: None,
        };
        let mut found = estimator.best(&sample(taken.to_vec(), false), LEVELS);
        found.way = Way::Bits;
        if let Some(decimals) = decimals(&taken, bytes == 4) {
            let patches = decimals.exceptions.len() * count / taken.len();
            let time = count * cost::DECIMAL + patches * cost::PATCH;
            let own = patches * (bytes + 2) + cost::bytes_of(time, self.profile);
            let numbers = Sample {
                bytes: 8,
                ..sample(decimals.numbers, true)
            };
            let below = estimator.best(&numbers, LEVELS).cost;
            found.improve(Way::Decimal, own + below);
        }
        if bytes == 8 && count >= PCO_COUNT_MIN {
            let ordered = taken.iter().map(|word| ordered(*word)).collect();
            let cost = estimator.coded(&sample(ordered, true));
            found.improve(Way::FloatPco, cost.unwrap_or(usize::MAX));
        }
        found
    }

    /// What the words of a column cost, about.
    pub(super) fn numbers_cost(&self, words: &[u64], bytes: usize, is_float: bool) -> usize {
        if words.is_empty() {
            return 0;
        }
        if is_float && words.len() >= SLOW_COUNT_MIN {
            return self.search_floats(words, bytes).cost;
        }
        let sample = self.sample(words, bytes, !is_float, &Survey::of(words));
        self.estimator().best(&sample, LEVELS).cost
    }
}

/// Stretches of numbers that stand for all, and where they meet: as they are where there are few.
pub(super) fn sample_of(words: &[u64], profile: Profile) -> (Cow<'_, [u64]>, usize) {
    let most = match profile {
        Profile::Small => SAMPLE_MAX_SMALL,
        _ => SAMPLE_MAX,
    };
    let wanted = (words.len() / 8).clamp(SAMPLE_MIN, most);
    if words.len() <= wanted {
        return (words.into(), 0);
    }
    let (each, step) = (wanted / STRETCHES, words.len() / STRETCHES);
    let stretch = |n: usize| &words[n * step + (step - each) / 3..][..each];
    let words = (0..STRETCHES).flat_map(stretch).copied().collect();
    (words, STRETCHES - 1)
}

/// The bits of a float as a number with the same order.
fn ordered(bits: u64) -> u64 {
    let number = bits.cast_signed();
    (number ^ ((number >> 63).cast_unsigned() >> 1).cast_signed()).cast_unsigned()
}
