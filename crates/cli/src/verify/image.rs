//! One event, or one document, as comparable members; and their digests, which fit in memory.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};
use tidelog_core::{Collection, TypeSchema};
use tidelog_lake::ChangeRow;
use tidelog_log::{Operation, timestamp_to_text};

use crate::failure::{Failure, Result};

/// Members by name, values without null. Rows of an event stand under `row.` and `before.`.
pub(crate) type Image = BTreeMap<String, Json>;

/// A BLAKE3 hash of an image.
pub(crate) type Digest = [u8; 32];

pub(crate) fn digest(image: &Image) -> Digest {
    digest_of(image.iter())
}

/// The digest of [`document`], without the copy.
pub(crate) fn document_digest(row: &Map<String, Json>) -> Digest {
    let mut kept: Vec<(&String, &Json)> = row.iter().filter(is_kept).collect();
    kept.sort_unstable_by_key(|(name, _)| *name);
    digest_of(kept.into_iter())
}

fn digest_of<'a>(members: impl Iterator<Item = (&'a String, &'a Json)>) -> Digest {
    let mut text = String::with_capacity(1_024);
    for (name, value) in members {
        // A length before the name: no name can look like a value.
        text.push_str(&format!("{}:{name}:{value}\n", name.len()));
    }
    *blake3::hash(text.as_bytes()).as_bytes()
}

fn is_kept((name, value): &(&String, &Json)) -> bool {
    !value.is_null() && name.as_str() != "_key" && name.as_str() != "_version"
}

