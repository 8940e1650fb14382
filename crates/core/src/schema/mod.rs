//! Types and their collections: what a user declares, and what a registered version keeps.

mod spec;
pub use spec::{
    CheckSpec, CollectionSpec, FieldSpec, IndexSpec, PartitionSpec, Transform, TypeSpec,
};

mod limits;
mod quantity;
pub use quantity::Quantity;

mod tiers;
pub use tiers::{ColdSpec, HotSpec, RetentionSpec, SyncSpec, WarmSpec};

mod policy;
pub use policy::{
    ColdPolicy, CollectionHot, CompressionCodec, HotPolicy, Retention, SyncPolicy, WarmPolicy,
};

mod snapshots;
pub use snapshots::{SnapshotRetention, SnapshotRetentionSpec, SnapshotsPolicy, SnapshotsSpec};

mod stored;
pub use stored::{Collection, Field, Index, TypeSchema};

mod register;
mod resolve;
