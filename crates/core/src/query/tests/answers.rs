//! What queries mean, by example; each asked of SQLite and of the reference evaluator.

use serde_json::{Value as Json, json};
use tidelog_log::limits::{INT_MAX, PAGE_BYTES_MAX};

use super::sqlite::Sqlite;
use super::{collection, document};
use crate::Document;
use crate::query::{Query, QueryPage, evaluate};

fn answer(documents: &[Document], body: Json) -> tidelog_log::Result<QueryPage> {
    let collection = collection();
    let query = Query::parse(&collection, &body)?;
    let by_sql = query.run(&Sqlite::with(&collection, documents), &collection);
    let by_reference = evaluate(&query, &collection, documents.to_vec());
    match (by_sql, by_reference) {
        (Ok(page), Ok(reference)) => {
            assert_eq!((&page.rows, &page.next), (&reference.rows, &reference.next));
            Ok(page)
        }
        (Err(error), Err(reference)) => {
            assert_eq!(error, reference);
            Err(error)
        }
        (page, reference) => panic!("{page:?} is not {reference:?}"),
    }
}

fn samples(rows: &[Json]) -> Vec<Document> {
    let rows = rows.iter().zip(1..);
    rows.map(|(row, n)| document(&collection(), &format!("k{n}"), n, row.clone()))
        .collect()
}

fn keys(documents: &[Document], body: Json) -> Vec<String> {
    let page = answer(documents, body).unwrap();
    let keys = page
        .rows
        .iter()
        .map(|row| row["_key"].as_str().unwrap().to_owned());
    keys.collect()
}

#[test]
fn a_test_of_no_value_is_false_and_not_is_plain_negation() {
    let rows = samples(&[json!({"a_int": 1}), json!({"a_int": 2}), json!({})]);
    for (condition, found) in [
        (json!({"a_int": 1}), vec!["k1"]),
        (json!({"a_int": null}), vec!["k3"]),
        (json!({"a_int": {"ne": 1}}), vec!["k2"]),
        (json!({"a_int": {"ne": null}}), vec!["k1", "k2"]),
        (json!({"not": {"a_int": 1}}), vec!["k2", "k3"]),
        (json!({"not": {"a_int": {"ne": 1}}}), vec!["k1", "k3"]),
        (
            json!({"not": {"not": {"a_int": {"lt": 5}}}}),
            vec!["k1", "k2"],
        ),
        (json!({"a_int": {"nin": [1]}}), vec!["k2"]),
        (json!({"a_int": {"nin": []}}), vec!["k1", "k2"]),
        (json!({"a_int": {"in": [2, null]}}), vec!["k2", "k3"]),
        (json!({"and": []}), vec!["k1", "k2", "k3"]),
        (json!({"or": []}), vec![]),
        (
            json!({"_key": {"gt": "k1"}, "_version": {"lt": 3}}),
            vec!["k2"],
        ),
        (json!({"id": "k2"}), vec!["k2"]),
    ] {
        assert_eq!(
            keys(&rows, json!({"where": condition.clone()})),
            found,
            "{condition}"
        );
    }
}

#[test]
fn no_value_comes_last_both_ways_and_the_key_breaks_ties() {
    let rows = samples(&[
        json!({}),
        json!({"a_float": 2}),
        json!({"a_float": 1}),
        json!({"a_float": 2}),
    ]);
    let order = |order: Json| keys(&rows, json!({"orderBy": order}));
    assert_eq!(order(json!(["a_float"])), ["k3", "k2", "k4", "k1"]);
    assert_eq!(order(json!(["-a_float"])), ["k2", "k4", "k3", "k1"]);
    assert_eq!(
        order(json!([{"field": "a_float", "desc": true}, "-_key"])),
        ["k4", "k2", "k3", "k1"]
    );
}

#[test]
fn rows_carry_key_and_version_and_undeclared_fields() {
    let rows = samples(&[json!({"a_bigint": "9223372036854775807", "tags": ["x"]})]);
    let row = |body| answer(&rows, body).unwrap().rows.remove(0);
    let all =
        json!({"_key": "k1", "_version": 1, "a_bigint": "9223372036854775807", "tags": ["x"]});
    assert_eq!(Json::Object(row(json!({}))), all);
    let some = json!({"_key": "k1", "_version": 1});
    assert_eq!(Json::Object(row(json!({"select": ["a_int"]}))), some);
}

