//! Every wrong query is refused with its code and the path of what is wrong.

use serde_json::{Value as Json, json};
use tidelog_log::limits::{DEPTH_MAX, FILTER_NODES_MAX, IN_LIST_MAX};
use tidelog_log::{Kind, Result};

use super::collection;
use crate::query::{Query, evaluate};

fn refusal(body: Json) -> (String, String) {
    let shown: String = body.to_string().chars().take(300).collect();
    let Err(error) = Query::parse(&collection(), &body) else {
        panic!("taken: {shown}");
    };
    let path = error.field().unwrap_or_default().to_owned();
    (error.code().to_owned(), path)
}

fn refused(cases: &[(Json, &str, &str)]) {
    for (body, code, path) in cases {
        let found = refusal(body.clone());
        assert_eq!(
            (found.0.as_str(), found.1.as_str()),
            (*code, *path),
            "{body}"
        );
    }
}

#[test]
fn wrong_conditions_are_refused_where_they_stand() {
    refused(&[
        (json!([]), "wrong_type", "query"),
        (json!({"wher": {}}), "unknown_parameter", "wher"),
        (json!({"where": 1}), "wrong_type", "where"),
        (json!({"where": {"nope": 1}}), "unknown_field", "where.nope"),
        (
            json!({"where": {"undeclared": null}}),
            "unknown_field",
            "where.undeclared",
        ),
        (
            json!({"where": {"a_int": "1"}}),
            "wrong_type",
            "where.a_int",
        ),
        (json!({"where": {"a_int": {}}}), "wrong_type", "where.a_int"),
        (
            json!({"where": {"a_int": {"gt": "x"}}}),
            "wrong_type",
            "where.a_int.gt",
        ),
        (
            json!({"where": {"a_int": {"gt": null}}}),
            "wrong_type",
            "where.a_int.gt",
        ),
        (
            json!({"where": {"a_int": {"gt": 1.5}}}),
            "value_out_of_range",
            "where.a_int.gt",
        ),
        (
            json!({"where": {"a_int": {"$gt": 1}}}),
            "unknown_operator",
            "where.a_int.$gt",
        ),
        (
            json!({"where": {"a_int": {"in": 1}}}),
            "wrong_type",
            "where.a_int.in",
        ),
        (
            json!({"where": {"a_int": {"in": [1, "x"]}}}),
            "wrong_type",
            "where.a_int.in[1]",
        ),
        (
            json!({"where": {"a_int": {"between": [1]}}}),
            "wrong_type",
            "where.a_int.between",
        ),
        (
            json!({"where": {"a_int": {"between": [1, null]}}}),
            "wrong_type",
            "where.a_int.between[1]",
        ),
    ]);
}

#[test]
fn operators_are_refused_where_they_do_not_apply() {
    refused(&[
        (
            json!({"where": {"a_int": {"exists": 1}}}),
            "wrong_type",
            "where.a_int.exists",
        ),
        (
            json!({"where": {"a_int": {"like": "1%"}}}),
            "operator_not_applicable",
            "where.a_int.like",
        ),
        (
            json!({"where": {"a_json": {"gt": 1}}}),
            "operator_not_applicable",
            "where.a_json.gt",
        ),
        (
            json!({"where": {"a_vector": {"in": []}}}),
            "operator_not_applicable",
            "where.a_vector.in",
        ),
        (
            json!({"where": {"a_string": {"like": "a\\"}}}),
            "invalid_pattern",
            "where.a_string.like",
        ),
        (
            json!({"where": {"a_string": {"like": "a".repeat(2_000)}}}),
            "pattern_too_long",
            "where.a_string.like",
        ),
        (
            json!({"where": {"a_string": {"prefix": 1}}}),
            "wrong_type",
            "where.a_string.prefix",
        ),
        (json!({"where": {"or": {}}}), "wrong_type", "where.or"),
        (
            json!({"where": {"or": [{"and": [{"x": 1}]}]}}),
            "unknown_field",
            "where.or[0].and[0].x",
        ),
        (json!({"where": {"not": []}}), "wrong_type", "where.not"),
    ]);
}

