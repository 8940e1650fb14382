//! What is in the store is not what was put, or the store is not to be reached.

use super::faults::all_come_back;
use super::*;

#[test]
fn parts_that_are_missing_or_altered_are_named_and_the_object_stays_as_it_was() {
    let (known, ids, _) = promoted();
    let before = known.documents();
    for (part, code) in [
        (0, "snapshot_part_missing"),
        (1, "snapshot_part_missing"),
        (0, "snapshot_damaged"),
        (1, "snapshot_damaged"),
    ] {
        let (world, ids, states) = promoted();
        let key = world.part_key(&ids[1], part);
        let whole = now(world.store.inner.get(&key, None)).unwrap();
        match code {
            "snapshot_damaged" => world.damage(&key, |bytes| bytes[40] ^= 1),
            _ => now(world.store.inner.delete(std::slice::from_ref(&key))).unwrap(),
        }
        world
            .restore(RestoreTarget::Snapshot(ids[2].clone()), false)
            .unwrap();
        world.settle();
        let restore = world.last_restore();
        assert_eq!(restore.status, RestoreStatus::Failed);
        let failure = restore.failure.unwrap();
        assert_eq!(failure.code, code);
        assert!(
            failure.message.contains(&ids[1]) && failure.message.contains(&key),
            "{failure:?}"
        );
        assert_eq!(world.documents(), before);
        let link = world.snapshot(&ids[1]);
        assert_eq!((link.tier, link.moving), (SnapshotTier::Cold, None));
        assert_eq!(link.failure.unwrap().code, code);
        // What was mended outside comes back.
        now(world.store.inner.put(&key, whole, PutMode::Overwrite)).unwrap();
        all_come_back(&world, &ids, &states);
    }
    // A chain with a link that is gone says which.
    let (world, _, _) = promoted();
    let text = "DELETE FROM _snapshots WHERE id = ?1";
    world.sql.0.execute(text, [&ids[1]]).unwrap();
    let refused = world.restore(RestoreTarget::Snapshot(ids[2].clone()), false);
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), "snapshot_chain_broken");
    assert!(refused.message().contains(&ids[1]));
}

#[test]
fn a_store_that_is_down_shows_and_is_tried_again() {
    let (world, ids, states) = promoted();
    world.fuse.dead.set(true);
    world
        .restore(RestoreTarget::Snapshot(ids[0].clone()), false)
        .unwrap();
    // The store alone is down.
    let ask = now(world.transfer_due()).unwrap().unwrap();
    let (number, step) = (ask.number, ask.step);
    let outcome = tidelog_core::TransferOutcome::Failed(down());
    let told = TransferCommand {
        number,
        step,
        outcome,
    };
    world.turn(Command::Transferred(Box::new(told))).unwrap();
    let restore = world.last_restore();
    assert_eq!(restore.status, RestoreStatus::Running);
    assert_eq!(restore.failure.unwrap().code, "blob_store");
    assert_eq!(world.snapshot(&ids[0]).failure.unwrap().code, "blob_store");
    assert!(
        now(world.transfer_due()).unwrap().is_none(),
        "it waits first"
    );
    world.fuse.dead.set(false);
    world.settle();
    assert_eq!(world.last_restore().failure, None);
    assert_eq!(world.documents(), states[0]);
    assert_eq!(world.snapshot(&ids[0]).failure, None);
}

#[test]
fn another_snapshot_under_the_same_name_is_not_replaced() {
    let (known, ids, _) = promoted();
    let world = chain().0;
    for (key, body) in known.stored() {
        now(world.store.inner.put(&key, body, PutMode::Overwrite)).unwrap();
    }
    // The same bytes are success.
    world.promote(&ids[1]).unwrap();
    world.settle();
    assert_eq!(world.snapshot(&ids[1]).tier, SnapshotTier::Cold);
    // Other bytes below a manifest are another snapshot's.
    let key = world.part_key(&ids[0], 1);
    world.damage(&key, |bytes| bytes[9] ^= 1);
    let stored = world.stored();
    world.promote(&ids[0]).unwrap();
    world.settle();
    let snapshot = world.snapshot(&ids[0]);
    assert_eq!((snapshot.tier, snapshot.moving), (SnapshotTier::Hot, None));
    assert_eq!(snapshot.failure.unwrap().code, "snapshot_cold_differs");
    assert!(world.file(&ids[0]).is_ok() && world.stored() == stored);
    // Without the manifest they are what a broken attempt left.
    let manifest = key.replace("000001", "manifest");
    now(world.store.inner.delete(&[manifest])).unwrap();
    world.promote(&ids[0]).unwrap();
    world.settle();
    assert_eq!(world.snapshot(&ids[0]).tier, SnapshotTier::Cold);
    assert_eq!(world.stored(), known.stored());
}

#[test]
fn a_damaged_copy_is_found_before_the_hot_one_goes_and_mended_by_the_next_promotion() {
    let (world, ids, _) = promoted();
    let stored = world.stored();
    world.recall(&ids[0]).unwrap();
    world.settle();
    world.damage(&world.part_key(&ids[0], 1), |bytes| bytes[9] ^= 1);
    world.promote(&ids[0]).unwrap();
    world.settle();
    let snapshot = world.snapshot(&ids[0]);
    assert_eq!((snapshot.tier, snapshot.cold), (SnapshotTier::Hot, None));
    assert_eq!(snapshot.failure.unwrap().code, "snapshot_damaged");
    world.promote(&ids[0]).unwrap();
    world.settle();
    assert_eq!(world.snapshot(&ids[0]).tier, SnapshotTier::Cold);
    assert_eq!(world.stored(), stored);
}

#[test]
fn a_damaged_blob_is_not_promoted() {
    let (world, ids, _) = chain();
    let flip = "UPDATE _blobs SET body = CAST(substr(body, 1, 99) || x'00ff' || substr(body, 102) AS BLOB)";
    world.sql.0.execute(flip, []).unwrap();
    world.promote(&ids[0]).unwrap();
    world.settle();
    let snapshot = world.snapshot(&ids[0]);
    assert_eq!((snapshot.tier, snapshot.moving), (SnapshotTier::Hot, None));
    assert_eq!(snapshot.failure.unwrap().code, "corrupt");
    assert!(!world.stored().keys().any(|key| key.ends_with("manifest")));
}
