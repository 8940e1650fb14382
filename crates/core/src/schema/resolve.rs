//! From declared tiers to policies: a collection's over its type's, a type's over the defaults.

use std::ops::RangeInclusive;

use tidelog_log::{Error, FieldType, Result};

use super::limits::{
    COLD_MIN_AGE, COLD_PREFIX_BYTES_MAX, COLD_SCHEDULE, HOT_BYTES, RETENTION_AGE, SYNC_BATCH,
    SYNC_INTERVAL, VORTEX_THRESHOLD, WARM_ENTRIES, WARM_TTL,
};
use super::policy::{
    ColdPolicy, CollectionHot, CompressionCodec, HotPolicy, Retention, SyncPolicy, WarmPolicy,
};
use super::quantity::Quantity;
use super::snapshots::{SnapshotsPolicy, snapshots};
use super::spec::{CollectionSpec, TypeSpec};
use super::stored::Field;
use super::tiers::{ColdSpec, HotSpec, RetentionSpec, SyncSpec, WarmSpec};

/// What a type's declaration means for itself and for its collections.
pub(crate) struct TypePolicies {
    pub(crate) hot: HotPolicy,
    pub(crate) warm: WarmPolicy,
    pub(crate) sync: SyncPolicy,
    pub(crate) snapshots: SnapshotsPolicy,
    collection_hot: CollectionHot,
    cold: ColdPolicy,
    pushed: Vec<String>,
    retention: RetentionSpec,
}

/// What a collection's declaration means.
pub(crate) struct CollectionPolicies {
    pub(crate) hot: CollectionHot,
    pub(crate) warm: WarmPolicy,
    pub(crate) cold: ColdPolicy,
    pub(crate) retention: Option<Retention>,
}

impl TypePolicies {
    pub(crate) fn of(spec: &TypeSpec) -> Result<Self> {
        let pushed = spec.warm.collections.clone().unwrap_or_default();
        if let Some(stranger) = pushed
            .iter()
            .find(|name| !spec.collections.contains_key(*name))
        {
            let message = format!("{stranger:?} is no collection of the type");
            return Err(invalid(message).at("warm.collections"));
        }
        // A wrong age is the type's fault, not that of the first collection which inherits it.
        retention_age(&spec.retention).map_err(|e| e.within("retention"))?;
        Ok(Self {
            hot: hot(&spec.hot).map_err(|e| e.within("hot"))?,
            collection_hot: collection_hot(&spec.hot, CollectionHot::default())
                .map_err(|e| e.within("hot"))?,
            warm: warm(&spec.warm, WarmPolicy::default()).map_err(|e| e.within("warm"))?,
            cold: cold(&spec.cold, ColdPolicy::default()).map_err(|e| e.within("cold"))?,
            sync: sync(&spec.sync).map_err(|e| e.within("sync"))?,
            snapshots: snapshots(&spec.snapshots).map_err(|e| e.within("snapshots"))?,
            retention: spec.retention.clone(),
            pushed,
        })
    }

    /// The policies of the collection `name`, whose fields are registered already.
    pub(crate) fn collection(
        &self,
        name: &str,
        spec: &CollectionSpec,
        fields: &[Field],
    ) -> Result<CollectionPolicies> {
        if spec.hot.max_size.is_some() {
            let message = "an object has one database: declare its size in [hot] of the type";
            return Err(invalid(message).at("hot.max_size"));
        }
        if spec.warm.collections.is_some() {
            let message = "declare what is pushed in [warm] of the type";
            return Err(invalid(message).at("warm.collections"));
        }
        let mut warm = warm(&spec.warm, self.warm).map_err(|e| e.within("warm"))?;
        let listed = self.pushed.is_empty() || self.pushed.iter().any(|pushed| pushed == name);
        warm.push = warm.enabled && listed;
        let retention = RetentionSpec {
            field: spec
                .retention
                .field
                .clone()
                .or_else(|| self.retention.field.clone()),
            max_age: spec
                .retention
                .max_age
                .clone()
                .or_else(|| self.retention.max_age.clone()),
        };
        Ok(CollectionPolicies {
            hot: collection_hot(&spec.hot, self.collection_hot).map_err(|e| e.within("hot"))?,
            warm,
            cold: cold(&spec.cold, self.cold.clone()).map_err(|e| e.within("cold"))?,
            retention: retention_of(&retention, fields).map_err(|e| e.within("retention"))?,
        })
    }
}