#[test]
fn oversized_filters_are_refused() {
    let mut deep = json!({"a_int": 1});
    for _ in 0..DEPTH_MAX {
        deep = json!({"not": deep});
    }
    let wide: Vec<Json> = (0..=FILTER_NODES_MAX)
        .map(|n| json!({"a_int": n}))
        .collect();
    let long: Vec<usize> = (0..=IN_LIST_MAX).collect();
    refused(&[
        (json!({"where": deep}), "filter_too_deep", "where"),
        (json!({"where": {"or": wide}}), "filter_too_large", "where"),
        (
            json!({"where": {"a_int": {"in": long}}}),
            "list_too_long",
            "where.a_int.in",
        ),
    ]);
    let mut fits = json!({"a_int": 1});
    for _ in 1..DEPTH_MAX {
        fits = json!({"not": fits});
    }
    assert!(Query::parse(&collection(), &json!({"where": fits})).is_ok());
}

#[test]
fn wrong_orders_pages_and_selections_are_refused() {
    refused(&[
        (json!({"orderBy": "a_int"}), "wrong_type", "orderBy"),
        (json!({"orderBy": ["nope"]}), "unknown_field", "orderBy[0]"),
        (
            json!({"orderBy": ["a_int", "-a_int"]}),
            "duplicate_name",
            "orderBy[1]",
        ),
        (json!({"orderBy": ["a_json"]}), "not_ordered", "orderBy[0]"),
        (
            json!({"orderBy": [{"field": "a_int", "asc": true}]}),
            "unknown_parameter",
            "orderBy[0].asc",
        ),
        (
            json!({"orderBy": [{"desc": true}]}),
            "wrong_type",
            "orderBy[0].field",
        ),
        (
            json!({"orderBy": [{"field": "a_int", "desc": 1}]}),
            "wrong_type",
            "orderBy[0].desc",
        ),
        (
            json!({"orderBy": vec!["a_int"; 9]}),
            "list_too_long",
            "orderBy",
        ),
        (json!({"limit": 0}), "limit_out_of_range", "limit"),
        (json!({"limit": 10_001}), "limit_out_of_range", "limit"),
        (json!({"limit": "1"}), "limit_out_of_range", "limit"),
        (
            json!({"select": ["a_int", "nope"]}),
            "unknown_field",
            "select[1]",
        ),
        (json!({"select": [1]}), "wrong_type", "select[0]"),
        (json!({"after": 1}), "wrong_type", "after"),
        (json!({"after": "!"}), "invalid_cursor", "after"),
        (json!({"after": ""}), "invalid_cursor", "after"),
        (json!({"atLeast": "5"}), "malformed_offset", "atLeast"),
    ]);
}

#[test]
fn wrong_groups_are_refused() {
    refused(&[
        (json!({"groupBy": ["nope"]}), "unknown_field", "groupBy[0]"),
        (
            json!({"groupBy": [{"field": "nope"}]}),
            "unknown_field",
            "groupBy[0].field",
        ),
        (json!({"groupBy": ["a_json"]}), "not_ordered", "groupBy[0]"),
        (
            json!({"groupBy": ["a_int", "a_int"]}),
            "duplicate_name",
            "groupBy",
        ),
        (
            json!({"groupBy": [{"field": "a_int", "bucket": "day"}]}),
            "invalid_bucket",
            "groupBy[0].bucket",
        ),
        (
            json!({"groupBy": [{"field": "a_date", "bucket": "hour"}]}),
            "invalid_bucket",
            "groupBy[0].bucket",
        ),
        (
            json!({"groupBy": [{"field": "a_int", "size": 1}]}),
            "unknown_parameter",
            "groupBy[0].size",
        ),
        (json!({"groupBy": []}), "wrong_type", "aggregate"),
        (json!({"aggregate": {"n": {}}}), "wrong_type", "aggregate.n"),
        (
            json!({"aggregate": {"n": {"median": "a_int"}}}),
            "unknown_function",
            "aggregate.n.median",
        ),
        (
            json!({"aggregate": {"n": {"sum": "*"}}}),
            "unknown_field",
            "aggregate.n.sum",
        ),
        (
            json!({"aggregate": {"n": {"sum": "a_string"}}}),
            "not_numeric",
            "aggregate.n.sum",
        ),
        (
            json!({"aggregate": {"n": {"min": "a_vector"}}}),
            "not_ordered",
            "aggregate.n.min",
        ),
        (
            json!({"aggregate": {"": {"count": "*"}}}),
            "invalid_name",
            "aggregate",
        ),
        (
            json!({"aggregate": {"n": {"count": "*"}}, "orderBy": ["m"]}),
            "unknown_field",
            "orderBy[0]",
        ),
        (
            json!({"aggregate": {"n": {"count": "*"}}, "select": ["a_int"]}),
            "conflicting_parameters",
            "select",
        ),
    ]);
}

