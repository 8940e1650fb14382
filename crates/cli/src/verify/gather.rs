//! Reads the three sides over the HTTP contract and the lake, in an order that makes what is
//! written meanwhile recognizable: marks, then lake, then rows, then log.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};
use tidelog_core::{Collection, TypeSchema};
use tidelog_embedded::S3Store;
use tidelog_lake::ChangeRow;

use super::compare::{Difference, Evidence, LakeEntry, LogEntry, What};
use super::image::{self, Image, digest, document, document_digest, first_difference, sequence};
use super::lake::LakeTable;
use crate::client::Client;
use crate::events::Follower;
use crate::failure::{Failure, Result};
use crate::object_name::{ObjectName, path};
use crate::query;

/// Reads evidence from one server.
pub(crate) struct Gatherer<'a> {
    pub(crate) client: &'a Client,
    /// The operator's lake store, when the settings name one.
    pub(crate) store: Option<S3Store>,
}

/// The evidence of an object's collections.
pub(crate) struct Evidences {
    pub(crate) collections: BTreeMap<String, Evidence>,
    /// The schema version whose names the log uses.
    pub(crate) version: u64,
}

/// Every version of a type that events were written under, read when first needed.
struct Versions<'a> {
    client: &'a Client,
    type_name: &'a str,
    known: BTreeMap<u64, TypeSchema>,
}

impl<'a> Versions<'a> {
    fn new(client: &'a Client, type_name: &'a str) -> Self {
        Self {
            client,
            type_name,
            known: BTreeMap::new(),
        }
    }

    fn get(&mut self, version: u64) -> Result<&TypeSchema> {
        if !self.known.contains_key(&version) {
            let path = path(&["v1", "types", self.type_name]);
            let schema = self.client.get(format!("{path}?version={version}"))?;
            self.known.insert(version, schema);
        }
        let schema = self.known.get(&version);
        schema.ok_or_else(|| Failure::failed(format!("no version {version}")))
    }

    /// The image of a lake row, with the names of `now`.
    fn image(&mut self, row: &ChangeRow, now: &Collection) -> Result<Image> {
        let written = self.get(u64::from(row.schema_version))?;
        Ok(image::of_lake(row, written, now))
    }
}

