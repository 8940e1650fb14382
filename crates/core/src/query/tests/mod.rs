mod agreement;
mod answers;
mod keyed;
mod plans;
mod refusals;
mod sqlite;

use serde_json::json;
use tidelog_log::{Row, Sequence, Value};

use crate::{Collection, Document, TypeSchema, TypeSpec};

/// A collection of every field type, with more fields than columns: `z_…` live in `_extra`.
fn collection() -> Collection {
    let names = [
        "string",
        "int",
        "bigint",
        "float",
        "bool",
        "date",
        "timestamp",
        "json",
        "binary",
        "uuid",
    ];
    let mut fields = serde_json::Map::new();
    for name in names {
        fields.insert(format!("a_{name}"), json!({"type": name}));
        fields.insert(format!("z_{name}"), json!({"type": name}));
    }
    let vector = json!({"type": "vector", "dimensions": 2});
    fields.insert("a_vector".to_owned(), vector.clone());
    fields.insert("z_vector".to_owned(), vector);
    for n in 0..70 {
        fields.insert(format!("m{n:02}"), json!({"type": "int"}));
    }
    let spec = json!({"type": "lab", "collections": {"samples": {
        "fields": fields,
        "indexes": [{"fields": ["a_string"]}],
        "cold": {"partition_by": [
            {"field": "a_timestamp", "transform": "day"},
            {"field": "a_string", "transform": "identity"},
            {"field": "a_int", "transform": "bucket[4]"},
            {"field": "_object", "transform": "identity"}
        ]}
    }}});
    let spec = TypeSpec::from_json(spec.to_string().as_bytes()).unwrap();
    let schema = TypeSchema::register(None, &spec).unwrap();
    let collection = schema.collections[0].clone();
    assert!(collection.field("a_vector").unwrap().has_column());
    assert!(!collection.field("z_bigint").unwrap().has_column());
    collection
}

/// A document from JSON; undeclared members go to its extra fields.
fn document(collection: &Collection, key: &str, version: u64, json: serde_json::Value) -> Document {
    let mut row = Row::default();
    for (name, json) in json.as_object().unwrap() {
        match collection.field(name) {
            Some(field) => {
                let value = Value::from_json(field.field_type, json.clone()).unwrap();
                row.set(field.id, value);
            }
            None => drop(row.extra.insert(name.clone(), json.clone())),
        }
    }
    Document {
        key: key.to_owned(),
        version: Sequence(version),
        row,
    }
}