fn hot(spec: &HotSpec) -> Result<HotPolicy> {
    let mut policy = HotPolicy::default();
    if let Some(bytes) = size("max_size", spec.max_size.as_ref(), HOT_BYTES)? {
        policy.max_bytes = bytes;
    }
    Ok(policy)
}

fn collection_hot(spec: &HotSpec, mut policy: CollectionHot) -> Result<CollectionHot> {
    if spec.enabled == Some(false) {
        let message = "hot cannot be off: keys, versions and the log are made from the documents \
                       in the object; use retention to keep fewer of them";
        return Err(invalid(message).at("enabled"));
    }
    if let Some(rows) = number("vortex_threshold", spec.vortex_threshold, VORTEX_THRESHOLD)? {
        policy.vortex_threshold = rows;
    }
    Ok(policy)
}

fn warm(spec: &WarmSpec, mut policy: WarmPolicy) -> Result<WarmPolicy> {
    policy.enabled = spec.enabled.unwrap_or(policy.enabled);
    if let Some(millis) = time("default_ttl", spec.default_ttl.as_ref(), WARM_TTL)? {
        policy.ttl_millis = millis;
    }
    if let Some(entries) = number("max_entries", spec.max_entries, WARM_ENTRIES)? {
        policy.entries_max = entries;
    }
    Ok(policy)
}

fn cold(spec: &ColdSpec, mut policy: ColdPolicy) -> Result<ColdPolicy> {
    policy.enabled = spec.enabled.unwrap_or(policy.enabled);
    if let Some(partitions) = &spec.partition_by {
        policy.partition_by.clone_from(partitions);
    }
    if let Some(bucket) = &spec.bucket {
        check_bucket(bucket).map_err(|e| e.at("bucket"))?;
        policy.bucket.clone_from(bucket);
    }
    if let Some(prefix) = &spec.prefix {
        check_prefix(prefix).map_err(|e| e.at("prefix"))?;
        policy.prefix.clone_from(prefix);
    }
    if let Some(name) = &spec.compression_codec {
        policy.compression_codec = codec(name).map_err(|e| e.at("compression_codec"))?;
    }
    if let Some(millis) = time("schedule", spec.schedule.as_ref(), COLD_SCHEDULE)? {
        policy.schedule_millis = Some(millis);
    }
    if let Some(millis) = time("min_age", spec.min_age.as_ref(), COLD_MIN_AGE)? {
        policy.min_age_millis = millis;
    }
    Ok(policy)
}

fn sync(spec: &SyncSpec) -> Result<SyncPolicy> {
    Ok(SyncPolicy {
        batch_size: number("batch_size", spec.batch_size, SYNC_BATCH)?,
        interval_millis: time("interval", spec.interval.as_ref(), SYNC_INTERVAL)?,
    })
}

/// The age, unless it is not declared or 0.
fn retention_age(spec: &RetentionSpec) -> Result<Option<i64>> {
    match &spec.max_age {
        Some(age) if age.millis().is_ok_and(|millis| millis == 0) => Ok(None),
        age => time("max_age", age.as_ref(), RETENTION_AGE),
    }
}

