//! What the pages of a foreign blob say of their values, held against these.

use std::cmp::Ordering;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{ArrowPrimitiveType, Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array as _, ArrayRef, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};
use tidelog_vortex::{Page, Scalar};

/// True when the bounds of a page of keys are these, or around them where they are cut.
pub(super) fn surround(page: &Page, first: &str, last: &str) -> bool {
    let is = |bound: &Option<Scalar>, key: &str, exact: bool, side: Ordering| match bound {
        Some(Scalar::Bytes(bound)) => {
            let order = bound.as_slice().cmp(key.as_bytes());
            order == Ordering::Equal || !exact && order == side
        }
        _ => bound.is_none(),
    };
    is(&page.min, first, page.min_is_exact, Ordering::Less)
        && is(&page.max, last, page.max_is_exact, Ordering::Greater)
}

/// False where a page says what is not so of its ints, dates and times: values that are
/// looked for by such bounds would not be found.
pub(super) fn says_true(page: &Page, array: &ArrayRef) -> bool {
    if page.nulls != array.null_count() {
        return false;
    }
    let ints = match array.data_type() {
        DataType::Int64 => int_bounds(array.as_primitive::<Int64Type>()),
        DataType::Date32 => int_bounds(array.as_primitive::<Date32Type>()),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            int_bounds(array.as_primitive::<TimestampMicrosecondType>())
        }
        _ => return true,
    };
    let is_within = |bound: &Option<Scalar>, wrong: Ordering, value: i64| match bound {
        Some(Scalar::Int(bound)) => bound.cmp(&value) != wrong,
        _ => bound.is_none(),
    };
    ints.is_none_or(|(least, greatest)| {
        is_within(&page.min, Ordering::Greater, least)
            && is_within(&page.max, Ordering::Less, greatest)
    })
}

/// The least and the greatest value; none where there is none.
fn int_bounds<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>) -> Option<(i64, i64)>
where
    T::Native: Into<i64>,
{
    let wide = |value: T::Native| -> i64 { value.into() };
    if array.null_count() == array.len() {
        return None;
    }
    let (mut least, mut greatest) = (i64::MAX, i64::MIN);
    let mut add = |value| {
        least = least.min(value);
        greatest = greatest.max(value);
    };
    match array.null_count() {
        0 => array.values().iter().for_each(|value| add(wide(*value))),
        _ => array.iter().flatten().for_each(|value| add(wide(value))),
    }
    Some((least, greatest))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};
    use tidelog_log::Sequence;

    use super::*;
    use crate::document::Prepared;
    use crate::folded::OpenedBlob;
    use crate::folded::columns::KEY;
    use crate::folded::write::encoded_for_tests;
    use crate::{Document, TypeSchema, TypeSpec};

    fn blob() -> OpenedBlob {
        let spec = json!({"type": "lab", "collections": {"samples": {"key": ["s", "t"], "fields": {
            "s": {"type": "string", "required": true}, "t": {"type": "timestamp", "required": true},
            "n": {"type": "int"}, "d": {"type": "date"},
        }}}});
        let spec = TypeSpec::from_json(spec.to_string().as_bytes()).unwrap();
        let schema = TypeSchema::register(None, &spec).unwrap();
        let prepared = Prepared::new(schema.collections[0].clone()).unwrap();
        let documents = (10..60_i64).map(|second| {
            let mut document =
                json!({"s": "a", "t": format!("2026-01-01T00:00:{second}Z"), "d": "2026-01-07"});
            if second % 7 > 0 {
                document["n"] = json!(second - 30);
            }
            let Json::Object(members) = document else {
                unreachable!();
            };
            let row = prepared.row(members).unwrap();
            Document {
                key: prepared.key_of(&row).unwrap(),
                version: Sequence(second.unsigned_abs()),
                row,
            }
        });
        let documents: Vec<Document> = documents.collect();
        encoded_for_tests(&prepared.collection, &documents)
    }

    #[test]
    fn what_pages_say_of_their_values_is_held_against_them() {
        let blob = blob();
        assert_eq!(blob.check_page(0).unwrap().len(), 50);
        let mut bounded = 0;
        for (at, column) in blob.decoder.columns().iter().enumerate() {
            let page = column.pages[0].clone();
            let array = blob.decoder.read_page(at, 0).unwrap();
            assert!(says_true(&page, &array));
            let mut fewer = page.clone();
            fewer.nulls += 1;
            assert!(!says_true(&fewer, &array));
            let (Some(Scalar::Int(least)), Some(Scalar::Int(greatest))) = (&page.min, &page.max)
            else {
                continue;
            };
            bounded += 1;
            for (least, greatest, holds) in [
                (least - 1, greatest + 1, true),
                (least + 1, *greatest, false),
                (*least, greatest - 1, false),
            ] {
                let mut said = page.clone();
                (said.min, said.max) = (Some(Scalar::Int(least)), Some(Scalar::Int(greatest)));
                assert_eq!(says_true(&said, &array), holds, "{least} to {greatest}");
            }
        }
        assert!(bounded >= 3, "versions, times and numbers");
    }

    #[test]
    fn keys_are_held_against_the_bounds_of_their_page() {
        let blob = blob();
        let keys = blob.check_page(0).unwrap();
        let ends = [keys.value(0), keys.value(keys.len() - 1)];
        assert!(blob.begins_and_ends(0, ends));
        assert!(!blob.begins_and_ends(0, [keys.value(1), ends[1]]));
        assert!(!blob.begins_and_ends(0, [ends[0], keys.value(1)]));
        let key = blob.decoder.column_index(KEY).unwrap();
        let mut cut = blob.decoder.columns()[key].pages[0].clone();
        cut.min = Some(Scalar::Bytes(b"a".to_vec()));
        assert!(!surround(&cut, ends[0], ends[1]), "it says it is exact");
        cut.min_is_exact = false;
        assert!(surround(&cut, ends[0], ends[1]) && !surround(&cut, "A", ends[1]));
    }
}
