//! The lake's changes table, opened through the Iceberg catalog as any reader would.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use tidelog_embedded::{Blobs, S3Settings, S3Store};
use tidelog_lake::{ChangeRow, ChangesScan};
use tokio::runtime::Runtime;

use crate::client::Client;
use crate::failure::{Failure, Result};
use crate::object_name::path;

/// The changes table of one collection, at the snapshot it had when it was opened.
pub(crate) struct LakeTable {
    blobs: Blobs,
    scan: ChangesScan,
    runtime: Runtime,
}

#[derive(Deserialize)]
struct Loaded {
    #[serde(rename = "metadata-location")]
    location: String,
    /// As it was written: numbers wider than a double stay whole.
    metadata: Box<RawValue>,
    #[serde(default)]
    config: BTreeMap<String, String>,
}

impl LakeTable {
    /// Loads the table; `store` has the keys where the catalog vends none.
    pub(crate) fn open(
        client: &Client,
        type_name: &str,
        collection: &str,
        store: Option<&S3Store>,
    ) -> Result<Self> {
        let table = format!("{collection}_changes");
        let namespaces = ["iceberg", "v1", "default", "namespaces"];
        let path = path(&namespaces) + &path(&[type_name, "tables", &table]);
        let loaded: Loaded = client.get(path)?;
        let blobs = Blobs::s3(reader(&loaded, store)?)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let scan = runtime.block_on(ChangesScan::open(&blobs, loaded.metadata.get()))?;
        Ok(Self {
            blobs,
            scan,
            runtime,
        })
    }

    /// Calls `each` with every row of one object, a data file at a time.
    pub(crate) fn each(
        &self,
        object: &str,
        mut each: impl FnMut(ChangeRow) -> Result<()>,
    ) -> Result<()> {
        for index in 0..self.scan.files().len() {
            let read = self.scan.read(&self.blobs, index, Some(object));
            for row in self.runtime.block_on(read)? {
                each(row)?;
            }
        }
        Ok(())
    }

    /// Number and bytes of the data files.
    pub(crate) fn size(&self) -> (usize, u64) {
        let files = self.scan.files();
        (files.len(), files.iter().map(|file| file.bytes).sum())
    }
}

fn reader(loaded: &Loaded, store: Option<&S3Store>) -> Result<S3Settings> {
    let bucket = loaded.location.strip_prefix("s3://");
    let bucket = bucket.and_then(|rest| rest.split('/').next());
    let bucket = bucket.ok_or_else(|| {
        Failure::failed(format!(
            "the table is not in an S3 store: {}",
            loaded.location
        ))
    })?;
    let vended = |name: &str| loaded.config.get(name).cloned();
    let own = |pick: fn(&S3Store) -> &String| store.map(pick).cloned();
    let endpoint = vended("s3.endpoint").or_else(|| store?.endpoint.clone());
    let no_keys = || {
        Failure::usage(
            "the lake is in a store of the operator's: lake.s3 of the settings needs its keys",
        )
    };
    let key = vended("s3.access-key-id").or_else(|| own(|s| &s.access_key_id));
    let secret = vended("s3.secret-access-key").or_else(|| own(|s| &s.secret_access_key));
    let vended_path_style = vended("s3.path-style-access").map(|text| text == "true");
    Ok(S3Settings {
        allow_http: endpoint.as_ref().is_some_and(|e| e.starts_with("http://")),
        endpoint,
        bucket: bucket.to_owned(),
        region: vended("s3.region").unwrap_or_else(|| "us-east-1".to_owned()),
        access_key_id: key.ok_or_else(no_keys)?,
        secret_access_key: secret.ok_or_else(no_keys)?,
        path_style: vended_path_style
            .or_else(|| store.map(|store| store.path_style))
            .unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(json: &str) -> Loaded {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn vended_keys_are_used() {
        let loaded = loaded(
            r#"{"metadata-location":"s3://tidelog/default/x.json","metadata":{"n":9007199254740993},
                "config":{"s3.endpoint":"http://127.0.0.1:5","s3.access-key-id":"a",
                          "s3.secret-access-key":"b","s3.path-style-access":"true"}}"#,
        );
        let settings = reader(&loaded, None).unwrap();
        assert_eq!(settings.bucket, "tidelog");
        assert!(settings.allow_http && settings.path_style);
        assert_eq!(loaded.metadata.get(), "{\"n\":9007199254740993}");
    }

    #[test]
    fn without_keys_the_settings_are_asked_for() {
        let loaded = loaded(r#"{"metadata-location":"s3://b/x","metadata":{}}"#);
        assert!(reader(&loaded, None).is_err_and(|f| f.message.contains("lake.s3")));
        let store = S3Store {
            endpoint: None,
            bucket: "b".to_owned(),
            region: "r".to_owned(),
            access_key_id: "k".to_owned(),
            secret_access_key: "s".to_owned(),
            path_style: false,
        };
        assert_eq!(reader(&loaded, Some(&store)).unwrap().access_key_id, "k");
    }
}
