//! Change events over documents of users and orders, with the images before and after.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Int64Array, StringBuilder, TimestampMicrosecondArray};
use serde_json::{Map, Value as Json, json};

use super::{Asked, DataSet, batch};
use crate::random::Random;

const SEED: u64 = 4;
const START: i64 = 1_772_323_200_000_000;
const SERVICES: [&str; 6] = [
    "web-checkout",
    "mobile-api",
    "admin-console",
    "billing-worker",
    "import-job",
    "support-desk",
];
const CITIES: [&str; 12] = [
    "Amsterdam",
    "Berlin",
    "Copenhagen",
    "Dublin",
    "Edinburgh",
    "Florence",
    "Geneva",
    "Hamburg",
    "Istanbul",
    "Jena",
    "Krakow",
    "Lisbon",
];
const FIRST: [&str; 16] = [
    "Ada", "Bruno", "Clara", "Dmitri", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Katya",
    "Luis", "Mira", "Nils", "Olga", "Pavel",
];
const LAST: [&str; 16] = [
    "Abel", "Becker", "Costa", "Dahl", "Eriksen", "Fischer", "Garcia", "Haas", "Ivanov", "Jansen",
    "Keller", "Lopez", "Meyer", "Novak", "Olsen", "Petrov",
];
const STATES: [&str; 6] = [
    "placed",
    "paid",
    "picked",
    "shipped",
    "delivered",
    "returned",
];
const NOTES: [&str; 8] = [
    "please leave at the door",
    "call before delivery",
    "gift, no invoice inside",
    "neighbour takes it",
    "second floor, no lift",
    "deliver after six in the evening",
    "fragile",
    "ring twice",
];

/// The documents of one collection, by number.
struct Collection {
    name: &'static str,
    documents: Vec<(u64, Map<String, Json>)>,
    next: u64,
}

#[derive(Default)]
struct Events {
    texts: [StringBuilder; 9],
    times: Vec<i64>,
    sequences: Vec<i64>,
}

pub fn load(rows: usize) -> Result<DataSet> {
    let mut random = Random::new(SEED);
    let empty = |name| Collection {
        name,
        documents: Vec::new(),
        next: 1,
    };
    let mut collections = [empty("users"), empty("orders")];
    let mut events = Events::default();
    let mut time = START;
    for sequence in 0..rows {
        time += random.below(400_000) as i64;
        let collection = &mut collections[usize::from(random.percent(65))];
        event(collection, sequence as i64, time, &mut random, &mut events);
    }
    let middle = events.times[rows / 2];
    let end = events.times[rows / 2 + rows / 50];
    let at = |time: i64| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(vec![time])) };
    let asked = Asked {
        json: &["before", "after", "changedFields"],
        numeric: "timestamp",
        text: "after",
        filter: "timestamp",
        low: at(middle),
        high: at(end),
        sum: "sequence",
    };
    let about = "change events of users and orders with images before and after; generated, seed 4";
    DataSet::new("cdc", about, batch(events.columns())?, asked)
}

fn event(
    collection: &mut Collection,
    sequence: i64,
    time: i64,
    random: &mut Random,
    events: &mut Events,
) {
    let choice = if collection.documents.len() < 50 {
        0
    } else {
        random.below(100)
    };
    let (operation, number, before, after) = match choice {
        0..25 => {
            let number = collection.next;
            collection.next += 1;
            let new = match collection.name {
                "users" => user(number, time, random),
                _ => order(number, time, random),
            };
            collection.documents.push((number, new.clone()));
            ("insert", number, None, Some(new))
        }
        25..95 => {
            let place = recent(collection.documents.len(), random);
            let (number, document) = &mut collection.documents[place];
            let before = document.clone();
            change(collection.name, document, time, random);
            ("update", *number, Some(before), Some(document.clone()))
        }
        _ => {
            let place = recent(collection.documents.len(), random);
            let (number, document) = collection.documents.swap_remove(place);
            ("delete", number, Some(document), None)
        }
    };
    let [id, op, of, document, images @ ..] = &mut events.texts;
    id.append_value(format!(
        "evt_{:012x}{:06x}",
        time / 1_000,
        sequence & 0xff_ffff
    ));
    op.append_value(operation);
    of.append_value(collection.name);
    document.append_value(format!(
        "{}_{number:08}",
        &collection.name[..collection.name.len() - 1]
    ));
    events.times.push(time);
    events.sequences.push(sequence + 1);
    let [first, second, changed, source, correlation] = images;
    let text = |image: &Option<Map<String, Json>>| Some(Json::Object(image.clone()?).to_string());
    first.append_option(text(&before));
    second.append_option(text(&after));
    changed.append_option(
        before
            .zip(after)
            .map(|(before, after)| differing(&before, &after)),
    );
    source.append_value(random.one(&SERVICES));
    let (high, low) = (random.bits(), random.bits());
    correlation.append_value(format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    ));
}

/// Later documents change more often.
fn recent(length: usize, random: &mut Random) -> usize {
    length - 1 - random.skewed(length).min(length - 1)
}

