use super::super::TypeSchema;
use super::*;
use crate::{PartitionSpec, Transform};

const PLAIN: &str = r#"
type = "station"
[collections.readings]
[collections.readings.fields]
at = { type = "timestamp" }
day = { type = "date" }
level = { type = "int" }
[collections.notes]
"#;

/// The type with `head` before its collections.
fn with(head: &str) -> Result<TypeSchema> {
    let (name, collections) = PLAIN.split_at("\ntype = \"station\"\n".len());
    TypeSchema::register(
        None,
        &TypeSpec::from_toml(&format!("{name}{head}\n{collections}"))?,
    )
}

/// The type with `tail` after its collections.
fn and(tail: &str) -> Result<TypeSchema> {
    TypeSchema::register(None, &TypeSpec::from_toml(&format!("{PLAIN}{tail}"))?)
}

fn collection<'a>(schema: &'a TypeSchema, name: &str) -> &'a crate::Collection {
    schema.collection(name).unwrap()
}

#[test]
fn what_is_not_declared_has_the_documented_default() {
    let schema = and("").unwrap();
    let readings = collection(&schema, "readings");
    assert_eq!(schema.hot.max_bytes, 10_000_000_000);
    assert_eq!(readings.hot.vortex_threshold, 1_000);
    assert!(readings.hot.enabled && !readings.warm.enabled && !readings.warm.push);
    assert_eq!(
        (readings.warm.ttl_millis, readings.warm.entries_max),
        (300_000, 10_000)
    );
    assert!(readings.cold.enabled && readings.cold.bucket.is_empty());
    assert_eq!(readings.cold.compression_codec, CompressionCodec::Zstd);
    assert_eq!(
        (readings.cold.schedule_millis, readings.cold.min_age_millis),
        (None, 0)
    );
    assert_eq!(schema.sync, SyncPolicy::default());
    assert_eq!(readings.retention, None);
}

#[test]
fn a_version_without_settings_is_stored_as_before_they_existed() {
    let schema = and("").unwrap();
    let stored = concat!(
        r#"{"type":"station","version":1,"collections":["#,
        r#"{"id":1,"name":"notes","fields":[],"cold":{"enabled":true}},"#,
        r#"{"id":2,"name":"readings","fields":[{"id":1,"name":"at","type":"timestamp"},"#,
        r#"{"id":2,"name":"day","type":"date"},{"id":3,"name":"level","type":"int"}],"#,
        r#""cold":{"enabled":true}}]}"#
    );
    assert_eq!(schema.to_json().unwrap(), stored);
    assert_eq!(TypeSchema::from_json(stored.as_bytes()).unwrap(), schema);
}

const EVERYTHING: &str = r#"
[hot]
max_size = "2GiB"
vortex_threshold = 500
[warm]
enabled = true
default_ttl = "10m"
collections = ["notes"]
[cold]
compression_codec = "snappy"
prefix = "made/by=us/"
min_age = "1h"
schedule = 300
[sync]
batch_size = 50
interval = "30s"
[retention]
max_age = "30d"
[collections.readings.hot]
vortex_threshold = 0
[collections.readings.warm]
max_entries = 7
[collections.readings.cold]
compression_codec = "none"
partition_by = [{ field = "at", transform = "day" }]
[collections.readings.retention]
field = "at"
[collections.notes.warm]
enabled = false
[collections.notes.retention]
max_age = 0
"#;

