//! The embedded host: one process, one data folder, a SQLite file per actor.
//!
//! Objects run on a fixed set of threads, each object pinned to one by its address; turns that
//! wait together share one fsync. Reads use connections of their own, which see committed data
//! only. Table actors and the pushes to them run on a small runtime beside the HTTP server's.
//!
//! Everything that touches a socket, a file or a clock is in this crate; what a turn means is in
//! `tidelog-core`, what a table is in `tidelog-lake`, what a request means in `tidelog-api`.

mod settings;
pub use settings::{LakeSettings, S3Store, Settings};

mod clock;
pub use clock::{entropy, instant, now};

mod blob_memory;
pub use blob_memory::BlobMemory;

mod folder;
pub use folder::{Folder, actor_file};

mod row_counter;
mod sqlite;
pub use sqlite::{SQLITE_VERSION_MIN, Sqlite, check_version};

mod registry;
pub use registry::Registry;

mod object;
pub use object::{GroupOutcome, OpenObject};

mod blobs;
pub use blobs::{Blobs, S3Settings};

mod buckets;
mod carrier;
mod counted_blobs;

mod s3;
pub use s3::{S3Credentials, S3Service, s3_service};

mod meters;
mod metrics;
mod readers;
mod shards;
mod signals;

mod cold;
mod dirty;
mod lake_rebuild;
pub use lake_rebuild::{LakeRebuilt, Missing, RebuildWanted, TableRebuilt, rebuild_lake};
mod lake_restore;
mod post;
mod pump;
mod tables;
mod warm;

mod host;
mod http;

mod server;
pub use server::Server;

mod snapshot_file;
pub use snapshot_file::{FileReport, verify_snapshot_file};

mod admission;
pub use admission::{admit, admit_beside};
