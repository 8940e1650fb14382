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
