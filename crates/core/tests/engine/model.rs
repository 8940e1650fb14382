//! Random turns against a model of a few lines: the answers, the documents and the log must agree.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};
use tidelog_core::{Command, Mutation, Query, WrittenOperation};
use tidelog_log::{Sequence, StartAt};

use crate::lab::{
    Lab, as_text, delete, folding, insert, notes, of_version, put, small_segments, update, upsert,
};
use crate::segments::same_log;

/// Documents by key, with their versions.
pub(crate) type Documents = BTreeMap<String, (u64, Map<String, Json>)>;

#[derive(Clone, Debug, Default)]
struct Model {
    documents: Documents,
    head: u64,
}

impl Model {
    /// What a turn must answer: the operations, or the code of the first refusal.
    fn write(&mut self, mutations: &[Mutation]) -> Result<Vec<WrittenOperation>, &'static str> {
        let mut next = self.clone();
        let done = mutations
            .iter()
            .map(|m| next.apply(m))
            .collect::<Result<_, _>>()?;
        *self = next;
        Ok(done)
    }

    fn apply(&mut self, mutation: &Mutation) -> Result<WrittenOperation, &'static str> {
        let version_of = |key: &String| self.documents.get(key).map_or(0, |(version, _)| *version);
        let check = |key: &String, wanted: &Option<Sequence>| match wanted {
            Some(wanted) if wanted.0 != version_of(key) => Err("version_mismatch"),
            _ => Ok(()),
        };
        match mutation {
            Mutation::Insert { document, .. } => {
                let document = document.clone().into_members().unwrap();
                let key = id_of(&document);
                if self.documents.contains_key(&key) {
                    return Err("duplicate_key");
                }
                Ok(self.set(key, document))
            }
            Mutation::Upsert {
                document,
                if_version,
                ..
            } => {
                let document = document.clone().into_members().unwrap();
                let key = id_of(&document);
                check(&key, if_version)?;
                Ok(self.set(key, document))
            }
            Mutation::Put {
                key,
                document,
                if_version,
                ..
            } => {
                check(key, if_version)?;
                let mut document = document.clone();
                document.insert("id".to_owned(), json!(key));
                Ok(self.set(key.clone(), document))
            }
            Mutation::Update {
                key,
                patch,
                if_version,
                ..
            } => {
                let (_, before) = self.documents.get(key).ok_or("unknown_document")?;
                check(key, if_version)?;
                let merged = merge(Json::Object(before.clone()), patch);
                Ok(self.set(key.clone(), merged))
            }
            Mutation::Delete {
                key, if_version, ..
            } => {
                self.documents.get(key).ok_or("unknown_document")?;
                check(key, if_version)?;
                self.head += 1;
                self.documents.remove(key);
                Ok(WrittenOperation::Delete)
            }
        }
    }

    fn set(&mut self, key: String, mut document: Map<String, Json>) -> WrittenOperation {
        // Null in a declared field is the same as absent.
        document.retain(|name, json| !(json.is_null() && ["n", "t"].contains(&name.as_str())));
        let operation = match self.documents.get(&key) {
            Some((_, before)) if *before == document => return WrittenOperation::None,
            Some(_) => WrittenOperation::Update,
            None => WrittenOperation::Insert,
        };
        self.head += 1;
        self.documents.insert(key, (self.head, document));
        operation
    }
}

fn id_of(document: &Map<String, Json>) -> String {
    document["id"].as_str().unwrap().to_owned()
}

/// RFC 7396, as its pseudocode has it.
fn merge(target: Json, patch: &Map<String, Json>) -> Map<String, Json> {
    let Json::Object(mut target) = target else {
        return merge(json!({}), patch);
    };
    for (name, json) in patch {
        match json {
            Json::Null => drop(target.remove(name)),
            Json::Object(inner) => {
                let old = target.remove(name).unwrap_or_default();
                target.insert(name.clone(), Json::Object(merge(old, inner)));
            }
            json => drop(target.insert(name.clone(), json.clone())),
        }
    }
    target
}

