//! What a command may take into memory.

use crate::failure::{Failure, Result};

/// Bytes that are left of `--memory-max`.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    most: usize,
}

impl Budget {
    pub(super) fn new(most: u32) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Self { left: most, most }
    }

    /// Takes so many bytes.
    ///
    /// # Errors
    /// `input_too_large` when they are more than what is left.
    pub(super) fn pay(&mut self, bytes: usize) -> Result<()> {
        let left = self.left.checked_sub(bytes).ok_or_else(|| {
            let most = self.most;
            let message =
                format!("input_too_large: more than {most} bytes of columns (--memory-max)");
            Failure::failed(message)
        })?;
        self.left = left;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_there_is_is_not_paid() {
        let mut budget = Budget::new(10);
        budget.pay(10).unwrap();
        let failure = budget.pay(1).unwrap_err();
        assert!(failure.message.starts_with("input_too_large"), "{failure}");
    }
}
