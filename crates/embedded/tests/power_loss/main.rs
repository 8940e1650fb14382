//! A power cut at any moment loses nothing that was acknowledged.
//!
//! A SQLite VFS in memory records every write, truncation, sync, creation and deletion of a run. For every
//! sync of the recording the disks that a power cut around it could have left are built, opened with
//! SQLite's own VFS and checked. The same checker must catch runs that acknowledge too early.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a failed step ends the test, and what was checked is counted in the output"
)]

mod chance;
mod check;
mod full_disk;
mod recording;
mod script;
mod torn_fold;
mod vfs;

use std::path::{Path, PathBuf};

use chance::{Chance, seeds};
use check::check;
use recording::{Disk, Recording};
use script::{Fault, Folding, run};

/// Torn and partial disks tried around every sync, besides the two certain ones.
const TORN_DISKS: usize = 4;

/// What a walk over a recording came to.
#[derive(Debug, Default)]
struct Walk {
    syncs: usize,
    disks: usize,
    acknowledged: u64,
    /// What the checker said of the disks that failed.
    faults: Vec<String>,
}

/// Checks the disks that a cut could leave around every sync of a recording.
fn walk(recording: &Recording, folding: Folding, seed: u64, folder: &Path) -> Walk {
    let mut chance = Chance::new(seed);
    let (mut disk, mut walk) = (Disk::default(), Walk::default());
    for operations in recording.between_syncs() {
        // Nothing after the last sync is on the disk, yet everything acknowledged until the next must be.
        let until_next = disk.acknowledged_after(operations);
        let mut tries = vec![(disk.image(), until_next)];
        let mut whole = disk.clone();
        whole.write_through(operations);
        tries.push((whole.image(), until_next));
        for _ in 0..TORN_DISKS {
            let cut = chance.below(operations.len() + 1);
            let mut torn = disk.clone();
            torn.tear(&operations[..cut], &mut chance);
            tries.push((torn.image(), disk.acknowledged_after(&operations[..cut])));
        }
        for (image, acknowledged) in tries {
            walk.disks += 1;
            let place = format!("sync {}, acknowledged {acknowledged}", walk.syncs);
            if let Err(fault) = check(&image, folding, acknowledged, folder) {
                walk.faults.push(format!("{place}: {fault}"));
            }
        }
        walk.acknowledged = until_next;
        walk.syncs += usize::from(disk.take(operations));
    }
    walk
}

fn folder(name: &str) -> PathBuf {
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn walk_of(fault: Fault, folding: Folding, seed: u64, groups: usize) -> Walk {
    let recording = run(fault, folding, seed, groups);
    let folder = folder(&format!("{fault:?}-{folding:?}-{seed}"));
    let walk = walk(&recording.lock().unwrap(), folding, seed, &folder);
    std::fs::remove_dir_all(&folder).unwrap();
    println!(
        "{fault:?}, folding {folding:?}, seed {seed}: {} syncs, {} disks checked, {} events acknowledged, {} faults",
        walk.syncs,
        walk.disks,
        walk.acknowledged,
        walk.faults.len()
    );
    walk
}

#[test]
fn no_power_cut_loses_what_was_acknowledged() {
    for seed in seeds(2) {
        let walk = walk_of(Fault::None, Folding::Off, seed, 24);
        assert_eq!(walk.faults, Vec::<String>::new(), "seed {seed}");
        assert!(walk.syncs > 40 && walk.acknowledged > 100, "{walk:?}");
    }
}

#[test]
fn no_power_cut_loses_what_was_acknowledged_while_it_folds() {
    for seed in seeds(1) {
        let walk = walk_of(Fault::None, Folding::On, seed, 12);
        assert_eq!(walk.faults, Vec::<String>::new(), "seed {seed}");
        assert!(walk.syncs > 20 && walk.acknowledged > 50, "{walk:?}");
    }
}

#[test]
fn an_acknowledgement_before_the_commit_is_caught() {
    for folding in [Folding::Off, Folding::On] {
        assert_lost(&walk_of(Fault::EarlyAcknowledgement, folding, 1, 6));
    }
}

#[test]
fn a_connection_that_does_not_sync_its_commits_is_caught() {
    for folding in [Folding::Off, Folding::On] {
        assert_lost(&walk_of(Fault::Synchronous("NORMAL"), folding, 1, 6));
        assert_lost(&walk_of(Fault::Synchronous("OFF"), folding, 1, 6));
    }
}

#[test]
fn a_fold_in_two_transactions_is_caught() {
    assert_caught(
        &walk_of(Fault::TornFold, Folding::On, 1, 6),
        "and they differ",
    );
}

fn assert_lost(walk: &Walk) {
    assert_caught(walk, "lost what was acknowledged");
}

fn assert_caught(walk: &Walk, by: &str) {
    assert!(
        walk.faults.iter().any(|fault| fault.contains(by)),
        "{walk:?}"
    );
}
