//! Keys made of fields.

use serde_json::json;

use crate::lab::{Lab, insert, town, update};

fn flight(carrier: &str) -> serde_json::Value {
    json!({"day": "2013-01-31", "carrier": carrier, "number": 15})
}

#[test]
fn a_composite_key_joins_its_fields_in_their_declared_order() {
    let mut lab = Lab::new(town());
    let reply = lab.write(vec![insert("flights", flight("UA"))]).unwrap();
    assert_eq!(reply.written[0].key, "2013-01-31~UA~15");
}

#[test]
fn separators_inside_a_part_are_escaped_so_that_no_two_documents_share_a_key() {
    let mut lab = Lab::new(town());
    let carriers = ["a", "~", "%7E", "%", "%25", "a~b", "a%b"];
    let rows = carriers
        .iter()
        .map(|carrier| insert("flights", flight(carrier)));
    let reply = lab.write(rows.collect()).unwrap();
    let mut keys: Vec<&String> = reply.written.iter().map(|w| &w.key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), carriers.len());
    for (written, carrier) in reply.written.iter().zip(carriers) {
        assert_eq!(lab.get("flights", &written.key).unwrap(), flight(carrier));
    }
}

#[test]
fn a_patch_cannot_change_the_key() {
    let mut lab = Lab::new(town());
    let key = "2013-01-31~UA~15";
    lab.write(vec![insert("flights", flight("UA"))]).unwrap();
    let error = lab.refused(vec![update("flights", key, json!({"carrier": "AA"}))]);
    assert_eq!((error.code(), error.field()), ("key_mismatch", Some("key")));
    let error = lab.refused(vec![update("flights", key, json!({"carrier": null}))]);
    assert_eq!(
        (error.code(), error.field()),
        ("missing_field", Some("carrier"))
    );
}
