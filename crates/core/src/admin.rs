//! What only an administrator may ask, and the log of who asked for what, and why.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tidelog_log::limits::LABEL_BYTES_MAX;
use tidelog_log::{Error, Result};

use crate::engine::Reply;
use crate::sql::Sql;
use crate::table::audit;
use crate::{Engine, SnapshotCommand, SnapshotReply, View};

/// Calls that an object's audit log keeps, and that one page of it has at most.
pub const AUDIT_ENTRIES_MAX: usize = 1_000;

/// A call of an administrator.
#[derive(Clone, Debug)]
pub struct AdminCommand {
    /// Who asks; empty: not said.
    pub actor: String,
    /// Why; empty: not said.
    pub reason: String,
    /// What is asked.
    pub command: SnapshotCommand,
}

/// One call, as the audit log has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When, milliseconds since 1970.
    pub time: i64,
    /// Who; empty: not said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub actor: String,
    /// Why; empty: not said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What was done: `snapshot.create`, `snapshot.delete`, `snapshot.import`, `snapshot.promote`,
    /// `snapshot.recall`, `snapshot.discover`, `snapshot.keep`, `snapshot.retention`,
    /// `snapshot.expire`, `fork`, `fork.from`, `fork.expire`, `fork.cancel`, `restore`, `restore.cancel`, `heal`.
    pub action: String,
    /// The snapshot's or the restore's id; empty where it is about none.
    pub id: String,
    /// What was asked for in particular.
    pub details: Json,
}

/// One page of an audit log, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditPage {
    /// The calls, each with its number.
    pub entries: Vec<(u64, AuditEntry)>,
    /// Ask for those before this number to read on.
    pub next: Option<u64>,
}

impl Engine {
    /// Does what an administrator asks, and notes it in the same turn. A call that is refused has done
    /// nothing, and is not noted.
    pub(crate) fn admin(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        entropy: [u8; 16],
        admin: AdminCommand,
    ) -> Result<Reply> {
        let AdminCommand {
            actor,
            reason,
            command,
        } = admin;
        check(&actor, "actor")?;
        check(&reason, "reason")?;
        let (action, details) = said(&command);
        let reply = self.snapshot(sql, now, entropy, command)?;
        let id = match &reply {
            Reply::Snapshot(SnapshotReply::Snapshot(snapshot)) => Some(snapshot.id.clone()),
            Reply::Snapshot(SnapshotReply::Restore(restore)) => Some(restore.id.clone()),
            Reply::Snapshot(SnapshotReply::Heal(heal)) => Some(heal.id.clone()),
            // A file comes in many turns; the last one says what became of it.
            Reply::Snapshot(SnapshotReply::Import(import)) => import.snapshot.clone(),
            Reply::Snapshot(SnapshotReply::Fork(fork)) => Some(fork.id.clone()),
            Reply::Snapshot(SnapshotReply::Retention(_)) => Some(String::new()),
            Reply::Snapshot(SnapshotReply::Discovery(discovery)) => Some(discovery.id.clone()),
            _ => None,
        };
        let Some(id) = id else {
            return Ok(reply);
        };
        let entry = AuditEntry {
            time: now,
            actor,
            reason,
            action: action.to_owned(),
            id,
            details,
        };
        audit::add(sql, &entry, AUDIT_ENTRIES_MAX as u64)?;
        Ok(reply)
    }

    /// Notes what the object did by itself: who stands for it, and what.
    pub(crate) fn note(
        &self,
        sql: &dyn Sql,
        time: i64,
        (actor, action): (&str, &str),
        id: &str,
        details: Json,
    ) -> Result<()> {
        let entry = AuditEntry {
            time,
            actor: actor.to_owned(),
            reason: String::new(),
            action: action.to_owned(),
            id: id.to_owned(),
            details,
        };
        audit::add(sql, &entry, AUDIT_ENTRIES_MAX as u64)
    }
}

fn check(text: &str, name: &str) -> Result<()> {
    if text.len() <= LABEL_BYTES_MAX {
        return Ok(());
    }
    let message = format!("{name} is at most {LABEL_BYTES_MAX} bytes");
    Err(Error::too_large("label_too_long", message).at(name))
}

/// What is asked, for the log.
fn said(command: &SnapshotCommand) -> (&'static str, Json) {
    match command {
        SnapshotCommand::Create { kind, parent, .. } => {
            ("snapshot.create", json!({"kind": kind, "parent": parent}))
        }
        SnapshotCommand::Delete { .. } => ("snapshot.delete", json!({})),
        SnapshotCommand::Keep { keep, .. } => ("snapshot.keep", json!({"keep": keep})),
        SnapshotCommand::SetRetention(retention) => ("snapshot.retention", json!(retention)),
        SnapshotCommand::Restore {
            target,
            collections,
            dry_run,
            ..
        } => {
            let details = json!({"target": target, "collections": collections, "dryRun": dry_run});
            ("restore", details)
        }
        SnapshotCommand::Fork { to, target, .. } => ("fork", json!({"to": to, "target": target})),
        SnapshotCommand::CancelFork => ("fork.cancel", json!({})),
        SnapshotCommand::TakeFork { .. } => ("fork.from", json!({})),
        SnapshotCommand::CancelRestore => ("restore.cancel", json!({})),
        SnapshotCommand::Heal => ("heal", json!({})),
        SnapshotCommand::LakePage { .. } => ("restore.page", json!({})),
        SnapshotCommand::Import { .. } => ("snapshot.import", json!({})),
        SnapshotCommand::Promote { .. } => ("snapshot.promote", json!({})),
        SnapshotCommand::Recall { .. } => ("snapshot.recall", json!({})),
        SnapshotCommand::Discover { .. } => ("snapshot.discover", json!({})),
    }
}

impl View {
    /// One page of the audit log, newest first, before a number where one is given.
    ///
    /// # Errors
    /// `limit_out_of_range`.
    pub fn audit(&self, sql: &dyn Sql, before: Option<u64>, limit: usize) -> Result<AuditPage> {
        if !(1..=AUDIT_ENTRIES_MAX).contains(&limit) {
            let message = format!("limit is 1 to {AUDIT_ENTRIES_MAX}");
            return Err(Error::invalid("limit_out_of_range", message).at("limit"));
        }
        let mut entries = audit::list(sql, before, limit + 1)?;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| more).map(|(number, _)| *number);
        Ok(AuditPage { entries, next })
    }
}