#[test]
fn groups_are_counted_summed_and_ordered() {
    let rows = samples(&[
        json!({"a_string": "b", "a_int": 3, "a_timestamp": "2013-05-17T10:20:00Z"}),
        json!({"a_string": "a", "a_int": 1, "a_timestamp": "2013-05-17T10:40:00Z"}),
        json!({"a_string": "b", "a_int": 4, "a_timestamp": "2013-06-01T00:00:00Z"}),
        json!({"a_int": 9}),
    ]);
    let page = answer(
        &rows,
        json!({
            "groupBy": ["a_string"],
            "aggregate": {"n": {"count": "*"}, "sum": {"sum": "a_int"}, "avg": {"avg": "a_int"}}
        }),
    );
    assert_eq!(
        Json::from_iter(page.unwrap().rows),
        json!([
            {"a_string": "a", "n": 1, "sum": 1, "avg": 1.0},
            {"a_string": "b", "n": 2, "sum": 7, "avg": 3.5},
            {"a_string": null, "n": 1, "sum": 9, "avg": 9.0},
        ])
    );
    let page = answer(
        &rows,
        json!({
            "groupBy": [{"field": "a_timestamp", "bucket": "month", "as": "month"}],
            "aggregate": {"n": {"count": "*"}}, "orderBy": ["-n"], "limit": 2
        }),
    );
    assert_eq!(
        Json::from_iter(page.unwrap().rows),
        json!([
            {"month": "2013-05-01T00:00:00Z", "n": 2},
            {"month": "2013-06-01T00:00:00Z", "n": 1},
        ])
    );
}

#[test]
fn aggregates_of_nothing_are_zero_or_null() {
    let body = json!({"aggregate": {
        "n": {"count": "*"}, "s": {"sum": "a_int"}, "m": {"max": "a_date"}, "d": {"countDistinct": "a_int"}
    }});
    let page = answer(&[], body).unwrap();
    let nothing = json!([{"n": 0, "s": null, "m": null, "d": 0}]);
    assert_eq!(Json::from_iter(page.rows), nothing);
    let page = answer(&[], json!({"groupBy": ["a_int"]})).unwrap();
    assert_eq!(page.rows, []);
}

#[test]
fn sums_are_exact_or_an_error() {
    let edge = samples(&[json!({"a_int": INT_MAX}), json!({"a_int": 1})]);
    let sum = json!({"aggregate": {"s": {"sum": "a_int"}}});
    let error = answer(&edge, sum.clone()).unwrap_err();
    assert_eq!(
        (error.code(), error.field()),
        ("sum_overflow", Some("aggregate.s"))
    );
    let back = samples(&[
        json!({"a_int": INT_MAX}),
        json!({"a_int": 1}),
        json!({"a_int": -1}),
    ]);
    assert_eq!(answer(&back, sum).unwrap().rows[0]["s"], json!(INT_MAX));
    let big = samples(&[
        json!({"a_bigint": i64::MAX}),
        json!({"a_bigint": "9223372036854775806"}),
    ]);
    let both = json!({"aggregate": {"s": {"sum": "a_bigint"}, "a": {"avg": "a_bigint"}}});
    let row = answer(&big, both).unwrap().rows.remove(0);
    assert_eq!(row["s"], json!("18446744073709551613"));
    assert_eq!(row["a"], json!("9223372036854775806.5"));
    let floats = samples(&[
        json!({"a_float": 1e100}),
        json!({"a_float": 1}),
        json!({"a_float": -1e100}),
    ]);
    let sum = json!({"aggregate": {"s": {"sum": "a_float"}}});
    assert_eq!(answer(&floats, sum).unwrap().rows[0]["s"], json!(1.0));
}

#[test]
fn a_page_ends_by_bytes_and_holds_one_row_at_least() {
    let long = "x".repeat(1_400_000);
    let rows: Vec<Json> = (0..8)
        .map(|n| json!({"a_string": long, "a_int": n}))
        .collect();
    let rows = samples(&rows);
    for order in ["a_int", "z_int", "_key"] {
        let body = json!({"orderBy": [order]});
        let page = answer(&rows, body.clone()).unwrap();
        assert_eq!(page.rows.len(), PAGE_BYTES_MAX / 1_400_050);
        let mut body = body;
        body["after"] = json!(page.next.unwrap());
        let rest = answer(&rows, body).unwrap();
        assert_eq!((rest.rows.len(), rest.next), (3, None));
    }
    let page = answer(&rows, json!({"groupBy": ["a_string", "a_int"], "limit": 3})).unwrap();
    assert_eq!(page.rows.len(), 3);
}

#[test]
fn too_many_groups_are_refused() {
    let collection = collection();
    let query = json!({"groupBy": ["_version"]});
    let query = Query::parse(&collection, &query).unwrap();
    let documents = (1..=100_001).map(|n| document(&collection, &n.to_string(), n, json!({})));
    let error = evaluate(&query, &collection, documents).unwrap_err();
    assert_eq!(error.code(), "too_many_groups");
}
