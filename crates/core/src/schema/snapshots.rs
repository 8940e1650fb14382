//! `[snapshots]`: when an object takes snapshots of itself, and how long it keeps them.
//!
//! What is declared is `…Spec`, with absent settings; what is in force is resolved, in milliseconds and
//! bytes. An object's own retention is over its type's, that over the defaults.

use serde::{Deserialize, Serialize};
use tidelog_log::{Error, Result};

use super::limits::{
    DAY, SNAPSHOT_AGE, SNAPSHOT_CHAIN, SNAPSHOT_CHANGES, SNAPSHOT_COUNT, SNAPSHOT_EVERY,
    SNAPSHOT_FULL_EVERY, SNAPSHOT_SIZE,
};
use super::policy::is_default;
use super::quantity::Quantity;
use super::resolve::{number, size, time};

/// `[snapshots]` as declared, of the type only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotsSpec {
    /// Take one so long after the last, if something changed.
    pub every: Option<Quantity>,
    /// Take one after so many changes.
    pub changes: Option<i64>,
    /// Every so manieth is full, the others are incremental.
    #[serde(alias = "fullEvery")]
    pub full_every: Option<i64>,
    /// How long they are kept.
    #[serde(default)]
    pub retention: SnapshotRetentionSpec,
}

/// How long snapshots are kept, as declared: of a type, or of one object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SnapshotRetentionSpec {
    /// Age past which one goes from the object; 0: never.
    #[serde(alias = "hot_age", skip_serializing_if = "Option::is_none")]
    pub hot_age: Option<Quantity>,
    /// Most snapshots in the object; 0: as many as fit.
    #[serde(alias = "hot_count", skip_serializing_if = "Option::is_none")]
    pub hot_count: Option<i64>,
    /// Age past which one goes from object storage; 0: never.
    #[serde(alias = "cold_age", skip_serializing_if = "Option::is_none")]
    pub cold_age: Option<Quantity>,
    /// Most snapshots in object storage; 0: as many as fit.
    #[serde(alias = "cold_count", skip_serializing_if = "Option::is_none")]
    pub cold_count: Option<i64>,
    /// Most incrementals on one full snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<i64>,
    /// Age past which one is moved to object storage; 0: never.
    #[serde(alias = "promote_age", skip_serializing_if = "Option::is_none")]
    pub promote_age: Option<Quantity>,
    /// Bytes of its own past which one is moved there; 0: never.
    #[serde(alias = "promote_size", skip_serializing_if = "Option::is_none")]
    pub promote_size: Option<Quantity>,
}

/// When an object takes snapshots of itself, and how long it keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SnapshotsPolicy {
    /// Time between two, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_millis: Option<i64>,
    /// Changes between two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<u64>,
    /// Every so manieth is full.
    pub full_every: u64,
    /// How long they are kept.
    #[serde(skip_serializing_if = "is_default")]
    pub retention: SnapshotRetention,
}

impl Default for SnapshotsPolicy {
    /// No schedule; if there is one, every 7th snapshot is full.
    fn default() -> Self {
        Self {
            every_millis: None,
            changes: None,
            full_every: 7,
            retention: SnapshotRetention::default(),
        }
    }
}

impl SnapshotsPolicy {
    /// True when the object takes snapshots by itself.
    pub(crate) fn is_scheduled(&self) -> bool {
        self.every_millis.is_some() || self.changes.is_some()
    }
}

/// How long snapshots are kept. Ages are milliseconds, and counted from when a snapshot was asked for;
/// 0 switches a rule off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SnapshotRetention {
    /// Age past which one goes from the object.
    pub hot_age_millis: i64,
    /// Most snapshots in the object.
    pub hot_count: u64,
    /// Age past which one goes from object storage.
    pub cold_age_millis: i64,
    /// Most snapshots in object storage.
    pub cold_count: u64,
    /// Most incrementals on one full snapshot.
    pub chain: u64,
    /// Age past which one is moved to object storage.
    pub promote_age_millis: i64,
    /// Bytes of its own past which one is moved there.
    pub promote_bytes: u64,
}

impl Default for SnapshotRetention {
    /// 7 days and 100 in the object, 7 years in object storage, chains of 100; nothing is moved there
    /// unasked.
    fn default() -> Self {
        Self {
            hot_age_millis: 7 * DAY,
            hot_count: 100,
            cold_age_millis: 7 * 365 * DAY,
            cold_count: 0,
            chain: 100,
            promote_age_millis: 0,
            promote_bytes: 0,
        }
    }
}

impl SnapshotRetentionSpec {
    /// What is declared here, over what is in force without it.
    ///
    /// # Errors
    /// `invalid_schema` with the setting that is wrong.
    pub fn over(&self, mut rules: SnapshotRetention) -> Result<SnapshotRetention> {
        for (name, declared, rule) in [
            ("hotAge", &self.hot_age, &mut rules.hot_age_millis),
            ("coldAge", &self.cold_age, &mut rules.cold_age_millis),
            (
                "promoteAge",
                &self.promote_age,
                &mut rules.promote_age_millis,
            ),
        ] {
            let is_off = declared.as_ref().is_some_and(Quantity::is_zero);
            let age = if is_off {
                Some(0)
            } else {
                time(name, declared.as_ref(), SNAPSHOT_AGE)?
            };
            *rule = age.unwrap_or(*rule);
        }
        for (name, declared, range, rule) in [
            (
                "hotCount",
                self.hot_count,
                SNAPSHOT_COUNT,
                &mut rules.hot_count,
            ),
            (
                "coldCount",
                self.cold_count,
                SNAPSHOT_COUNT,
                &mut rules.cold_count,
            ),
            ("chain", self.chain, SNAPSHOT_CHAIN, &mut rules.chain),
        ] {
            *rule = number(name, declared, range)?.unwrap_or(*rule);
        }
        let bytes = size("promoteSize", self.promote_size.as_ref(), SNAPSHOT_SIZE)?;
        rules.promote_bytes = bytes.unwrap_or(rules.promote_bytes);
        Ok(rules)
    }
}

