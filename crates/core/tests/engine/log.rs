//! What readers of the log and table actors are given.

use serde_json::json;
use tidelog_core::{Caller, ChangesRequest, Command, Images};
use tidelog_log::{Epoch, EventFilter, Hash, Kind, Offset, Operation, Sequence, StartAt};

use crate::lab::{Lab, START, address, delete, insert, notes, town, update, upsert};

fn after(epoch: u64, sequence: u64) -> StartAt {
    StartAt::After(Offset {
        epoch: Epoch(epoch),
        sequence: Sequence(sequence),
    })
}

fn five(lab: &mut Lab) {
    for n in 0..5 {
        lab.write(vec![insert("notes", json!({"id": n.to_string(), "n": n}))])
            .unwrap();
    }
}

#[test]
fn an_event_tells_who_what_when_and_both_images() {
    let mut lab = Lab::new(notes());
    let caller = Caller {
        source: "tests".to_owned(),
        correlation_id: "c-1".to_owned(),
        trace_parent: "00-1-2-01".to_owned(),
        ..Caller::default()
    };
    lab.write(vec![insert("notes", json!({"id": "a", "n": 1, "t": "x"}))])
        .unwrap();
    lab.write_as(caller, vec![update("notes", "a", json!({"n": 2}))])
        .unwrap();
    lab.write(vec![delete("notes", "a")]).unwrap();
    let events = lab.events();
    assert_eq!(
        events[1],
        json!({
            "id": format!("lab/one/{START}_2"), "operation": "UPDATE", "collection": "notes",
            "documentId": "a", "timestamp": "2023-11-14T22:13:20Z", "epoch": START, "sequence": 2,
            "offset": format!("000{START}_0000000000000002"), "schemaVersion": 1, "source": "tests",
            "turn": {"id": 2, "index": 0, "count": 1}, "correlationId": "c-1",
            "traceParent": "00-1-2-01", "before": {"n": 1}, "after": {"id": "a", "n": 2, "t": "x"},
            "changedFields": ["n"]
        })
    );
    assert_eq!(events[2]["before"], json!({"id": "a", "n": 2, "t": "x"}));
    assert_eq!(
        (events[0].get("before"), events[2].get("after")),
        (None, None)
    );
    let request = ChangesRequest {
        start: StartAt::Beginning,
        filter: EventFilter::default(),
        images: Images::Full,
        limit: 10,
    };
    let full = lab.engine.view().changes(&lab.sql, &request).unwrap();
    assert_eq!(
        full.events[1]["before"],
        json!({"id": "a", "n": 1, "t": "x"})
    );
}

#[test]
fn time_in_the_log_never_goes_back() {
    let mut lab = Lab::new(notes());
    five(&mut lab);
    lab.now -= 1_000_000;
    lab.write(vec![delete("notes", "0")]).unwrap();
    assert_eq!(lab.events()[5]["timestamp"], lab.events()[4]["timestamp"]);
}

#[test]
fn pages_follow_each_other_without_gap_or_repeat() {
    let mut lab = Lab::new(notes());
    five(&mut lab);
    lab.write(
        (0..4)
            .map(|n| upsert("notes", json!({"id": n.to_string()})))
            .collect(),
    )
    .unwrap();
    for limit in 1..11 {
        let (mut start, mut seen) = (StartAt::Beginning, Vec::new());
        loop {
            let page = lab.page(start, limit).unwrap();
            assert!(page.events.len() <= limit);
            seen.extend(page.events.iter().map(|e| e["sequence"].as_u64().unwrap()));
            start = StartAt::After(page.next);
            if page.up_to_date {
                break;
            }
        }
        assert_eq!(seen, (1..=9).collect::<Vec<_>>(), "limit {limit}");
    }
    let now = lab.page(StartAt::Now, 1).unwrap();
    assert!(now.up_to_date && now.events.is_empty() && !now.closed);
    assert_eq!(now.next.sequence, Sequence(9));
}