#[test]
fn a_collection_overrides_its_type_setting_by_setting() {
    let schema = with(EVERYTHING);
    // TOML tables of collections may stand before the collections themselves.
    let schema = schema.unwrap();
    let (readings, notes) = (
        collection(&schema, "readings"),
        collection(&schema, "notes"),
    );
    assert_eq!(schema.hot.max_bytes, 2 << 30);
    assert_eq!(
        (readings.hot.vortex_threshold, notes.hot.vortex_threshold),
        (0, 500)
    );
    assert_eq!(
        (readings.warm.ttl_millis, readings.warm.entries_max),
        (600_000, 7)
    );
    assert!(
        readings.warm.enabled && !readings.warm.push,
        "only notes are pushed"
    );
    assert!(
        !notes.warm.enabled && !notes.warm.push,
        "and they are not kept"
    );
    let by_day = PartitionSpec {
        field: "at".to_owned(),
        transform: Transform::Day,
    };
    assert_eq!(
        readings.cold,
        ColdPolicy {
            enabled: true,
            partition_by: vec![by_day],
            bucket: String::new(),
            prefix: "made/by=us/".to_owned(),
            compression_codec: CompressionCodec::None,
            schedule_millis: Some(300_000),
            min_age_millis: 3_600_000,
        }
    );
    assert_eq!(notes.cold.compression_codec, CompressionCodec::Snappy);
    assert_eq!(
        (schema.sync.batch_size, schema.sync.interval_millis),
        (Some(50), Some(30_000))
    );
    let retention = readings.retention.unwrap();
    assert_eq!(
        (retention.field, retention.max_age_millis),
        (Some(1), 30 * 86_400_000)
    );
    assert_eq!(notes.retention, None, "0 is never");
    let json = schema.to_json().unwrap();
    assert_eq!(TypeSchema::from_json(json.as_bytes()).unwrap(), schema);
}

#[test]
fn camel_case_says_the_same() {
    let snake = with(
        "[hot]\nmax_size = 5000000\nvortex_threshold = 9\n[warm]\ndefault_ttl = 60\n\
         max_entries = 3\n[cold]\ncompression_codec = \"none\"\nmin_age = 1\n\
         partition_by = []\n[sync]\nbatch_size = 2\n[retention]\nmax_age = 5",
    );
    let camel = with(
        "[hot]\nmaxSize = 5000000\nvortexThreshold = 9\n[warm]\ndefaultTTL = 60\n\
         maxEntries = 3\n[cold]\ncompressionCodec = \"none\"\nminAge = 1\n\
         partitionBy = []\n[sync]\nbatchSize = 2\n[retention]\nmaxAge = 5",
    );
    assert_eq!(snake.unwrap(), camel.unwrap());
}

/// A declaration, the field that is wrong in it, and what the refusal says.
const OUT_OF_RANGE: &[(&str, &str, &str)] = &[
    ("[hot]\nmax_size = 999999", "hot.max_size", "1000000"),
    (
        "[hot]\nmax_size = \"2000TB\"",
        "hot.max_size",
        "1000000000000",
    ),
    ("[hot]\nmax_size = \"much\"", "hot.max_size", "such as"),
    ("[hot]\nmax_size = -1", "hot.max_size", "1000000"),
    (
        "[hot]\nvortex_threshold = -1",
        "hot.vortex_threshold",
        "0 to 10000000",
    ),
    (
        "[hot]\nvortex_threshold = 10000001",
        "hot.vortex_threshold",
        "10000000",
    ),
    ("[hot]\nenabled = false", "hot.enabled", "cannot be off"),
    ("[warm]\ndefault_ttl = \"59s\"", "warm.default_ttl", "60000"),
    (
        "[warm]\ndefault_ttl = \"53w\"",
        "warm.default_ttl",
        "31536000000",
    ),
    (
        "[warm]\nmax_entries = 0",
        "warm.max_entries",
        "1 to 10000000",
    ),
    (
        "[warm]\nmax_entries = 10000001",
        "warm.max_entries",
        "1 to 10000000",
    ),
    (
        "[warm]\ncollections = [\"rooms\"]",
        "warm.collections",
        "rooms",
    ),
    ("[cold]\nbucket = \"Upper\"", "cold.bucket", "3 to 63"),
    ("[cold]\nbucket = \"a\"", "cold.bucket", "3 to 63"),
    (
        "[cold]\nprefix = \"no-slash\"",
        "cold.prefix",
        "followed by /",
    ),
    (
        "[cold]\nprefix = \"../up/\"",
        "cold.prefix",
        "followed by /",
    ),
    ("[cold]\nprefix = \"/\"", "cold.prefix", "followed by /"),
    (
        "[cold]\ncompression_codec = \"lzma\"",
        "cold.compression_codec",
        "zstd, snappy or none",
    ),
    ("[cold]\nschedule = \"999ms\"", "cold.schedule", "1000"),
    ("[cold]\nschedule = \"8d\"", "cold.schedule", "604800000"),
    ("[cold]\nmin_age = \"31d\"", "cold.min_age", "2592000000"),
    ("[sync]\nbatch_size = 0", "sync.batch_size", "1 to 1000000"),
    ("[sync]\ninterval = \"99ms\"", "sync.interval", "100"),
    ("[sync]\ninterval = \"25h\"", "sync.interval", "86400000"),
    (
        "[retention]\nmax_age = \"10ms\"",
        "retention.max_age",
        "1000",
    ),
    (
        "[retention]\nmax_age = \"9999w\"",
        "retention.max_age",
        "3153600000000",
    ),
];

