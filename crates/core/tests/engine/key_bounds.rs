//! Readings of sensors come by time, so each blob has all sensors. Only blobs of the time that is asked
//! for are read: what is read of others is not what was written, and nobody finds out.

use serde_json::{Value as Json, json};
use tidelog_core::{Mutation, Query, RestoreTarget, SnapshotKind, Sql as _, SqlExt as _, SqlValue};

use crate::lab::{Lab, delete, folding, insert, update};
use crate::snapshot_files::{bytes_of, frames, import};
use crate::snapshots::small_steps;

const SENSORS: u32 = 5;

fn lab() -> Lab {
    let collections = json!({"readings": {"key": ["point", "at"], "fields": {
        "point": {"type": "string", "required": true},
        "at": {"type": "timestamp", "required": true},
        "value": {"type": "int"},
    }}});
    Lab::with_policy(folding(collections, 10), small_steps())
}

fn key(sensor: u32, day: u32, hour: u32) -> String {
    format!("P{sensor}~2026-01-{day:02}T{hour:02}:00:00Z")
}

fn reading(sensor: u32, day: u32, hour: u32) -> Json {
    let at = format!("2026-01-{day:02}T{hour:02}:00:00Z");
    json!({"point": format!("P{sensor}"), "at": at, "value": sensor * 100 + hour})
}

/// Two hours of a day, of each sensor, in one turn: one blob.
fn hours(day: u32) -> Vec<Mutation> {
    let all = (0..2).flat_map(|hour| (0..SENSORS).map(move |sensor| (sensor, hour)));
    all.map(|(sensor, hour)| insert("readings", reading(sensor, day, hour)))
        .collect()
}

fn days(days: std::ops::Range<u32>) -> Lab {
    let mut lab = lab();
    for day in days {
        lab.write(hours(day)).unwrap();
    }
    assert!(lab.state().folded[0].documents > 0);
    lab
}

/// Every blob there is reads as something else.
fn broken(lab: &Lab) {
    let text = "UPDATE _blobs SET body = CAST('nothing' AS BLOB)";
    lab.sql.run(text, &[], &mut |_| Ok(())).unwrap();
}

fn query(lab: &Lab, query: &Json) -> tidelog_log::Result<Vec<Json>> {
    let collection = lab.schema.collection("readings").unwrap();
    let rows = Query::parse(collection, query)?.run(&lab.sql, collection)?;
    Ok(rows.rows.into_iter().map(Json::Object).collect())
}

#[test]
fn blobs_of_other_times_are_not_read() {
    let mut lab = days(1..3);
    broken(&lab);
    // New times neither meet old blobs nor need them.
    lab.write(hours(3)).unwrap();
    let later = lab.get("readings", &key(4, 3, 1)).unwrap();
    assert_eq!(later, reading(4, 3, 1));
    lab.write(vec![
        update("readings", &key(1, 3, 0), json!({"value": -1})),
        delete("readings", &key(2, 3, 0)),
    ])
    .unwrap();
    let asked = json!({"where": {"at": {"gte": "2026-01-03T00:00:00Z"}}, "aggregate": {"rows": {"count": "*"}}});
    assert_eq!(query(&lab, &asked).unwrap(), [json!({"rows": 9})]);
    let asked = json!({"where": {"point": "P1", "at": {"gt": "2026-01-02T23:00:00Z", "lt": "2026-01-03T00:30:00Z"}}});
    let found = query(&lab, &asked).unwrap();
    assert_eq!((found.len(), &found[0]["value"]), (1, &json!(-1)));
    // What is in them is missed.
    for lost in [key(0, 1, 0), key(4, 2, 1)] {
        assert_eq!(lab.get("readings", &lost).unwrap_err().code(), "corrupt");
    }
    let asked = json!({"where": {"at": {"gte": "2026-01-02T01:00:00Z"}}});
    assert_eq!(query(&lab, &asked).unwrap_err().code(), "corrupt");
    // What would be between two of their times is not: both are of their own day.
    let between = lab.get("readings", &key(0, 2, 20)).unwrap_err();
    assert_eq!(between.code(), "unknown_document");
}