impl SnapshotRetention {
    /// The rules as they are declared, every one of them.
    pub fn declared(&self) -> SnapshotRetentionSpec {
        let age = |millis| Some(Quantity::of_millis(millis));
        let count = |count: u64| i64::try_from(count).ok();
        SnapshotRetentionSpec {
            hot_age: age(self.hot_age_millis),
            hot_count: count(self.hot_count),
            cold_age: age(self.cold_age_millis),
            cold_count: count(self.cold_count),
            chain: count(self.chain),
            promote_age: age(self.promote_age_millis),
            promote_size: count(self.promote_bytes).map(Quantity::Number),
        }
    }
}

/// What a type declares, over the defaults.
pub(super) fn snapshots(spec: &SnapshotsSpec) -> Result<SnapshotsPolicy> {
    let default = SnapshotsPolicy::default();
    let retention = spec.retention.over(default.retention);
    let full_every = number("full_every", spec.full_every, SNAPSHOT_FULL_EVERY)?;
    Ok(SnapshotsPolicy {
        every_millis: time("every", spec.every.as_ref(), SNAPSHOT_EVERY)?,
        changes: number("changes", spec.changes, SNAPSHOT_CHANGES)?,
        full_every: full_every.unwrap_or(default.full_every),
        retention: retention.map_err(|e: Error| e.within("retention"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TypeSchema, TypeSpec};

    fn with(snapshots: &str) -> Result<TypeSchema> {
        let text = format!("type = \"t\"\n{snapshots}\n[collections.notes]\n");
        TypeSchema::register(None, &TypeSpec::from_toml(&text)?)
    }

    #[test]
    fn a_schedule_and_a_retention_resolve_to_milliseconds_and_are_kept() {
        let schema = with(
            "[snapshots]\nevery = \"24h\"\nchanges = 1000\nfullEvery = 3\n\
             [snapshots.retention]\nhot_age = \"2d\"\nhotCount = 5\npromote_size = \"1MB\"\ncold_age = 0",
        )
        .unwrap();
        let policy = schema.snapshots;
        assert_eq!(
            (policy.every_millis, policy.changes),
            (Some(DAY), Some(1_000))
        );
        assert_eq!(policy.full_every, 3);
        let rules = policy.retention;
        assert_eq!((rules.hot_age_millis, rules.hot_count), (2 * DAY, 5));
        assert_eq!((rules.cold_age_millis, rules.promote_bytes), (0, 1_000_000));
        let stored = schema.to_json().unwrap();
        assert_eq!(TypeSchema::from_json(stored.as_bytes()).unwrap(), schema);
    }

    #[test]
    fn what_equals_the_default_is_not_stored() {
        for plain in [
            "",
            "[snapshots]\nfull_every = 7\n[snapshots.retention]\nhot_age = \"7d\"",
        ] {
            let stored = with(plain).unwrap().to_json().unwrap();
            assert!(!stored.contains("snapshots"), "{stored}");
        }
    }

    #[test]
    fn a_wrong_setting_is_refused_with_its_name() {
        for (wrong, field) in [
            ("every = \"1s\"", "snapshots.every"),
            ("every = \"soon\"", "snapshots.every"),
            ("changes = 0", "snapshots.changes"),
            ("full_every = 102", "snapshots.full_every"),
            ("retention.hotAge = \"5s\"", "snapshots.retention.hotAge"),
            ("retention.hot_count = 1001", "snapshots.retention.hotCount"),
            ("retention.chain = 0", "snapshots.retention.chain"),
            (
                "retention.promote_size = \"1d\"",
                "snapshots.retention.promoteSize",
            ),
        ] {
            let error = with(&format!("[snapshots]\n{wrong}")).unwrap_err();
            assert_eq!(
                (error.code(), error.field()),
                ("invalid_schema", Some(field)),
                "{wrong}"
            );
        }
        let error = with("[snapshots]\nevrey = \"1d\"").unwrap_err();
        assert!(error.message().contains("evrey"), "{error}");
    }

    #[test]
    fn rules_read_as_they_are_declared() {
        let rules = SnapshotRetention::default();
        let declared = rules.declared();
        let shown = serde_json::to_value(&declared).unwrap();
        assert_eq!(
            (&shown["hotAge"], &shown["coldAge"]),
            (&"7d".into(), &"2555d".into())
        );
        let nothing = SnapshotRetention {
            hot_count: 3,
            hot_age_millis: 1,
            ..rules
        };
        assert_eq!(declared.over(nothing).unwrap(), rules);
    }
}
