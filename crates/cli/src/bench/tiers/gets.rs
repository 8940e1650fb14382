//! How long gets by key take.

use tidelog_core::{Address, View};
use tidelog_embedded::{BlobMemory, Sqlite, actor_file, instant};
use tidelog_log::Result;

use std::path::Path;
use std::sync::Arc;

use super::sensors::Reading;
use super::server::count;
use crate::bench::figures::{failed, millis};
use crate::bench::http::Connection;

/// Gets of one kind.
#[derive(Debug)]
pub(super) struct Gets {
    /// Where the documents are.
    pub(super) tier: &'static str,
    /// How they are reached.
    pub(super) way: &'static str,
    /// One figure a get.
    pub(super) millis: Vec<f64>,
    /// What the seed's design has for the tier, milliseconds.
    pub(super) seed: f64,
}

/// The seed's figures, milliseconds.
pub(super) const SEED_HOT: f64 = 4.0;
pub(super) const SEED_WARM: f64 = 10.0;
pub(super) const SEED_COLD: f64 = 69.0;

/// An object's file, read as the server's readers do: each get in a transaction of its own.
pub(super) struct Reader {
    sql: Sqlite,
    view: View,
    memory: Arc<BlobMemory>,
}

impl Reader {
    /// Opens the file of `plant/<id>` below a data folder.
    pub(super) fn open(data: &Path, id: &str) -> Result<Self> {
        let address = Address::object("plant", id)?;
        let memory = Arc::new(BlobMemory::default());
        let sql = Sqlite::reader(&actor_file(data, &address))?.remembering(&memory);
        let view = View::open(&sql, &address)?;
        Ok(Self { sql, view, memory })
    }

    /// Forgets every blob.
    pub(super) fn forget(&self) {
        self.memory.clear();
    }

    /// Runs a read in a transaction of its own.
    pub(super) fn read<T>(&mut self, read: impl FnOnce(&View, &Sqlite) -> Result<T>) -> Result<T> {
        self.sql.begin_read()?;
        let done = self.view.refresh(&self.sql);
        let done = done.and_then(|()| read(&self.view, &self.sql));
        self.sql.rollback();
        done
    }

    /// Milliseconds of each get; with `anew`, blobs are read from the file for each.
    pub(super) fn gets(
        &mut self,
        collection: &str,
        readings: &[Reading],
        anew: bool,
    ) -> Result<Vec<f64>> {
        let mut took = Vec::with_capacity(readings.len());
        for reading in readings {
            if anew {
                self.forget();
            }
            let key = reading.key();
            let asked = instant();
            let found = self.read(|view, sql| view.get(sql, collection, &key))?;
            took.push(millis(asked.elapsed()));
            if found.document.get("value").and_then(|v| v.as_f64()) != Some(reading.value) {
                return Err(failed(format!("{key} is {:?}", found.document)));
            }
        }
        Ok(took)
    }
}

/// Milliseconds of each get over HTTP, one after the other on one connection.
pub(super) fn over_http(
    connection: &mut Connection,
    collection: &str,
    readings: &[Reading],
    parameters: &str,
) -> Result<Vec<f64>> {
    let mut took = Vec::with_capacity(readings.len());
    for reading in readings {
        let path = format!("{collection}/{}{parameters}", reading.key());
        let asked = instant();
        let answer = connection.send("GET", &path, "", &[])?;
        took.push(millis(asked.elapsed()));
        let answer: serde_json::Value =
            serde_json::from_slice(&answer).map_err(|e| failed(e.to_string()))?;
        if answer["value"].as_f64() != Some(reading.value) {
            return Err(failed(format!("{path} is {answer}")));
        }
    }
    Ok(took)
}

/// Milliseconds of each get that the lake answers, over HTTP. One before opens the table.
pub(super) fn cold(
    connection: &mut Connection,
    collection: &str,
    readings: &[Reading],
) -> Result<Vec<f64>> {
    over_http(connection, collection, &readings[..1], "?tier=cold")?;
    over_http(connection, collection, readings, "?tier=cold")
}

/// Milliseconds of each get that the cache answers, over HTTP; all must be hits.
pub(super) fn warm(
    connection: &mut Connection,
    object: &str,
    collection: &str,
    readings: &[Reading],
) -> Result<Vec<f64>> {
    let path = format!("{object}/{collection}");
    over_http(connection, &path, readings, "?consistency=warm")?;
    let hits = |connection: &mut Connection| {
        let state = connection.json("GET", &format!("{object}/state"), &[])?;
        count(&state, "/warm/hits")
    };
    let before = hits(connection)?;
    let took = over_http(connection, &path, readings, "?consistency=warm")?;
    let hits = hits(connection)? - before;
    match hits == readings.len() as u64 {
        true => Ok(took),
        false => Err(failed(format!(
            "{hits} of {} warm reads were hits",
            readings.len()
        ))),
    }
}
