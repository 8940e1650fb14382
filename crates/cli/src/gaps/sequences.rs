//! Missing events: of the log, and of the lake's tables where the log does not reach.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tidelog_core::TypeSchema;
use tidelog_embedded::S3Store;
use tidelog_lake::Runs;
use tidelog_log::Sequence;

use super::Gaps;
use crate::client::Client;
use crate::events::Follower;
use crate::failure::{Failure, Result};
use crate::object_name::{ObjectName, path};
use crate::print;
use crate::verify::LakeTable;

/// An object's log: where it begins, and the events of each collection.
struct Log {
    earliest: u64,
    events: BTreeMap<String, Runs>,
}

/// Looks for sequences that are missing or twice there.
pub(super) fn check(
    client: &Client,
    store: Option<&S3Store>,
    object: &ObjectName,
    gaps: &mut Gaps,
) -> Result<()> {
    // Marks first: what is written meanwhile lies behind them.
    let state: Json = client.get(object.path(&["state"]))?;
    let schema: TypeSchema = client.get(path(&["v1", "types", &object.type_name]))?;
    let mut tables = BTreeMap::new();
    for collection in schema.collections.iter().filter(|c| c.cold.enabled) {
        let name = &collection.name;
        let sequences = of_table(client, store, object, name)?;
        tables.insert(name.clone(), runs(sequences, name, gaps)?);
    }
    let log = of_log(client, object, &state, gaps)?;
    let mut all = Runs::default();
    let mut least = u64::MAX;
    for (name, table) in &tables {
        let committed = committed(&state, name);
        least = least.min(committed);
        lacking(log.events.get(name), table, committed, name, gaps)?;
        if let Err(at) = all.merge(table) {
            let words = format!("event {at} is in two tables");
            gaps.say(
                &json!({"kind": "twice", "in": "lake", "sequence": at}),
                &words,
            )?;
        }
    }
    if log.earliest <= 1 {
        return Ok(());
    }
    if tables.len() < schema.collections.len() {
        print::note(format_args!(
            "the log begins at {}: what is missing before it cannot be told, since not every collection is in the lake",
            log.earliest
        ));
        return Ok(());
    }
    let to = least.min(log.earliest - 1);
    told(&all.gaps(Sequence(to), usize::MAX), "lake", gaps)
}

fn committed(state: &Json, collection: &str) -> u64 {
    let mut lake = state["lake"].as_array().into_iter().flatten();
    let lake = lake.find(|lake| lake["collection"] == collection);
    lake.and_then(|lake| lake["committed"].as_u64())
        .unwrap_or(0)
}

/// The sequences of an object in a table, in any order.
fn of_table(
    client: &Client,
    store: Option<&S3Store>,
    object: &ObjectName,
    collection: &str,
) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    let table = match LakeTable::open(client, &object.type_name, collection, store) {
        Err(failure) if failure.problem["error"]["type"] == "NoSuchTableException" => {
            return Ok(all);
        }
        table => table?,
    };
    table.each(Some(&object.id), |row| {
        all.push(row.sequence.0);
        Ok(())
    })?;
    Ok(all)
}

fn runs(mut sequences: Vec<u64>, collection: &str, gaps: &mut Gaps) -> Result<Runs> {
    sequences.sort_unstable();
    let mut runs = Runs::default();
    for sequence in sequences {
        if runs.push(Sequence(sequence)).is_err() {
            let gap = json!({"kind": "twice", "in": "lake", "collection": collection, "sequence": sequence});
            gaps.say(
                &gap,
                &format!("event {sequence} is twice in the table of {collection}"),
            )?;
        }
    }
    Ok(runs)
}

/// Reads the log and says where it has no event.
fn of_log(client: &Client, object: &ObjectName, state: &Json, gaps: &mut Gaps) -> Result<Log> {
    let mut walk = Walk::default();
    match walk.from(client, object, "-1") {
        Err(failure) if failure.code() == "offset_trimmed" => {
            let offset = failure.problem["earliestOffset"].as_str();
            let offset = offset.unwrap_or_default().to_owned();
            let last = offset.rsplit('_').next().and_then(|n| n.parse().ok());
            walk = Walk {
                first: last.unwrap_or(0) + 1,
                last: last.unwrap_or(0),
                ..Walk::default()
            };
            walk.from(client, object, &offset)?;
        }
        done => done?,
    }
    let head = state["head"].as_u64().unwrap_or(0);
    if walk.last < head {
        walk.missing.push((Sequence(walk.last + 1), Sequence(head)));
    }
    told(&walk.missing, "log", gaps)?;
    Ok(Log {
        earliest: walk.first,
        events: walk.events,
    })
}

/// A walk over a log.
#[derive(Default)]
struct Walk {
    first: u64,
    last: u64,
    missing: Vec<(Sequence, Sequence)>,
    events: BTreeMap<String, Runs>,
}

impl Walk {
    fn from(&mut self, client: &Client, object: &ObjectName, offset: &str) -> Result<()> {
        let mut follower = Follower {
            client,
            object: object.clone(),
            filter: "&limit=2000".to_owned(),
            offset: offset.to_owned(),
            patient: false,
        };
        let walked = follower.catch_up(|event| {
            let none = || Failure::failed("an event without a sequence");
            let at = event["sequence"].as_u64().ok_or_else(none)?;
            if at > self.last + 1 {
                self.missing
                    .push((Sequence(self.last + 1), Sequence(at - 1)));
            }
            self.last = at;
            let name = event["collection"].as_str().unwrap_or_default();
            let events = self.events.entry(name.to_owned()).or_default();
            Ok(events.push(Sequence(at))?)
        });
        walked.map(drop)
    }
}

/// Events of the log that their table should have.
fn lacking(
    log: Option<&Runs>,
    table: &Runs,
    committed: u64,
    collection: &str,
    gaps: &mut Gaps,
) -> Result<()> {
    let Some(log) = log else { return Ok(()) };
    for at in log.sequences().take_while(|at| at.0 <= committed) {
        if !table.contains(at) {
            let gap = json!({"kind": "sequence", "in": "lake", "collection": collection, "from": at, "to": at});
            let words = format!("event {at} is not in the table of {collection}");
            if !gaps.say(&gap, &words)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn told(missing: &[(Sequence, Sequence)], place: &str, gaps: &mut Gaps) -> Result<()> {
    for (from, to) in missing {
        let gap = json!({"kind": "sequence", "in": place, "from": from, "to": to});
        if !gaps.say(
            &gap,
            &format!("events {from} to {to} are missing in the {place}"),
        )? {
            break;
        }
    }
    Ok(())
}