#[test]
fn wrong_times_and_partitions_are_refused() {
    refused(&[
        (
            json!({"timeRange": {"since": 1}}),
            "unknown_parameter",
            "timeRange.since",
        ),
        (
            json!({"timeRange": {"from": "yesterday"}}),
            "wrong_type",
            "timeRange.from",
        ),
        (
            json!({"timeRange": {"field": "a_int"}}),
            "wrong_type",
            "timeRange.field",
        ),
        (
            json!({"timeRange": {"field": "nope"}}),
            "unknown_field",
            "timeRange.field",
        ),
        (
            json!({"partitions": {"hour": 1}}),
            "unknown_partition",
            "partitions.hour",
        ),
        (
            json!({"partitions": {"a_int": 1}}),
            "unknown_partition",
            "partitions.a_int",
        ),
        (
            json!({"partitions": {"_object": "x"}}),
            "unknown_partition",
            "partitions._object",
        ),
        (
            json!({"partitions": {"month": 1}}),
            "incomplete_partition",
            "partitions.month",
        ),
        (
            json!({"partitions": {"year": "2013"}}),
            "wrong_type",
            "partitions.year",
        ),
        (
            json!({"partitions": {"year": 2013, "month": 13}}),
            "value_out_of_range",
            "partitions.month",
        ),
        (
            json!({"partitions": {"year": 2013, "month": 2, "day": 30}}),
            "value_out_of_range",
            "partitions.day",
        ),
        (
            json!({"partitions": {"a_string": 1}}),
            "wrong_type",
            "partitions.a_string",
        ),
    ]);
    let mut bare = collection();
    bare.cold.partition_by.clear();
    let error = Query::parse(&bare, &json!({"timeRange": {}})).unwrap_err();
    assert_eq!(error.code(), "ambiguous_time_field");
    let error = Query::parse(&bare, &json!({"partitions": {"year": 1}})).unwrap_err();
    assert_eq!(error.code(), "unknown_partition");
}

#[test]
fn what_is_not_there_yet_is_unsupported_and_not_ignored() {
    let parse = |body| -> Result<Query> { Query::parse(&collection(), &body) };
    for (body, code) in [
        (json!({"asOf": "2013-01-01T00:00:00Z"}), "as_of_unsupported"),
        (json!({"tiers": ["hot", "cold"]}), "tier_unsupported"),
        (
            json!({"consistency": "eventual"}),
            "consistency_unsupported",
        ),
    ] {
        let error = parse(body).unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Unsupported, code));
    }
    let offset = "0000000000000001_0000000000000002";
    let query = parse(json!({
        "tiers": ["hot"], "consistency": "strong", "asOf": null, "atLeast": offset
    }));
    assert_eq!(query.unwrap().at_least.unwrap().to_string(), offset);
}

#[test]
fn a_cursor_of_another_query_is_refused() {
    let collection = collection();
    let documents = || {
        let keys = ["a", "b", "c"].iter().enumerate();
        keys.map(|(at, key)| super::document(&collection, key, at as u64 + 1, json!({"a_int": at})))
    };
    let body = json!({"orderBy": ["a_int"], "limit": 1});
    let query = Query::parse(&collection, &body).unwrap();
    let cursor = evaluate(&query, &collection, documents())
        .unwrap()
        .next
        .unwrap();
    let after = |mut body: Json, cursor: &str| {
        body["after"] = json!(cursor);
        Query::parse(&collection, &body)
    };
    assert!(after(body.clone(), &cursor).is_ok());
    assert!(after(json!({"orderBy": ["a_int"], "select": ["a_int"]}), &cursor).is_ok());
    for other in [
        json!({}),
        json!({"orderBy": ["-a_int"]}),
        json!({"orderBy": ["a_int"], "where": {"a_bool": true}}),
        json!({"aggregate": {"a_int": {"count": "*"}}, "orderBy": ["a_int"]}),
    ] {
        assert_eq!(after(other, &cursor).unwrap_err().code(), "invalid_cursor");
    }
    for end in 0..cursor.len() {
        // Some cut cursors are whole cursors of a shorter key.
        if let Err(error) = after(body.clone(), &cursor[..end]) {
            assert_eq!(error.code(), "invalid_cursor");
        }
    }
}