fn retention_of(spec: &RetentionSpec, fields: &[Field]) -> Result<Option<Retention>> {
    let Some(max_age_millis) = retention_age(spec)? else {
        if spec.max_age.is_none() && spec.field.is_some() {
            return Err(invalid("retention has a max_age").at("max_age"));
        }
        return Ok(None);
    };
    let field = match spec.field.as_deref() {
        None | Some("_written") => None,
        Some(name) => {
            let field = fields
                .iter()
                .find(|field| field.name == name)
                .ok_or_else(|| {
                    let message = format!("no field {name:?} is declared");
                    Error::invalid("unknown_field", message).at("field")
                })?;
            if !matches!(field.field_type, FieldType::Timestamp | FieldType::Date) {
                let message = format!(
                    "{name:?} is a {}; age counts from a timestamp, a date or _written",
                    field.field_type.name()
                );
                return Err(invalid(message).at("field"));
            }
            Some(field.id)
        }
    };
    Ok(Some(Retention {
        field,
        max_age_millis,
    }))
}

/// The S3 rules: 3 to 63 lower-case letters, digits, `.` and `-`, none but letters and digits at
/// the ends.
fn check_bucket(bucket: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = (3..=63).contains(&bucket.len())
        && bucket.starts_with(plain)
        && bucket.ends_with(plain)
        && bucket.chars().all(|c| plain(c) || c == '.' || c == '-')
        && !bucket.contains("..");
    if bucket.is_empty() || fits {
        return Ok(());
    }
    Err(invalid(
        "a bucket is 3 to 63 lower-case letters, digits, . and -, and begins and ends with a \
         letter or digit",
    ))
}

fn check_prefix(prefix: &str) -> Result<()> {
    let segment = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '=');
        !part.is_empty() && part != "." && part != ".." && part.chars().all(plain)
    };
    let fits = match prefix.strip_suffix('/') {
        Some(path) => prefix.len() <= COLD_PREFIX_BYTES_MAX && path.split('/').all(segment),
        None => prefix.is_empty(),
    };
    if fits {
        return Ok(());
    }
    Err(invalid(format!(
        "a prefix is empty, or at most {COLD_PREFIX_BYTES_MAX} bytes of names of letters, digits, \
         _, -, . and =, each followed by /"
    )))
}

fn codec(name: &str) -> Result<CompressionCodec> {
    match name {
        "zstd" => Ok(CompressionCodec::Zstd),
        "snappy" => Ok(CompressionCodec::Snappy),
        "none" => Ok(CompressionCodec::None),
        _ => Err(invalid("a codec is zstd, snappy or none")),
    }
}

pub(super) fn number(
    name: &str,
    value: Option<i64>,
    range: RangeInclusive<i64>,
) -> Result<Option<u64>> {
    let Some(value) = value else {
        return Ok(None);
    };
    let (min, max) = (range.start(), range.end());
    let fits = range.contains(&value).then(|| u64::try_from(value).ok());
    match fits.flatten() {
        Some(value) => Ok(Some(value)),
        None => Err(invalid(format!("{value} is not within {min} to {max}")).at(name)),
    }
}

pub(super) fn size(
    name: &str,
    value: Option<&Quantity>,
    range: RangeInclusive<i64>,
) -> Result<Option<u64>> {
    let Some(value) = value else {
        return Ok(None);
    };
    let bytes = value.bytes().map_err(|e| e.at(name))?;
    let (min, max) = (range.start(), range.end());
    let fits = range.contains(&bytes).then(|| u64::try_from(bytes).ok());
    match fits.flatten() {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(invalid(format!("{value} is not within {min} to {max} bytes")).at(name)),
    }
}

pub(super) fn time(
    name: &str,
    value: Option<&Quantity>,
    range: RangeInclusive<i64>,
) -> Result<Option<i64>> {
    let Some(value) = value else {
        return Ok(None);
    };
    let millis = value.millis().map_err(|e| e.at(name))?;
    if range.contains(&millis) {
        return Ok(Some(millis));
    }
    let (min, max) = (range.start(), range.end());
    Err(invalid(format!("{value} is not within {min} to {max} milliseconds")).at(name))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::invalid("invalid_schema", message)
}

#[cfg(test)]
mod tests;
