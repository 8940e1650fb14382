//! Random queries over random documents: the row table, blobs, both together and the reference
//! evaluator give the same pages.

use serde_json::{Value as Json, json};
use tidelog_log::FieldType;
use tidelog_log::limits::INT_MAX;

use super::sqlite::Sqlite;
use super::{collection, document};
use crate::query::{Query, QueryPage, evaluate};
use crate::{Collection, Document};

/// A small generator whose every choice follows from its seed (SplitMix64).
struct Dice {
    state: u64,
    /// Fields with a column only, so that more goes to SQL.
    columns_only: bool,
}

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())].clone()
    }
}

const TEXTS: [&str; 14] = [
    "",
    "a",
    "A",
    "ab",
    "abc",
    "b",
    "Zürich",
    "%",
    "a_c",
    "a\0b",
    "\u{ffff}",
    "\u{10000}",
    "\u{10ffff}x",
    "null",
];

/// A value of a type out of few, so that values meet; the edges among them.
fn value(dice: &mut Dice, field_type: FieldType) -> Json {
    match field_type {
        FieldType::String => json!(dice.pick(&TEXTS)),
        FieldType::Int if dice.one_in(40) => json!(dice.pick(&[INT_MAX, -INT_MAX])),
        FieldType::Int => json!(dice.pick(&[0, 1, 2, -1, -3, 67_108_864, -67_108_865, 7])),
        FieldType::BigInt => {
            json!(
                dice.pick(&[0, 1, -1, i64::MAX, i64::MIN, 1 << 60])
                    .to_string()
            )
        }
        FieldType::Float => {
            json!(dice.pick(&[
                0.0, -0.0, 0.1, 0.2, -0.3, 1.0, 1e16, -1e16, 1e-300, 5e-324, 2.5
            ]))
        }
        FieldType::Bool => json!(dice.one_in(2)),
        FieldType::Date => {
            json!(dice.pick(&[
                "1969-12-31",
                "1970-01-01",
                "2013-05-17",
                "2013-05-01",
                "0001-01-01"
            ]))
        }
        FieldType::Timestamp => json!(dice.pick(&[
            "1969-12-31T23:59:59.999999Z",
            "2013-05-17T10:00:00Z",
            "2013-05-17T10:16:00Z",
            "2013-05-01T00:00:00Z",
            "2014-01-01T00:00:00+01:00",
            "1684-07-30T00:00:00Z",
            "2255-06-05T00:00:00Z",
        ])),
        FieldType::Json => dice.pick(&[
            json!([1]),
            json!("x"),
            json!(1),
            json!([{"b": 1, "a": null}]),
        ]),
        FieldType::Binary => json!(dice.pick(&["", "AA==", "AAE="])),
        FieldType::Uuid => json!(dice.pick(&[
            "00000000-0000-0000-0000-000000000001",
            "ffffffff-0000-0000-0000-000000000001",
        ])),
        FieldType::Vector => dice.pick(&[json!([0.0, 1.0]), json!([-1e-60, 1.0]), json!([2.5, 0])]),
    }
}

fn documents(dice: &mut Dice, collection: &Collection) -> Vec<Document> {
    let count = dice.pick(&[0, 1, 5, 40, 120]);
    // A few documents in one run are enough to fill several chunks of a scan.
    let count = if dice.one_in(12) { 2_300 } else { count };
    let mut out = Vec::new();
    for at in 0..count {
        let mut json = serde_json::Map::new();
        for field in &collection.fields {
            if !field.name.starts_with('m') && !dice.one_in(3) {
                json.insert(field.name.clone(), value(dice, field.field_type));
            }
        }
        if dice.one_in(4) {
            json.insert("undeclared".to_owned(), json!({"n": [at, null]}));
        }
        let key = format!("{}{at}", dice.pick(&["k", "K", "é", "k_", "\u{10000}"]));
        out.push(document(collection, &key, at + 1, Json::Object(json)));
    }
    // The evaluator must not care about the order of its input.
    for at in (1..out.len()).rev() {
        let other = dice.roll(at + 1);
        out.swap(at, other);
    }
    out
}

fn name(dice: &mut Dice, fits: impl Fn(FieldType) -> bool) -> (String, FieldType) {
    loop {
        let prefix = if dice.columns_only {
            "a"
        } else {
            dice.pick(&["a", "z"])
        };
        // Text has most operators, so it comes up most.
        let field_type = match dice.roll(4) {
            0 => FieldType::String,
            _ => dice.pick(&FieldType::ALL),
        };
        if !fits(field_type) {
            continue;
        }
        return match (dice.roll(8), field_type) {
            (0, FieldType::String) => (dice.pick(&["_key", "id"]).to_owned(), field_type),
            (0, FieldType::Int) => ("_version".to_owned(), field_type),
            _ => (format!("{prefix}_{}", field_type.name()), field_type),
        };
    }
}

