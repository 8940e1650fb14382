//! Gets from the lake: the newest change of a key in the changes table's Parquet files.

use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;
use tidelog_embedded::{Blobs, instant};
use tidelog_lake::ChangesScan;
use tidelog_log::{Error, Result, Value};

use super::sensors::{Reading, prepared};
use crate::bench::figures::{failed, millis};
use crate::bench::http::Connection;

const TABLE: &str = "/iceberg/v1/default/namespaces/plant/tables/readings_changes";

/// The changes table of the readings, its files in a folder.
pub(super) struct Lake {
    blobs: Blobs,
    metadata: String,
    runtime: tokio::runtime::Runtime,
}

#[derive(Deserialize)]
struct Loaded {
    /// As it was written: numbers wider than a double stay whole.
    metadata: Box<RawValue>,
}

impl Lake {
    /// Asks the catalog of a server for the table; `data` is the server's folder.
    pub(super) fn open(connection: &mut Connection, data: &Path) -> Result<Self> {
        let answer = connection.send("GET", TABLE, "", &[])?;
        let loaded: Loaded =
            serde_json::from_slice(&answer).map_err(|e| failed(format!("{TABLE}: {e}")))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Error::internal(e.to_string()))?;
        Ok(Self {
            blobs: Blobs::folder(data.join("lake"))?,
            metadata: loaded.metadata.get().to_owned(),
            runtime,
        })
    }

    /// Bytes of the data files.
    pub(super) fn bytes(&self) -> Result<u64> {
        Ok(self.scan()?.files().iter().map(|file| file.bytes).sum())
    }

    fn scan(&self) -> Result<ChangesScan> {
        let open = ChangesScan::open(&self.blobs, &self.metadata);
        self.runtime.block_on(open)
    }

    /// Milliseconds of each get; with `anew`, the table's manifests are read for each.
    pub(super) fn gets(&self, readings: &[Reading], anew: bool) -> Result<Vec<f64>> {
        let (open, prepared) = (self.scan()?, prepared()?);
        let mut took = Vec::with_capacity(readings.len());
        for reading in readings {
            let key = reading.key();
            let asked = instant();
            let scan = if anew { &self.scan()? } else { &open };
            let found = scan.newest(&self.blobs, &prepared.collection, "FOLDED", &key);
            let found = self.runtime.block_on(found)?;
            took.push(millis(asked.elapsed()));
            let found = found.ok_or_else(|| failed(format!("the lake lacks {key}")))?;
            if !found
                .row
                .fields
                .iter()
                .any(|(_, v)| *v == Value::Float(reading.value))
            {
                return Err(failed(format!("{key} is {:?}", found.row)));
            }
        }
        Ok(took)
    }
}
