//! What must hold of every disk a power cut leaves.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value as Json, json};
use tidelog_core::{ChangesRequest, Command, Images, LogPolicy, Query, SqlExt};
use tidelog_embedded::OpenObject;
use tidelog_log::{Error, EventFilter, StartAt};

use crate::recording::Image;
use crate::script::{BYTES_MAX, Folding, address, schema, upsert, write};

/// Writes a disk into `folder`, opens the object with SQLite's own VFS and checks it; an error says what is
/// wrong.
pub(crate) fn check(
    image: &Image,
    folding: Folding,
    acknowledged: u64,
    folder: &Path,
) -> Result<(), String> {
    for old in std::fs::read_dir(folder).unwrap() {
        std::fs::remove_file(old.unwrap().path()).unwrap();
    }
    for (name, content) in image {
        std::fs::write(folder.join(name), content).unwrap();
    }
    let path = folder.join("object.db");
    let said = |error: Error| error.to_string();
    let mut object =
        OpenObject::open(&path, &address(), LogPolicy::default(), BYTES_MAX).map_err(said)?;
    let head = object.engine().head().0;
    if head < acknowledged {
        return Err(format!(
            "lost what was acknowledged: the log ends at {head}"
        ));
    }
    check_whole(&object)?;
    // It also takes the next turn; that one need not be durable.
    object
        .sql()
        .exec("PRAGMA synchronous = OFF", &[])
        .map_err(said)?;
    let next = vec![write(
        &schema(folding),
        vec![upsert(json!({"id": "next", "n": head}))],
    )];
    let outcome = object.group(next);
    outcome
        .answers
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map_err(said)?;
    if object.engine().head().0 != head + 1 {
        return Err(format!("the next turn came to {}", object.engine().head()));
    }
    check_whole(&object)?;
    if folding == Folding::Off {
        return Ok(());
    }
    // Folding goes on where the cut found it.
    let outcome = object.group(vec![Command::Wake]);
    if let Some(Err(error)) = outcome.answers.into_iter().next() {
        return Err(said(error));
    }
    check_whole(&object)
}

/// SQLite finds no damage, the log is whole from 1, and the documents are what the log says.
pub(crate) fn check_whole(object: &OpenObject) -> Result<(), String> {
    let (sql, view) = (object.sql(), object.engine().view());
    let said = |error: Error| error.to_string();
    let integrity = sql
        .rows("PRAGMA integrity_check", &[], |row| {
            Ok(row[0].text()?.to_owned())
        })
        .map_err(said)?;
    if integrity != ["ok"] {
        return Err(format!("integrity_check: {integrity:?}"));
    }
    let (head, events) = (object.engine().head().0, view.check_log(sql).map_err(said)?);
    if events != head {
        return Err(format!("{events} events, the head is {head}"));
    }
    if head == 0 {
        return Ok(());
    }
    let (replayed, stored) = (
        replay(object).map_err(said)?,
        documents(object).map_err(said)?,
    );
    if replayed == stored {
        return Ok(());
    }
    Err(format!(
        "the log gives {} documents, reading them {}, and they differ",
        replayed.len(),
        stored.len()
    ))
}

type Documents = BTreeMap<String, (u64, Json)>;

/// Every document wherever it lies: its key by a query, the rest by key.
fn documents(object: &OpenObject) -> tidelog_log::Result<Documents> {
    let (sql, view) = (object.sql(), object.engine().view());
    let collection = &view.prepared("notes")?.collection;
    let mut body = json!({"select": ["_key"], "limit": 10_000});
    let mut documents = Documents::new();
    loop {
        let page = Query::parse(collection, &body)?.run(sql, collection)?;
        for row in &page.rows {
            let key = row["_key"].as_str().unwrap_or_default();
            let found = view.get(sql, "notes", key)?;
            let document = (found.version.0, Json::Object(found.document));
            if documents.insert(found.key, document).is_some() {
                return Err(Error::corrupt(format!("{key:?} is there twice")));
            }
        }
        match page.next {
            Some(next) => body["after"] = json!(next),
            None => break,
        }
    }
    let (_, counted) = view.state(sql)?.documents.swap_remove(0);
    match counted == documents.len() as u64 {
        true => Ok(documents),
        false => Err(Error::corrupt(format!("{counted} documents are counted"))),
    }
}

fn replay(object: &OpenObject) -> tidelog_log::Result<Documents> {
    let (mut documents, mut start) = (Documents::new(), StartAt::Beginning);
    loop {
        let request = ChangesRequest {
            start,
            filter: EventFilter::default(),
            images: Images::Full,
            limit: 10_000,
        };
        let page = object.engine().view().changes(object.sql(), &request)?;
        for event in &page.events {
            let key = event["documentId"].as_str().unwrap().to_owned();
            let sequence = event["sequence"].as_u64().unwrap();
            match event.get("after") {
                Some(after) => drop(documents.insert(key, (sequence, after.clone()))),
                None => drop(documents.remove(&key)),
            }
        }
        if page.up_to_date {
            return Ok(documents);
        }
        start = StartAt::After(page.next);
    }
}
