//! Restores that adopt blobs: nothing else differs from a restore that writes every document anew.

use std::sync::Arc;

use serde_json::json;
use tidelog_core::snapshot_file::{FileReader, Frame, FrameKind};
use tidelog_core::{
    Command, Query, RestoreTarget, Snapshot, SnapshotCommand, SnapshotFile, SnapshotKind,
    SnapshotReply, SqlExt as _,
};
use tidelog_log::{Sequence, StartAt};

use crate::lab::{Lab, delete, folding, insert, notes, of_version, update, upsert};
use crate::model::{Documents, replayed, stored};
use crate::snapshots::small_steps;

const WEEK: i64 = 7 * 24 * 60 * 60 * 1_000;

fn lab() -> Lab {
    Lab::with_policy(folding(notes(), 4), small_steps())
}

fn key(n: u64) -> String {
    format!("k{n:03}")
}

fn note(n: u64) -> serde_json::Value {
    json!({"id": key(n), "n": n, "free": {"of": [n]}})
}

/// Sixty notes in blobs, of which some rows are masked.
fn filled() -> Lab {
    let mut lab = lab();
    for start in [0, 20, 40] {
        let rows = (start..start + 20).map(|n| insert("notes", note(n)));
        lab.write(rows.collect()).unwrap();
    }
    lab.write(vec![
        delete("notes", &key(3)),
        update("notes", &key(25), json!({"n": 500})),
    ])
    .unwrap();
    lab.settle();
    lab
}

/// Deletes every note.
fn emptied(lab: &mut Lab) {
    lab.now += 1_000;
    let all = stored(lab, "notes");
    lab.write(all.keys().map(|key| delete("notes", key)).collect())
        .unwrap();
}

fn documents(of: Documents) -> Vec<(String, serde_json::Map<String, serde_json::Value>)> {
    of.into_iter()
        .map(|(key, (_, document))| (key, document))
        .collect()
}

fn number(lab: &Lab, text: &str) -> u64 {
    let found = lab.sql.first(text, &[], |row| row[0].unsigned());
    found.unwrap().unwrap()
}

/// Records of the log whose rows were adopted.
fn adopted(lab: &Lab) -> u64 {
    number(
        lab,
        "SELECT count(*) FROM _log WHERE id % 256 = 0 AND substr(body, 5, 1) = x'03'",
    )
}

fn restored(lab: &mut Lab, snapshot: &Snapshot) {
    let target = RestoreTarget::Snapshot(snapshot.id.clone());
    lab.restore(target, false).unwrap();
}

fn check_whole(lab: &Lab) {
    assert_eq!(stored(lab, "notes"), replayed(lab, "notes"));
    assert_eq!(lab.check_log(), lab.engine.head().0);
}

/// Filled, emptied and restored; with the documents of before.
fn adopting() -> (Lab, Snapshot, Documents) {
    let mut lab = filled();
    let before = stored(&lab, "notes");
    let taken = lab.take(SnapshotKind::Full).unwrap();
    emptied(&mut lab);
    restored(&mut lab, &taken);
    assert!(adopted(&lab) > 2, "{} records", adopted(&lab));
    (lab, taken, before)
}

#[test]
fn adopted_documents_have_an_event_each_and_its_sequence_as_their_version() {
    let (mut lab, _, before) = adopting();
    let head = lab.engine.head().0;
    let after = stored(&lab, "notes");
    assert_eq!(documents(after.clone()), documents(before));
    check_whole(&lab);
    let mut versions: Vec<u64> = after.values().map(|(version, _)| *version).collect();
    versions.sort_unstable();
    assert_eq!(versions, (head - 58..=head).collect::<Vec<_>>());
    // Queries see the same versions as gets.
    let collection = lab.schema.collection("notes").unwrap();
    for (key, (version, _)) in &after {
        let query = json!({"where": {"_version": version}, "select": ["_key", "_version"]});
        let query = Query::parse(collection, &query).unwrap();
        let rows = query.run(&lab.sql, collection).unwrap().rows;
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0]["_key"], json!(key));
    }
    let middle =
        json!({"where": {"_version": {"gt": head - 10}}, "aggregate": {"n": {"count": "*"}}});
    let middle = Query::parse(collection, &middle).unwrap();
    let counted = middle.run(&lab.sql, collection).unwrap().rows;
    assert_eq!(counted[0]["n"], json!(10));
    lab.reopen();
    check_whole(&lab);
}