fn ordered(field_type: FieldType) -> bool {
    crate::query::value::is_ordered(field_type)
}

fn condition(dice: &mut Dice, depth: usize) -> Json {
    if depth > 0 && dice.one_in(2) {
        let some = |dice: &mut Dice| -> Vec<Json> {
            (0..dice.roll(4))
                .map(|_| condition(dice, depth - 1))
                .collect()
        };
        return match dice.roll(3) {
            0 => json!({"and": some(dice)}),
            1 => json!({"or": some(dice)}),
            _ => json!({"not": condition(dice, depth - 1)}),
        };
    }
    let (name, field_type) = name(dice, |_| true);
    let mut operators = serde_json::Map::new();
    for _ in 0..=dice.roll(2) {
        let (operator, json) = operation(dice, field_type);
        operators.insert(operator.to_owned(), json);
    }
    if dice.one_in(4) && !operators.contains_key("exists") {
        let json = if dice.one_in(3) {
            Json::Null
        } else {
            value(dice, field_type)
        };
        return json!({name: json});
    }
    json!({name: operators})
}

fn operation(dice: &mut Dice, field_type: FieldType) -> (&'static str, Json) {
    let text = field_type == FieldType::String;
    match dice.roll(8) {
        0 => ("exists", json!(dice.one_in(2))),
        1 | 2 if text => match dice.roll(3) {
            0 => (
                "like",
                json!(dice.pick(&["%", "a%", "_b", "%\\%", "%b%", "Z_rich", "", "%c"])),
            ),
            1 => ("prefix", json!(dice.pick(&TEXTS))),
            _ => ("contains", json!(dice.pick(&TEXTS))),
        },
        1..=3 if ordered(field_type) => {
            let count = dice.pick(&[0, 1, 3, 20, 200]);
            let mut list: Vec<Json> = (0..count).map(|_| value(dice, field_type)).collect();
            if text && dice.one_in(2) {
                list.retain(|json| !json.as_str().unwrap().contains('\0'));
                list.extend((0..count).map(|n| json!(format!("k{n}"))));
            }
            if dice.one_in(3) {
                list.push(Json::Null);
            }
            (dice.pick(&["in", "nin"]), Json::Array(list))
        }
        4 if ordered(field_type) => (
            "between",
            json!([value(dice, field_type), value(dice, field_type)]),
        ),
        5 | 6 if ordered(field_type) => (
            dice.pick(&["gt", "gte", "lt", "lte"]),
            value(dice, field_type),
        ),
        _ => (dice.pick(&["eq", "ne"]), value(dice, field_type)),
    }
}

fn query(dice: &mut Dice) -> Json {
    dice.columns_only = dice.one_in(2);
    let mut body = json!({"limit": dice.pick(&[1, 2, 7, 100, 1000])});
    if !dice.one_in(4) {
        body["where"] = condition(dice, 3);
    }
    if dice.one_in(6) {
        body["timeRange"] = json!({"from": "2013-05-01T00:00:00Z", "to": "2013-05-17T10:16:00Z"});
    }
    if dice.one_in(6) {
        body["partitions"] = dice.pick(&[
            json!({"year": 2013}),
            json!({"year": 2013, "month": 5}),
            json!({"year": 2013, "month": 5, "day": 17}),
            json!({"year": 1684}),
            json!({"year": 9000}),
            json!({"a_string": "a"}),
        ]);
    }
    if dice.one_in(2) {
        grouped(dice, &mut body);
    } else {
        let mut order: Vec<Json> = Vec::new();
        for _ in 0..dice.roll(4) {
            let (name, _) = name(dice, ordered);
            if !order
                .iter()
                .any(|o| o.as_str().unwrap().trim_start_matches('-') == name)
            {
                let minus = dice.pick(&["", "-"]);
                order.push(json!(format!("{minus}{name}")));
            }
        }
        body["orderBy"] = Json::Array(order);
        if dice.one_in(2) {
            let names = (0..dice.roll(5)).map(|_| json!(name(dice, |_| true).0));
            body["select"] = Json::Array(names.collect());
        }
    }
    body
}

