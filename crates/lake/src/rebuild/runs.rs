//! Sequences as runs of numbers one after the other.

use tidelog_log::{Error, Result, Sequence};

/// A set of sequences: 16 bytes for each run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs(Vec<(u64, u64)>);

impl Runs {
    /// Adds one that is behind all that are there.
    ///
    /// # Errors
    /// `corrupt` when it is not.
    pub fn push(&mut self, Sequence(next): Sequence) -> Result<()> {
        match self.0.last_mut() {
            Some((_, last)) if next <= *last => Err(Error::corrupt(format!(
                "sequence {next} stands behind {last}"
            ))),
            Some((_, last)) if next == *last + 1 => {
                *last = next;
                Ok(())
            }
            _ => {
                self.0.push((next, next));
                Ok(())
            }
        }
    }

    /// Adds those of another set.
    ///
    /// # Errors
    /// The first sequence that is in both.
    pub fn merge(&mut self, other: &Self) -> std::result::Result<(), Sequence> {
        self.0.extend(&other.0);
        self.0.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::with_capacity(self.0.len());
        for (first, last) in self.0.drain(..) {
            match joined.last_mut() {
                Some((_, end)) if first <= *end => return Err(Sequence(first)),
                Some((_, end)) if first == *end + 1 => *end = last,
                _ => joined.push((first, last)),
            }
        }
        self.0 = joined;
        Ok(())
    }

    /// True when a sequence is in it.
    pub fn contains(&self, Sequence(sequence): Sequence) -> bool {
        let at = self.0.partition_point(|(first, _)| *first <= sequence);
        at.checked_sub(1).is_some_and(|at| sequence <= self.0[at].1)
    }

    /// All of them, in order.
    pub fn sequences(&self) -> impl Iterator<Item = Sequence> {
        let each = self.0.iter();
        each.flat_map(|(first, last)| (*first..=*last).map(Sequence))
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// The greatest; 0 when there is none.
    pub fn last(&self) -> Sequence {
        Sequence(self.0.last().map_or(0, |(_, last)| *last))
    }

    /// The smallest; none when there is none.
    pub(crate) fn first(&self) -> Option<Sequence> {
        self.0.first().map(|(first, _)| Sequence(*first))
    }

    /// What is missing between 1 and `to`, so many ranges at most, both ends included.
    pub fn gaps(&self, Sequence(to): Sequence, most: usize) -> Vec<(Sequence, Sequence)> {
        let (mut next, mut gaps) = (1, Vec::new());
        for (first, last) in self.0.iter().chain([&(to + 1, to + 1)]) {
            let end = (first - 1).min(to);
            if next <= end && gaps.len() < most {
                gaps.push((Sequence(next), Sequence(end)));
            }
            next = last + 1;
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(all: &[u64]) -> Runs {
        let mut runs = Runs::default();
        for sequence in all {
            runs.push(Sequence(*sequence)).unwrap();
        }
        runs
    }

    #[test]
    fn what_is_missing_lies_between() {
        let mut all = runs(&[2, 3, 7]);
        assert!(all.push(Sequence(7)).is_err());
        let gap = |first, last| (Sequence(first), Sequence(last));
        assert_eq!(all.gaps(Sequence(9), 9), [gap(1, 1), gap(4, 6), gap(8, 9)]);
        assert_eq!(all.gaps(Sequence(5), 9), [gap(1, 1), gap(4, 5)]);
        assert_eq!(all.gaps(Sequence(9), 1), [gap(1, 1)]);
        all.merge(&runs(&[1, 4, 5, 6])).unwrap();
        assert_eq!((all.gaps(Sequence(7), 9), all.count()), (Vec::new(), 7));
        assert_eq!(all.merge(&runs(&[5])), Err(Sequence(5)));
    }

    #[test]
    fn a_number_is_in_a_run_or_not() {
        let all = runs(&[2, 3, 7]);
        let has = |n| all.contains(Sequence(n));
        assert!(has(2) && has(3) && has(7) && !has(1) && !has(4) && !has(8));
        assert_eq!((all.first(), all.last()), (Some(Sequence(2)), Sequence(7)));
    }
}