#[test]
fn adopted_documents_change_go_and_are_folded_as_others() {
    let (mut lab, _, _) = adopting();
    let version = stored(&lab, "notes")[&key(7)].0;
    let stale = of_version(update("notes", &key(7), json!({"n": 1})), version - 1);
    assert_eq!(
        lab.write(vec![stale]).unwrap_err().code(),
        "version_mismatch"
    );
    let now = of_version(update("notes", &key(7), json!({"n": 1})), version);
    lab.write(vec![now, delete("notes", &key(8))]).unwrap();
    let taken = lab.write(vec![insert("notes", note(9))]).unwrap_err();
    assert_eq!(taken.code(), "duplicate_key");
    check_whole(&lab);
    // Worn blobs are written anew: versions stay, and masks of adoption go.
    let some = (10..50)
        .filter(|n| *n != 25)
        .map(|n| upsert("notes", json!({"id": key(n), "n": 0})));
    lab.write(some.collect()).unwrap();
    let before = stored(&lab, "notes");
    lab.now += 1_000;
    lab.settle();
    assert_eq!(stored(&lab, "notes"), before);
    check_whole(&lab);
}

#[test]
fn what_was_adopted_is_kept_and_brought_back_again() {
    let (mut lab, first, before) = adopting();
    lab.write(vec![
        delete("notes", &key(11)),
        update("notes", &key(30), json!({"n": 4})),
    ])
    .unwrap();
    let second = lab.take(SnapshotKind::Full).unwrap();
    let changed = documents(stored(&lab, "notes"));
    for round in 0..3 {
        emptied(&mut lab);
        restored(&mut lab, &second);
        assert_eq!(documents(stored(&lab, "notes")), changed, "{round}");
        emptied(&mut lab);
        restored(&mut lab, &first);
        assert_eq!(
            documents(stored(&lab, "notes")),
            documents(before.clone()),
            "{round}"
        );
        check_whole(&lab);
    }
    // A dry run counts the same, and any state in the middle of an adoption comes back.
    emptied(&mut lab);
    let target = RestoreTarget::Snapshot(second.id);
    let said = lab.restore(target.clone(), true).unwrap();
    assert_eq!(said.differences["notes"].added, changed.len() as u64);
    let done = lab.restore(target, false).unwrap();
    assert_eq!(done.differences, said.differences);
    let middle = lab.engine.head().0 - 20;
    lab.restore(RestoreTarget::Sequence(Sequence(middle)), false)
        .unwrap();
    assert_eq!(stored(&lab, "notes").len(), changed.len() - 20);
    check_whole(&lab);
}

#[test]
fn rows_that_events_of_the_chain_changed_are_not_those_of_the_adopted_blob() {
    let mut lab = filled();
    lab.take(SnapshotKind::Full).unwrap();
    let some = [
        delete("notes", &key(5)),
        update("notes", &key(45), json!({"n": 9})),
    ];
    lab.write([some.to_vec(), vec![insert("notes", note(100))]].concat())
        .unwrap();
    let last = lab.take(SnapshotKind::Incremental).unwrap();
    let wanted = documents(stored(&lab, "notes"));
    emptied(&mut lab);
    restored(&mut lab, &last);
    assert!(adopted(&lab) > 2);
    assert_eq!(documents(stored(&lab, "notes")), wanted);
    check_whole(&lab);
}

