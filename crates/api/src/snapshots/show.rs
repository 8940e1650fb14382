//! Snapshots, restores and calls of administrators as they are answered.

use serde_json::{Value as Json, json};
use tidelog_core::{AuditEntry, Discovery, Fork, Heal, Restore, Snapshot};

use crate::objects::timestamp;

pub(super) fn snapshot(snapshot: &Snapshot) -> Json {
    let mut shown = json!(snapshot);
    shown["created"] = json!(timestamp(snapshot.created));
    shown["timestamp"] = json!(timestamp(snapshot.timestamp));
    shown["tier"] = json!(snapshot.tier);
    shown
}

pub(super) fn discovery(discovery: &Discovery) -> Json {
    let mut shown = json!(discovery);
    shown["created"] = json!(timestamp(discovery.created));
    shown
}

pub(super) fn fork(fork: &Fork) -> Json {
    let mut shown = json!(fork);
    shown["created"] = json!(timestamp(fork.created));
    if let Some(at) = fork.expires {
        shown["expires"] = json!(timestamp(at));
    }
    shown
}

pub(super) fn restore(restore: &Restore) -> Json {
    let mut shown = json!(restore);
    shown["created"] = json!(timestamp(restore.created));
    as_text(&mut shown["target"]);
    shown
}

pub(super) fn heal(heal: &Heal) -> Json {
    let mut shown = json!(heal);
    shown["created"] = json!(timestamp(heal.created));
    shown
}

pub(super) fn audit_entry((number, entry): &(u64, AuditEntry)) -> Json {
    let mut shown = json!(entry);
    shown["number"] = json!(number);
    shown["time"] = json!(timestamp(entry.time));
    if let Some(target) = shown["details"].get_mut("target") {
        as_text(target);
    }
    shown
}

/// The moment in a restore's target, where it has one.
fn as_text(target: &mut Json) {
    if let Some(millis) = target["time"].as_i64() {
        target["time"] = json!(timestamp(millis));
    }
}