fn differing(before: &Map<String, Json>, after: &Map<String, Json>) -> String {
    let other = |(name, value): &(&String, &Json)| before.get(*name) != Some(*value);
    let names = after.iter().filter(other).map(|(name, _)| name.as_str());
    json!(names.collect::<Vec<_>>()).to_string()
}

fn map(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}

fn user(number: u64, time: i64, random: &mut Random) -> Map<String, Json> {
    let (first, last) = (random.one(&FIRST), random.one(&LAST));
    map(json!({
        "id": format!("user_{number:08}"),
        "name": format!("{first} {last}"),
        "email": format!("{}.{}{}@example.com", first.to_lowercase(), last.to_lowercase(), number % 977),
        "address": {
            "street": format!("{} Street {}", random.one(&LAST), random.below(180) + 1),
            "city": random.one(&CITIES),
            "postcode": format!("{:05}", random.below(90_000) + 10_000),
        },
        "plan": random.one(&["free", "basic", "pro"]),
        "points": random.below(5_000),
        "newsletter": random.percent(40),
        "createdAt": time / 1_000,
        "updatedAt": time / 1_000,
    }))
}

fn order(number: u64, time: i64, random: &mut Random) -> Map<String, Json> {
    let item = |random: &mut Random| {
        let product = random.skewed(3_000);
        let cents = 199 + (product * 7_919) % 20_000;
        json!({"sku": format!("SKU-{product:05}"), "quantity": random.below(4) + 1, "price": cents as f64 / 100.0})
    };
    let items: Vec<Json> = (0..=random.below(4)).map(|_| item(random)).collect();
    let total: f64 = items
        .iter()
        .map(|i| i["price"].as_f64().unwrap_or(0.0) * i["quantity"].as_f64().unwrap_or(0.0))
        .sum();
    let mut order = map(json!({
        "id": format!("order_{number:08}"),
        "user": format!("user_{:08}", random.below(number + 20) + 1),
        "items": items,
        "total": (total * 100.0).round() / 100.0,
        "currency": "EUR",
        "status": STATES[0],
        "city": random.one(&CITIES),
        "createdAt": time / 1_000,
        "updatedAt": time / 1_000,
    }));
    if random.percent(30) {
        order.insert("note".to_owned(), json!(random.one(&NOTES)));
    }
    order
}

/// Sets one member or two, and when.
fn change(of: &str, document: &mut Map<String, Json>, time: i64, random: &mut Random) {
    let (name, value) = match (of, random.below(4)) {
        ("users", 0) => ("plan", json!(random.one(&["free", "basic", "pro"]))),
        ("users", 1) => ("newsletter", json!(random.percent(50))),
        ("users", 2) => (
            "address",
            json!({
                "street": format!("{} Street {}", random.one(&LAST), random.below(180) + 1),
                "city": random.one(&CITIES),
                "postcode": format!("{:05}", random.below(90_000) + 10_000),
            }),
        ),
        ("users", _) => ("points", json!(random.below(5_000))),
        (_, 0) => ("note", json!(random.one(&NOTES))),
        _ => {
            let now = document
                .get("status")
                .and_then(Json::as_str)
                .unwrap_or_default();
            let place = STATES.iter().position(|state| *state == now).unwrap_or(0);
            ("status", json!(STATES[(place + 1).min(STATES.len() - 1)]))
        }
    };
    document.insert(name.to_owned(), value);
    document.insert("updatedAt".to_owned(), json!(time / 1_000));
}

impl Events {
    fn columns(self) -> Vec<(&'static str, ArrayRef)> {
        let [
            id,
            operation,
            collection,
            document,
            before,
            after,
            changed,
            source,
            correlation,
        ] = self
            .texts
            .map(|mut text| Arc::new(text.finish()) as ArrayRef);
        vec![
            ("id", id),
            ("operation", operation),
            ("collection", collection),
            ("documentId", document),
            (
                "timestamp",
                Arc::new(TimestampMicrosecondArray::from(self.times)),
            ),
            ("sequence", Arc::new(Int64Array::from(self.sequences))),
            ("before", before),
            ("after", after),
            ("changedFields", changed),
            ("source", source),
            ("correlationId", correlation),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray};

    #[test]
    fn images_fit_their_operations_and_each_other() {
        let set = load(2_000).unwrap();
        let text = |name: &str| {
            set.batch
                .column_by_name(name)
                .unwrap()
                .as_string::<i32>()
                .clone()
        };
        let (operation, before, after) = (text("operation"), text("before"), text("after"));
        let mut updates = 0;
        for row in 0..set.batch.num_rows() {
            let images = (before.is_valid(row), after.is_valid(row));
            match operation.value(row) {
                "insert" => assert_eq!(images, (false, true)),
                "delete" => assert_eq!(images, (true, false)),
                _ => {
                    updates += 1;
                    let of = |image: &arrow::array::StringArray| {
                        serde_json::from_str::<Json>(image.value(row)).unwrap()
                    };
                    assert_eq!(of(&before)["id"], of(&after)["id"]);
                }
            }
        }
        assert!(updates > 1_000);
    }
}
