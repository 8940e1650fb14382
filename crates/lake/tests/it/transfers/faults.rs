//! Everything breaks at every call.

use super::*;

/// What breaks, at every call in turn: old or new, nothing lost, and in the end it is done.
fn survives(
    set_up: impl Fn() -> World,
    begin: impl Fn(&World),
    check: impl Fn(&World),
    done: impl Fn(&World),
) {
    for how in [
        Break::Before,
        Break::After,
        Break::DiesBefore,
        Break::DiesAfter,
    ] {
        for at in 0.. {
            let world = set_up();
            begin(&world);
            let base = world.fuse.calls.get();
            world.fuse.at.set(Some((base + at, how)));
            world.settle_with(true, &|world| check(world));
            let calls = world.fuse.calls.get() - base;
            done(&world);
            if at >= calls {
                assert!(at > 3, "{how:?}: only {at} calls");
                break;
            }
        }
    }
}

/// Every snapshot is whole: hot and to be read, or cold with all its parts and its manifest.
fn nothing_is_lost(world: &World, files: &BTreeMap<String, Vec<u8>>, count: usize) {
    let all = world.snapshots();
    assert_eq!(all.len(), count);
    for snapshot in all {
        let manifest = format!("{}/manifest", snapshot.id);
        let is_cold = world.stored().keys().any(|key| key.ends_with(&manifest));
        match (snapshot.tier, snapshot.kind) {
            (SnapshotTier::Hot, SnapshotKind::Full) => {
                assert!(world.file(&snapshot.id).unwrap() == files[&snapshot.id]);
            }
            (SnapshotTier::Hot, _) => {}
            (SnapshotTier::Cold, _) => {
                assert!(is_cold && world.cold_file(&snapshot.id) == files[&snapshot.id]);
            }
        }
    }
}

pub(super) fn files(world: &World) -> BTreeMap<String, Vec<u8>> {
    let all = world.snapshots().into_iter();
    all.map(|s| (s.id.clone(), world.cold_file(&s.id)))
        .collect()
}

/// Every snapshot brings its state back, wherever it is.
pub(super) fn all_come_back(world: &World, ids: &[String], states: &[Json]) {
    world.fuse.at.set(None);
    for (id, state) in ids.iter().zip(states) {
        world
            .restore(RestoreTarget::Snapshot(id.clone()), false)
            .unwrap();
        world.settle();
        assert_eq!(world.documents(), *state);
    }
}

#[test]
fn a_promotion_that_breaks_at_any_call_loses_nothing_and_ends_cold() {
    let (known, ids, states) = promoted();
    let (files, stored) = (files(&known), known.stored());
    survives(
        || chain().0,
        |world| {
            world.promote(&ids[0]).unwrap();
            world.promote(&ids[2]).unwrap();
        },
        |world| nothing_is_lost(world, &files, 3),
        |world| {
            for id in [&ids[0], &ids[2]] {
                let snapshot = world.snapshot(id);
                assert_eq!(
                    (snapshot.tier, snapshot.failure),
                    (SnapshotTier::Cold, None)
                );
            }
            let known = stored.iter().filter(|(key, _)| !key.contains(&ids[1]));
            assert!(world.stored().iter().eq(known));
            all_come_back(world, &ids, &states);
        },
    );
}

#[test]
fn a_recall_and_a_restore_that_break_at_any_call_end_as_if_nothing_had() {
    let (known, ids, states) = promoted();
    let files = files(&known);
    let stored = known.stored();
    let before = known.documents();
    survives(
        || promoted().0,
        |world| {
            let target = RestoreTarget::Snapshot(ids[2].clone());
            let restore = world.restore(target, false).unwrap();
            assert_eq!(restore.status, RestoreStatus::Running);
        },
        |world| {
            if world.last_restore().status == RestoreStatus::Running {
                assert_eq!(world.documents(), before);
                let undo = usize::from(world.last_restore().undo.is_some());
                if undo == 0 {
                    nothing_is_lost(world, &files, 3);
                }
            }
        },
        |world| {
            assert_eq!(world.last_restore().status, RestoreStatus::Complete);
            assert_eq!(world.documents(), states[2]);
            assert_eq!(world.stored(), stored);
        },
    );
}

#[test]
fn a_deletion_that_breaks_at_any_call_leaves_nothing_behind_and_keeps_the_others() {
    let (known, ids, states) = promoted();
    let files = files(&known);
    survives(
        || promoted().0,
        |world| {
            let refused = world.delete(&ids[1]).unwrap_err();
            assert_eq!(refused.code(), "snapshot_has_children");
            world.delete(&ids[2]).unwrap();
            let refused = world.restore(RestoreTarget::Snapshot(ids[2].clone()), false);
            assert_eq!(refused.unwrap_err().code(), "snapshot_incomplete");
            assert_eq!(world.snapshot(&ids[2]).status, SnapshotStatus::Deleting);
        },
        |world| {
            let of_it = world.stored().keys().any(|key| key.contains(&ids[2]));
            let is_listed = world.snapshots().iter().any(|s| s.id == ids[2]);
            assert!(is_listed || !of_it, "the row goes last");
            for id in &ids[..2] {
                assert!(world.cold_file(id) == files[id]);
            }
        },
        |world| {
            assert!(!world.stored().keys().any(|key| key.contains(&ids[2])));
            assert_eq!(world.snapshots().len(), 2);
            all_come_back(world, &ids[..2], &states);
        },
    );
}

#[test]
fn what_is_being_promoted_or_recalled_can_be_deleted() {
    for steps in 0..6 {
        let (world, ids, _) = chain();
        world.promote(&ids[2]).unwrap();
        now(transfer(&world, &*world.store, PREFIX, steps)).unwrap();
        world.delete(&ids[2]).unwrap();
        world.settle();
        assert_eq!((world.snapshots().len(), world.stored().len()), (2, 0));
        let (world, ids, _) = promoted();
        let blobs = |world: &World| {
            world
                .engine
                .borrow()
                .view()
                .state(&world.sql)
                .unwrap()
                .blobs
        };
        let held = blobs(&world);
        world.recall(&ids[2]).unwrap();
        now(transfer(&world, &*world.store, PREFIX, steps)).unwrap();
        for id in ids.iter().rev() {
            world.delete(id).unwrap();
        }
        world.settle();
        assert_eq!((world.snapshots().len(), world.stored().len()), (0, 0));
        assert_eq!(blobs(&world), held, "after {steps} steps");
    }
}