fn grouped(dice: &mut Dice, body: &mut Json) {
    let mut keys = Vec::new();
    for at in 0..dice.roll(3) {
        let (name, field_type) = name(dice, ordered);
        let mut key = json!({"field": name, "as": format!("g{at}")});
        if field_type == FieldType::Timestamp && dice.one_in(2) {
            key["bucket"] = json!(dice.pick(&["hour", "day", "month", "year", "15m", "7d"]));
        }
        keys.push(key);
    }
    let mut aggregate = serde_json::Map::new();
    for at in 0..=dice.roll(4) {
        let numeric = |t| matches!(t, FieldType::Int | FieldType::BigInt | FieldType::Float);
        let function = match dice.roll(6) {
            0 => json!({"count": "*"}),
            1 => json!({"count": name(dice, |_| true).0}),
            2 => json!({"countDistinct": name(dice, |_| true).0}),
            3 => json!({"min": name(dice, ordered).0}),
            4 => json!({"max": name(dice, ordered).0}),
            _ if dice.columns_only => json!({dice.pick(&["sum", "avg"]): "a_int"}),
            _ => json!({dice.pick(&["sum", "avg"]): name(dice, numeric).0}),
        };
        aggregate.insert(format!("x{at}"), function);
    }
    if dice.one_in(2) {
        body["orderBy"] = json!([dice.pick(&["x0", "-x0"])]);
    }
    body["groupBy"] = Json::Array(keys);
    body["aggregate"] = Json::Object(aggregate);
}

type Pages = Vec<(Vec<crate::JsonObject>, Option<String>)>;

/// Every page until there is no next, or the error's code.
fn pages(
    collection: &Collection,
    body: &Json,
    answer: impl Fn(&Query) -> tidelog_log::Result<QueryPage>,
) -> Result<Pages, String> {
    let (mut body, mut pages) = (body.clone(), Vec::new());
    loop {
        let query = Query::parse(collection, &body).unwrap_or_else(|e| panic!("{e}: {body}"));
        let page = answer(&query).map_err(|e| {
            assert_eq!(e.code(), "sum_overflow", "{e}: {body}");
            e.code().to_owned()
        })?;
        assert!(page.rows.len() as u64 <= body["limit"].as_u64().unwrap());
        assert!(page.next.is_none() || !page.rows.is_empty());
        body["after"] = json!(page.next);
        pages.push((page.rows, page.next.clone()));
        if page.next.is_none() || pages.len() > 60 {
            return Ok(pages);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the seed count of a long run")]
fn seeds() -> u64 {
    let seeds = std::env::var("TIDELOG_SEEDS").ok();
    seeds.map_or(5, |text| text.parse().expect("TIDELOG_SEEDS is a number"))
}

#[test]
fn rows_blobs_and_both_agree_with_the_reference_evaluator_on_every_page() {
    let collection = collection();
    let (mut in_full, mut rows_seen) = (0, 0);
    for seed in 0..seeds() {
        let mut dice = Dice {
            state: seed,
            columns_only: false,
        };
        let documents = documents(&mut dice, &collection);
        let databases = [
            Sqlite::with(&collection, &documents),
            Sqlite::folded(&collection, &documents, |at| Some(at % 3)),
            Sqlite::folded(&collection, &documents, |at| (at % 5 > 1).then_some(at % 2)),
        ];
        for _ in 0..25 {
            let body = query(&mut dice);
            let by_reference = pages(&collection, &body, |q| {
                evaluate(q, &collection, documents.clone())
            });
            for (database, how) in databases.iter().zip(["rows", "folded", "mixed"]) {
                let by_sql = pages(&collection, &body, |q| q.run(database, &collection));
                assert_eq!(by_sql, by_reference, "seed {seed}, {how}: {body}");
            }
            let Ok(pages) = by_reference.as_ref() else {
                continue;
            };
            rows_seen += pages.iter().map(|(rows, _)| rows.len()).sum::<usize>();
            if pages.len() > 60 {
                continue;
            }
            // The pages together are the whole answer, once.
            let mut whole = body.clone();
            whole["limit"] = json!(10_000);
            let whole = Query::parse(&collection, &whole).unwrap();
            let whole = evaluate(&whole, &collection, documents.clone()).unwrap();
            let together: Vec<_> = pages.iter().flat_map(|(rows, _)| rows.clone()).collect();
            assert_eq!(together, whole.rows, "seed {seed}: {body}");
            in_full += 1;
        }
    }
    assert!(
        in_full > 0 && rows_seen > 0,
        "the generator found nothing to compare"
    );
}