#[test]
fn a_filter_moves_the_position_past_what_it_leaves_out() {
    let mut lab = Lab::new(town());
    lab.write(vec![insert("airports", json!({"code": "JFK"}))])
        .unwrap();
    lab.write(vec![insert("people", json!({"id": "a", "name": "A"}))])
        .unwrap();
    lab.write(vec![delete("people", "a")]).unwrap();
    lab.write(vec![insert("airports", json!({"code": "LGA"}))])
        .unwrap();
    let read = |collections: &[&str], operations: &[Operation]| {
        let filter = EventFilter {
            collections: collections.iter().map(|&c| c.to_owned()).collect(),
            operations: operations.iter().copied().collect(),
        };
        let (start, images) = (StartAt::Beginning, Images::Changed);
        let request = ChangesRequest {
            start,
            filter,
            images,
            limit: 10,
        };
        lab.engine.view().changes(&lab.sql, &request)
    };
    let page = read(&["people"], &[Operation::Delete]).unwrap();
    assert_eq!(
        (page.events.len(), page.next.sequence, page.up_to_date),
        (1, Sequence(4), true)
    );
    assert_eq!(page.offsets[0].sequence, Sequence(3));
    assert_eq!(read(&["airports"], &[]).unwrap().events.len(), 2);
    assert_eq!(
        read(&["nothing"], &[]).unwrap_err().code(),
        "unknown_collection"
    );
}

#[test]
fn a_page_has_1_to_10_000_events() {
    let lab = Lab::new(notes());
    for limit in [0, 10_001] {
        let error = lab.page(StartAt::Now, limit).unwrap_err();
        assert_eq!(
            (error.code(), error.field()),
            ("limit_out_of_range", Some("limit"))
        );
    }
}

#[test]
fn a_reader_of_an_empty_log_follows_the_first_write() {
    let mut lab = Lab::new(notes());
    let page = lab.page(StartAt::Now, 10).unwrap();
    assert!(page.up_to_date);
    assert!(
        lab.page(StartAt::After(page.next), 10)
            .unwrap()
            .events
            .is_empty()
    );
    five(&mut lab);
    assert_eq!(
        lab.page(StartAt::After(page.next), 10)
            .unwrap()
            .events
            .len(),
        5
    );
}

#[test]
fn an_offset_of_another_history_is_gone_and_says_where_to_start() {
    let mut lab = Lab::new(notes());
    five(&mut lab);
    let epoch = u64::try_from(START).unwrap();
    for start in [after(epoch - 1, 3), after(epoch + 1, 3), after(epoch, 6)] {
        let error = lab.page(start, 10).unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Gone, "offset_outside_lineage")
        );
        let earliest = error.details()["earliestOffset"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(
            lab.page(StartAt::After(earliest), 10).unwrap().events.len(),
            5
        );
    }
}

#[test]
fn a_fenced_object_opens_a_new_epoch_with_its_next_record_and_keeps_its_lineage() {
    let mut lab = Lab::new(notes());
    five(&mut lab);
    let old = lab.state().epoch;
    lab.turn(Command::Fenced).unwrap();
    lab.write(vec![delete("notes", "0")]).unwrap();
    lab.write(vec![delete("notes", "1")]).unwrap();
    let state = lab.state();
    assert_eq!((state.epoch, state.head), (Epoch(old.0 + 1), Sequence(7)));
    assert_eq!(lab.check_log(), 7);
    // Offsets of the old epoch go on; the same sequences under the wrong epoch are not in the lineage.
    assert_eq!(lab.page(after(old.0, 3), 10).unwrap().events.len(), 4);
    assert_eq!(lab.page(after(old.0, 5), 10).unwrap().events.len(), 2);
    for start in [after(old.0, 6), after(old.0 + 1, 5)] {
        assert_eq!(
            lab.page(start, 10).unwrap_err().code(),
            "offset_outside_lineage"
        );
    }
    lab.reopen();
    lab.write(vec![delete("notes", "2")]).unwrap();
    assert_eq!(lab.state().epoch, Epoch(old.0 + 1));
}

#[test]
fn the_chain_links_every_record_to_the_one_before() {
    let mut lab = Lab::new(notes());
    five(&mut lab);
    let view = lab.engine.view();
    let batch = view
        .batch(&lab.sql, "notes", Sequence(0), usize::MAX)
        .unwrap();
    assert_eq!(
        (batch.range.from_hash, batch.range.to, batch.events),
        (Hash::default(), Sequence(5), 5)
    );
    assert_eq!(
        (batch.range.to_hash, batch.range.source.clone()),
        (lab.state().head_hash, address().to_string())
    );
    // What is made of the records' bytes is what their events would be written as.
    let same = batch.unpack().unwrap();
    assert_eq!(same.events.len(), 5);
    assert_eq!(same.pack().unwrap(), batch);
    let mut from = view.batch(&lab.sql, "notes", Sequence(0), 1).unwrap();
    for at in 1..5 {
        let range = &from.range;
        assert_eq!(range.to, Sequence(at));
        let next = view.batch(&lab.sql, "notes", range.to, 1).unwrap();
        assert_eq!(next.range.from_hash, range.to_hash);
        from = next;
    }
    let none = view
        .batch(&lab.sql, "other", Sequence(2), usize::MAX)
        .unwrap();
    assert_eq!((none.events, none.range.to), (0, Sequence(5)));
}