/// A splitmix64 generator: every number follows from the seed.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    pub(crate) fn one_of(&mut self, options: &[Json]) -> Json {
        options[usize::try_from(self.below(options.len() as u64)).unwrap()].clone()
    }
}

fn mutation(chance: &mut Chance, head: u64) -> Mutation {
    let key = format!("k{}", chance.below(6));
    let free = [
        json!(1),
        json!(1.5),
        json!("x"),
        json!({"a": 1}),
        json!({"a": {"b": [2]}}),
    ];
    let patch = [
        json!(null),
        json!({"a": null}),
        json!({"a": {"b": null, "c": 3}}),
        json!([]),
    ];
    let mut document = json!({"n": chance.one_of(&[json!(null), json!(1), json!(2)])});
    if chance.below(2) == 0 {
        document["t"] = chance.one_of(&[json!("a"), json!("b\u{0}é")]);
    }
    let kind = chance.below(5);
    if chance.below(2) == 0 {
        document["x"] = chance.one_of(if kind == 3 { &patch } else { &free });
    }
    if kind < 2 {
        document["id"] = json!(key);
    }
    let mutation = match kind {
        0 => return insert("notes", document),
        1 => upsert("notes", document),
        2 => put("notes", &key, document),
        3 => update("notes", &key, document),
        _ => delete("notes", &key),
    };
    match chance.below(6) {
        0 => of_version(mutation, chance.below(head + 2)),
        _ => mutation,
    }
}

/// A turn of inserts alone, which goes straight into a blob where the threshold says so.
fn bulk(chance: &mut Chance) -> Vec<Mutation> {
    let documents = (0..2 + chance.below(4)).map(|_| {
        let mut document = json!({"n": chance.below(9), "x": {"b": chance.below(3)}});
        if chance.below(3) > 0 {
            document["id"] = json!(format!("k{}", chance.below(12)));
        } else {
            document["id"] = json!(format!("b{}", chance.below(1 << 40)));
        }
        insert("notes", document)
    });
    documents.collect()
}

/// Labs that get the same inputs: the last one's documents as text, and it folds as the one before.
const LABS: usize = 5;
/// Rows past which each folds; 0: never.
const THRESHOLDS: [u64; LABS] = [0, 1, 1_000, 3, 3];

/// The labs: all but the first make segments of few records where they fold.
fn labs() -> [Lab; LABS] {
    THRESHOLDS.map(|rows| Lab::with_policy(folding(notes(), rows), small_segments()))
}

/// One step of the labs and of the model.
fn step(chance: &mut Chance, labs: &mut [Lab; LABS], model: &mut Model) {
    for lab in labs.iter_mut() {
        lab.now += 7;
    }
    match chance.below(40) {
        20.. if chance.below(3) == 0 => {
            // Whatever folding is due, until none is.
            for lab in labs.iter_mut() {
                lab.settle();
            }
        }
        0 => labs.iter_mut().for_each(Lab::reopen),
        1 => drop(
            labs.each_mut()
                .map(|lab| lab.turn(Command::Fenced).unwrap()),
        ),
        2 => drop(labs.each_mut().map(|lab| lab.turn(Command::Wake).unwrap())),
        3 => {
            let committed = chance.below(model.head + 1);
            labs.iter_mut()
                .for_each(|lab| lab.committed("notes", committed));
        }
        4 if chance.below(5) == 0 => {
            let results = labs.each_mut().map(|lab| lab.delete_object().is_ok());
            assert!(results.iter().all(|result| *result == results[0]));
            model.head += u64::try_from(model.documents.len()).unwrap();
            model.documents.clear();
        }
        _ => {
            let mutations: Vec<Mutation> = match chance.below(8) {
                0 => bulk(chance),
                _ => (0..1 + chance.below(4))
                    .map(|_| mutation(chance, model.head))
                    .collect(),
            };
            let wanted = model.write(&mutations);
            let mut said = Vec::new();
            for (at, lab) in labs.iter_mut().enumerate() {
                let text = at + 1 == LABS;
                let form = mutations
                    .iter()
                    .map(|m| if text { as_text(m) } else { m.clone() });
                let got = lab.write(form.collect());
                said.push(got.as_ref().err().map(ToString::to_string));
                let got = got.map(|r| r.written.iter().map(|w| w.operation).collect::<Vec<_>>());
                let got = got.as_ref().map_err(tidelog_log::Error::code);
                assert_eq!(got, wanted.as_ref().map_err(|code| *code), "{mutations:?}");
            }
            // The same words too, whichever way the documents went.
            assert!(said.windows(2).all(|pair| pair[0] == pair[1]), "{said:?}");
        }
    }
}

