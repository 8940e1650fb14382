//! A host without an engine: it answers, records what was written, and its clock is a number.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value as Json, json};
use tidelog_core::{
    Address, AdminCommand, Caller, ChangesPage, ChangesRequest, ColdFound, Found, MessageReply,
    Mutation, ObjectState, SnapshotReply, Stamp, TurnReply, TypeSchema, TypeSpec, Warning, Written,
    WrittenOperation,
};
use tidelog_log::{Epoch, Error, Hash, Kind, Offset, Result, Sequence, StartAt};

use crate::{
    ApiSettings, Body, BodySource, Cache, CacheKey, Costs, Directory, Entry, Figures, FileBytes,
    FilePart, Host, Keep, LakeStatus, LoadedTable, Look, Meter, ObjectHost, ObjectList, ObjectPage,
    QueryAnswer, Request, Response, StateAnswer, Stays, TableName, Tier, TypeSummary, WarmHost,
    handle,
};

#[derive(Default)]
pub(super) struct Fake {
    pub(super) settings: ApiSettings,
    pub(super) clock: Mutex<i64>,
    /// The collection of each event; event `n` has sequence `n + 1`.
    pub(super) log: Mutex<Vec<&'static str>>,
    /// What arrives at each wait; a wait with nothing left runs out.
    pub(super) arrivals: Mutex<VecDeque<&'static str>>,
    pub(super) closed: bool,
    pub(super) figures: Figures,
    pub(super) turns: Mutex<Vec<(Caller, Vec<Mutation>)>>,
    /// What administrators asked, and what is answered next.
    pub(super) asked: Mutex<Vec<AdminCommand>>,
    pub(super) answer: Mutex<Option<SnapshotReply>>,
    pub(super) looks: Mutex<Vec<Look>>,
}

pub(super) fn offset(sequence: u64) -> Offset {
    Offset {
        epoch: Epoch(1),
        sequence: Sequence(sequence),
    }
}

fn stamp(sequence: u64) -> Stamp {
    Stamp {
        offset: offset(sequence),
        touched: Sequence(sequence),
        mark: 0,
        schema_version: 1,
    }
}

impl Host for Fake {
    fn now(&self) -> i64 {
        1_800_000_000_000 + *self.clock.lock().unwrap()
    }

    fn stopping(&self) -> bool {
        false
    }

    fn settings(&self) -> &ApiSettings {
        &self.settings
    }
}

impl ObjectHost for Fake {
    async fn write(&self, _: &Address, caller: Caller, turn: Vec<Mutation>) -> Result<TurnReply> {
        let mut turns = self.turns.lock().unwrap();
        let written = turn.iter().enumerate().map(|(at, _)| Written {
            key: at.to_string(),
            version: Sequence(9),
            operation: WrittenOperation::Insert,
        });
        let written = written.collect();
        if matches!(&turn[0], Mutation::Delete { if_version: Some(v), .. } if v.0 == 3) {
            return Err(Error::conflict("version_mismatch", "it is at 9").with("version", 9));
        }
        turns.push((caller, turn));
        Ok(TurnReply {
            offset: offset(turns.len() as u64),
            written,
            replayed: false,
        })
    }

    async fn message(
        &self,
        object: &Address,
        caller: Caller,
        name: &str,
        body: Json,
    ) -> Result<MessageReply> {
        if name == "refuse" {
            let code = format!("{}.taken", object.type_name);
            return Err(Error::own(Kind::Conflict, code, "it is taken").at("from"));
        }
        Ok(MessageReply {
            reply: json!({ "name": name, "body": body, "source": caller.source }),
            offset: offset(7),
            replayed: caller.idempotency_key == "again",
        })
    }

    async fn get(
        &self,
        _: &Address,
        _: &str,
        key: &str,
        _: Option<Offset>,
    ) -> Result<(Found, Stamp)> {
        if key == "none" {
            return Err(Error::not_found("unknown_document", "not there"));
        }
        let document = json!({ "key": key }).as_object().cloned().unwrap();
        let found = Found {
            key: key.to_owned(),
            version: Sequence(5),
            document,
        };
        Ok((found, stamp(5)))
    }

    async fn get_cold(
        &self,
        _: &Address,
        _: &str,
        key: &str,
        at_least: Option<Offset>,
    ) -> Result<ColdFound> {
        if at_least.is_some_and(|wanted| wanted.sequence > Sequence(4)) {
            return Err(Error::unavailable("not_caught_up", "the lake is at 4"));
        }
        if key == "none" {
            return Err(Error::not_found("unknown_document", "not there"));
        }
        Ok(ColdFound {
            version: Sequence(3),
            document: r#"{"key":"cold"}"#.to_owned(),
            offset: offset(4),
            age_millis: 61_999,
        })
    }

    async fn query(&self, _: &Address, _: &str, query: Json) -> Result<QueryAnswer> {
        Ok(QueryAnswer {
            rows: query.as_object().cloned().into_iter().collect(),
            next: Some("more".to_owned()),
            stamp: stamp(2),
        })
    }

