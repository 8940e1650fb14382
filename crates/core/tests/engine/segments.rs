//! Old records in segments: every reader sees the log that was there before.

use serde_json::{Value as Json, json};
use tidelog_core::{
    Caller, ChangesRequest, Command, Images, LogPolicy, Mutation, SqlExt, SqlValue,
};
use tidelog_log::{EventFilter, Kind, Sequence, StartAt};

use crate::lab::{Lab, delete, folding, insert, notes, put, small_segments, update};
use crate::sqlite::Memory;

const WEEK: i64 = 7 * 24 * 60 * 60 * 1_000;

/// Asks both labs for everything that is read from the log; the answers must be the same.
pub(crate) fn same_log(one: &Lab, two: &Lab, collection: &str) {
    let head = one.engine.head();
    assert_eq!(head, two.engine.head());
    assert_eq!(one.state().earliest, two.state().earliest);
    assert_eq!(one.state().log_records, two.state().log_records);
    assert_eq!(one.check_log(), two.check_log());
    let both = [one, two];
    for sequence in (0..head.0 + 2).map(Sequence) {
        let times = both.map(|lab| lab.engine.view().time_of(&lab.sql, sequence).unwrap());
        assert_eq!(times[0], times[1], "the time of {sequence}");
        for bytes_max in [1, 700, 1_000_000] {
            // Far reads take long without a memory for blobs.
            if bytes_max > 700 && !sequence.0.is_multiple_of(16) {
                continue;
            }
            let batches = both.map(|lab| {
                let view = lab.engine.view();
                let batch = view.batch(&lab.sql, collection, sequence, bytes_max);
                batch.map_err(|e| e.code().to_owned())
            });
            let same = batches[0] == batches[1];
            assert!(same, "{bytes_max} bytes after {sequence}");
        }
    }
    for images in [Images::Changed, Images::Full] {
        for limit in [1, 7, 10_000] {
            let pages = both.map(|lab| all_pages(lab, images, limit));
            assert_eq!(pages[0], pages[1], "pages of {limit}");
        }
    }
}

fn all_pages(lab: &Lab, images: Images, limit: usize) -> Vec<(Vec<Json>, String)> {
    let (mut pages, mut start) = (Vec::new(), StartAt::Beginning);
    loop {
        let request = ChangesRequest {
            start,
            filter: EventFilter::default(),
            images,
            limit,
        };
        let page = lab.engine.view().changes(&lab.sql, &request).unwrap();
        pages.push((page.events, page.next.to_string()));
        if page.up_to_date {
            return pages;
        }
        start = StartAt::After(page.next);
    }
}

/// Fields of every type, two collections.
fn every_type() -> Json {
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
    let mut fields: serde_json::Map<String, Json> = names
        .iter()
        .map(|name| ((*name).to_owned(), json!({"type": name})))
        .collect();
    fields.insert(
        "vector".to_owned(),
        json!({"type": "vector", "dimensions": 2}),
    );
    json!({"all": {"fields": fields}, "notes": {"fields": {"n": {"type": "int"}}}})
}

fn full_document(n: u64) -> Json {
    json!({
        "string": format!("text {} é\u{0}", n % 3), "int": n, "bigint": (n * 1_000_000_007).to_string(),
        "float": 0.1 * f64::from(u32::try_from(n).unwrap()), "bool": n.is_multiple_of(2), "date": "2013-01-05",
        "timestamp": format!("2013-01-05T00:00:{:02}.000001Z", n % 60),
        "json": {"a": [n, 1.50, "x"]}, "binary": "AAEC", "uuid": "00112233-4455-6677-8899-aabbccddeeff",
        "vector": [n, 0.5], "free": {"b": [null, n]}, "other": null
    })
}