impl Gatherer<'_> {
    pub(crate) fn gather(&self, object: &ObjectName, only: Option<&str>) -> Result<Evidences> {
        let state = match self.client.get::<Json>(object.path(&["state"])) {
            Err(failure) if failure.code() == "object_deleted" => Json::Null,
            state => state?,
        };
        let mut versions = Versions::new(self.client, &object.type_name);
        let version = match state["schemaVersion"].as_u64() {
            Some(version) => version,
            None => self.newest(object)?,
        };
        let schema = versions.get(version)?.clone();
        if let Some(name) = only {
            schema.collection(name)?;
        }
        let mut collections = BTreeMap::new();
        for collection in &schema.collections {
            if only.is_none_or(|name| name == collection.name) {
                let evidence = self.marks(&state, &collection.name);
                collections.insert(collection.name.clone(), evidence);
            }
        }
        for (name, evidence) in &mut collections {
            let collection = schema.collection(name)?;
            self.read_lake(object, collection, &mut versions, evidence)?;
            if state.is_object() {
                self.read_rows(object, name, evidence)?;
            }
        }
        self.read_log(object, &mut collections)?;
        Ok(Evidences {
            collections,
            version,
        })
    }

    fn newest(&self, object: &ObjectName) -> Result<u64> {
        let schema: TypeSchema = self.client.get(path(&["v1", "types", &object.type_name]))?;
        Ok(u64::from(schema.version))
    }

    /// Where the object and its lake table stand, before anything is read.
    fn marks(&self, state: &Json, collection: &str) -> Evidence {
        let lake = state["lake"].as_array().into_iter().flatten();
        let mut lake = lake.filter(|lake| lake["collection"] == collection);
        let committed = lake.next().and_then(|lake| lake["committed"].as_u64());
        let mut notes = Vec::new();
        match committed {
            None if state.is_null() => {
                notes.push("the object was deleted: the lake is not compared".to_owned());
            }
            None => notes.push("the collection is not kept in the lake".to_owned()),
            Some(0) => notes.push("nothing is committed to the lake yet".to_owned()),
            Some(_) => {}
        }
        Evidence {
            // A deleted object takes no more writes.
            settled: state["head"].as_u64().unwrap_or(u64::MAX),
            earliest: state["earliest"].as_u64().unwrap_or(1),
            committed: committed.filter(|mark| *mark > 0),
            notes,
            ..Evidence::default()
        }
    }

    fn read_lake(
        &self,
        object: &ObjectName,
        collection: &Collection,
        versions: &mut Versions<'_>,
        evidence: &mut Evidence,
    ) -> Result<()> {
        if evidence.committed.is_none() {
            return Ok(());
        }
        let table = self.lake(object, &collection.name)?;
        table.each(Some(&object.id), |row| {
            let event = digest(&versions.image(&row, collection)?);
            let entry = evidence.lake.entry(row.sequence.0);
            let kept = entry.or_insert(LakeEntry {
                key: row.key,
                event,
                copies: 0,
            });
            kept.copies += 1;
            Ok(())
        })
    }

    fn lake(&self, object: &ObjectName, collection: &str) -> Result<LakeTable> {
        let type_name = &object.type_name;
        LakeTable::open(self.client, type_name, collection, self.store.as_ref())
    }

    fn read_rows(&self, object: &ObjectName, name: &str, evidence: &mut Evidence) -> Result<()> {
        let mut query = json!({"limit": 10_000});
        loop {
            let page = query::page(self.client, object, name, &query)?;
            for row in &page.rows {
                let key = row.get("_key").and_then(Json::as_str).unwrap_or_default();
                let version = row.get("_version").and_then(Json::as_u64).unwrap_or(0);
                let digest = document_digest(row);
                evidence.rows.insert(key.to_owned(), (version, digest));
            }
            match page.next {
                Some(next) => query["after"] = Json::from(next),
                None => return Ok(()),
            }
        }
    }

    fn read_log(
        &self,
        object: &ObjectName,
        collections: &mut BTreeMap<String, Evidence>,
    ) -> Result<()> {
        let earliest = self.each_event(object, |event| {
            let name = event["collection"].as_str().unwrap_or_default();
            let Some(evidence) = collections.get_mut(name) else {
                return Ok(());
            };
            let side = |name: &str| {
                let row = event[name].as_object();
                row.map(document_digest)
            };
            let entry = LogEntry {
                key: event["documentId"].as_str().unwrap_or_default().to_owned(),
                event: digest(&image::of_log(event)),
                before: side("before"),
                after: side("after"),
            };
            evidence.log.insert(sequence(event)?, entry);
            Ok(())
        })?;
        for evidence in collections.values_mut() {
            evidence.earliest = evidence.earliest.max(earliest);
        }
        Ok(())
    }

    /// Calls `each` with every event of the log; returns the sequence it starts at.
    fn each_event(
        &self,
        object: &ObjectName,
        mut each: impl FnMut(&Json) -> Result<()>,
    ) -> Result<u64> {
        let follower = |offset: &str| Follower {
            client: self.client,
            object: object.clone(),
            filter: "&images=full&limit=2000".to_owned(),
            offset: offset.to_owned(),
            patient: false,
        };
        match follower("-1").catch_up(&mut each) {
            Err(failure) if failure.code() == "offset_trimmed" => {
                let earliest = failure.problem["earliestOffset"].as_str();
                let earliest = earliest.unwrap_or_default();
                follower(earliest).catch_up(&mut each)?;
                let sequence = earliest.rsplit('_').next().and_then(|n| n.parse().ok());
                Ok(sequence.map_or(1, |n: u64| n + 1))
            }
            outcome => outcome.map(|_| 1),
        }
    }

    /// Reads both sides of a difference again and names the field and both values.
    pub(crate) fn explain(
        &self,
        object: &ObjectName,
        collection: &str,
        version: u64,
        difference: &Difference,
    ) -> Result<String> {
        let images = match difference.what {
            What::Row => self.log_and_row(object, collection, difference)?,
            What::Lake => self.log_and_lake(object, collection, version, difference)?,
            _ => return Ok(String::new()),
        };
        Ok(match first_difference(&images.0, &images.1) {
            Some((field, log, other)) => {
                format!("; {field}: the log has {log}, the other has {other}")
            }
            None => "; read again, they are equal".to_owned(),
        })
    }

    fn log_and_row(
        &self,
        object: &ObjectName,
        collection: &str,
        difference: &Difference,
    ) -> Result<(Image, Image)> {
        let event = self.event(object, difference.sequence)?;
        let after = event["after"].as_object().cloned().unwrap_or_default();
        let path = object.path(&[collection, &difference.key]);
        let row: Map<String, Json> = self.client.get(path)?;
        Ok((document(&after), document(&row)))
    }

    fn log_and_lake(
        &self,
        object: &ObjectName,
        collection: &str,
        version: u64,
        difference: &Difference,
    ) -> Result<(Image, Image)> {
        let event = self.event(object, difference.sequence)?;
        let mut versions = Versions::new(self.client, &object.type_name);
        let now = versions.get(version)?.collection(collection)?.clone();
        let mut lake = Image::new();
        self.lake(object, collection)?
            .each(Some(&object.id), |row| {
                if row.sequence.0 == difference.sequence {
                    lake = versions.image(&row, &now)?;
                }
                Ok(())
            })?;
        Ok((image::of_log(&event), lake))
    }

    fn event(&self, object: &ObjectName, wanted: u64) -> Result<Json> {
        let mut found = Json::Null;
        self.each_event(object, |event| {
            if sequence(event)? == wanted {
                found = event.clone();
            }
            Ok(())
        })?;
        Ok(found)
    }
}
