//! The opaque `after`: the place of a page's last row, bound to the query it came from.
//!
//! base64url of: 8 bytes of the query's fingerprint, then per sort column a tag byte (0 no value,
//! 1 a value as the log encodes it, 2 sixteen little-endian bytes). Not stored anywhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use tidelog_log::{Error, Reader, Result, Value};

use super::limits::CURSOR_CHARS_MAX;
use super::sorting::{Cell, CellKind, Rank, Sorting};
use super::value::is_storable;

/// What makes two queries page alike.
pub(super) type Fingerprint = [u8; 8];

/// Writes a place as a cursor.
pub(super) fn write_cursor(fingerprint: Fingerprint, rank: &Rank) -> String {
    let mut bytes = fingerprint.to_vec();
    for cell in rank {
        match cell {
            None => bytes.push(0),
            Some(Cell::Value(value)) => {
                bytes.push(1);
                value.encode(&mut bytes);
            }
            Some(Cell::Wide(n)) => {
                bytes.push(2);
                bytes.extend_from_slice(&n.to_le_bytes());
            }
        }
    }
    BASE64.encode(bytes)
}

/// Reads what [`write_cursor`] wrote for the same query.
///
/// # Errors
/// `invalid_cursor`.
pub(super) fn read_cursor(text: &str, of: Fingerprint, sorting: &Sorting) -> Result<Rank> {
    let bytes = (text.len() <= CURSOR_CHARS_MAX).then(|| BASE64.decode(text).ok());
    let bytes = bytes.flatten().ok_or_else(invalid)?;
    let mut reader = Reader::new(&bytes);
    let fingerprint: Fingerprint = reader.array().map_err(|_| invalid())?;
    if fingerprint != of {
        return Err(invalid());
    }
    let cells = sorting.0.iter();
    let rank = cells
        .map(|column| read_cell(&mut reader, column.kind).map_err(|_| invalid()))
        .collect::<Result<Rank>>()?;
    if reader.is_empty() {
        return Ok(rank);
    }
    Err(invalid())
}

fn read_cell(reader: &mut Reader<'_>, kind: CellKind) -> Result<Option<Cell>> {
    match (reader.byte()?, kind) {
        (0, _) => Ok(None),
        (1, CellKind::Value(field_type)) => {
            let value = Value::decode(reader)?;
            let fits = |v: &Value| v.field_type() == field_type && is_storable(v);
            let value = value.filter(fits).ok_or_else(invalid)?;
            Ok(Some(Cell::Value(value)))
        }
        (2, CellKind::Whole | CellKind::Millionths) => {
            Ok(Some(Cell::Wide(i128::from_le_bytes(reader.array()?))))
        }
        _ => Err(invalid()),
    }
}

fn invalid() -> Error {
    Error::invalid(
        "invalid_cursor",
        "after takes the cursor that the page before of this same query returned",
    )
    .at("after")
}
