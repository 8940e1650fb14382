//! An object whose database is lost.

use super::*;

fn discover(world: &World) {
    let schema = Arc::clone(&world.schema);
    world.ask(SnapshotCommand::Discover { schema }).unwrap();
}

#[test]
fn an_object_whose_database_is_lost_finds_its_snapshots_and_comes_back() {
    for id in ["one", "Zürich ✈", "~", "a%2F*?"] {
        let (old, _, states) = {
            let world = World::new(id);
            world.write((0..60).map(note).collect()).unwrap();
            let full = world.take(SnapshotKind::Full);
            world.write((60..70).map(note).collect()).unwrap();
            let last = world.take(SnapshotKind::Incremental);
            for id in [&full, &last] {
                world.promote(id).unwrap();
            }
            world.settle();
            let state = world.documents();
            (world, full, vec![state])
        };
        let listed: Vec<String> = old.snapshots().into_iter().map(|s| s.id).collect();
        // What is below the prefix and none of ours is passed over.
        let root = old.stored().into_keys().next().unwrap();
        let root = root.split(&listed[1]).next().unwrap().to_owned();
        let manifest = old.stored()[&format!("{root}{}/manifest", listed[0])].clone();
        let strangers = [
            format!("{root}0/manifest"),
            format!("{root}00000000-0000-7000-8000-000000000000/manifest"),
            format!("{root}{}/zzz", listed[0]),
            format!("{root}z"),
        ];
        for key in &strangers {
            now(old
                .store
                .inner
                .put(key, manifest.clone(), PutMode::Overwrite))
            .unwrap();
        }
        for how in [Break::Before, Break::DiesBefore, Break::DiesAfter] {
            for at in 0..6 {
                let new = World::beside(id, Rc::clone(&old.store));
                discover(&new);
                new.fuse.at.set(Some((new.fuse.calls.get() + at, how)));
                new.settle();
                new.fuse.at.set(None);
                let found = new.engine.borrow().view().discovery(&new.sql).unwrap();
                assert_eq!(found.status, RestoreStatus::Complete);
                assert_eq!((found.found, found.skipped), (4, 2), "{found:?}");
                let mut added = found.added.clone();
                added.reverse();
                assert_eq!(added, listed);
                let all = new.snapshots();
                assert!(
                    all.iter()
                        .all(|s| s.imported && s.tier == SnapshotTier::Cold)
                );
                discover(&new);
                new.settle();
                let again = new.engine.borrow().view().discovery(&new.sql).unwrap();
                assert_eq!((again.found, again.added.len()), (found.found, 0));
                new.restore(RestoreTarget::Snapshot(listed[0].clone()), false)
                    .unwrap();
                new.settle();
                assert_eq!(new.last_restore().status, RestoreStatus::Complete);
                assert_eq!(new.documents(), states[0]);
                // Not by a sequence: that is another log's.
                let sequence = RestoreTarget::Sequence(Sequence(1));
                new.restore(sequence, true).unwrap();
            }
        }
    }
}

#[test]
fn another_objects_snapshots_are_not_taken_for_ones_own() {
    let (known, ids, _) = promoted();
    let other = World::beside("two", Rc::clone(&known.store));
    for (key, body) in known.stored() {
        let key = key.replace("/one/", "/two/");
        now(other.store.inner.put(&key, body, PutMode::Overwrite)).unwrap();
    }
    discover(&other);
    other.settle();
    let found = other.engine.borrow().view().discovery(&other.sql).unwrap();
    assert_eq!((found.added.len(), found.skipped), (0, 3));
    assert_eq!(found.failure.unwrap().code, "snapshot_of_another_type");
    assert!(other.snapshots().is_empty() && ids.len() == 3);
}