#[test]
fn documents_in_the_way_are_compared_one_by_one() {
    let mut lab = filled();
    let taken = lab.take(SnapshotKind::Full).unwrap();
    let wanted = documents(stored(&lab, "notes"));
    emptied(&mut lab);
    // One as it was, one otherwise, one between that was not.
    let one = json!({"id": "k0105", "n": 1});
    lab.write(vec![
        insert("notes", note(6)),
        insert("notes", json!({"id": key(26)})),
    ])
    .unwrap();
    lab.write(vec![insert("notes", one)]).unwrap();
    let version = stored(&lab, "notes")[&key(6)].0;
    let target = RestoreTarget::Snapshot(taken.id);
    let done = lab.restore(target, false).unwrap();
    let counts = &done.differences["notes"];
    assert_eq!((counts.added, counts.changed, counts.removed), (57, 1, 1));
    assert_eq!(documents(stored(&lab, "notes")), wanted);
    assert_eq!(stored(&lab, "notes")[&key(6)].0, version, "it was there");
    assert!(adopted(&lab) > 0, "the third blob has nothing in its way");
    check_whole(&lab);
}

#[test]
fn batches_for_the_lake_go_on_over_adopted_records_and_segments_keep_them() {
    let (mut lab, _, _) = adopting();
    lab.write(vec![update("notes", &key(9), json!({"n": 1}))])
        .unwrap();
    for segmented in [false, true] {
        let head = lab.engine.head();
        let (mut at, mut events) = (Sequence(0), 0);
        while at < head {
            let batch = lab
                .engine
                .view()
                .batch(&lab.sql, "notes", at, 1_000)
                .unwrap();
            let range = batch.range;
            assert!(range.from == at && range.to > at);
            events += range.to.0 - range.from.0;
            at = range.to;
        }
        assert_eq!(events, head.0);
        check_whole(&lab);
        if segmented {
            return;
        }
        for n in 0..20 {
            lab.write(vec![upsert("notes", json!({"id": "last", "n": n}))])
                .unwrap();
            lab.settle();
        }
        assert_eq!(adopted(&lab), 0, "all are in segments");
    }
}

#[test]
fn nothing_is_left_of_adopted_blobs_that_nobody_needs() {
    let (mut lab, _, _) = adopting();
    for round in 0..2 {
        let taken = lab.take(SnapshotKind::Full).unwrap();
        emptied(&mut lab);
        match round {
            0 => restored(&mut lab, &taken),
            _ => {
                // Given up at each place of its way.
                for timers in 0..40 {
                    let target = RestoreTarget::Snapshot(taken.id.clone());
                    let before = lab.state().blobs;
                    lab.snapshots(lab.restoring(target, false)).unwrap();
                    (0..timers).for_each(|_| drop(lab.turn(Command::Wake).unwrap()));
                    let state = lab.engine.view().last_restore(&lab.sql).unwrap();
                    if state.status != tidelog_core::RestoreStatus::Running {
                        break;
                    }
                    lab.snapshots(SnapshotCommand::CancelRestore).unwrap();
                    let undo = lab.engine.view().last_restore(&lab.sql).unwrap().undo;
                    if let Some(id) = undo {
                        lab.snapshots(SnapshotCommand::Delete { id }).unwrap();
                    }
                    assert_eq!(lab.state().blobs, before, "{timers}");
                }
            }
        }
    }
    emptied(&mut lab);
    let all = lab.engine.view().snapshots(&lab.sql, None, 100).unwrap();
    for snapshot in all.snapshots {
        let id = snapshot.id;
        lab.snapshots(SnapshotCommand::Delete { id }).unwrap();
    }
    lab.settle();
    lab.write(vec![insert("notes", json!({"id": "last"}))])
        .unwrap();
    lab.now += WEEK + 1_000;
    let head = lab.engine.head().0;
    lab.committed("notes", head);
    for _ in 0..20 {
        lab.now += WEEK;
        lab.settle();
        lab.write(vec![update("notes", "last", json!({"n": lab.now}))])
            .unwrap();
        let head = lab.engine.head().0;
        lab.committed("notes", head);
    }
    assert_eq!(lab.state().blobs, (0, 0));
}

