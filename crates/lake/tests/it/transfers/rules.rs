//! Retention moves snapshots to object storage, and takes them out of there.

use tidelog_core::{Quantity, SnapshotRetentionSpec};

use super::*;

const HOUR: i64 = 3_600_000;

impl World {
    fn keep(&self, rules: SnapshotRetentionSpec) {
        self.ask(SnapshotCommand::SetRetention(rules)).unwrap();
    }

    fn after(&self, millis: i64) {
        self.now.set(self.now.get() + millis);
        self.settle();
    }

    fn tiers(&self) -> Vec<(String, SnapshotTier)> {
        let mut found: Vec<_> = self
            .snapshots()
            .into_iter()
            .map(|s| (s.id, s.tier))
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }
}

fn age(text: &str) -> Option<Quantity> {
    Some(Quantity::Text(text.to_owned()))
}

#[test]
fn what_is_old_enough_moves_to_the_store_and_later_goes_from_there_but_never_the_newest() {
    let (world, ids, states) = chain();
    let newest = world.take(SnapshotKind::Full);
    world.keep(SnapshotRetentionSpec {
        promote_age: age("2d"),
        cold_age: age("30d"),
        ..SnapshotRetentionSpec::default()
    });
    world.after(40 * HOUR);
    assert!(
        world
            .tiers()
            .iter()
            .all(|(_, tier)| *tier == SnapshotTier::Hot)
    );
    assert!(world.stored().is_empty());
    world.after(10 * HOUR);
    let tiers = world.tiers();
    assert_eq!(tiers.len(), 4);
    assert!(
        tiers.iter().all(|(_, tier)| *tier == SnapshotTier::Cold),
        "{tiers:?}"
    );
    // What is in the store alone brings a state back.
    world
        .restore(RestoreTarget::Snapshot(ids[1].clone()), false)
        .unwrap();
    world.settle();
    assert_eq!(world.documents(), states[1]);
    // The undo snapshot is the newest now; a chain that a rule takes goes as a whole.
    let undo = world.last_restore().undo.unwrap();
    world.after(31 * 24 * HOUR);
    let left: Vec<String> = world.tiers().into_iter().map(|(id, _)| id).collect();
    assert_eq!(left, [undo]);
    assert!(!left.contains(&newest));
    let kept = world.stored();
    assert!(kept.keys().all(|key| key.contains(&left[0])), "{kept:?}");
    let gone = world.restore(RestoreTarget::Snapshot(ids[0].clone()), false);
    assert_eq!(gone.unwrap_err().code(), "snapshot_expired");
}

#[test]
fn what_is_large_moves_at_once_and_too_many_in_the_store_go() {
    let world = World::new("one");
    world.keep(SnapshotRetentionSpec {
        promote_size: Some(Quantity::Number(1)),
        cold_count: Some(2),
        ..SnapshotRetentionSpec::default()
    });
    let mut ids = Vec::new();
    for n in 0..4 {
        world
            .write((n * 30..n * 30 + 30).map(note).collect())
            .unwrap();
        ids.push(world.take(SnapshotKind::Full));
        world.after(1_000);
    }
    let left: Vec<String> = world.tiers().into_iter().map(|(id, _)| id).collect();
    assert_eq!(left, ids[2..]);
    assert!(
        world
            .tiers()
            .iter()
            .all(|(_, tier)| *tier == SnapshotTier::Cold)
    );
    assert!(
        world
            .stored()
            .keys()
            .all(|key| key.contains(&ids[2]) || key.contains(&ids[3]))
    );
}
