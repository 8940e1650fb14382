//! The engine of a digital object: one deterministic, synchronous state machine over SQLite.
//!
//! [`Engine::turn`] is the only way state advances. Time and randomness arrive with the input;
//! there is no clock, no random number generator, no thread, no lock and no `await` in here.
//! Hosts own the database, decide when a turn's transaction is durable, and run the effects.

mod sql;
pub use sql::{Sql, SqlExt, SqlValue, all, atomically, int, one, quoted};

mod address;
pub use address::{ActorKind, Address, NAMESPACE, check_name, check_object_id};

mod schema;
pub use schema::{
    CheckSpec, ColdPolicy, ColdSpec, Collection, CollectionHot, CollectionSpec, CompressionCodec,
    Field, FieldSpec, HotPolicy, HotSpec, Index, IndexSpec, PartitionSpec, Quantity, Retention,
    RetentionSpec, SnapshotRetention, SnapshotRetentionSpec, SnapshotsPolicy, SnapshotsSpec,
    SyncPolicy, SyncSpec, Transform, TypeSchema, TypeSpec, WarmPolicy, WarmSpec,
};

mod table;
pub use table::meta::stored_address;
pub use table::rows::{Document, RowTable, blob_form, from_sql, to_sql};

mod folded;
pub use folded::{BlobCache, CacheKey, Cached, KnownManifest, OpenedBlob, RecentBlobs};

mod segment;

mod snapshot;
pub use snapshot::file as snapshot_file;
pub use snapshot::{
    CHAIN_MAX, CheckPage, Checked, ColdCopy, Damage, Difference, Failure, Fork, ForkOrder,
    ForkPlace, Heal, Healed, Import, LakeChanges, LakeEvent, LakePage, LakeWanted, Moving,
    NOTE_BYTES_MAX, Restore, RestoreStatus, RestoreTarget, RetentionState, SNAPSHOTS_MAX,
    SNAPSHOTS_PAGE_MAX, ScheduleState, Snapshot, SnapshotCommand, SnapshotFile, SnapshotKind,
    SnapshotPage, SnapshotPolicy, SnapshotReply, SnapshotStatus, SnapshotTier,
};

mod transfer;
pub use transfer::{
    COLD_MANIFEST, COLD_MANIFEST_BYTES_MAX, ColdPart, Discovery, PartStart, TransferAsk,
    TransferCommand, TransferOutcome, TransferStep,
};

mod input;
pub use input::{
    BlobState, Caller, ChangesPage, ChangesRequest, Cursor, FoldedState, Found, Images, JsonObject,
    Mutation, NewDocument, ObjectState, TurnReply, Warning, Written, WrittenOperation,
};

mod document;
pub use document::{Prepared, key_values};

mod view;
pub use view::View;

mod changes;

mod touched;
pub use touched::{ChangedKeys, Stamp, Touched};

mod cold;
pub use cold::{ColdFound, LakeChange, LakeImage};

mod engine;
pub use engine::{Command, Effect, Engine, Input, LogPolicy, Reply};

mod admin;
pub use admin::{AUDIT_ENTRIES_MAX, AdminCommand, AuditEntry, AuditPage};

pub mod actor;
pub use actor::{
    Actor, ActorCommand, ActorState, Actors, Behaviour, Context, FailedLetter, Letter,
    MessageReply, Messages, Outcome,
};

mod delete_object;
mod expire;
mod mutate;
mod upgrade;
mod write;

mod query;
pub use query::{Query, QueryPage, evaluate};