fn frames(lab: &Lab, id: &str) -> Vec<Frame> {
    let file = SnapshotFile::open(lab.engine.view(), &lab.sql, id).unwrap();
    let mut reader = FileReader::default();
    let frames = reader
        .push(&file.read(&lab.sql, 0, usize::MAX).unwrap())
        .unwrap();
    reader.finish().unwrap();
    frames
}

/// Takes a file in and brings it back.
fn imported(frames: Vec<Frame>) -> Lab {
    let mut lab = lab();
    let schema = Arc::clone(&lab.schema);
    let SnapshotReply::Import(import) = lab
        .snapshots(SnapshotCommand::Import { schema, frames })
        .unwrap()
    else {
        panic!("no import");
    };
    let target = RestoreTarget::Snapshot(import.snapshot.unwrap());
    lab.restore(target, false).unwrap();
    lab
}

#[test]
fn files_hold_adopted_blobs_and_the_events_that_adopted_them() {
    let (mut lab, _, _) = adopting();
    let full = lab.take(SnapshotKind::Full).unwrap();
    let wanted = documents(stored(&lab, "notes"));
    let other = imported(frames(&lab, &full.id));
    assert_eq!(documents(stored(&other, "notes")), wanted);
    assert!(adopted(&other) > 2);
    check_whole(&other);
    // An incremental over an adoption has its events.
    emptied(&mut lab);
    let parent = lab.take(SnapshotKind::Full).unwrap();
    restored(&mut lab, &full);
    lab.write(vec![update("notes", &key(9), json!({"n": 1}))])
        .unwrap();
    let (kind, note) = (SnapshotKind::Incremental, String::new());
    let parent = Some(parent.id);
    let command = SnapshotCommand::Create { kind, parent, note };
    let SnapshotReply::Snapshot(last) = lab.snapshots(command).unwrap() else {
        panic!("no snapshot");
    };
    lab.finish_job();
    let other = imported(frames(&lab, &last.id));
    assert_eq!(stored(&other, "notes").len(), wanted.len());
    assert_eq!(other.get("notes", &key(9)).unwrap()["n"], json!(1));
    check_whole(&other);
}

#[test]
fn a_forged_file_with_a_key_in_two_blobs_brings_it_back_once() {
    let (mut lab, _, _) = adopting();
    let full = lab.take(SnapshotKind::Full).unwrap();
    let wanted = documents(stored(&lab, "notes"));
    let mut frames = frames(&lab, &full.id);
    let blob = frames
        .iter()
        .position(|f| f.kind == FrameKind::Blob)
        .unwrap();
    frames.insert(blob, frames[blob].clone());
    for (index, frame) in (0..).zip(&mut frames) {
        frame.index = index;
    }
    let count = u8::try_from(frames.len()).unwrap();
    frames.last_mut().unwrap().body = vec![count];
    let other = imported(frames);
    assert_eq!(documents(stored(&other, "notes")), wanted);
    assert_eq!(adopted(&other), 0, "it is not believed");
    check_whole(&other);
}

#[test]
fn a_page_of_the_log_may_begin_and_end_within_adopted_rows() {
    let (lab, _, _) = adopting();
    let whole = lab.events();
    let mut at = StartAt::Beginning;
    let mut read = Vec::new();
    loop {
        let page = lab.page(at, 7).unwrap();
        read.extend(page.events);
        at = StartAt::After(page.next);
        if page.up_to_date {
            break;
        }
    }
    assert_eq!(read, whole);
}

#[test]
fn so_few_documents_that_one_turn_could_write_them_are_adopted_too() {
    let mut lab = Lab::new(folding(notes(), 4));
    lab.write(
        (0..1_200)
            .map(|n| insert("notes", json!({"id": key(n), "n": n})))
            .collect(),
    )
    .unwrap();
    lab.write(vec![insert("notes", json!({"id": "row"}))])
        .unwrap();
    let taken = lab.take(SnapshotKind::Full).unwrap();
    let wanted = documents(stored(&lab, "notes"));
    emptied(&mut lab);
    restored(&mut lab, &taken);
    assert_eq!(adopted(&lab), 1);
    assert_eq!(documents(stored(&lab, "notes")), wanted);
    check_whole(&lab);
}