    async fn delete_object(&self, object: &Address, _: Caller) -> Result<ObjectState> {
        Ok(self.state(object).await?.object)
    }

    async fn changes(&self, _: &Address, request: ChangesRequest) -> Result<ChangesPage> {
        let log = self.log.lock().unwrap();
        let head = log.len() as u64;
        let after = match request.start {
            StartAt::Beginning => 0,
            StartAt::Now => head,
            StartAt::After(offset) if offset.epoch == Epoch(1) => offset.sequence.0,
            StartAt::After(_) => {
                let gone = Error::new(Kind::Gone, "offset_outside_lineage", "another life");
                let earliest = offset(0).to_string();
                return Err(gone.at("offset").with("earliestOffset", earliest));
            }
        };
        let (mut events, mut next) = (Vec::new(), after);
        for (sequence, collection) in (1..).zip(log.iter()).skip(usize::try_from(after).unwrap()) {
            if events.len() == request.limit {
                break;
            }
            next = sequence;
            let wanted = &request.filter.collections;
            if wanted.is_empty() || wanted.contains(*collection) {
                events.push(json!({ "sequence": sequence }));
            }
        }
        let up_to_date = next == head;
        Ok(ChangesPage {
            events,
            offsets: Vec::new(),
            next: offset(next),
            up_to_date,
            closed: up_to_date && self.closed,
        })
    }

    async fn changed(&self, _: &Address, after: Sequence, timeout_millis: u64) -> Result<()> {
        let mut log = self.log.lock().unwrap();
        assert_eq!(after.0, log.len() as u64, "waited though behind");
        match self.arrivals.lock().unwrap().pop_front() {
            Some(arrival) => log.push(arrival),
            None => *self.clock.lock().unwrap() += i64::try_from(timeout_millis).unwrap(),
        }
        Ok(())
    }

    async fn state(&self, _: &Address) -> Result<StateAnswer> {
        Ok(StateAnswer {
            object: ObjectState {
                status: "active",
                epoch: Epoch(1),
                expires: None,
                head: Sequence(2),
                head_hash: Hash::default(),
                head_timestamp: 0,
                earliest: Sequence(1),
                schema_version: 1,
                documents: vec![("flights".to_owned(), 2)],
                folded: Vec::new(),
                blobs: (0, 0),
                log_records: 1,
                log_bytes: 100,
                log_segments: 0,
                log_segment_bytes: 0,
                used_bytes: 900,
                used_bytes_max: 1_000,
                warnings: vec![Warning {
                    code: "object_nearly_full",
                    message: "900 of 1000".to_owned(),
                }],
                cursors: Vec::new(),
                wakes: Vec::new(),
                actor: None,
            },
            lake: vec![LakeStatus {
                collection: "flights".to_owned(),
                accepted: Sequence(2),
                committed: Sequence(1),
                lag_events: 1,
                lag_millis: 30,
                error: None,
            }],
            warm: None,
            costs: Some(Costs::of(Meter {
                rows_written: 3,
                requests: 2,
                events: 2,
                ..Meter::default()
            })),
            memory_bytes: None,
        })
    }

    async fn sync(&self, object: &Address, _: Tier) -> Result<StateAnswer> {
        self.state(object).await
    }

    async fn administer(
        &self,
        _: &Address,
        command: impl FnOnce(Arc<TypeSchema>) -> AdminCommand + Send,
    ) -> Result<SnapshotReply> {
        let spec = TypeSpec::from_json(br#"{"type": "airport", "collections": {"flights": {}}}"#)?;
        let schema = Arc::new(TypeSchema::register(None, &spec)?);
        self.asked.lock().unwrap().push(command(schema));
        let answer = self.answer.lock().unwrap().clone();
        answer.ok_or_else(|| Error::not_found("unknown_snapshot", "none").at("snapshot"))
    }

    async fn look(&self, _: &Address, wanted: Look) -> Result<Json> {
        self.looks.lock().unwrap().push(wanted);
        Ok(json!({}))
    }

    async fn snapshot_file(&self, _: &Address, wanted: FilePart) -> Result<FileBytes> {
        let total = FILE.len() as u64;
        let from = usize::try_from(wanted.offset).unwrap().min(FILE.len());
        // Some bytes at a time, as of a file of many frames.
        let to = FILE.len().min(from + 4);
        Ok(FileBytes {
            total,
            bytes: Bytes::from_static(&FILE[from..to]),
        })
    }
}

/// What every snapshot's file holds.
pub(crate) const FILE: &[u8] = b"0123456789";

impl WarmHost for Fake {
    type Cache = Forgetful;

    fn cache(&self) -> &Forgetful {
        &Forgetful
    }

    fn figures(&self) -> &Figures {
        &self.figures
    }

    async fn newest(&self, name: &str) -> Result<Arc<TypeSchema>> {
        Err(Error::not_found("unknown_type", format!("no type {name}")))
    }

