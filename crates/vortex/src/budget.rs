//! How much memory one page may still take: what a blob declares is paid for before it is allocated.

use crate::{Error, Result, limits};

/// Bytes left to allocate.
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
}

impl Budget {
    /// That of one page.
    pub(crate) fn of_page() -> Self {
        Self {
            left: limits::PAGE_DECODED_BYTES_MAX,
        }
    }

    /// Pays for `count` things of `bytes` each.
    pub(crate) fn pay(&mut self, count: usize, bytes: usize) -> Result<()> {
        let wanted = count.checked_mul(bytes);
        match wanted.and_then(|wanted| self.left.checked_sub(wanted)) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Error::too_large(format!(
                "a page that decodes to more than {} bytes",
                limits::PAGE_DECODED_BYTES_MAX
            ))),
        }
    }
}
