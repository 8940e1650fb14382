//! Documents whose key is made of fields: what a filter says of those fields prunes blobs and pages,
//! and the answer stays that of the reference evaluator.

use serde_json::{Value as Json, json};

use super::document;
use super::sqlite::Sqlite;
use crate::query::{Query, evaluate};
use crate::{Collection, Document, Prepared, TypeSchema, TypeSpec};

const START: i64 = 1_767_225_600_000_000;
const STEPS: usize = 260;
/// Their keys are escaped, one is the start of another.
const POINTS: [&str; 6] = ["P1", "P10", "P2", "a~b", "50%", "é"];

fn collection(key: &[&str]) -> Collection {
    let spec = json!({"type": "plant", "collections": {"readings": {
        "key": key,
        "fields": {
            "point": {"type": "string", "required": true},
            "n": {"type": "int", "required": true},
            "at": {"type": "timestamp", "required": true},
            "value": {"type": "float"},
        },
    }}});
    let spec = TypeSpec::from_json(spec.to_string().as_bytes()).unwrap();
    let schema = TypeSchema::register(None, &spec).unwrap();
    schema.collections[0].clone()
}

fn documents(collection: &Collection) -> Vec<Document> {
    let prepared = Prepared::new(collection.clone()).unwrap();
    let mut out = Vec::new();
    for step in 0..STEPS {
        for point in POINTS {
            let micros = START + 60_000_000 * i64::try_from(step).unwrap();
            let mut json = json!({
                "point": point, "n": step, "at": tidelog_log::timestamp_to_text(micros),
            });
            if step % 11 != 3 {
                json["value"] = json!(f64::from(u16::try_from(step * 37 % 1_000).unwrap()) / 100.0);
            }
            let mut document = document(collection, "", out.len() as u64 + 1, json);
            document.key = prepared.key_of(&document.row).unwrap();
            out.push(document);
        }
    }
    out
}

/// A timestamp so many steps after the first.
fn at(step: i64) -> String {
    tidelog_log::timestamp_to_text(START + 60_000_000 * step)
}

fn filters() -> Vec<Json> {
    let mut filters = vec![
        json!({}),
        json!({"at": {"gte": at(100), "lt": at(200)}}),
        json!({"at": {"gt": at(5_000)}}),
        json!({"value": {"lt": 3.5}, "n": {"between": [10, 200]}}),
        json!({"not": {"at": {"gte": at(100)}}}),
        json!({"or": [{"point": "P1"}, {"at": {"lt": at(9)}}]}),
        json!({"point": {"in": ["P2", "é"]}, "value": {"exists": true}}),
        json!({"value": {"exists": false}}),
        json!({"_key": {"lte": "P1~"}}),
        json!({"_key": {"in": ["P1~2026-01-01T00:05:00Z", "nothing"]}}),
        json!({"_key": {"ne": "P1~2026-01-01T00:05:00Z"}}),
    ];
    for point in POINTS.into_iter().chain(["", "P", "P11", "zz"]) {
        filters.push(json!({"point": point}));
        filters.push(json!({"point": point, "at": {"lt": at(77)}}));
        filters.push(json!({"point": point, "at": at(70)}));
        filters.push(json!({"point": point, "n": 70, "at": at(70)}));
        filters.push(json!({"_key": {"prefix": format!("{point}~")}}));
        filters.push(json!({"_key": {"prefix": point}, "point": {"ne": "P2"}}));
        filters.push(json!({"_key": {"gte": point, "lt": format!("{point}~2026-01-01T03")}}));
    }
    filters
}

#[test]
fn filters_on_key_fields_agree_with_the_reference_evaluator() {
    for key in [&["point", "at"][..], &["point", "n", "at"], &["n", "point"]] {
        let collection = collection(key);
        let documents = documents(&collection);
        let each = documents.len().div_ceil(5);
        let databases = [
            // As they arrive, and some masked.
            Sqlite::folded(&collection, &documents, |at| Some(at / each)),
            Sqlite::folded(&collection, &documents, |at| {
                (at % 7 > 0).then_some(at / each)
            }),
        ];
        for filter in filters() {
            let shapes = [
                json!({"aggregate": {
                    "total": {"sum": "value"}, "whole": {"sum": "n"}, "least": {"min": "value"},
                    "most": {"max": "at"}, "values": {"count": "value"}, "all": {"count": "*"},
                }}),
                json!({"groupBy": ["point"], "aggregate": {"total": {"sum": "value"}}}),
                json!({"limit": 1_000, "orderBy": ["-at", "point"]}),
                json!({"limit": 1_000}),
            ];
            for mut body in shapes {
                body["where"] = filter.clone();
                let query = Query::parse(&collection, &body).unwrap();
                let expected = evaluate(&query, &collection, documents.clone()).unwrap();
                for database in &databases {
                    let found = query.run(database, &collection).unwrap();
                    let found = (found.rows, found.next);
                    assert_eq!(
                        found,
                        (expected.rows.clone(), expected.next.clone()),
                        "{body}"
                    );
                }
            }
        }
    }
}

/// Documents looked at, and blobs read, to answer a sum.
fn cost(database: &Sqlite, collection: &Collection, filter: Json) -> (u64, usize) {
    database.statements.borrow_mut().clear();
    let body = json!({"where": filter, "aggregate": {"total": {"sum": "value"}}});
    let query = Query::parse(collection, &body).unwrap();
    let scanned = query.run(database, collection).unwrap().scanned;
    let statements = database.statements.borrow();
    let bodies = statements
        .iter()
        .filter(|text| text.contains("FROM _blobs"));
    (scanned, bodies.count())
}

#[test]
fn blobs_whose_keys_are_others_are_not_read() {
    let collection = collection(&["n", "point"]);
    let mut sorted = documents(&collection);
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    let each = sorted.len() / 4;
    let fresh = || Sqlite::folded(&collection, &sorted, |at| Some(at / each));
    let (all, blobs) = cost(&fresh(), &collection, json!({}));
    assert_eq!((all, blobs), (sorted.len() as u64, 4));
    for filter in [
        json!({"n": 259}),
        json!({"n": 259, "point": "P1"}),
        json!({"_key": {"prefix": "259~"}}),
        json!({"_key": "259~P1"}),
        json!({"_key": {"gte": "259~", "lt": "25:"}}),
    ] {
        let (scanned, blobs) = cost(&fresh(), &collection, filter.clone());
        assert!(
            scanned < all / 3 && blobs <= 2,
            "{filter}: {scanned} {blobs}"
        );
    }
    let (_, none) = cost(&fresh(), &collection, json!({"n": 70_000}));
    assert!(none <= 1, "{none}");
    let (scanned, none) = cost(&fresh(), &collection, json!({"n": 1_000_000_000}));
    assert!(scanned <= each as u64 && none <= 1);
}
