//! The lake's buckets: the warehouse, and those that collections name for themselves.

use tidelog_log::{Error, Kind, Result};

use crate::blobs::{Blobs, S3Settings};
use crate::folder::Folder;
use crate::settings::{LakeSettings, Settings};

/// Opens buckets with the operator's store settings.
#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    lake: LakeSettings,
    /// The name of the warehouse's bucket.
    warehouse: String,
    blobs: Blobs,
    /// What readers of the lake do not see.
    snapshots: Blobs,
}

impl Buckets {
    /// Opens the warehouse: the folder `lake`, or the bucket of `[lake.s3]`.
    pub(crate) fn open(settings: &Settings, folder: &Folder) -> Result<Self> {
        let lake = settings.lake.clone();
        let blobs = match &lake.s3 {
            Some(s3) => bucket(&lake, &s3.bucket)?,
            None => Blobs::folder(folder.lake())?,
        };
        let snapshots = match &lake.s3 {
            Some(_) => blobs.clone(),
            None => Blobs::folder(folder.cold())?,
        };
        let warehouse = settings.table().warehouse;
        Ok(Self {
            lake,
            warehouse,
            blobs,
            snapshots,
        })
    }

    /// The warehouse.
    pub(crate) fn warehouse(&self) -> &Blobs {
        &self.blobs
    }

    /// Where snapshots go: the warehouse's bucket, or a folder of their own beside it, which the S3 endpoint
    /// does not serve.
    pub(crate) fn snapshots(&self) -> &Blobs {
        &self.snapshots
    }

    /// The bucket that a collection names; the empty name is the warehouse's.
    ///
    /// # Errors
    /// `bucket_unreachable` for another bucket where the lake is a folder.
    pub(crate) fn of(&self, name: &str) -> Result<Blobs> {
        if name.is_empty() || name == self.warehouse {
            return Ok(self.blobs.clone());
        }
        bucket(&self.lake, name)
    }
}

fn bucket(lake: &LakeSettings, name: &str) -> Result<Blobs> {
    let Some(s3) = &lake.s3 else {
        let message = format!(
            "the lake is a folder, which holds no bucket {name:?}: set [lake.s3], or leave \
             cold.bucket empty"
        );
        return Err(Error::new(Kind::Unsupported, "bucket_unreachable", message).at("cold.bucket"));
    };
    let plain = |endpoint: &String| endpoint.starts_with("http://");
    Blobs::s3(S3Settings {
        endpoint: s3.endpoint.clone(),
        bucket: name.to_owned(),
        region: s3.region.clone(),
        access_key_id: s3.access_key_id.clone(),
        secret_access_key: s3.secret_access_key.clone(),
        allow_http: s3.endpoint.as_ref().is_some_and(plain),
        path_style: s3.path_style,
    })
}