/// A document, without what a query adds to it.
pub(crate) fn document(row: &Map<String, Json>) -> Image {
    let kept = row.iter().filter(is_kept);
    kept.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// An event of `/changes?images=full` as the lake knows it: of `before`, the changed fields only.
pub(crate) fn of_log(event: &Json) -> Image {
    let mut image: Image = [
        ("epoch", "/epoch"),
        ("operation", "/operation"),
        ("key", "/documentId"),
        ("timestamp", "/timestamp"),
        ("turn", "/turn/id"),
        ("schemaVersion", "/schemaVersion"),
        ("source", "/source"),
        ("correlationId", "/correlationId"),
        ("cause", "/turn/cause"),
    ]
    .into_iter()
    .filter_map(|(name, path)| Some((name.to_owned(), event.pointer(path)?.clone())))
    .filter(|(_, value)| *value != "")
    .collect();
    let row = event.get("after").or_else(|| event.get("before"));
    put_row(&mut image, "row.", row.and_then(Json::as_object));
    let changed = event["changedFields"].as_array().into_iter().flatten();
    let changed: BTreeSet<String> = changed
        .filter_map(|n| Some(n.as_str()?.to_owned()))
        .collect();
    if event["operation"] == "UPDATE" {
        let before = event["before"].as_object().cloned().unwrap_or_default();
        let before = before
            .into_iter()
            .filter(|(name, _)| changed.contains(name));
        put_row(&mut image, "before.", Some(&before.collect()));
        image.insert("changedFields".to_owned(), json!(changed));
    }
    image
}

/// A row of the changes table. Names stand as they were when it was written (`written`) and are
/// compared as the object calls the fields now (`now`).
pub(crate) fn of_lake(row: &ChangeRow, written: &TypeSchema, now: &Collection) -> Image {
    let mut image: Image = [
        ("epoch", json!(row.epoch)),
        ("operation", json!(row.operation.name())),
        ("key", json!(row.key)),
        (
            "timestamp",
            json!(timestamp_to_text(row.timestamp.saturating_mul(1_000))),
        ),
        ("turn", json!(row.turn)),
        ("schemaVersion", json!(row.schema_version)),
        ("source", json!(row.source)),
        ("correlationId", json!(row.correlation_id)),
        ("cause", json!(row.cause)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .filter(|(_, value)| *value != "")
    .collect();
    let members = row.row.to_json(|id| now.field_name(id));
    put_row(&mut image, "row.", members.as_object());
    if row.operation == Operation::Update {
        let renamed = |name: &String| {
            let then = written.collection(&now.name).ok()?.field(name)?;
            now.field_name(then.id).map(str::to_owned)
        };
        let current = |name: &String| renamed(name).unwrap_or_else(|| name.clone());
        let before = row.before.iter().flatten();
        let before = before.map(|(name, value)| (current(name), value.clone()));
        put_row(&mut image, "before.", Some(&before.collect()));
        let changed: BTreeSet<String> = row.changed_fields.iter().map(current).collect();
        image.insert("changedFields".to_owned(), json!(changed));
    }
    image
}

fn put_row(image: &mut Image, prefix: &str, row: Option<&Map<String, Json>>) {
    for (name, value) in row.into_iter().flatten() {
        if !value.is_null() {
            image.insert(format!("{prefix}{name}"), value.clone());
        }
    }
}

/// The first member that differs, with both values; null is "not there".
pub(crate) fn first_difference(one: &Image, other: &Image) -> Option<(String, Json, Json)> {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let of = |image: &Image, name: &String| image.get(name).cloned().unwrap_or_default();
    names.into_iter().find_map(|name| {
        let (one, other) = (of(one, name), of(other, name));
        (one != other).then(|| (name.clone(), one, other))
    })
}

/// The sequence of an event.
pub(crate) fn sequence(event: &Json) -> Result<u64> {
    event["sequence"]
        .as_u64()
        .ok_or_else(|| Failure::failed("an event without a sequence"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidelog_core::TypeSpec;
    use tidelog_log::{Epoch, Row, Sequence, Value};

    fn schemas() -> (TypeSchema, TypeSchema) {
        let toml = |name: &str, from: &str| {
            format!(
                "type = 't'\n[collections.c]\nkey = ['k']\n[collections.c.fields]\nk = {{ type = 'string', required = true }}\n{name} = {{ type = 'float'{from} }}\n"
            )
        };
        let spec = TypeSpec::from_toml(&toml("old", "")).unwrap();
        let first = TypeSchema::register(None, &spec).unwrap();
        let spec = TypeSpec::from_toml(&toml("new", ", renamed_from = 'old'")).unwrap();
        let second = TypeSchema::register(Some(&first), &spec).unwrap();
        (first, second)
    }

    fn lake_row(now: &Collection) -> ChangeRow {
        let id = |name| now.field(name).unwrap().id;
        let mut row = Row::default();
        row.set(id("k"), Some(Value::Text("a".to_owned())));
        row.set(id("new"), Some(Value::Float(2.5)));
        row.extra.insert("x".to_owned(), json!({"y": 1}));
        ChangeRow {
            object: "o".to_owned(),
            epoch: Epoch(5),
            sequence: Sequence(7),
            operation: Operation::Update,
            key: "a".to_owned(),
            timestamp: 1_000,
            turn: Sequence(6),
            schema_version: 1,
            source: String::new(),
            correlation_id: "c".to_owned(),
            cause: String::new(),
            changed_fields: vec!["x".to_owned(), "old".to_owned()],
            before: json!({"old": 1.5}).as_object().cloned(),
            row,
        }
    }

    fn log_event() -> Json {
        json!({
            "sequence": 7, "epoch": 5, "operation": "UPDATE", "documentId": "a",
            "timestamp": timestamp_to_text(1_000_000), "schemaVersion": 1, "source": "",
            "correlationId": "c", "turn": {"id": 6, "index": 1, "count": 2},
            "before": {"k": "a", "new": 1.5}, "after": {"k": "a", "new": 2.5, "x": {"y": 1}},
            "changedFields": ["new", "x"],
        })
    }

    #[test]
    fn the_same_event_has_the_same_image_in_log_and_lake_also_after_a_rename() {
        let (first, second) = schemas();
        let now = &second.collections[0];
        let (log, lake) = (of_log(&log_event()), of_lake(&lake_row(now), &first, now));
        assert_eq!(first_difference(&log, &lake), None);
        assert_eq!(digest(&log), digest(&lake));
    }

    #[test]
    fn a_document_has_the_digest_of_its_image() {
        let row = json!({"b": 1, "_key": "k", "_version": 2, "a": {"x": null}, "c": null});
        let row = row.as_object().unwrap();
        assert_eq!(document_digest(row), digest(&document(row)));
    }

    #[test]
    fn a_planted_difference_is_named_with_both_values() {
        let (first, second) = schemas();
        let now = &second.collections[0];
        let log = of_log(&log_event());
        let mut planted = lake_row(now);
        planted
            .row
            .set(now.field("new").unwrap().id, Some(Value::Float(2.25)));
        let lake = of_lake(&planted, &first, now);
        assert_ne!(digest(&log), digest(&lake));
        assert_eq!(
            first_difference(&log, &lake),
            Some(("row.new".to_owned(), json!(2.5), json!(2.25)))
        );
        let mut planted = lake_row(now);
        planted.before = None;
        let lake = of_lake(&planted, &first, now);
        assert_eq!(
            first_difference(&log, &lake),
            Some(("before.new".to_owned(), json!(1.5), Json::Null))
        );
    }
}