#[test]
fn blobs_of_other_times_are_in_nobodys_way_in_a_restore() {
    let mut lab = days(1..2);
    let taken = lab.take(SnapshotKind::Full).unwrap();
    lab.write(hours(2)).unwrap();
    let gone = (0..2).flat_map(|hour| (0..SENSORS).map(move |sensor| (sensor, hour)));
    let gone = gone.map(|(sensor, hour)| delete("readings", &key(sensor, 1, hour)));
    lab.write(gone.collect()).unwrap();
    let later = lab.state().folded[0].documents;
    assert_eq!(later, 10);
    lab.restore(RestoreTarget::Snapshot(taken.id), false)
        .unwrap();
    let of_kind = "SELECT count(*) FROM _log WHERE id % 256 = 0 AND substr(body, 5, 1) = x'03'";
    let adopted = lab
        .sql
        .first(of_kind, &[], |row| row[0].unsigned())
        .unwrap();
    assert_eq!(adopted, Some(1));
    for (day, there) in [(1, true), (2, false)] {
        assert_eq!(lab.get("readings", &key(0, day, 0)).is_ok(), there, "{day}");
    }
}

#[test]
fn snapshots_and_files_keep_the_bounds() {
    let mut lab = days(1..3);
    let taken = lab.take(SnapshotKind::Full).unwrap();
    lab.write(
        (1..3)
            .flat_map(|day| (0..SENSORS).map(move |s| delete("readings", &key(s, day, 0))))
            .collect(),
    )
    .unwrap();
    lab.restore(RestoreTarget::Snapshot(taken.id.clone()), false)
        .unwrap();
    let file = frames(&bytes_of(&lab, &taken.id, 1_000)).unwrap();
    let mut other = self::lab();
    let imported = import(&mut other, file).unwrap().snapshot.unwrap();
    other
        .restore(RestoreTarget::Snapshot(imported), false)
        .unwrap();
    for lab in [&mut lab, &mut other] {
        broken(lab);
        lab.write(hours(3)).unwrap();
        let found = lab.get("readings", &key(3, 3, 1)).unwrap();
        assert_eq!(found, reading(3, 3, 1));
        let text = "SELECT count(*) FROM _blobs WHERE body = ?1";
        let args = [SqlValue::Blob(b"nothing")];
        let broken = lab.sql.first(text, &args, |row| row[0].unsigned());
        assert!(broken.unwrap() > Some(1));
    }
}

#[test]
fn queries_over_times_see_what_is_there() {
    let mut lab = days(1..6);
    lab.write(vec![
        delete("readings", &key(0, 2, 0)),
        update("readings", &key(1, 3, 1), json!({"value": 7})),
    ])
    .unwrap();
    let all = query(&lab, &json!({"limit": 1_000})).unwrap();
    assert_eq!(all.len(), 49);
    let times = [
        "2025-12-31T00:00:00Z",
        "2026-01-02T00:00:00Z",
        "2026-01-03T01:00:00Z",
        "2026-01-05T12:00:00Z",
    ];
    for time in times {
        for (name, passes) in [
            ("eq", (|a, b| a == b) as fn(&str, &str) -> bool),
            ("ne", |a, b| a != b),
            ("lt", |a, b| a < b),
            ("lte", |a, b| a <= b),
            ("gt", |a, b| a > b),
            ("gte", |a, b| a >= b),
        ] {
            let wanted = all
                .iter()
                .filter(|row| passes(row["at"].as_str().unwrap(), time));
            let asked = json!({"where": {"at": {name: time}}, "limit": 1_000});
            let found = query(&lab, &asked).unwrap();
            assert_eq!(found.len(), wanted.count(), "{name} {time}");
        }
    }
}
