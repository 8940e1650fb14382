//! Times without readings: one query, ordered by group and time, read page by page.

use serde_json::{Map, Value as Json, json};
use tidelog_log::timestamp_to_text;

use super::{Gaps, moment};
use crate::client::Client;
use crate::failure::Result;
use crate::object_name::ObjectName;
use crate::query;

/// A collection as readings of groups over time.
pub(super) struct Series<'a> {
    pub(super) client: &'a Client,
    pub(super) object: &'a ObjectName,
    pub(super) collection: &'a str,
    pub(super) time: &'a str,
    pub(super) group: Option<&'a str>,
    /// The condition on the time.
    pub(super) range: Json,
    /// Microseconds.
    pub(super) longer_than: i64,
}

impl Series<'_> {
    /// Looks at every two readings of a group that follow on each other.
    pub(super) fn check(&self, gaps: &mut Gaps) -> Result<()> {
        let fields: Vec<&str> = self.group.into_iter().chain([self.time]).collect();
        let mut query = json!({
            "where": {self.time: self.range}, "select": fields, "orderBy": fields, "limit": 10_000,
        });
        let mut last: Option<(Json, i64)> = None;
        loop {
            let page = query::page(self.client, self.object, self.collection, &query)?;
            for row in &page.rows {
                let (group, at) = self.reading(row)?;
                if let Some((before, from)) = &last
                    && *before == group
                    && at - from > self.longer_than
                    && !self.say(gaps, &group, (*from, at))?
                {
                    return Ok(());
                }
                last = Some((group, at));
            }
            match page.next {
                Some(next) => query["after"] = Json::from(next),
                None => return Ok(()),
            }
        }
    }

    fn reading(&self, row: &Map<String, Json>) -> Result<(Json, i64)> {
        let group = self.group.and_then(|group| row.get(group));
        let at = moment(row.get(self.time).unwrap_or(&Json::Null))?;
        Ok((group.cloned().unwrap_or_default(), at))
    }

    fn say(&self, gaps: &mut Gaps, group: &Json, (from, to): (i64, i64)) -> Result<bool> {
        let (first, next) = (timestamp_to_text(from), timestamp_to_text(to));
        let seconds = (to - from) / 1_000_000;
        let gap =
            json!({"kind": "time", "group": group, "from": first, "to": next, "seconds": seconds});
        let of = match self.group {
            Some(name) => format!("{name} {group}: "),
            None => String::new(),
        };
        gaps.say(
            &gap,
            &format!("{of}nothing between {first} and {next} ({seconds} s)"),
        )
    }
}
