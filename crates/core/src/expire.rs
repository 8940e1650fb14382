//! Retention: documents older than their collection allows are deleted, a bounded number a turn.
//!
//! The timer [`EXPIRE`] rings when something may be too old, not before, so an idle object sleeps.
//! The deletes are ordinary events whose turn has the cause `retention`.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tidelog_log::{Error, FieldType, Result, Sequence, Value};

use crate::document::Prepared;
use crate::engine::EXPIRE;
use crate::mutate::OpenTurn;
use crate::sql::Sql;
use crate::table::{meta, wakes};
use crate::{Caller, Collection, Engine, JsonObject, Query, Retention};

/// Documents one turn looks at and deletes at most.
const STEP_ROWS: usize = 1_000;
/// Bytes of log one turn writes at most, give or take one document.
const STEP_BYTES: usize = 8_000_000;
/// A document goes at most this part of its age too late, within the two limits below.
const LATE_PART: i64 = 64;
/// Least time between two looks, milliseconds.
const LOOK_MILLIS_MIN: i64 = 1_000;
/// Longest time between two looks at a collection that is written to, milliseconds.
const LOOK_MILLIS_MAX: i64 = 24 * 60 * 60 * 1_000;
/// Milliseconds of a day.
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;

/// What is remembered of one collection between two looks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Progress {
    /// Sequences with a time at which they were the head, milliseconds since 1970, oldest first:
    /// what has a version up to one was last changed by then. The log knows only until it is
    /// trimmed.
    heads: Vec<(Sequence, i64)>,
    /// The place (value and key) of the last document that something refers to: look behind it.
    held: Option<(Json, String)>,
}

/// How one look at a collection ended.
enum Look {
    /// There may be more to delete now.
    Unfinished,
    /// Look again then, milliseconds since 1970; `None`: not before the next write.
    Again(Option<i64>),
}

impl Engine {
    /// Sees to it that a written object looks for documents that are too old. A timer that is set
    /// already is not written again.
    pub(crate) fn arm_expire(&self, sql: &dyn Sql, now: i64) -> Result<()> {
        let collections = self.view.collections.iter();
        let retentions = collections.filter_map(|p| p.collection.retention.as_ref());
        match retentions.map(look_millis).min() {
            Some(wait) => wakes::set(sql, EXPIRE, now + wait),
            None => Ok(()),
        }
    }

    /// One step of the timer.
    pub(crate) fn expire(&mut self, sql: &dyn Sql, now: i64) -> Result<()> {
        if self.status != meta::Status::Active {
            return Ok(());
        }
        let mut turn = self.begin(now, &Caller::default(), "retention")?;
        let collections = std::sync::Arc::clone(&self.view.collections);
        let (mut left, mut next) = (STEP_ROWS, None);
        for prepared in collections.iter() {
            let Some(retention) = prepared.collection.retention else {
                continue;
            };
            let look =
                self.expire_collection(sql, now, prepared, retention, &mut turn, &mut left)?;
            let at = match look {
                Look::Unfinished => Some(now),
                Look::Again(at) => at,
            };
            next = [next, at].into_iter().flatten().min();
        }
        self.finish(sql, turn)?;
        next.map_or(Ok(()), |at| wakes::set(sql, EXPIRE, at))
    }

    fn expire_collection(
        &self,
        sql: &dyn Sql,
        now: i64,
        prepared: &Prepared,
        retention: Retention,
        turn: &mut OpenTurn,
        left: &mut usize,
    ) -> Result<Look> {
        let name = format!("expire.{}", prepared.collection.id);
        let before: Option<Progress> = meta::fact(sql, &name)?;
        let mut progress = before.clone().unwrap_or_default();
        // Log time, like the clock, never goes back.
        let now = now.max(self.head.timestamp);
        let cutoff = now - retention.max_age_millis;
        let age = Age::of(&prepared.collection, retention)?;
        if retention.field.is_none() {
            progress.note_head(self.head.sequence, now, look_millis(&retention), cutoff);
        }
        let done = match age.bound(cutoff, &progress) {
            Some(bound) => {
                self.expire_until(sql, prepared, &age, &bound, &mut progress, turn, left)?
            }
            None => true,
        };
        let look = match done {
            true => {
                // The next look begins at the oldest again, and so does that for what is held.
                if progress.held.take().is_none() {
                    progress.forget_heads(cutoff);
                }
                let first = age.first(sql, &prepared.collection, &progress)?;
                let at = first.map(|at| at + retention.max_age_millis + 1);
                // What is too old already is held by a reference: look again in a while.
                Look::Again(at.map(|at| at.max(now + look_millis(&retention))))
            }
            false => Look::Unfinished,
        };
        if before.unwrap_or_default() != progress {
            let fact = (progress != Progress::default()).then_some(&progress);
            meta::set_fact(sql, &name, fact)?;
        }
        Ok(look)
    }

