//! Which rows of a page pass.

use std::ops::Range;

use crate::table::masks::Mask;

/// Rows of a page, counted from its first; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selected {
    /// All of a run.
    Run(Range<usize>),
    /// These, ascending.
    These(Vec<usize>),
}

impl Selected {
    /// The rows of a page, `rows` of its blob, that pass and are not masked; none where no row is.
    pub(super) fn of(passes: Option<Vec<bool>>, rows: Range<usize>, mask: &Mask) -> Option<Self> {
        let passes = match (passes, mask.masked()) {
            (None, 0) => return (!rows.is_empty()).then_some(Self::Run(0..rows.len())),
            (Some(passes), 0) => passes,
            (passes, _) => {
                let mut passes = passes.unwrap_or_else(|| vec![true; rows.len()]);
                for (passes, row) in passes.iter_mut().zip(rows) {
                    *passes &= !mask.has(u32::try_from(row).unwrap_or(u32::MAX));
                }
                passes
            }
        };
        Self::passing(&passes)
    }

    fn passing(passes: &[bool]) -> Option<Self> {
        let count: usize = passes.iter().map(|passes| usize::from(*passes)).sum();
        let first = passes.iter().position(|passes| *passes)?;
        let last = passes.iter().rposition(|passes| *passes)?;
        if last - first + 1 == count {
            return Some(Self::Run(first..last + 1));
        }
        let mut these = Vec::with_capacity(count);
        these.extend((first..=last).filter(|at| passes[*at]));
        Some(Self::These(these))
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Run(run) => run.len(),
            Self::These(these) => these.len(),
        }
    }

    /// Each, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        let (run, these) = match self {
            Self::Run(run) => (run.clone(), &[][..]),
            Self::These(these) => (0..0, these.as_slice()),
        };
        run.chain(these.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(passes: &[bool], masked: &[u32]) -> Option<Selected> {
        let mut mask = Mask::default();
        masked.iter().for_each(|row| assert!(mask.set(*row)));
        Selected::of(Some(passes.to_vec()), 10..10 + passes.len(), &mask)
    }

    #[test]
    fn rows_that_follow_each_other_are_a_run() {
        assert_eq!(
            selected(&[false, true, true, false], &[]),
            Some(Selected::Run(1..3))
        );
        let holes = selected(&[true, false, true], &[]);
        assert_eq!(holes, Some(Selected::These(vec![0, 2])));
        assert_eq!(selected(&[false, false], &[]), None);
        assert_eq!(selected(&[], &[]), None);
    }

    #[test]
    fn masked_rows_do_not_pass() {
        assert_eq!(
            selected(&[true; 3], &[11]),
            Some(Selected::These(vec![0, 2]))
        );
        assert_eq!(selected(&[true; 2], &[10, 11]), None);
        let mut mask = Mask::default();
        assert!(mask.set(5));
        let all = Selected::of(None, 5..8, &mask);
        assert_eq!(all, Some(Selected::Run(1..3)));
        assert_eq!(all.map(|all| all.iter().collect()), Some(vec![1, 2]));
    }
}
