//! Damage: found, kept to what it is in, made whole again where the documents are still somewhere.

use serde_json::json;
use tidelog_core::{
    CheckPage, Damage, Heal, RestoreStatus, RestoreTarget, Snapshot, SnapshotCommand, SnapshotKind,
    SnapshotReply, Sql as _, SqlExt as _, SqlValue,
};
use tidelog_log::{Result, Sequence};

use crate::faults::{at_once, fold, key, one_by_one, shelved, state};
use crate::lab::{Lab, START, delete, insert, notes, update};
use crate::model::{Documents, replayed, stored};
use crate::snapshot_files::{bytes_of, frames, import};
use crate::snapshots::small_steps;
use crate::sqlite::Fault;

/// Flips a bit of the one value that a query finds, with its rowid.
fn flip(lab: &Lab, (table, column, place): (&str, &str, &str), bit: usize) {
    let read = format!("SELECT {column} FROM {table} WHERE {place}");
    let body = |row: &[SqlValue<'_>]| Ok(row[0].blob()?.to_vec());
    let mut body = lab.sql.first(&read, &[], body).unwrap().unwrap();
    let bit = bit % (body.len() * 8);
    body[bit / 8] ^= 1 << (bit % 8);
    let write = format!("UPDATE {table} SET {column} = ?1 WHERE {place}");
    let mut none = |_: &[SqlValue<'_>]| Ok(());
    lab.sql
        .run(&write, &[SqlValue::Blob(&body)], &mut none)
        .unwrap();
}

fn flip_blob(lab: &Lab, id: u64, bit: usize) {
    flip(lab, ("_blobs", "body", &format!("id = {id}")), bit);
}

/// Bits of a blob.
fn bits(lab: &Lab, id: u64) -> usize {
    let text = format!("SELECT 8 * length(body) FROM _blobs WHERE id = {id}");
    let bits = lab.sql.first(&text, &[], |row| row[0].unsigned()).unwrap();
    usize::try_from(bits.unwrap()).unwrap()
}

/// Every page of a check.
fn check(lab: &Lab) -> CheckPage {
    let mut all = CheckPage::default();
    let mut after = None;
    loop {
        let page = lab.engine.view().check(&lab.sql, after.as_deref()).unwrap();
        all.damaged.extend(page.damaged);
        all.checked.blobs += page.checked.blobs;
        all.checked.documents += page.checked.documents;
        all.checked.events += page.checked.events;
        all.checked.parts += page.checked.parts;
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

fn heal(lab: &mut Lab) -> Heal {
    let SnapshotReply::Heal(_) = lab.snapshots(SnapshotCommand::Heal).unwrap() else {
        panic!("another answer");
    };
    lab.finish_job();
    let heal = lab.engine.view().last_heal(&lab.sql).unwrap();
    assert_eq!(heal.status, RestoreStatus::Complete);
    heal
}

/// The live blobs of books.
fn live(lab: &Lab) -> Vec<u64> {
    let folded = lab.state().folded.into_iter();
    let books = folded.filter(|folded| folded.collection == "books");
    assert_eq!(books.count(), 1);
    let text = "SELECT id FROM _blobs ORDER BY id";
    lab.sql.rows(text, &[], |row| row[0].unsigned()).unwrap()
}

/// Books that were folded from rows into one blob, two of them masked, some in rows.
fn folded() -> (Lab, u64) {
    let mut lab = shelved();
    one_by_one(&mut lab, 0..7);
    fold(&mut lab);
    lab.write(vec![
        delete("books", &key(1)),
        update("books", &key(2), json!({"n": 99})),
    ])
    .unwrap();
    one_by_one(&mut lab, 7..9);
    let blobs = live(&lab);
    assert_eq!(blobs.len(), 1);
    (lab, blobs[0])
}

fn same(lab: &Lab, documents: &Documents) {
    assert_eq!(&stored(lab, "books"), documents);
    assert_eq!(replayed(lab, "books"), *documents);
    assert_eq!(check(lab).damaged, []);
}

#[test]
fn any_flipped_bit_of_a_blob_is_found_and_healed_from_events_without_one() {
    let (lab, blob) = folded();
    let bits = bits(&lab, blob);
    let mut pages = 0;
    for bit in (0..bits).step_by(37) {
        let (mut lab, _) = folded();
        let (documents, head) = (stored(&lab, "books"), lab.engine.head());
        flip_blob(&lab, blob, bit);
        lab.reopen();
        let found = check(&lab);
        assert_eq!(found.damaged.len(), 1, "bit {bit}");
        let damage: &Damage = &found.damaged[0];
        assert_eq!(
            (damage.collection.as_str(), damage.blob),
            ("books", Some(blob))
        );
        pages += u32::from(damage.page.is_some());
        let error = lab.get("books", &key(0)).unwrap_err();
        assert_eq!(error.code(), "corrupt");
        let heal = heal(&mut lab);
        assert_eq!(heal.lost, [], "bit {bit}");
        assert_eq!(heal.healed.len(), 1);
        assert_eq!(
            (heal.healed[0].documents, heal.healed[0].from.as_str()),
            (5, "events")
        );
        assert_eq!(lab.engine.head(), head);
        same(&lab, &documents);
        lab.write(vec![delete("books", &key(0))]).unwrap();
    }
    assert!(pages > 10, "{pages} pages named");
}

#[test]
fn a_blob_healed_without_masked_rows_is_the_same_bytes_for_snapshots_too() {
    let mut lab = shelved();
    one_by_one(&mut lab, 0..7);
    fold(&mut lab);
    let taken = lab.take(SnapshotKind::Full).unwrap();
    let (documents, blob) = (stored(&lab, "books"), live(&lab)[0]);
    flip_blob(&lab, blob, 999);
    assert_eq!(heal(&mut lab).healed.len(), 1);
    same(&lab, &documents);
    lab.write(vec![delete("books", &key(3))]).unwrap();
    let target = RestoreTarget::Snapshot(taken.id);
    let done = lab.restore(target, false).unwrap();
    assert_eq!(done.status, RestoreStatus::Complete);
    let (restored, _): (Vec<_>, Vec<_>) = stored(&lab, "books").into_iter().unzip();
    let (before, _): (Vec<_>, Vec<_>) = documents.into_iter().unzip();
    assert_eq!(restored, before);
}

#[test]
fn damage_stays_in_its_blob() {
    let (mut lab, blob) = folded();
    at_once(&mut lab, 40..48);
    let other = *live(&lab).last().unwrap();
    assert_ne!(other, blob);
    flip_blob(&lab, blob, 500);
    lab.reopen();
    // Other collections, rows, and keys outside of the blob.
    lab.write(vec![insert("shelves", json!({"id": "t"}))])
        .unwrap();
    assert!(lab.get("shelves", "t").is_ok() && lab.get("books", &key(8)).is_ok());
    lab.state();
    // A snapshot can be taken, and is whole once the blob is.
    let taken = lab.take(SnapshotKind::Full).unwrap();
    assert!(taken.failure.is_none());
    let before = lab.dump().len();
    let error = lab.write(vec![delete("books", &key(0))]).unwrap_err();
    assert_eq!((error.code(), lab.dump().len()), ("corrupt", before));
    assert_eq!(heal(&mut lab).lost, []);
    lab.write(vec![delete("books", &key(0))]).unwrap();
}

#[test]
fn other_collections_fold_beside_a_damaged_one() {
    let fields = json!({"fields": {"n": {"type": "int"}}, "hot": {"vortex_threshold": 4}});
    let mut lab = Lab::new(json!({"a": fields, "b": fields}));
    let write = |lab: &mut Lab, name: &str, from: u64| {
        for n in from..from + 5 {
            lab.write(vec![insert(name, json!({"id": format!("k{n}"), "n": n}))])
                .unwrap();
        }
    };
    write(&mut lab, "a", 0);
    fold(&mut lab);
    let manifest = ("_main", "body", "collection = 1");
    flip(&lab, manifest, 77);
    lab.reopen();
    write(&mut lab, "b", 0);
    lab.now += 1_000_000;
    lab.turn(tidelog_core::Command::Wake).unwrap();
    let rows = lab
        .sql
        .first("SELECT count(*) FROM b", &[], |row| row[0].unsigned());
    assert_eq!(rows.unwrap(), Some(0), "folded");
    let found = check(&lab).damaged;
    assert_eq!((found.len(), found[0].collection.as_str()), (1, "a"));
}

/// Books inserted at once: their only events are the blob's own rows.
fn bulk() -> (Lab, u64) {
    let mut lab = shelved();
    at_once(&mut lab, 0..8);
    let blob = live(&lab)[0];
    (lab, blob)
}

#[test]
fn a_blob_that_is_nowhere_else_is_lost_and_nothing_is_dropped_until_its_snapshot_comes_back() {
    let (mut lab, blob) = bulk();
    let documents = stored(&lab, "books");
    let taken = lab.take(SnapshotKind::Full).unwrap();
    let file = bytes_of(&lab, &taken.id, 100_000);
    flip_blob(&lab, blob, 1_234);
    lab.reopen();
    let first = heal(&mut lab);
    assert_eq!(first.healed, []);
    assert_eq!((first.lost[0].blob, first.lost.len()), (Some(blob), 1));
    assert!(
        first.lost[0].what.contains(" of 8 documents"),
        "{:?}",
        first.lost
    );
    assert_eq!(first.snapshots, std::slice::from_ref(&taken.id));
    assert_eq!(lab.state().folded[0].documents, 8, "nothing is dropped");
    let target = RestoreTarget::Snapshot(taken.id);
    let error = lab.restore(target.clone(), false).unwrap_err();
    assert_eq!(error.code(), "snapshot_incomplete");
    assert!(error.message().contains(&format!("blob {blob}")), "{error}");
    // The log's record is the blob.
    assert!(
        check(&lab)
            .damaged
            .iter()
            .any(|d| d.sequence == Some(Sequence(2)))
    );

    import(&mut lab, frames(&file).unwrap()).unwrap();
    let second = heal(&mut lab);
    assert_eq!((second.lost, second.snapshots), (vec![], vec![]));
    assert_eq!(
        (second.healed[0].from.as_str(), second.healed[0].documents),
        ("copy", 8)
    );
    same(&lab, &documents);
    lab.write(vec![delete("books", &key(3))]).unwrap();
    lab.restore(target, false).unwrap();
    assert_eq!(stored(&lab, "books").len(), 8);
}

#[test]
fn a_blob_that_a_restore_adopted_is_healed_in_the_versions_it_has_now() {
    let mut lab = shelved();
    lab.policy.snapshots = small_steps().snapshots;
    lab.reopen();
    one_by_one(&mut lab, 0..7);
    fold(&mut lab);
    lab.write(vec![delete("books", &key(1))]).unwrap();
    let taken = lab.take(SnapshotKind::Full).unwrap();
    let file = bytes_of(&lab, &taken.id, 100_000);
    lab.delete_object().unwrap();
    let target = RestoreTarget::Snapshot(taken.id);
    lab.restore(target, false).unwrap();
    let (documents, head) = (stored(&lab, "books"), lab.engine.head());
    assert!(documents.values().all(|(version, _)| *version > 9));
    let mut anew = 0;
    assert_eq!(lab.state().folded[0].documents, 6, "adopted, with a mask");
    // Not a page of its columns: what the blob says of itself.
    let (blob, bit) = (live(&lab)[0], 20);
    flip_blob(&lab, blob, bit);
    lab.reopen();
    // Its rows are its events; nothing else has them.
    let first = heal(&mut lab);
    assert_eq!((first.healed.len(), first.lost[0].blob), (0, Some(blob)));
    import(&mut lab, frames(&file).unwrap()).unwrap();
    assert_eq!(heal(&mut lab).healed[0].from, "copy");
    assert_eq!(lab.engine.head(), head);
    assert_eq!(stored(&lab, "books"), documents);
    assert_eq!(check(&lab).damaged, []);
    // All of its pages but those of the versions, which are not in it: it is written anew.
    for bit in (200..bits(&lab, blob)).step_by(61) {
        lab.sql.batch("SAVEPOINT before");
        flip_blob(&lab, blob, bit);
        lab.sql
            .batch("DELETE FROM _snapshot_parts; DELETE FROM _snapshots");
        lab.reopen();
        match heal(&mut lab).healed.first() {
            Some(healed) => {
                anew += 1;
                assert_eq!((healed.from.as_str(), healed.documents), ("events", 6));
                assert_eq!(stored(&lab, "books"), documents, "bit {bit}");
                // The record of the adoption still needs the mask that the collection does not.
                let held = "SELECT sum(holders) FROM _blobs WHERE length(body) < 9";
                let held = lab.sql.first(held, &[], |row| row[0].unsigned()).unwrap();
                assert_eq!(held, Some(1), "bit {bit}");
            }
            None => assert_eq!(check(&lab).damaged[0].blob, Some(blob)),
        }
        lab.sql.batch("ROLLBACK TO before; RELEASE before");
        lab.reopen();
    }
    assert!(anew > 0, "its versions are healed");
}

fn incremental_of_three() -> (Lab, Vec<Snapshot>) {
    let (mut lab, _) = folded();
    let mut taken = vec![lab.take(SnapshotKind::Full).unwrap()];
    for n in 20..22 {
        one_by_one(&mut lab, n..n + 1);
        taken.push(lab.take(SnapshotKind::Incremental).unwrap());
    }
    (lab, taken)
}

#[test]
fn a_snapshot_with_a_damaged_part_is_refused_by_its_link_and_the_others_are_not() {
    let (mut lab, taken) = incremental_of_three();
    let [full, first, second] = [&taken[0].id, &taken[1].id, &taken[2].id];
    let part = format!("snapshot = '{first}' AND kind > 3");
    flip(&lab, ("_snapshot_parts", "body", &part), 400);
    let found = check(&lab).damaged;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].snapshot.as_ref(), Some(first));
    let healed = heal(&mut lab);
    assert_eq!(
        (&healed.snapshots, healed.lost.len()),
        (&vec![first.clone()], 0)
    );
    let documents = stored(&lab, "books");
    for id in [first, second] {
        let target = RestoreTarget::Snapshot(id.clone());
        let error = lab.restore(target, false).unwrap_err();
        let code = ["snapshot_incomplete", "snapshot_chain_broken"][usize::from(id == second)];
        assert_eq!(error.code(), code);
        assert!(error.to_string().contains(first.as_str()), "{error}");
    }
    assert_eq!(stored(&lab, "books"), documents);
    let target = RestoreTarget::Snapshot(full.clone());
    assert_eq!(
        lab.restore(target, false).unwrap().status,
        RestoreStatus::Complete
    );
}

#[test]
fn a_damaged_manifest_of_a_snapshot_and_a_damaged_record_are_named() {
    let (mut lab, taken) = incremental_of_three();
    let part = format!("snapshot = '{}' AND kind = 1", taken[0].id);
    flip(&lab, ("_snapshot_parts", "body", &part), 100);
    flip(&lab, ("_log", "body", "id = 3 * 256"), 300);
    let found = check(&lab).damaged;
    let sequences: Vec<_> = found.iter().filter_map(|d| d.sequence).collect();
    assert_eq!(sequences, [Sequence(3)], "{found:?}");
    assert!(
        found
            .iter()
            .any(|d| d.snapshot.as_ref() == Some(&taken[0].id))
    );
    assert_eq!(heal(&mut lab).snapshots, [taken[0].id.clone()]);
    lab.write(vec![delete("books", &key(0))]).unwrap();
}

#[test]
fn any_flipped_bit_of_a_mask_is_found_and_put_right() {
    for bit in 0..8 {
        let (mut lab, blob) = folded();
        let documents = stored(&lab, "books");
        let head = lab.engine.head();
        flip(&lab, ("_masks", "bits", &format!("blob = {blob}")), bit);
        lab.reopen();
        let found = check(&lab).damaged;
        assert_eq!((found.len(), found[0].blob), (1, Some(blob)));
        assert!(found[0].what.contains("mask"));
        let heal = heal(&mut lab);
        assert_eq!((heal.lost.len(), heal.healed.len()), (0, 1), "bit {bit}");
        assert_eq!(lab.engine.head(), head);
        same(&lab, &documents);
    }
}

#[test]
fn a_check_goes_on_in_steps_and_finds_nothing_where_nothing_is() {
    let mut lab = Lab::with_policy(notes(), small_steps());
    for n in 0..40 {
        lab.write(vec![insert(
            "notes",
            json!({"id": format!("k{n}"), "n": n}),
        )])
        .unwrap();
        if n % 10 == 0 {
            lab.take(SnapshotKind::Full).unwrap();
        }
    }
    lab.settle();
    let found = check(&lab);
    assert_eq!(found.damaged, []);
    assert_eq!((found.checked.documents, found.checked.events), (40, 40));
    assert!(
        found.checked.blobs > 3 && found.checked.parts > 3,
        "{found:?}"
    );
    let error = lab
        .engine
        .view()
        .check(&lab.sql, Some("nowhere"))
        .unwrap_err();
    assert_eq!(error.code(), "invalid_cursor");
}

/// Heals, with the time and the randomness it had the first time.
fn again(lab: &mut Lab) -> Result<()> {
    (lab.turns, lab.now) = (1_000, START + 5_000);
    lab.snapshots(SnapshotCommand::Heal).map(drop)
}

#[test]
fn healing_breaks_at_any_statement_and_leaves_the_damage_or_the_whole() {
    let damaged = || {
        let (mut lab, blob) = folded();
        flip_blob(&lab, blob, 500);
        lab.reopen();
        lab
    };
    let (mut twin, before) = (damaged(), state(&damaged()));
    again(&mut twin).unwrap();
    let after = state(&twin);
    let mut steps = 0;
    for fault in [Fault::Fails, Fault::Undoes, Fault::Dies] {
        for step in 1.. {
            let mut lab = damaged();
            lab.sql.break_at(step, fault);
            let done = again(&mut lab);
            if !lab.sql.mend() {
                assert!(done.is_ok() && state(&lab) == after);
                steps = step - 1;
                break;
            }
            assert!(done.is_err(), "{fault:?} at {step}");
            if fault == Fault::Dies {
                lab.reopen();
            }
            assert!(
                state(&lab) == before,
                "{fault:?} at {step}: half of it is there"
            );
            again(&mut lab).unwrap();
            assert!(state(&lab) == after, "{fault:?} at {step}: not again");
            assert_eq!(check(&lab).damaged, []);
        }
    }
    assert!(steps > 20, "{steps} steps");
}
