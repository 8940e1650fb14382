//! What the bounds of a blob and of a page say of a value.

use std::cmp::Ordering;

use tidelog_log::{FieldId, FieldType, Value};
use tidelog_vortex::{Page, Scalar};

use super::blob::OpenedBlob;
use super::manifest::Entry;
use crate::document::key_values;
use crate::{Collection, Document};

/// Key fields that are bounded at most: the manifest of [`BLOBS_MAX`](super::BLOBS_MAX) blobs is one
/// SQLite row.
pub(super) const FIELDS_MAX: usize = 2;

/// A bound against a value; none where they have no order in common.
pub(crate) fn compare(bound: &Scalar, value: &Value) -> Option<Ordering> {
    Some(match (bound, value) {
        (Scalar::Int(a), Value::Int(b) | Value::BigInt(b) | Value::Timestamp(b)) => a.cmp(b),
        (Scalar::Int(a), Value::Date(b)) => a.cmp(&i64::from(*b)),
        (Scalar::Float(a), Value::Float(b)) => a.total_cmp(b),
        (Scalar::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Scalar::Bytes(a), Value::Text(b)) => a.as_slice().cmp(b.as_bytes()),
        (Scalar::Bytes(a), Value::Uuid(b)) => a.as_slice().cmp(b),
        _ => return None,
    })
}

/// False when no value of a page is this one.
pub(crate) fn may_equal(page: &Page, value: &Value) -> bool {
    let is = |bound: &Option<Scalar>, side| {
        let ordering = bound.as_ref().and_then(|bound| compare(bound, value));
        ordering == Some(side)
    };
    !is(&page.min, Ordering::Greater) && !is(&page.max, Ordering::Less)
}

/// Between which values the key fields of some documents lie that are numbers or times. Keys of a sensor
/// and a time come by time, so every blob has all sensors: which blobs may hold a key its first and last
/// key do not say, but their times do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyBounds(pub(super) Vec<FieldBounds>);

/// Of ints, dates (days) and timestamps (microseconds), both since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FieldBounds {
    pub(super) field: FieldId,
    pub(super) least: i64,
    pub(super) greatest: i64,
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(i) | Value::Timestamp(i) => Some(*i),
        Value::Date(days) => Some(i64::from(*days)),
        _ => None,
    }
}

/// The key fields that are bounded.
fn bounded(collection: &Collection) -> impl Iterator<Item = FieldId> {
    let is_number = |id: &&FieldId| {
        let field = collection.field_by_id(**id);
        let numbers = [FieldType::Int, FieldType::Timestamp, FieldType::Date];
        field.is_some_and(|field| numbers.contains(&field.field_type))
    };
    let fields = collection.key.iter().filter(is_number);
    fields.take(FIELDS_MAX).copied()
}

impl KeyBounds {
    /// Of these documents; empty without any.
    pub(crate) fn of(collection: &Collection, documents: &[Document]) -> Self {
        let of = |field| {
            let mut values = documents.iter().map(|document| {
                let value = document.row.get(field)?;
                number(value).map(|value| (value, value))
            });
            FieldBounds::of(field, &mut values)
        };
        Self(bounded(collection).filter_map(of).collect())
    }

    /// Of all rows of a blob, as its pages say.
    pub(crate) fn of_blob(collection: &Collection, blob: &OpenedBlob) -> Self {
        let of = |field| {
            let column = blob.decoder.columns().get(blob.field(field)?.at)?;
            let mut pages = column
                .pages
                .iter()
                .map(|page| match (&page.min, &page.max) {
                    (Some(Scalar::Int(least)), Some(Scalar::Int(greatest))) if page.nulls == 0 => {
                        Some((*least, *greatest))
                    }
                    _ => None,
                });
            FieldBounds::of(field, &mut pages)
        };
        Self(bounded(collection).filter_map(of).collect())
    }

    /// True when a document within these bounds may be one within those.
    pub(crate) fn may_meet(&self, other: &Self) -> bool {
        self.0.iter().all(|own| {
            let mut others = other.0.iter();
            let theirs = others.find(|theirs| theirs.field == own.field);
            theirs.is_none_or(|theirs| own.least <= theirs.greatest && theirs.least <= own.greatest)
        })
    }

    /// True when the field of some document may have a value that compares so with this one.
    pub(crate) fn may_have(&self, field: FieldId, value: &Value, sides: &[Ordering]) -> bool {
        let own = self.0.iter().find(|own| own.field == field);
        let (Some(own), Some(value)) = (own, number(value)) else {
            return true;
        };
        sides.iter().any(|side| match side {
            Ordering::Less => own.least < value,
            Ordering::Equal => own.least <= value && value <= own.greatest,
            Ordering::Greater => own.greatest > value,
        })
    }
}

impl FieldBounds {
    /// Around all of these; none where there is none, or one is not known.
    fn of(field: FieldId, all: &mut dyn Iterator<Item = Option<(i64, i64)>>) -> Option<Self> {
        let (mut least, mut greatest) = all.next()??;
        for bounds in all {
            let (low, high) = bounds?;
            (least, greatest) = (least.min(low), greatest.max(high));
        }
        Some(Self {
            field,
            least,
            greatest,
        })
    }
}

/// A key, and what it says of the key fields of its document: blobs and pages that lack one of these
/// values lack the key too, and need not be read to see it.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'k> {
    pub(crate) key: &'k str,
    fields: Vec<(FieldId, Value)>,
}

