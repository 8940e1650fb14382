//! What must be true after a kill, and at the end.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value as Json, json};
use tidelog_core::{Address, LogPolicy, Query, SqlExt as _, TypeSchema, TypeSpec};
use tidelog_embedded::{Blobs, OpenObject, actor_file};
use tidelog_lake::ChangesScan;
use tidelog_log::Value;

use crate::client::Client;
use crate::reader::Seen;
use crate::writer::{Done, Held, Place};
use crate::{COLLECTIONS, OBJECTS, SCHEMA, World};

/// Events of one page.
const PAGE: usize = 5_000;

/// Every acknowledged write is there, and nothing but what was acknowledged or asked. Returns how
/// many documents were looked at.
pub(crate) fn acknowledged_writes(world: &World) -> u64 {
    let mut client = Client::new(&world.url);
    let mut looked = 0;
    for model in &world.models {
        let model = model.lock().unwrap();
        let mut undone = Vec::new();
        let mut done = Vec::new();
        for place in model.held.keys().chain(model.asked.keys()) {
            looked += 1;
            let held = model.held.get(place).copied().flatten();
            let found = get(&mut client, model.object, place);
            match model.asked.get(place) {
                None => assert_eq!(found, held, "{} {place:?}", model.object),
                Some(asked) if is_done(found, *asked, held) => done.push(place.clone()),
                Some(asked) => {
                    assert_eq!(found, held, "{place:?}, asked for {asked:?}");
                    undone.push(place.clone());
                }
            }
        }
        assert!(
            done.is_empty() || undone.is_empty(),
            "half a turn: {done:?} are done, {undone:?} are not"
        );
    }
    looked
}

/// True when a document is as an unanswered turn makes it, and not as it was before.
fn is_done(found: Option<Held>, asked: Option<u64>, held: Option<Held>) -> bool {
    let version = |held: Option<Held>| held.map_or(0, |held| held.version);
    match asked {
        None => found.is_none(),
        Some(n) => found.is_some_and(|f| f.n == n && f.version > version(held)),
    }
}

fn get(client: &mut Client, object: &str, (collection, key): &Place) -> Option<Held> {
    let path = format!("/v1/objects/ledger/{object}/{collection}/{key}");
    let answer = client.send("GET", &path, &[], "").unwrap();
    if answer.status == 404 {
        return None;
    }
    assert_eq!(answer.status, 200, "{path}");
    let version = answer.header("etag").unwrap().trim_matches('"').parse();
    Some(Held {
        n: answer.json()["n"].as_u64().unwrap(),
        version: version.unwrap(),
    })
}

/// The whole log of every object.
pub(crate) fn logs(url: &str) -> Vec<Vec<Seen>> {
    let mut client = Client::new(url);
    OBJECTS.iter().map(|o| log(&mut client, o)).collect()
}

fn log(client: &mut Client, object: &str) -> Vec<Seen> {
    let (mut events, mut offset) = (Vec::new(), "-1".to_owned());
    loop {
        let path = format!("/v1/objects/ledger/{object}/changes?offset={offset}&limit={PAGE}");
        let answer = client.must("GET", &path, "");
        let Json::Array(page) = answer.json() else {
            panic!("{path} is no list");
        };
        events.extend(page.iter().map(Seen::of));
        offset = answer.header("stream-next-offset").unwrap().to_owned();
        if answer.header("stream-up-to-date") == Some("true") {
            break;
        }
    }
    for (seen, sequence) in events.iter().zip(1..) {
        assert_eq!(seen.sequence, sequence, "the log of {object}");
    }
    events
}

/// Every event was asked for once: as many as the answers speak of.
pub(crate) fn counts_match(done: &[Done], logs: &[Vec<Seen>]) {
    for (object, log) in OBJECTS.iter().zip(logs) {
        let written = done.iter().filter(|d| d.object == *object);
        let written: usize = written.map(|d| d.events).sum();
        assert_eq!(log.len(), written, "events of {object}");
    }
}