#[test]
fn settings_out_of_range_are_refused_with_their_place_and_limit() {
    for (head, field, says) in OUT_OF_RANGE {
        let error = with(head).unwrap_err();
        assert_eq!(
            (error.code(), error.field()),
            ("invalid_schema", Some(*field)),
            "{head}"
        );
        assert!(error.message().contains(*says), "{head}: {error}");
    }
}

#[test]
fn a_collections_wrong_setting_is_placed_in_the_collection() {
    for (tail, field, code) in [
        (
            "[collections.readings.hot]\nmax_size = 5000000",
            "hot.max_size",
            "invalid_schema",
        ),
        (
            "[collections.readings.hot]\nvortex_threshold = -5",
            "hot.vortex_threshold",
            "invalid_schema",
        ),
        (
            "[collections.readings.warm]\ncollections = []",
            "warm.collections",
            "invalid_schema",
        ),
        (
            "[collections.readings.cold]\nmin_age = \"soon\"",
            "cold.min_age",
            "invalid_schema",
        ),
        (
            "[collections.readings.retention]\nfield = \"at\"",
            "retention.max_age",
            "invalid_schema",
        ),
        (
            "[collections.readings.retention]\nfield = \"level\"\nmax_age = \"1d\"",
            "retention.field",
            "invalid_schema",
        ),
        (
            "[collections.readings.retention]\nfield = \"nope\"\nmax_age = \"1d\"",
            "retention.field",
            "unknown_field",
        ),
    ] {
        let error = and(tail).unwrap_err();
        let place = format!("collections.readings.{field}");
        assert_eq!(
            (error.code(), error.field()),
            (code, Some(place.as_str())),
            "{tail}"
        );
    }
    assert_eq!(and("[warm]\nttl = 5").unwrap_err().code(), "invalid_schema");
    assert_eq!(
        and("[hot]\nmax_size = 1.5").unwrap_err().code(),
        "invalid_schema"
    );
}

#[test]
fn settings_change_with_a_new_version_but_tables_do_not_move() {
    let old = and("").unwrap();
    let again = |head: &str| {
        let (name, collections) = PLAIN.split_at("\ntype = \"station\"\n".len());
        let spec = TypeSpec::from_toml(&format!("{name}{head}\n{collections}"))?;
        TypeSchema::register(Some(&old), &spec)
    };
    let settings = "[hot]\nvortex_threshold = 5\n[warm]\nenabled = true\n[cold]\nschedule = \"5m\"\n\
                    compression_codec = \"none\"\n[sync]\nbatch_size = 5\n[retention]\nmax_age = \"1d\"";
    assert_eq!(again(settings).unwrap().version, 2);
    for (head, field) in [
        (
            "[cold]\nbucket = \"elsewhere\"",
            "collections.notes.cold.bucket",
        ),
        ("[cold]\nprefix = \"x/\"", "collections.notes.cold.prefix"),
    ] {
        let error = again(head).unwrap_err();
        assert_eq!(
            (error.code(), error.field()),
            ("location_change_unsupported", Some(field))
        );
    }
}

#[test]
fn the_example_of_every_setting_is_right() {
    let text = include_str!("../../../../../schemas/station.toml");
    let schema = TypeSchema::register(None, &TypeSpec::from_toml(text).unwrap()).unwrap();
    let (readings, alarms) = (
        collection(&schema, "readings"),
        collection(&schema, "alarms"),
    );
    assert_eq!(schema.hot.max_bytes, 2_000_000_000);
    assert!(alarms.warm.push && !readings.warm.enabled);
    assert_eq!(
        readings.retention.unwrap().field,
        Some(readings.field("at").unwrap().id)
    );
    assert_eq!(alarms.retention.unwrap().max_age_millis, 5 * 86_400_000);
}
