//! `like` patterns: `%` is any text, `_` any one character, `\` takes the next one as it is.
//!
//! Case-sensitive, over Unicode characters. SQLite's own LIKE folds ASCII case, and a Durable
//! Object takes patterns of at most 50 bytes, so patterns are matched here.

use tidelog_log::{Error, Result};

use super::limits::PATTERN_BYTES_MAX;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Piece {
    AnyText,
    AnyOne,
    One(char),
}

/// A parsed pattern.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern(Vec<Piece>);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// `pattern_too_long`, or `invalid_pattern` when it ends in a lone `\`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(Error::too_large(
                "pattern_too_long",
                format!("a pattern is at most {PATTERN_BYTES_MAX} bytes"),
            ));
        }
        let mut pieces = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '%' => Piece::AnyText,
                '_' => Piece::AnyOne,
                '\\' => Piece::One(chars.next().ok_or_else(|| {
                    Error::invalid("invalid_pattern", "a pattern cannot end in a lone \\")
                })?),
                c => Piece::One(c),
            });
        }
        Ok(Self(pieces))
    }

    /// True when the whole text fits the pattern.
    ///
    /// Only the last `%` ever needs another try, so the cost is text times pattern at worst.
    pub(super) fn matches(&self, text: &str) -> bool {
        let pieces = &self.0;
        let (mut at, mut rest) = (0, text.chars());
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            if let Some(Piece::AnyText) = pieces.get(at) {
                at += 1;
                retry = Some((at, rest.clone()));
                continue;
            }
            let c = rest.next();
            let fits = match (pieces.get(at), c) {
                (None, None) => return true,
                (Some(Piece::AnyOne), Some(_)) => true,
                (Some(Piece::One(wanted)), Some(c)) => *wanted == c,
                _ => false,
            };
            if fits {
                at += 1;
                continue;
            }
            // The text ended before the pattern, or a piece does not fit: `%` takes one more.
            let Some((start, from)) = &mut retry else {
                return false;
            };
            if c.is_none() || from.next().is_none() {
                return false;
            }
            (at, rest) = (*start, from.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn like(text: &str, pattern: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(text)
    }

    fn slow(text: &[char], pieces: &[Piece]) -> bool {
        match (pieces.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((Piece::AnyText, rest)), None) => slow(text, rest),
            (Some((Piece::AnyText, rest)), Some((_, tail))) => {
                slow(text, rest) || slow(tail, pieces)
            }
            (Some((Piece::AnyOne, rest)), Some((_, tail))) => slow(tail, rest),
            (Some((Piece::One(a), rest)), Some((b, tail))) => a == b && slow(tail, rest),
            _ => false,
        }
    }

    #[test]
    fn patterns_are_case_sensitive_and_anchored() {
        assert!(like("Zürich", "Z_rich"));
        assert!(!like("zürich", "Z%"));
        assert!(like("", "%"));
        assert!(!like("", "_"));
        assert!(like("100%", r"100\%"));
        assert!(!like("1000", r"100\%"));
        assert!(like("a\\b", r"a\\b"));
        assert!(like("mississippi", "%iss%ppi"));
        assert!(!like("mississippi", "%iss%pp"));
        assert_eq!(Pattern::parse("a\\").unwrap_err().code(), "invalid_pattern");
        let long = "x".repeat(PATTERN_BYTES_MAX + 1);
        assert_eq!(
            Pattern::parse(&long).unwrap_err().code(),
            "pattern_too_long"
        );
    }

    proptest! {
        #[test]
        fn the_matcher_agrees_with_backtracking(text in "[ab]{0,8}", pattern in "[ab%_]{0,6}") {
            let parsed = Pattern::parse(&pattern).unwrap();
            let chars: Vec<char> = text.chars().collect();
            prop_assert_eq!(parsed.matches(&text), slow(&chars, &parsed.0));
        }
    }
}
