//! JSON texts as CBOR items, and back to the same texts.
//!
//! An item's text is fixed by the format (`docs/format/vortex-blob.md`) and not by a library, so
//! that a blob decodes to the same bytes for ever. A text written another way is kept as it is.

use ciborium::Value;

use crate::{Error, Result};

/// The CBOR of a JSON text, where that gives the very same text again.
pub(crate) fn cbor_of(text: &str) -> Option<Vec<u8>> {
    let value: Value = serde_json::from_str(text).ok()?;
    let mut again = Vec::with_capacity(text.len());
    write(&value, &mut again).ok()?;
    if again != text.as_bytes() {
        return None;
    }
    let mut item = Vec::with_capacity(text.len());
    ciborium::into_writer(&value, &mut item).ok()?;
    Some(item)
}

/// Appends the JSON text of a CBOR item.
pub(crate) fn put_text(mut item: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let odd = |e: &dyn std::fmt::Display| Error::corrupt(format!("CBOR: {e}"));
    let value: Value = ciborium::from_reader(&mut item).map_err(|e| odd(&e))?;
    if !item.is_empty() {
        return Err(Error::corrupt("bytes after a CBOR item"));
    }
    write(&value, out)
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<()> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Integer(number) => {
            out.extend_from_slice(i128::from(*number).to_string().as_bytes());
        }
        Value::Float(number) if number.is_finite() => write_float(*number, out),
        Value::Text(text) => write_text(text, out),
        Value::Array(values) => {
            out.push(b'[');
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write(value, out)?;
            }
            out.push(b']');
        }
        Value::Map(members) => {
            out.push(b'{');
            for (place, (name, value)) in members.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                let Value::Text(name) = name else {
                    return Err(Error::corrupt("a CBOR map with a name that is no text"));
                };
                write_text(name, out);
                out.push(b':');
                write(value, out)?;
            }
            out.push(b'}');
        }
        _ => return Err(Error::corrupt("a CBOR item that JSON has no text for")),
    }
    Ok(())
}

/// The shortest digits that read back as the number: with a point where the decimal exponent is
/// −5 to 15, else as `d.ddde±x` without a plus.
fn write_float(number: f64, out: &mut Vec<u8>) {
    let scientific = format!("{number:e}");
    let exponent = scientific
        .split_once('e')
        .map_or("0", |(_, exponent)| exponent);
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-5..16).contains(&exponent) {
        out.extend_from_slice(scientific.as_bytes());
        return;
    }
    let plain = format!("{number}");
    out.extend_from_slice(plain.as_bytes());
    if exponent >= 0 && !plain.contains('.') {
        out.extend_from_slice(b".0");
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A JSON string: `"`, `\` and what is below U+0020 escaped, in the short form where there is one.
fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x09 => b't',
            0x0a => b'n',
            0x0c => b'f',
            0x0d => b'r',
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
                continue;
            }
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_json_is_cbor_and_comes_back() {
        for text in [
            "null",
            "[true,false,-1,18446744073709551615,-9223372036854775808]",
            r#"{"b":1,"a":{"x":[]},"":"q\"\\\n\u0001é"}"#,
            "[0.1,-0.0,1.0,1e300,1.5e-7,0.00001,123456789012345.6,1e16]",
        ] {
            let item = cbor_of(text).unwrap_or_else(|| panic!("{text} is kept as text"));
            let mut back = Vec::new();
            put_text(&item, &mut back).unwrap();
            assert_eq!(back, text.as_bytes());
        }
    }

    #[test]
    fn other_spellings_are_kept_as_they_are() {
        for text in [
            "{ }",
            "1e2",
            "1.50",
            r#""\u00e9""#,
            r#""\/""#,
            "nul",
            "",
            "1 2",
            "1E300",
        ] {
            assert_eq!(cbor_of(text), None, "{text}");
        }
    }

    #[test]
    fn items_that_json_cannot_say_are_corrupt() {
        // A byte string, a tag, NaN, an item cut short, two items, a number as a name.
        for item in [
            &[0x41, 0][..],
            &[0xc1, 0],
            &[0xf9, 0x7e, 0],
            &[0x82, 1],
            &[1, 1],
            &[0xa1, 1, 1],
        ] {
            assert!(put_text(item, &mut Vec::new()).is_err(), "{item:x?}");
        }
        assert!(put_text(&[0x81; 10_000], &mut Vec::new()).is_err());
    }
}
