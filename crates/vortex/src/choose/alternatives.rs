//! What other encodings of a page would have taken: why it has the one it has.

use crate::choose::Chooser;
use crate::choose::plan::Way;
use crate::data_type::Shape;
use crate::node::Node;
use crate::texts::Strings;
use crate::values::Values;

/// Names of the ways to encode numbers, as the format's page has them.
const WAYS: [(Way, &str); 7] = [
    (Way::Flat, "packed"),
    (Way::Narrowed, "patched"),
    (Way::Multiple, "multiple"),
    (Way::Runs, "runs"),
    (Way::Dictionary, "dictionary"),
    (Way::Delta, "delta"),
    (Way::Pco, "pco"),
];

impl Chooser {
    /// Bytes of values, nulls left out, in each of the encodings that they may have at the top.
    pub(crate) fn alternatives(
        &mut self,
        values: &Values,
        shape: &Shape,
    ) -> Vec<(&'static str, usize)> {
        match (values, shape) {
            (Values::Wide(words), Shape::Words { bytes, is_float }) if !words.is_empty() => {
                self.of_words(words, *bytes, *is_float)
            }
            (Values::Bytes { offsets, data }, _) if offsets.len() > 1 => {
                self.of_strings(Strings { offsets, data })
            }
            _ => Vec::new(),
        }
    }

    fn of_words(
        &mut self,
        words: &[u64],
        bytes: usize,
        is_float: bool,
    ) -> Vec<(&'static str, usize)> {
        let mut found = vec![("plain", 1 + words.len() * bytes)];
        for (way, name) in WAYS {
            let node = self.one_way(way, words, bytes, !is_float);
            found.extend(node.map(|node| (name, node.size())));
        }
        if is_float {
            for (way, name) in [(Way::Decimal, "decimal"), (Way::FloatPco, "pco of floats")] {
                let node = self.number_way(way, words, bytes, true);
                found.extend(node.map(|node| (name, node.size())));
            }
        }
        let node = self.number_way(Way::Compressed, words, bytes, is_float);
        found.extend(node.map(|node| ("zstd", node.size())));
        found
    }

    fn of_strings(&mut self, strings: Strings<'_>) -> Vec<(&'static str, usize)> {
        let all = strings.data.len() + 4 * strings.count();
        let mut found = vec![("plain", all)];
        let mut add = |name, node: Option<Node>| {
            found.extend(node.map(|node| (name, node.size())));
        };
        add("dictionary", self.string_dictionary(&strings));
        add("shapes", self.shapes(strings));
        add("digits, times or pattern", self.structured(strings));
        add("fsst", self.coded(strings, all));
        add("blocks", self.blocks(strings, all));
        found
    }
}
