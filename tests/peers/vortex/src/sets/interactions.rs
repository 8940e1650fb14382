//! What users do with products, as JSON documents with members that are not always there.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use serde_json::{Value as Json, json};

use super::{Asked, DataSet, batch};
use crate::random::Random;

const SEED: u64 = 5;
const START: i64 = 1_772_323_200_000_000;
const ACTIONS: [&str; 10] = [
    "view",
    "view",
    "view",
    "view",
    "view",
    "search",
    "add_to_cart",
    "add_to_cart",
    "remove_from_cart",
    "purchase",
];
const DEVICES: [(&str, &str); 5] = [
    ("phone", "ios"),
    ("phone", "android"),
    ("desktop", "windows"),
    ("desktop", "macos"),
    ("tablet", "ios"),
];
const REFERRERS: [&str; 5] = ["newsletter", "search", "direct", "partner", "social"];
const CATEGORIES: [&str; 8] = [
    "kitchen", "garden", "office", "toys", "outdoor", "bath", "lighting", "audio",
];
const QUERIES: [&str; 10] = [
    "coffee grinder",
    "desk lamp",
    "garden hose 20m",
    "noise cancelling",
    "tent two persons",
    "bath towel set",
    "wooden train",
    "standing desk",
    "frying pan",
    "bluetooth speaker",
];
const COUNTRIES: [&str; 8] = ["DE", "FR", "NL", "PL", "ES", "IT", "DK", "AT"];

pub fn load(rows: usize) -> Result<DataSet> {
    let mut random = Random::new(SEED);
    let mut time = START;
    let (mut times, mut documents) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for _ in 0..rows {
        time += random.below(90_000) as i64;
        times.push(time);
        documents.push(document(&mut random).to_string());
    }
    let at =
        |row: usize| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(vec![times[row]])) };
    let asked = Asked {
        json: &["document"],
        numeric: "timestamp",
        text: "document",
        filter: "timestamp",
        low: at(rows / 3),
        high: at(rows / 3 + rows / 50),
        sum: "id",
    };
    let ids = (1..=rows as i64).collect::<Vec<_>>();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(ids))),
        (
            "timestamp",
            Arc::new(TimestampMicrosecondArray::from(times.clone())),
        ),
        ("document", Arc::new(StringArray::from(documents))),
    ];
    let about = "users' interactions with products as JSON documents; generated, seed 5";
    DataSet::new("interactions", about, batch(columns)?, asked)
}

fn document(random: &mut Random) -> Json {
    let action = random.one(&ACTIONS);
    let product = random.skewed(5_000);
    let (device, system) = DEVICES[random.place(DEVICES.len())];
    let price = (499 + (product * 6_151) % 30_000) as f64 / 100.0;
    let mut properties = json!({
        "category": CATEGORIES[product % CATEGORIES.len()],
        "price": price,
        "currency": "EUR",
        "device": {"type": device, "os": system, "version": format!("{}.{}", 10 + random.below(8), random.below(6))},
        "session": format!("{:016x}", random.bits()),
        "position": random.below(48),
    });
    if random.percent(45) {
        properties["referrer"] = json!(random.one(&REFERRERS));
    }
    if random.percent(20) {
        properties["coupon"] = json!(format!("SPRING{:02}", random.below(40)));
    }
    match action {
        "search" => {
            properties["query"] = json!(random.one(&QUERIES));
            properties["results"] = json!(random.below(400));
        }
        "add_to_cart" | "purchase" => properties["quantity"] = json!(1 + random.below(4)),
        "view" if random.percent(60) => {
            properties["seconds"] = json!((random.unit() * 900.0).round() / 10.0);
        }
        _ => {}
    }
    if random.percent(8) {
        properties["tags"] = json!([random.one(&CATEGORIES), random.one(&REFERRERS)]);
    }
    json!({
        "user": format!("u{:06}", random.skewed(40_000)),
        "product": format!("p{product:05}"),
        "action": action,
        "country": random.one(&COUNTRIES),
        "properties": properties,
    })
}
