//! Calls of administrators: done and noted in one turn.

use serde_json::json;
use tidelog_core::{
    AUDIT_ENTRIES_MAX, AdminCommand, AuditEntry, Command, SnapshotCommand, SnapshotKind,
};

use crate::lab::{Lab, insert, notes};

fn create() -> SnapshotCommand {
    SnapshotCommand::Create {
        kind: SnapshotKind::Full,
        parent: None,
        note: String::new(),
    }
}

fn asked(lab: &mut Lab, reason: &str, command: SnapshotCommand) -> Result<(), String> {
    let admin = AdminCommand {
        actor: "ada".to_owned(),
        reason: reason.to_owned(),
        command,
    };
    let done = lab.turn(Command::Admin(Box::new(admin)));
    done.map(drop).map_err(|e| e.code().to_owned())
}

fn entries(lab: &Lab, before: Option<u64>, limit: usize) -> Vec<(u64, AuditEntry)> {
    let view = lab.engine.view();
    view.audit(&lab.sql, before, limit).unwrap().entries
}

#[test]
fn what_was_done_is_noted_and_what_was_refused_is_not() {
    let mut lab = Lab::new(notes());
    lab.write(vec![insert("notes", json!({"id": "a"}))])
        .unwrap();
    assert_eq!(entries(&lab, None, 10), []);
    asked(&mut lab, "first", create()).unwrap();
    let unknown = SnapshotCommand::Delete {
        id: "none".to_owned(),
    };
    assert_eq!(
        asked(&mut lab, "", unknown),
        Err("unknown_snapshot".to_owned())
    );
    let long = "x".repeat(257);
    assert_eq!(
        asked(&mut lab, &long, create()),
        Err("label_too_long".to_owned())
    );
    let noted = entries(&lab, None, 10);
    let [(1, entry)] = noted.as_slice() else {
        panic!("{noted:?}");
    };
    let page = lab.engine.view().snapshots(&lab.sql, None, 10).unwrap();
    assert_eq!((entry.time, &entry.id), (lab.now, &page.snapshots[0].id));
    let said = (
        entry.actor.as_str(),
        entry.reason.as_str(),
        entry.action.as_str(),
    );
    assert_eq!(said, ("ada", "first", "snapshot.create"));
    assert_eq!(entry.details, json!({"kind": "full", "parent": null}));
}

#[test]
fn the_newest_calls_are_kept_and_read_page_by_page() {
    let mut lab = Lab::new(notes());
    lab.write(vec![insert("notes", json!({"id": "a"}))])
        .unwrap();
    let most = AUDIT_ENTRIES_MAX as u64;
    for _ in 0..most / 2 + 2 {
        asked(&mut lab, "", create()).unwrap();
        let page = lab.engine.view().snapshots(&lab.sql, None, 1).unwrap();
        let id = page.snapshots[0].id.clone();
        asked(&mut lab, "", SnapshotCommand::Delete { id }).unwrap();
    }
    let all: Vec<u64> = entries(&lab, None, AUDIT_ENTRIES_MAX)
        .iter()
        .map(|(n, _)| *n)
        .collect();
    let kept: Vec<u64> = (5..=most + 4).rev().collect();
    assert_eq!(all, kept);
    let view = lab.engine.view();
    let page = view.audit(&lab.sql, Some(8), 2).unwrap();
    let numbers: Vec<u64> = page.entries.iter().map(|(n, _)| *n).collect();
    assert_eq!((numbers, page.next), (vec![7, 6], Some(6)));
    let last = view.audit(&lab.sql, page.next, 2).unwrap();
    assert_eq!((last.entries.len(), last.next), (1, None));
    let none = view.audit(&lab.sql, None, 0).unwrap_err();
    assert_eq!(none.code(), "limit_out_of_range");
}
