//! What goes to SQL, and what SQLite makes of it.

use serde_json::{Value as Json, json};

use super::sqlite::Sqlite;
use super::{collection, document};
use crate::query::Query;
use crate::sql::all;

fn statements(body: Json, rows: u64) -> (Vec<String>, u64) {
    let collection = collection();
    let documents: Vec<_> = (0..rows)
        .map(|n| {
            let row = json!({"a_string": format!("s{}", n % 7), "a_int": n, "z_int": n});
            document(&collection, &format!("{n:06}"), n + 1, row)
        })
        .collect();
    let database = Sqlite::with(&collection, &documents);
    let query = Query::parse(&collection, &body).unwrap();
    let page = query.run(&database, &collection).unwrap();
    let mut statements = database.statements.borrow().clone();
    // Whether anything is folded: one row by its id.
    assert!(
        statements
            .remove(0)
            .contains(" FROM _main WHERE collection = ?1")
    );
    database.statements.borrow_mut().clear();
    for text in &statements {
        let plan = format!("EXPLAIN QUERY PLAN {text}");
        let detail = |row: &[crate::SqlValue<'_>]| Ok(row[3].text()?.to_owned());
        let args = [crate::SqlValue::Integer(1); 4];
        let count = text.matches('?').count().min(4);
        let plan = all(&database, &plan, &args[..count], detail).unwrap();
        database.statements.borrow_mut().push(plan.join("; "));
    }
    let plans = database.statements.borrow().to_vec();
    let plans = plans
        .into_iter()
        .filter(|plan| !plan.starts_with("EXPLAIN"));
    let both = statements
        .into_iter()
        .zip(plans)
        .map(|(text, plan)| format!("{text} -- {plan}"));
    (both.collect(), page.scanned)
}

#[test]
fn a_small_page_by_key_reads_only_its_rows() {
    let (plans, scanned) = statements(
        json!({"limit": 5, "where": {"_key": {"gt": "000100"}}}),
        3_000,
    );
    assert_eq!(scanned, 6);
    assert_eq!(plans.len(), 1);
    assert!(
        plans[0].contains("SEARCH") && !plans[0].contains("TEMP B-TREE"),
        "{plans:?}"
    );
}

#[test]
fn an_equality_uses_the_index() {
    let (plans, _) = statements(json!({"limit": 5, "where": {"a_string": "s3"}}), 100);
    assert!(
        plans[0].contains("USING INDEX index_0 (a_string=?"),
        "{plans:?}"
    );
    let (plans, _) = statements(
        json!({"limit": 5, "where": {"a_string": "s3", "z_int": 3}}),
        100,
    );
    assert!(
        plans[0].contains("USING INDEX index_0 (a_string=?"),
        "{plans:?}"
    );
}

#[test]
fn a_residual_filter_stops_when_the_page_is_full() {
    let body = json!({"limit": 5, "where": {"z_int": {"gte": 10}}});
    let (plans, scanned) = statements(body, 5_000);
    assert_eq!((plans.len(), scanned), (1, 16));
}

#[test]
fn counts_and_int_sums_by_a_column_are_one_statement() {
    let body = json!({
        "groupBy": ["a_string"],
        "aggregate": {"n": {"count": "*"}, "s": {"sum": "a_int"}, "top": {"max": "a_int"}}
    });
    let (plans, scanned) = statements(body, 3_000);
    assert_eq!((plans.len(), scanned), (1, 7));
    let (plans, scanned) = statements(json!({"aggregate": {"s": {"avg": "a_float"}}}), 3_000);
    assert_eq!((plans.len(), scanned), (4, 3_000));
}

#[test]
fn folded_pages_that_cannot_match_are_not_looked_at() {
    let collection = collection();
    let documents: Vec<_> = (0..20_000)
        .map(|n| {
            let row = json!({"a_int": n, "a_float": 0.5});
            document(&collection, &format!("{n:06}"), n + 1, row)
        })
        .collect();
    let database = Sqlite::folded(&collection, &documents, |_| Some(0));
    let answer = |body: Json| {
        let query = Query::parse(&collection, &body).unwrap();
        query.run(&database, &collection).unwrap()
    };
    // A page holds 8,192 rows.
    let sum = json!({"aggregate": {"n": {"count": "*"}, "sum": {"sum": "a_float"}}});
    let cases = [
        (json!({"a_int": {"gte": 19_999}}), 1, 20_000 - 2 * 8_192),
        (json!({"a_int": {"between": [5, 6]}}), 2, 8_192),
        (json!({"_key": {"prefix": "0090"}}), 100, 8_192),
        (json!({"_key": "009000"}), 1, 8_192),
        (json!({"a_int": {"in": [-1, 30_000]}}), 0, 0),
        (json!({"a_string": "nobody has one"}), 0, 0),
        (
            json!({"or": [{"a_int": 1}, {"a_int": 19_000}]}),
            2,
            2 * 8_192 - (3 * 8_192 - 20_000),
        ),
        (json!({}), 20_000, 20_000),
    ];
    for (filter, wanted, scanned) in cases {
        let mut body = sum.clone();
        body["where"] = filter.clone();
        let page = answer(body);
        assert_eq!(page.rows[0]["n"], json!(wanted), "{filter}");
        assert_eq!(page.scanned, scanned, "{filter}");
    }
    // A page of an answer by key reads the pages that it comes from.
    let first = answer(json!({"limit": 10, "where": {"_key": {"gt": "010000"}}}));
    assert_eq!(
        (first.rows.len(), first.rows[0]["_key"].as_str()),
        (10, Some("010001"))
    );
    let body = json!({"limit": 10, "after": first.next, "where": {"_key": {"gt": "010000"}}});
    assert!(answer(body).scanned <= 2 * 8_192);
}