    /// Deletes what is below `bound`, in order of age; true when nothing of it is left to look at.
    #[expect(clippy::too_many_arguments, reason = "the parts of one step")]
    fn expire_until(
        &self,
        sql: &dyn Sql,
        prepared: &Prepared,
        age: &Age,
        bound: &Json,
        progress: &mut Progress,
        turn: &mut OpenTurn,
        left: &mut usize,
    ) -> Result<bool> {
        if *left == 0 || turn.writer.bytes() >= STEP_BYTES {
            return Ok(false);
        }
        let asked = age.older_than(bound, progress.held.as_ref(), *left);
        let page = Query::parse(&prepared.collection, &asked)?.run(sql, &prepared.collection)?;
        for row in &page.rows {
            if turn.writer.bytes() >= STEP_BYTES {
                return Ok(false);
            }
            *left -= 1;
            let key = row.get("_key").and_then(Json::as_str).unwrap_or_default();
            if !turn.delete_unreferenced(sql, &self.view, prepared, key)? {
                progress.held = Some((age.value(row), key.to_owned()));
            }
        }
        Ok(page.next.is_none())
    }
}

impl Progress {
    /// Notes the head, unless it was noted a moment ago or nothing was written since.
    fn note_head(&mut self, head: Sequence, now: i64, pause: i64, cutoff: i64) {
        let news = self
            .heads
            .last()
            .is_none_or(|(noted, at)| *noted < head && now - at >= pause);
        if news {
            self.heads.push((head, now));
        }
        // Of those that are old enough the newest says all.
        let old = self.heads.iter().take_while(|(_, at)| *at < cutoff).count();
        self.heads.drain(..old.saturating_sub(1));
    }

    /// What is up to the old heads was looked at and is gone.
    fn forget_heads(&mut self, cutoff: i64) {
        self.heads.retain(|(_, at)| *at >= cutoff);
    }
}

/// What age is counted from, as a query names it.
struct Age {
    operand: String,
    kind: AgeKind,
}

#[derive(Clone, Copy, PartialEq)]
enum AgeKind {
    Written,
    Timestamp,
    Date,
}

impl Age {
    fn of(collection: &Collection, retention: Retention) -> Result<Self> {
        let Some(id) = retention.field else {
            let (operand, kind) = ("_version".to_owned(), AgeKind::Written);
            return Ok(Self { operand, kind });
        };
        let field = collection.field_by_id(id);
        let field =
            field.ok_or_else(|| Error::corrupt("retention by a field that is not there"))?;
        let kind = match field.field_type {
            FieldType::Date => AgeKind::Date,
            _ => AgeKind::Timestamp,
        };
        let operand = field.name.clone();
        Ok(Self { operand, kind })
    }

    /// The value below which a document is too old; `None` while none can be.
    fn bound(&self, cutoff: i64, progress: &Progress) -> Option<Json> {
        match self.kind {
            AgeKind::Timestamp => Some(cutoff.into()),
            AgeKind::Date => {
                // A date is its first moment: it is too old when that is.
                let days =
                    cutoff.div_euclid(DAY_MILLIS) + i64::from(cutoff.rem_euclid(DAY_MILLIS) > 0);
                i32::try_from(days)
                    .ok()
                    .map(|days| Value::Date(days).to_json())
            }
            AgeKind::Written => {
                let old = progress.heads.iter().rfind(|(_, at)| *at < cutoff);
                old.map(|(head, _)| head.next().0.into())
            }
        }
    }

    /// The query for documents below `bound`, oldest first, behind the place `held`.
    fn older_than(&self, bound: &Json, held: Option<&(Json, String)>, limit: usize) -> Json {
        let name = &self.operand;
        let mut filter = json!({ name: { "lt": bound } });
        if let Some((value, key)) = held {
            filter = json!({
                name: { "lt": bound, "gte": value },
                "or": [{ name: { "gt": value } }, { "_key": { "gt": key } }],
            });
        }
        json!({ "where": filter, "select": [name], "orderBy": [name], "limit": limit })
    }

    /// The age's value in a row of [`Age::older_than`].
    fn value(&self, row: &JsonObject) -> Json {
        row.get(&self.operand).cloned().unwrap_or_default()
    }

    /// When the oldest document that is left was made or changed, as far as that is known.
    fn first(
        &self,
        sql: &dyn Sql,
        collection: &Collection,
        progress: &Progress,
    ) -> Result<Option<i64>> {
        if self.kind == AgeKind::Written {
            return Ok(progress.heads.first().map(|(_, at)| *at));
        }
        let name = &self.operand;
        let asked = json!({
            "where": { name: { "exists": true } }, "select": [name], "orderBy": [name], "limit": 1,
        });
        let page = Query::parse(collection, &asked)?.run(sql, collection)?;
        let Some(row) = page.rows.first() else {
            return Ok(None);
        };
        let field_type = match self.kind {
            AgeKind::Date => FieldType::Date,
            _ => FieldType::Timestamp,
        };
        Ok(match Value::from_json(field_type, self.value(row))? {
            Some(Value::Date(days)) => Some(i64::from(days) * DAY_MILLIS),
            Some(Value::Timestamp(micros)) => Some(micros.div_euclid(1_000)),
            _ => None,
        })
    }
}

/// How often a collection that is written to is looked at.
fn look_millis(retention: &Retention) -> i64 {
    (retention.max_age_millis / LATE_PART).clamp(LOOK_MILLIS_MIN, LOOK_MILLIS_MAX)
}