    fn entropy(&self) -> [u8; 16] {
        [7; 16]
    }
}

/// A cache that keeps nothing.
pub(super) struct Forgetful;

impl Cache for Forgetful {
    async fn get(&self, _: &CacheKey) -> Option<Entry> {
        None
    }

    async fn put(&self, _: &CacheKey, _: Entry, _: Keep) {}

    async fn put_unless(&self, _: &CacheKey, _: Entry, _: Keep, _: &Stays<'_>) {}

    async fn delete(&self, _: &CacheKey) {}
}

impl Directory for Fake {
    async fn register_type(&self, spec: TypeSpec) -> Result<(TypeSchema, bool)> {
        Ok((TypeSchema::register(None, &spec)?, true))
    }

    async fn type_schema(&self, name: &str, _: Option<u32>) -> Result<TypeSchema> {
        Err(Error::not_found("unknown_type", format!("no type {name}")))
    }

    async fn types(&self) -> Result<Vec<TypeSummary>> {
        let summary = |name: &str| TypeSummary {
            name: name.to_owned(),
            version: 1,
            description: String::new(),
            collections: vec!["flights".to_owned()],
        };
        Ok(vec![summary("airport"), summary("city"), summary("plane")])
    }

    async fn objects(&self, list: ObjectList) -> Result<ObjectPage> {
        assert_eq!((list.limit, list.prefix.as_str()), (7, "J F"));
        Ok(ObjectPage {
            objects: Vec::new(),
            next: None,
        })
    }

    async fn tables(&self) -> Result<Vec<TableName>> {
        let name = |name: &str| TableName {
            namespace: "airport".to_owned(),
            name: name.to_owned(),
        };
        Ok(vec![name("flights"), name("flights_changes")])
    }

    async fn table(&self, namespace: &str, name: &str) -> Result<LoadedTable> {
        if (namespace, name) != ("airport", "flights") {
            return Err(Error::not_found("unknown_table", "no such table"));
        }
        Ok(LoadedTable {
            metadata_location: "s3://lake/v3.metadata.json".to_owned(),
            metadata_json: r#"{"snapshot-id": 9223372036854775807}"#.to_owned(),
        })
    }

    fn s3_config(&self, host: Option<&str>) -> BTreeMap<String, String> {
        let endpoint = format!("http://{}", host.unwrap_or("?"));
        BTreeMap::from([("s3.endpoint".to_owned(), endpoint)])
    }

    async fn metrics(&self) -> Result<String> {
        Ok("tidelog_up 1\n".to_owned())
    }

    async fn ready(&self) -> Result<()> {
        Err(Error::unavailable("not_ready", "starting"))
    }
}

/// A body in several chunks; it may end in an error.
pub(super) struct Chunks(pub(super) VecDeque<Result<Bytes>>);

impl BodySource for Chunks {
    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.0.pop_front().transpose()
    }
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Body<Chunks>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    pub(super) fn text(&self) -> &str {
        match &self.body {
            Body::Bytes(bytes) => std::str::from_utf8(bytes).unwrap(),
            Body::Stream(_) => panic!("a stream"),
        }
    }

    pub(super) fn json(&self) -> Json {
        serde_json::from_str(self.text()).unwrap()
    }

    /// Status, code and field of a problem.
    pub(super) fn problem(&self) -> (u16, String, String) {
        assert_eq!(self.header("content-type"), "application/problem+json");
        let json = self.json();
        assert_eq!(json["status"], self.status);
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        (self.status, text("code"), text("field"))
    }

    /// Everything a stream sends.
    pub(super) fn stream(&mut self, host: &Fake) -> String {
        let Body::Stream(live) = &mut self.body else {
            panic!("not a stream: {}", self.text());
        };
        let mut out = String::new();
        while let Some(bytes) = live.next(host).now_or_never().unwrap() {
            out.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        out
    }
}

fn is_send<T: Send>(future: T) -> T {
    future
}

impl Fake {
    pub(super) fn with_log(log: &[&'static str]) -> Self {
        Self {
            log: Mutex::new(log.to_vec()),
            ..Self::default()
        }
    }

    /// Sends `METHOD target` with headers and a body in chunks.
    pub(super) fn send(
        &self,
        line: &str,
        headers: &[(&'static str, &str)],
        chunks: impl IntoIterator<Item = Result<Bytes>>,
    ) -> Answer {
        let (method, target) = line.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |(name, value): &(&'static str, &str)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            (HeaderName::from_static(name), value)
        };
        let request = Request {
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers.iter().map(header).collect(),
            body: Chunks(chunks.into_iter().collect()),
        };
        // A host whose futures are `Send` gets a `Send` future: axum needs that.
        let response: Response<Chunks> = is_send(handle(self, request))
            .now_or_never()
            .expect("the fake never waits");
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    pub(super) fn ask(&self, line: &str) -> Answer {
        self.send(line, &[], [])
    }

    pub(super) fn post(&self, line: &str, body: &str) -> Answer {
        self.send(line, &[], [Ok(Bytes::copy_from_slice(body.as_bytes()))])
    }
}