impl<'k> Wanted<'k> {
    pub(crate) fn of(collection: &Collection, key: &'k str) -> Self {
        Self {
            key,
            fields: key_values(collection, key),
        }
    }

    /// False when a blob has no document of this key.
    pub(crate) fn may_be_in(&self, entry: &Entry) -> bool {
        let has =
            |(id, value): &(FieldId, Value)| entry.bounds.may_have(*id, value, &[Ordering::Equal]);
        entry.may_hold(self.key) && self.fields.iter().all(has)
    }

    /// False when a page of a blob has no document of this key.
    pub(crate) fn may_be_on(&self, blob: &OpenedBlob, page: usize) -> bool {
        self.fields.iter().all(|(id, value)| {
            let column = blob.field(*id);
            let column = column.and_then(|column| blob.decoder.columns().get(column.at));
            let said = column.and_then(|column| column.pages.get(page));
            said.is_none_or(|said| may_equal(said, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document::Prepared;
    use crate::folded::write::encoded_for_tests;
    use crate::{TypeSchema, TypeSpec};

    fn prepared(key: &[&str]) -> Prepared {
        let field = |t: &str| json!({"type": t, "required": true});
        let spec = json!({"type": "lab", "collections": {"samples": {"key": key, "fields": {
            "s": field("string"), "i": field("int"), "t": field("timestamp"), "d": field("date"),
            "b": field("bool"),
        }}}});
        let spec = TypeSpec::from_json(spec.to_string().as_bytes()).unwrap();
        let schema = TypeSchema::register(None, &spec).unwrap();
        Prepared::new(schema.collections[0].clone()).unwrap()
    }

    fn document(prepared: &Prepared, n: i64) -> Document {
        let long = "x".repeat(70);
        let texts = ["", "a", "~", "é", "x", &long, &format!("{long}y")].map(str::to_owned);
        let text = &texts[usize::try_from(n).unwrap() % texts.len()];
        let second = n * 7 % 60;
        let document = json!({
            "s": text, "i": n * 37 % 101 - 50, "t": format!("2026-01-01T00:00:{second:02}Z"),
            "d": format!("2026-01-{:02}", n % 28 + 1), "b": n % 2 == 0,
        });
        let serde_json::Value::Object(members) = document else {
            unreachable!();
        };
        let row = prepared.row(members).unwrap();
        Document {
            key: prepared.key_of(&row).unwrap(),
            version: tidelog_log::Sequence(n.unsigned_abs()),
            row,
        }
    }

    #[test]
    fn what_is_there_is_within_the_bounds_and_so_is_every_part_of_it() {
        let keys: [&[&str]; 4] = [&["i"], &["s", "t"], &["t", "s", "b"], &["b", "d", "i", "t"]];
        for key in keys {
            let prepared = prepared(key);
            let collection = &prepared.collection;
            let all: Vec<Document> = (0..500).map(|n| document(&prepared, n)).collect();
            for part in all.chunks(7) {
                let bounds = KeyBounds::of(collection, part);
                assert!((1..=FIELDS_MAX).contains(&bounds.0.len()) && bounds.may_meet(&bounds));
                for document in part {
                    for (id, value) in key_values(collection, &document.key) {
                        assert!(bounds.may_have(id, &value, &[Ordering::Equal]), "{value:?}");
                    }
                    let one = KeyBounds::of(collection, std::slice::from_ref(document));
                    assert!(bounds.may_meet(&one) && one.may_meet(&bounds));
                }
            }
        }
    }

    #[test]
    fn what_is_outside_is_told() {
        let prepared = prepared(&["s", "i"]);
        let collection = &prepared.collection;
        let id = collection.key[1];
        let near = |n: i64| {
            (0..500)
                .map(|m| document(&prepared, m))
                .filter(move |d| matches!(d.row.get(id), Some(Value::Int(i)) if (i - n).abs() < 5))
        };
        let [low, high] = [-40, 40].map(|n| near(n).collect::<Vec<_>>());
        let [low, high] = [low, high].map(|all| KeyBounds::of(collection, &all));
        assert!(!low.may_meet(&high) && !high.may_meet(&low));
        assert!(low.may_meet(&KeyBounds::default()) && KeyBounds::default().may_meet(&low));
        use Ordering::{Equal, Greater, Less};
        let has = |side, n| low.may_have(id, &Value::Int(n), &[side]);
        assert!(has(Equal, -44) && has(Equal, -36) && !has(Equal, -45) && !has(Equal, -35));
        assert!(has(Less, 0) && !has(Less, -50) && has(Greater, -100) && !has(Greater, 0));
        // A value of another type, and a field without bounds, say nothing.
        assert!(low.may_have(id, &Value::Float(1.0), &[Equal]));
        assert!(low.may_have(collection.key[0], &Value::Text("q".to_owned()), &[Equal]));
    }

    #[test]
    fn pages_say_the_same_as_documents() {
        for key in [&["i"][..], &["s", "t"], &["t", "s"], &["d", "i"]] {
            let prepared = prepared(key);
            let mut all: Vec<Document> = (0..300).map(|n| document(&prepared, n)).collect();
            all.sort_by(|a, b| a.key.cmp(&b.key));
            all.dedup_by(|a, b| a.key == b.key);
            let blob = encoded_for_tests(&prepared.collection, &all);
            let bounds = KeyBounds::of_blob(&prepared.collection, &blob);
            assert_eq!(bounds, KeyBounds::of(&prepared.collection, &all));
        }
    }
}