/// A collection's documents, by a query and by key.
pub(crate) fn stored(lab: &Lab, name: &str) -> Documents {
    let collection = lab.schema.collection(name).unwrap();
    let body = json!({"select": ["_key"], "limit": 10_000});
    let query = Query::parse(collection, &body).unwrap();
    let rows = query.run(&lab.sql, collection).unwrap().rows;
    let counted = (name.to_owned(), rows.len() as u64);
    assert!(lab.state().documents.contains(&counted), "{counted:?}");
    let keys = rows
        .iter()
        .map(|row| row["_key"].as_str().unwrap().to_owned());
    let read = |key: String| {
        let found = lab.engine.view().get(&lab.sql, name, &key).unwrap();
        (key, (found.version.0, found.document))
    };
    keys.map(read).collect()
}

/// The same, by the log from its start.
pub(crate) fn replayed(lab: &Lab, name: &str) -> Documents {
    let (mut documents, mut start) = (Documents::new(), StartAt::Beginning);
    loop {
        let page = lab.page(start, 50).unwrap();
        for event in page.events.iter().filter(|e| e["collection"] == name) {
            let key = event["documentId"].as_str().unwrap().to_owned();
            match event.get("after") {
                Some(Json::Object(after)) => {
                    let sequence = event["sequence"].as_u64().unwrap();
                    documents.insert(key, (sequence, after.clone()));
                }
                _ => drop(
                    documents
                        .remove(&key)
                        .expect("a deleted document was there"),
                ),
            }
        }
        if page.up_to_date {
            return documents;
        }
        start = StartAt::After(page.next);
    }
}

#[test]
fn documents_log_and_model_agree_and_equal_inputs_give_equal_bytes() {
    let first = number("TIDELOG_SEED").unwrap_or(1);
    let seeds = number("TIDELOG_SEEDS").unwrap_or(20);
    let mut made = 0;
    for seed in first..first + seeds {
        let (mut chance, mut model) = (Chance(seed), Model::default());
        let mut labs = labs();
        for _ in 0..150 {
            step(&mut chance, &mut labs, &mut model);
        }
        if model.head == 0 {
            continue;
        }
        let head = labs[0].state().head_hash;
        let segments = labs.each_ref().map(|lab| lab.state().log_segments);
        assert_eq!(segments[0], 0);
        made += segments.iter().sum::<u64>();
        for lab in &labs {
            if seed % 5 == 1 {
                same_log(&labs[0], lab, "notes");
            }
            assert_eq!(lab.check_log(), model.head, "seed {seed}");
            assert_eq!(replayed(lab, "notes"), model.documents, "seed {seed}");
            if lab.state().status == "active" {
                assert_eq!(stored(lab, "notes"), model.documents, "seed {seed}");
            }
            assert_eq!(lab.state().head_hash, head, "seed {seed}: one chain");
        }
        let [.., one, two] = labs;
        assert_eq!(one.dump(), two.dump(), "seed {seed}");
    }
    assert!(made > seeds, "{made} segments");
}

#[expect(clippy::disallowed_methods, reason = "the test runner's own variables")]
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().expect("a number"))
}