/// Turns of every kind, the same in every lab: with labels, new epochs, several collections, rows of
/// many parts, bulk inserts.
fn history(lab: &mut Lab) {
    let write = |lab: &mut Lab, n: u64, mutations: Vec<Mutation>| {
        lab.now += 11;
        let caller = Caller {
            source: ["", "tests"][usize::from(n.is_multiple_of(5))].to_owned(),
            correlation_id: if n.is_multiple_of(7) {
                format!("c{n}")
            } else {
                String::new()
            },
            idempotency_key: if n.is_multiple_of(9) {
                format!("k{n}")
            } else {
                String::new()
            },
            ..Caller::default()
        };
        lab.write_as(caller, mutations).unwrap();
        lab.settle();
    };
    let with = |n: u64, id: &str| {
        let mut document = full_document(n);
        document["id"] = json!(id);
        insert("all", document)
    };
    for n in 1..60 {
        let key = format!("k{n}");
        let mut turn = vec![with(n, &key), insert("notes", json!({"id": key, "n": n}))];
        if n > 3 {
            let old = format!("k{}", n - 2);
            turn.push(match n % 4 {
                0 => delete("all", &old),
                1 => update(
                    "all",
                    &old,
                    json!({"int": null, "string": "new", "free": null}),
                ),
                2 => update(
                    "all",
                    &old,
                    json!({"free": {"c": 1}, "more": "x", "bool": true}),
                ),
                _ => put("all", &old, full_document(n + 1)),
            });
        }
        write(lab, n, turn);
        if n.is_multiple_of(20) {
            lab.turn(Command::Fenced).unwrap();
        }
        if n == 30 {
            let big = |id: &str| {
                insert(
                    "notes",
                    json!({"id": id, "n": n, "t": "x".repeat(1_200_000)}),
                )
            };
            write(lab, n, vec![big("big1"), big("big2")]);
        }
        if n == 40 {
            let bulk = (0..50).map(|n| insert("notes", json!({"id": format!("b{n}"), "n": n})));
            write(lab, n, bulk.collect());
        }
    }
}

fn lab(threshold: u64) -> Lab {
    Lab::with_policy(folding(every_type(), threshold), small_segments())
}

#[test]
fn every_reader_sees_the_log_that_a_lab_without_segments_has() {
    let mut plain = lab(0);
    history(&mut plain);
    assert_eq!(plain.state().log_segments, 0, "off where nothing folds");
    for threshold in [1_000, 20] {
        let mut folded = lab(threshold);
        folded.sql.memory = (threshold == 20).then(Memory::new);
        history(&mut folded);
        let state = folded.state();
        assert!(state.log_segments > 5, "{}", state.log_segments);
        assert!(rows_of_log(&folded) <= 8, "the newest stay in rows");
        assert!(state.log_segment_bytes < state.log_bytes);
        same_log(&plain, &folded, "all");
        same_log(&plain, &folded, "notes");
        folded.reopen();
        assert_eq!(folded.check_log(), plain.check_log());
        let head = (plain.state().head_hash, plain.engine.head());
        assert_eq!((folded.state().head_hash, folded.engine.head()), head);
    }
}

fn rows_of_log(lab: &Lab) -> u64 {
    number(lab, "SELECT count(*) FROM _log")
}

fn number(lab: &Lab, text: &str) -> u64 {
    let found = lab.sql.first(text, &[], |row| row[0].unsigned());
    found.unwrap().unwrap()
}

/// Turns of one small insert each.
fn inserts(lab: &mut Lab, count: u64) {
    for _ in 0..count {
        lab.now += 1_000;
        let id = format!("note-{}", lab.engine.head().next());
        let note = json!({"id": id, "n": 1, "t": "text"});
        lab.write(vec![insert("notes", note)]).unwrap();
    }
}

/// The same, with every timer in between.
fn settled_inserts(lab: &mut Lab, count: u64) {
    for _ in 0..count {
        inserts(lab, 1);
        lab.settle();
    }
}

#[test]
fn a_small_log_is_left_alone_and_a_segment_costs_few_rows() {
    let mut lab = Lab::new(folding(notes(), 1_000_000));
    inserts(&mut lab, 5_119);
    lab.settle();
    assert_eq!(lab.state().log_segments, 0);
    inserts(&mut lab, 1);
    lab.settle();
    let state = lab.state();
    assert_eq!((state.log_segments, state.log_records), (1, 5_120));
    assert_eq!(rows_of_log(&lab), 1_024, "the newest stay");
    assert_eq!(lab.check_log(), 5_120);
    let format = "SELECT value FROM _meta WHERE name = 'format'";
    let format = lab
        .sql
        .first(format, &[], |row| Ok(row[0].text()?.to_owned()));
    assert_eq!(format.unwrap().unwrap(), "2");
    let rows = state.log_bytes - state.log_segment_bytes;
    assert!(state.log_segment_bytes < rows, "a quarter: {state:?}");
    inserts(&mut lab, 4_095);
    lab.settle();
    assert_eq!(lab.state().log_segments, 1);
}

/// Written by `tests/golden/write.py` from the format's page.
const GOLDEN: &[u8] = include_bytes!("../golden/log-segment-v1.tvx");

