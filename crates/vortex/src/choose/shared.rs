//! Values that all pages of a column share.

use crate::choose::Chooser;
use crate::node::Node;

impl Chooser {
    /// Codes of the values that the column's pages share, if it has those.
    pub(super) fn shared_words(&mut self, _words: &[u64]) -> Option<Node> {
        None
    }
}