#[test]
fn a_batch_starts_only_where_a_turn_ends() {
    let mut lab = Lab::new(notes());
    let rows = (0..4)
        .map(|n| insert("notes", json!({"id": n.to_string()})))
        .collect();
    lab.write(rows).unwrap();
    for from in [2, 9] {
        let batch = lab
            .engine
            .view()
            .batch(&lab.sql, "notes", Sequence(from), 1);
        assert_eq!(batch.unwrap_err().code(), "not_a_turn_boundary");
    }
}

#[test]
fn a_changed_byte_or_a_lost_record_is_found() {
    for damage in [
        "UPDATE _log SET body = CAST(replace(body, x'6e6f746573', x'6e6f646573') AS BLOB) WHERE id = 512",
        "DELETE FROM _log WHERE id = 512",
        "UPDATE _log SET body = (SELECT body FROM _log WHERE id = 768) WHERE id = 512",
    ] {
        let mut lab = Lab::new(notes());
        for n in 0..5 {
            lab.write(vec![insert(
                "notes",
                json!({"id": n.to_string(), "t": "XXX"}),
            )])
            .unwrap();
        }
        lab.sql.batch(damage);
        let error = lab.engine.view().check_log(&lab.sql).unwrap_err();
        assert_eq!(error.code(), "corrupt", "{damage}");
    }
}

#[test]
fn a_record_of_several_parts_is_one_turn() {
    let mut lab = Lab::new(notes());
    let big = |id: &str| insert("notes", json!({"id": id, "t": "x".repeat(1_400_000)}));
    lab.write(vec![insert("notes", json!({"id": "small"}))])
        .unwrap();
    lab.write(vec![big("a"), big("b"), big("c")]).unwrap();
    lab.write(vec![delete("notes", "small")]).unwrap();
    assert_eq!((lab.state().log_records, lab.check_log()), (3, 5));
    let parts = lab
        .dump()
        .iter()
        .filter(|line| line.starts_with("[Text(\"_log\"), Integer("))
        .count();
    assert_eq!(parts, 5);
    let page = lab
        .page(
            StartAt::After(lab.page(StartAt::Beginning, 2).unwrap().next),
            2,
        )
        .unwrap();
    let keys: Vec<_> = page
        .events
        .iter()
        .map(|e| e["documentId"].as_str().unwrap())
        .collect();
    assert_eq!(keys, ["b", "c"]);
    lab.reopen();
    assert_eq!(lab.engine.head(), Sequence(5));
    let batch = lab
        .engine
        .view()
        .batch(&lab.sql, "notes", Sequence(1), 1)
        .unwrap();
    assert_eq!((batch.range.to, batch.events), (Sequence(4), 3));
}

#[test]
fn a_full_log_refuses_writes_and_nothing_else() {
    let mut lab = Lab::new(notes());
    lab.policy.bytes_max = 1_000;
    lab.reopen();
    while lab.state().log_bytes <= 1_000 {
        lab.write(vec![insert("notes", json!({"n": 1}))]).unwrap();
    }
    let error = lab.refused(vec![insert("notes", json!({"n": 1}))]);
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Unavailable, "log_full")
    );
    lab.reopen();
    assert_eq!(
        lab.refused(vec![insert("notes", json!({"n": 1}))]).code(),
        "log_full"
    );
    lab.delete_object().unwrap();
}

#[test]
fn a_hash_across_the_border_of_two_parts_is_found_when_the_object_is_opened() {
    let turn = |last: usize| {
        let note =
            |id: &str, bytes: usize| insert("notes", json!({"id": id, "t": "x".repeat(bytes)}));
        vec![note("a", 1_400_000), note("b", last)]
    };
    let mut scratch = Lab::new(notes());
    scratch.write(turn(400_000)).unwrap();
    let others = usize::try_from(scratch.state().log_bytes).unwrap() - 400_000;
    for past_the_border in [0, 1, 10, 31, 32, 33] {
        let mut lab = Lab::new(notes());
        lab.write(turn(1_900_000 + past_the_border - others))
            .unwrap();
        let hash = lab.state().head_hash;
        lab.reopen();
        lab.write(vec![delete("notes", "a")]).unwrap();
        assert_eq!(lab.check_log(), 3);
        let batch = lab
            .engine
            .view()
            .batch(&lab.sql, "notes", Sequence(2), 1)
            .unwrap();
        assert_eq!(batch.range.from_hash, hash);
    }
}
