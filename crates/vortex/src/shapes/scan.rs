//! Where values stand in a text.

/// What values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scanner {
    /// Those of JSON.
    Json,
    /// Digits in a row.
    Numbers,
}

impl Scanner {
    /// Puts where each value begins and ends. False: the text is to be kept whole.
    pub(super) fn scan(self, text: &[u8], most: usize, slots: &mut Vec<(u32, u32)>) -> bool {
        match self {
            Self::Json => scan(text, most, slots),
            Self::Numbers => numbers(text, most, slots),
        }
    }
}

fn numbers(text: &[u8], most: usize, slots: &mut Vec<(u32, u32)>) -> bool {
    let from = slots.len();
    let mut start = None;
    for (place, byte) in text.iter().enumerate() {
        match (byte.is_ascii_digit(), start) {
            (true, None) => start = Some(place),
            (false, Some(first)) => {
                slots.push(span(first, place));
                start = None;
            }
            _ => {}
        }
    }
    slots.extend(start.map(|first| span(first, text.len())));
    slots.len() - from <= most && u32::try_from(text.len()).is_ok()
}

/// Finds the values: what is between quotes and not a name, and bare words but `null`. Puts where
/// each begins and ends. False: the text is to be kept whole.
fn scan(text: &[u8], most: usize, slots: &mut Vec<(u32, u32)>) -> bool {
    if !matches!(text.first(), Some(b'{' | b'[')) || u32::try_from(text.len()).is_err() {
        return false;
    }
    let from = slots.len();
    let mut place = 0;
    while let Some(byte) = text.get(place) {
        place = match byte {
            b'{' | b'}' | b'[' | b']' | b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' => place + 1,
            b'"' => {
                let Some(close) = closing_quote(text, place + 1) else {
                    return false;
                };
                if !is_name(text, close + 1) {
                    slots.push(span(place + 1, close));
                }
                close + 1
            }
            _ => {
                let end = bare_end(text, place);
                if text[place..end] != *b"null" {
                    slots.push(span(place, end));
                }
                end
            }
        };
        if slots.len() - from > most {
            return false;
        }
    }
    true
}

#[expect(clippy::cast_possible_truncation, reason = "the length was checked")]
fn span(from: usize, to: usize) -> (u32, u32) {
    (from as u32, to as u32)
}

/// Where the string that begins at `from` ends: at its closing quote.
pub(super) fn closing_quote(text: &[u8], mut from: usize) -> Option<usize> {
    loop {
        if let Some(eight) = text[from.min(text.len())..].first_chunk::<8>() {
            from += before_quote(u64::from_le_bytes(*eight));
        }
        match text.get(from)? {
            b'"' => return Some(from),
            b'\\' => from += 2,
            _ => from += 1,
        }
    }
}

/// How many of eight bytes stand before the first that is a quote or a backslash; at most seven.
#[inline]
fn before_quote(eight: u64) -> usize {
    const ONES: u64 = u64::MAX / 255;
    // The lowest byte that is zero keeps its highest bit; bits above it may be wrong.
    let zeros = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes & (ONES << 7);
    let found = zeros(eight ^ (ONES * 0x22)) | zeros(eight ^ (ONES * 0x5c));
    (found.trailing_zeros() as usize / 8).min(7)
}

/// A string before a colon is a name.
fn is_name(text: &[u8], from: usize) -> bool {
    let mut rest = text[from..].iter();
    rest.find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

fn bare_end(text: &[u8], from: usize) -> usize {
    let is_end = |byte: &u8| {
        matches!(byte, b',' | b'}' | b']' | b'"' | b':' | b'{' | b'[') || byte.is_ascii_whitespace()
    };
    let length = text[from..].iter().position(is_end);
    length.map_or(text.len(), |length| from + length)
}