#[test]
fn a_segment_written_by_other_means_is_the_log_it_says() {
    let history = |lab: &mut Lab| {
        lab.write(vec![insert("notes", json!({"id": "a", "n": 1}))])
            .unwrap();
        lab.now += 1_000;
        lab.write(vec![update("notes", "a", json!({"n": 2, "t": "x"}))])
            .unwrap();
        lab.write(vec![delete("notes", "a")]).unwrap();
    };
    let [mut plain, mut golden] = [0, 0].map(|_| Lab::new(folding(notes(), 0)));
    history(&mut plain);
    history(&mut golden);
    let hash = blake3::hash(GOLDEN);
    let time = SqlValue::Integer(crate::lab::START + 1_000);
    let args = [
        time,
        SqlValue::Blob(&hash.as_bytes()[..16]),
        SqlValue::Blob(GOLDEN),
    ];
    let text = "INSERT INTO _segments VALUES (1, 2, ?1, 2, 0, ?2, ?3)";
    golden.sql.exec(text, &args).unwrap();
    golden.sql.batch("DELETE FROM _log WHERE id < 3 * 256");
    same_log(&plain, &golden, "notes");
}

#[test]
fn every_damage_to_a_segment_is_found() {
    let mut lab = Lab::with_policy(folding(notes(), 1_000), small_segments());
    settled_inserts(&mut lab, 12);
    let text = "SELECT id, body FROM _segments ORDER BY id LIMIT 1";
    let read = |row: &[SqlValue<'_>]| Ok((row[0].unsigned()?, row[1].blob()?.to_vec()));
    let (id, body) = lab.sql.first(text, &[], read).unwrap().unwrap();
    let set = |bytes: &[u8]| {
        let args = [SqlValue::Blob(bytes), tidelog_core::int(id)];
        let text = "UPDATE _segments SET body = ?1 WHERE id = ?2";
        lab.sql.exec(text, &args).unwrap();
    };
    let refused = |what: &str| {
        let view = lab.engine.view();
        let error = view.check_log(&lab.sql).expect_err(what);
        assert_eq!(error.kind(), Kind::Corrupt, "{what}: {error}");
        assert!(lab.page(StartAt::Beginning, 10).is_err(), "{what}");
        assert!(view.batch(&lab.sql, "notes", Sequence(0), 1_000).is_err());
    };
    for at in 0..body.len() {
        let mut flipped = body.clone();
        flipped[at] ^= 1 << (at % 8);
        set(&flipped);
        refused(&format!("byte {at}"));
    }
    for end in (0..body.len()).step_by(7) {
        set(&body[..end]);
        refused(&format!("cut at {end}"));
    }
    set(&body);
    assert_eq!(lab.check_log(), 12);
    for change in [
        "last = last + 1",
        "last = last - 1",
        "tag = zeroblob(16)",
        "tag = x'00'",
    ] {
        lab.sql.batch(&format!(
            "SAVEPOINT damage; UPDATE _segments SET {change} WHERE id = {id}"
        ));
        refused(change);
        lab.sql.batch("ROLLBACK TO damage; RELEASE damage");
    }
    lab.sql
        .batch(&format!("DELETE FROM _segments WHERE id > {id}"));
    let error = lab.engine.view().check_log(&lab.sql);
    assert_eq!(error.expect_err("a gap").kind(), Kind::Corrupt);
}

#[test]
fn a_segment_is_trimmed_whole_and_lets_go_of_its_blobs() {
    let mut lab = Lab::with_policy(
        folding(json!({"notes": {"fields": {"n": {"type": "int"}}}}), 40),
        small_segments(),
    );
    inserts(&mut lab, 2);
    let bulk = (0..50).map(|n| insert("notes", json!({"id": format!("b{n:03}"), "n": n})));
    lab.write(bulk.collect()).unwrap();
    settled_inserts(&mut lab, 20);
    let bounds = "SELECT id, last, refers FROM _segments ORDER BY id";
    let read =
        |row: &[SqlValue<'_>]| Ok([row[0].unsigned()?, row[1].unsigned()?, row[2].unsigned()?]);
    let segments = lab.sql.rows(bounds, &[], read).unwrap();
    let [first, last, refers] = segments[0];
    assert_eq!((first, refers), (1, 1), "{segments:?}");
    let held = "SELECT total(holders) FROM _blobs";
    let before = number(&lab, held);
    lab.now += WEEK;
    lab.committed("notes", last - 1);
    assert_eq!(lab.state().earliest.0, 1, "some of its events are needed");
    lab.committed("notes", last);
    assert_eq!(lab.state().earliest.0, last + 1);
    assert_eq!(
        number(&lab, held),
        before - 1,
        "the record's blob is let go"
    );
    assert_eq!(lab.check_log(), lab.engine.head().0 - last);
    let batch = |from| {
        lab.engine
            .view()
            .batch(&lab.sql, "notes", Sequence(from), 1)
    };
    assert_eq!(batch(0).unwrap_err().code(), "offset_trimmed");
    assert_eq!(batch(last).unwrap().range.from, Sequence(last));
    let head = lab.engine.head().0;
    lab.committed("notes", head);
    lab.now += WEEK;
    lab.settle();
    let state = lab.state();
    assert_eq!((state.log_segments, state.log_records), (0, 1));
    settled_inserts(&mut lab, 20);
    assert!(lab.state().log_segments > 0, "and it goes on");
    assert_eq!(lab.check_log(), 21);
}

#[test]
fn young_segments_stay_and_many_old_ones_go_in_steps() {
    let mut lab = Lab::with_policy(folding(notes(), 1_000), small_segments());
    settled_inserts(&mut lab, 120);
    let all = lab.state().log_segments;
    assert!(all > 20, "{all}");
    lab.committed("notes", 120);
    assert_eq!(lab.state().log_segments, all, "they are young");
    lab.now += WEEK + 200_000;
    lab.turn(Command::Wake).unwrap();
    assert_eq!(
        lab.state().log_segments,
        all - 10,
        "a bounded number at a time"
    );
    for _ in 0..all {
        lab.now += 1;
        lab.settle();
    }
    assert_eq!(lab.state().log_segments, 0);
}

#[test]
fn a_step_that_fails_leaves_the_old_state_and_is_tried_again() {
    let mut lab = Lab::with_policy(folding(notes(), 1_000), small_segments());
    for fault in ["DELETE ON _log", "INSERT ON _segments"] {
        lab.settle();
        lab.sql.batch(&format!(
            "CREATE TRIGGER fault BEFORE {fault} BEGIN SELECT RAISE(ABORT, 'no'); END"
        ));
        inserts(&mut lab, 7);
        let without_timers = |lab: &Lab| {
            let all = lab.dump().into_iter();
            all.filter(|line| !line.contains("_wakes"))
                .collect::<Vec<_>>()
        };
        let before = without_timers(&lab);
        lab.turn(Command::Wake).unwrap();
        assert_eq!(without_timers(&lab), before);
        let wakes = lab.state().wakes;
        let failed = wakes.iter().find(|(name, ..)| name == "segment").unwrap();
        assert!(failed.2 > 0, "{wakes:?}");
        inserts(&mut lab, 1);
        lab.sql.batch("DROP TRIGGER fault");
        let segments = lab.state().log_segments;
        lab.now += 600_000;
        lab.settle();
        assert!(lab.state().log_segments > segments);
        assert_eq!(lab.check_log(), lab.engine.head().0);
    }
}

#[test]
fn what_does_not_fit_a_segment_stays_a_record_between_segments() {
    let noise = |seed: u64, bytes: usize| {
        let mut state = seed;
        let letters = (0..bytes).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            char::from_u32(0x4e00 + u32::try_from(state >> 50).unwrap()).unwrap()
        });
        letters.collect::<String>()
    };
    let mut plain = Lab::new(folding(notes(), 0));
    let mut lab = Lab::with_policy(folding(notes(), 1_000), small_segments());
    for lab in [&mut plain, &mut lab] {
        inserts(lab, 6);
        let large = |n: u64| {
            insert(
                "notes",
                json!({"id": format!("l{n}"), "t": noise(n, 450_000)}),
            )
        };
        lab.write(vec![large(1), large(2), large(3)]).unwrap();
        settled_inserts(lab, 20);
    }
    assert!(lab.state().log_segments > 3);
    let before_tail = "SELECT count(*) FROM _log WHERE id < (SELECT max(id) * 256 FROM _segments)";
    assert_eq!(number(&lab, before_tail), 3, "three parts of one record");
    same_log(&plain, &lab, "notes");
    lab.reopen();
    lab.settle();
    inserts(&mut plain, 1);
    inserts(&mut lab, 1);
    same_log(&plain, &lab, "notes");
    lab.now += WEEK + 100_000;
    let head = lab.engine.head().0;
    lab.committed("notes", head);
    lab.settle();
    assert_eq!(
        lab.state().log_records,
        1,
        "all of it is trimmed in its order"
    );
}

#[test]
fn deleting_the_object_and_making_it_anew_goes_through_segments() {
    let mut plain = Lab::new(folding(notes(), 0));
    let mut lab = Lab::with_policy(folding(notes(), 1_000), small_segments());
    for lab in [&mut plain, &mut lab] {
        settled_inserts(lab, 15);
        lab.delete_object().unwrap();
        lab.settle();
        lab.now += 5;
        settled_inserts(lab, 15);
    }
    assert!(lab.state().log_segments > 4);
    same_log(&plain, &lab, "notes");
}

#[test]
fn a_policy_of_no_records_makes_no_segments() {
    let policy = LogPolicy {
        segment_records: 0,
        ..small_segments()
    };
    let mut lab = Lab::with_policy(folding(notes(), 1_000), policy);
    settled_inserts(&mut lab, 30);
    assert_eq!(lab.state().log_segments, 0);
}
