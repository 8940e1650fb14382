//! There and back again.

use super::*;

#[test]
fn a_promoted_snapshot_is_in_object_storage_and_not_in_the_object_and_comes_back_the_same() {
    let (world, ids, states) = chain();
    let before = world.documents();
    let file = world.file(&ids[0]).unwrap();
    let chain_file = world.file(&ids[2]).unwrap();
    let used = world
        .engine
        .borrow()
        .view()
        .state(&world.sql)
        .unwrap()
        .blobs
        .1;
    for id in &ids {
        world.promote(id).unwrap();
    }
    assert_eq!(world.stored().len(), 0);
    world.settle();
    for id in &ids {
        let snapshot = world.snapshot(id);
        assert_eq!(snapshot.tier, SnapshotTier::Cold);
        let cold = snapshot.cold.unwrap();
        assert!(
            cold.parts > 1 && cold.bytes == world.cold_file(id).len() as u64,
            "{cold:?}"
        );
        assert_eq!((snapshot.moving, snapshot.failure), (None, None));
        let refused = world.file(id).unwrap_err();
        assert_eq!(refused.code(), "snapshot_cold");
    }
    assert!(
        world
            .engine
            .borrow()
            .view()
            .state(&world.sql)
            .unwrap()
            .blobs
            .1
            < used
    );
    // A full snapshot's parts are its portable file; an incremental's are shorter than its chain's.
    assert_eq!(world.cold_file(&ids[0]), file);
    assert!(world.cold_file(&ids[2]).len() < chain_file.len() / 2);
    // Back with all that it builds on, the same to the byte.
    world.recall(&ids[2]).unwrap();
    world.settle();
    assert_eq!(world.file(&ids[2]).unwrap(), chain_file);
    assert!(
        world
            .snapshots()
            .iter()
            .all(|s| s.tier == SnapshotTier::Hot && s.cold.is_some())
    );
    assert_eq!(world.documents(), before);
    for (id, state) in ids.iter().zip(&states) {
        world
            .restore(RestoreTarget::Snapshot(id.clone()), false)
            .unwrap();
        world.settle();
        assert_eq!(world.last_restore().status, RestoreStatus::Complete);
        assert_eq!(world.documents(), *state);
    }
    // And dropped again without a new put.
    let stored = world.stored();
    world.promote(&ids[1]).unwrap();
    let calls = world.fuse.calls.get();
    world.settle();
    assert_eq!(world.snapshot(&ids[1]).tier, SnapshotTier::Cold);
    assert!(world.fuse.calls.get() > calls && world.stored() == stored);
}

#[test]
fn a_restore_of_what_is_cold_waits_for_it_by_itself_and_writes_go_on_meanwhile() {
    for target in 0..5 {
        let (world, ids, states) = promoted();
        let target = match target {
            at @ 0..3 => (RestoreTarget::Snapshot(ids[at].clone()), at),
            // States between, of the chain and the log: what is hot is taken first.
            3 => (RestoreTarget::Sequence(world.snapshot(&ids[1]).sequence), 1),
            _ => (RestoreTarget::Time(world.snapshot(&ids[2]).timestamp), 2),
        };
        let restore = world.restore(target.0.clone(), false).unwrap();
        if matches!(target.0, RestoreTarget::Snapshot(_)) {
            assert_eq!(restore.status, RestoreStatus::Running);
            world.write(vec![note(999)]).unwrap();
            let again = world.restore(target.0, true).unwrap_err();
            assert_eq!(again.code(), "restore_running");
        }
        world.settle();
        assert_eq!(world.last_restore().status, RestoreStatus::Complete);
        assert_eq!(world.documents(), states[target.1]);
    }
}

#[test]
fn a_restore_that_is_given_up_while_it_waits_leaves_what_was_cold_cold() {
    let (world, ids, _) = promoted();
    let before = world.documents();
    let dump = world.stored();
    world
        .restore(RestoreTarget::Snapshot(ids[2].clone()), false)
        .unwrap();
    now(transfer(&world, &*world.store, PREFIX, 2)).unwrap();
    world.ask(SnapshotCommand::CancelRestore).unwrap();
    world.settle();
    assert_eq!(world.last_restore().status, RestoreStatus::Cancelled);
    for id in &ids {
        let snapshot = world.snapshot(id);
        assert_eq!((snapshot.tier, snapshot.moving), (SnapshotTier::Cold, None));
    }
    assert_eq!((world.documents(), world.stored()), (before, dump));
}