/// The lake holds every log, event by event and in order. Returns its rows.
pub(crate) fn lake(url: &str, folder: &Path, logs: &[Vec<Seen>]) -> usize {
    let mut client = Client::new(url);
    for object in OBJECTS {
        let path = format!("/v1/objects/ledger/{object}/sync");
        client.must("POST", &path, r#"{"tier":"cold"}"#);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let blobs = Blobs::folder(folder.join("data/lake")).unwrap();
    let mut count = 0;
    for collection in COLLECTIONS {
        let path = format!("/iceberg/v1/default/namespaces/ledger/tables/{collection}_changes");
        let metadata = client.must("GET", &path, "").json()["metadata"].to_string();
        let rows = runtime.block_on(rows(&blobs, &metadata, collection));
        for (object, log) in OBJECTS.iter().zip(logs) {
            let of = rows.iter().filter(|(found, _)| found == object);
            let mut found: Vec<Seen> = of.map(|(_, seen)| seen.clone()).collect();
            found.sort_by_key(|seen| seen.sequence);
            let wanted = log.iter().filter(|seen| seen.collection == collection);
            let wanted: Vec<Seen> = wanted.cloned().collect();
            assert_eq!(found, wanted, "{collection} of {object} in the lake");
        }
        count += rows.len();
    }
    let events: usize = logs.iter().map(Vec::len).sum();
    assert_eq!(count, events, "rows of no object");
    count
}

/// Every row of a table; those of one object are in the order of its log within a file.
async fn rows(blobs: &Blobs, metadata: &str, collection: &str) -> Vec<(String, Seen)> {
    let schema = TypeSchema::register(None, &TypeSpec::from_toml(SCHEMA).unwrap()).unwrap();
    let n = schema
        .collection(collection)
        .unwrap()
        .field("n")
        .unwrap()
        .id;
    let scan = ChangesScan::open(blobs, metadata).await.unwrap();
    let mut rows = Vec::new();
    for file in 0..scan.files().len() {
        let read = scan.read(blobs, file, None).await.unwrap();
        let places = read.iter().map(|row| (&row.object, row.sequence));
        assert!(
            places.is_sorted(),
            "file {file} of {collection} is out of order"
        );
        rows.extend(read.into_iter().map(|row| {
            let Some(Value::Int(n)) = row.row.get(n) else {
                panic!("row {} of {collection} has no number", row.sequence);
            };
            let seen = Seen {
                sequence: row.sequence.0,
                operation: row.operation.name().to_owned(),
                collection: collection.to_owned(),
                key: row.key,
                n: *n,
            };
            (row.object, seen)
        }));
    }
    rows
}

/// With the server gone, every hash and every link of the files is as it must be, and a query finds
/// what was acknowledged. Returns how many documents are in blobs.
pub(crate) fn files(folder: &Path, logs: &[Vec<Seen>], world: &World) -> u64 {
    let mut folded = 0;
    for (id, log) in OBJECTS.iter().zip(logs) {
        let address = Address::object("ledger", id).unwrap();
        let path = actor_file(&folder.join("data"), &address);
        let object = OpenObject::open(&path, &address, LogPolicy::default(), 1 << 30).unwrap();
        let (sql, view) = (object.sql(), object.engine().view());
        let events = view.check_log(sql).unwrap();
        assert_eq!(
            usize::try_from(events).unwrap(),
            log.len(),
            "events of {id}"
        );
        for collection in COLLECTIONS {
            let prepared = view.prepared(collection).unwrap();
            let body = json!({"select": ["_key", "n"], "limit": 10_000});
            let query = Query::parse(&prepared.collection, &body).unwrap();
            let page = query.run(sql, &prepared.collection).unwrap();
            let found = page.rows.iter().map(|row| {
                let text = row["_key"].as_str().unwrap().to_owned();
                (text, row["n"].as_u64().unwrap())
            });
            let found: BTreeMap<String, u64> = found.collect();
            assert_eq!(found.len(), page.rows.len(), "a key of {collection} twice");
            assert_eq!(found, acknowledged(world, id, collection), "{collection}");
            let rows = format!("SELECT count(*) FROM \"{collection}\"");
            let rows = sql.first(&rows, &[], |row| row[0].unsigned()).unwrap();
            folded += found.len() as u64 - rows.unwrap();
        }
    }
    assert!(folded > 0, "documents were folded");
    folded
}

/// What the writers of an object know of a collection.
fn acknowledged(world: &World, object: &str, collection: &str) -> BTreeMap<String, u64> {
    let mut known = BTreeMap::new();
    for model in &world.models {
        let model = model.lock().unwrap();
        let of = model.held.iter().filter(|((c, _), _)| *c == collection);
        for ((_, key), held) in of.filter(|_| model.object == object) {
            if let Some(held) = held {
                known.insert(key.clone(), held.n);
            }
        }
    }
    known
}
