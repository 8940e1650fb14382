//! Chance that can be had again: every number follows from the seed.

/// A splitmix64 generator.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `end` - 1.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

/// The seeds to try: `TIDELOG_SEED` and those after it, `TIDELOG_SEEDS` of them, never more than 200.
pub(crate) fn seeds(usual: u64) -> std::ops::Range<u64> {
    let first = number("TIDELOG_SEED").unwrap_or(1);
    first..first + number("TIDELOG_SEEDS").unwrap_or(usual).min(200)
}

#[expect(clippy::disallowed_methods, reason = "the test runner's own variables")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().expect("a number"))
}
