//! Field patterns: a regular expression over the whole text, with a quick way for the usual form.

use regex_lite::Regex;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) enum Pattern {
    /// One class of ASCII characters, so many times: `[A-Z0-9]{5,6}`.
    Class {
        /// A bit per ASCII character.
        members: u128,
        least: usize,
        most: usize,
    },
    /// Everything else.
    Regex(Regex),
}

impl Pattern {
    /// Compiles a pattern that the whole text must match.
    pub(crate) fn new(pattern: &str) -> Result<Self, regex_lite::Error> {
        let regex = Regex::new(&format!("^(?:{pattern})$"))?;
        Ok(class(pattern).unwrap_or(Self::Regex(regex)))
    }

    /// True when the whole text matches.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Class {
                members,
                least,
                most,
            } => {
                let is_member = |byte: u8| byte < 128 && members >> byte & 1 == 1;
                (*least..=*most).contains(&text.len()) && text.bytes().all(is_member)
            }
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

/// `[` letters, digits and ranges of them `]` and a count; `None` for any other form.
fn class(pattern: &str) -> Option<Pattern> {
    let (inside, count) = pattern.strip_prefix('[')?.split_once(']')?;
    let (least, most) = counts(count)?;
    let mut members = 0;
    let mut rest = inside.as_bytes();
    while let [first, after @ ..] = rest {
        let last = match after {
            [b'-', last, after @ ..] => {
                rest = after;
                last
            }
            _ => {
                rest = after;
                first
            }
        };
        // Anything that may mean something else in a class is left to the regular expression.
        if !first.is_ascii_alphanumeric() || !last.is_ascii_alphanumeric() || last < first {
            return None;
        }
        members |= (*first..=*last).fold(0, |bits, byte| bits | 1_u128 << byte);
    }
    (members != 0).then_some(Pattern::Class {
        members,
        least,
        most,
    })
}

fn counts(text: &str) -> Option<(usize, usize)> {
    match text {
        "" => return Some((1, 1)),
        "+" => return Some((1, usize::MAX)),
        "*" => return Some((0, usize::MAX)),
        _ => {}
    }
    let inside = text.strip_prefix('{')?.strip_suffix('}')?;
    let number = |digits: &str| {
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    };
    match inside.split_once(',') {
        None => number(inside).map(|n| (n, n)),
        Some((least, "")) => Some((number(least)?, usize::MAX)),
        Some((least, most)) => Some((number(least)?, number(most)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_class_agrees_with_the_regular_expression(
            inside in "[ab][-abcXYZ019]{0,4}",
            count in prop_oneof![
                Just(String::new()), Just("+".to_owned()), Just("*".to_owned()),
                "[{][0-3]{1}[}]", "[{][0-1],[2-4]?[}]"
            ],
            text in "[-a-dX-Z0-2\u{e9}\n]{0,6}",
        ) {
            let pattern = format!("[{inside}]{count}");
            let Ok(regex) = Regex::new(&format!("^(?:{pattern})$")) else {
                return Ok(());
            };
            let compiled = Pattern::new(&pattern).unwrap();
            prop_assert_eq!(compiled.is_match(&text), regex.is_match(&text), "{}", pattern);
        }
    }

    #[test]
    fn the_usual_forms_are_quick_and_the_others_are_not_misread() {
        for quick in [
            "[A-Z]{3}",
            "[A-Z0-9]{5,6}",
            "[a-z]+",
            "[xyz]",
            "[0-9]*",
            "[0-9]{2,}",
        ] {
            assert!(
                matches!(Pattern::new(quick).unwrap(), Pattern::Class { .. }),
                "{quick}"
            );
        }
        for other in [
            "[^a]{3}",
            "[a-z.]+",
            r"[\d]{2}",
            "[a-z]{2}[0-9]",
            "a|b",
            "[[:alpha:]]+",
        ] {
            assert!(
                matches!(Pattern::new(other).unwrap(), Pattern::Regex(_)),
                "{other}"
            );
        }
    }
}
