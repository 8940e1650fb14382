//! The table actor: change events in, Iceberg tables on object storage out.
//!
//! One [`TableActor`] owns a collection's Iceberg tables: it keeps an inbox of batches, the marks
//! of every source and the table's pointer in its one SQLite database, so a commit and the marks
//! it covers move in one local transaction and every event is in the table exactly once.
//! [`FlushPlan::write`] does the I/O between two turns, through [`BlobStore`]; it may be
//! repeated after any crash. [`ChangesScan`] reads the table back.
//!
//! There is no catalog client, no clock, no random number generator and no task in here. The
//! columns, file names and SQLite tables are in `docs/format/lake-tables.md`.

pub mod limits;

mod blob;
pub use blob::{BlobMeta, BlobStore, PutMode};

mod memory;
pub use memory::MemoryBlobs;

mod settings;
pub use settings::TableSettings;

mod actor;
pub use actor::TableActor;

mod inbox;
pub use inbox::PushReply;

mod flush;
pub use flush::Committed;

mod plan;
pub use plan::{FlushOutcome, FlushPlan};

mod status;
pub use status::{Mark, SourceMark, TableStatus};

mod scan;
pub use scan::{ChangeRow, ChangesScan};

mod snapshot_files;
pub use snapshot_files::DataFileRef;

mod transfers;
pub use transfers::{TransferHost, transfer};

mod newest;

mod object_changes;

mod cold;
pub use cold::{ColdRead, SnapshotScan};

mod rebuild;
pub use rebuild::{Rebuild, Rebuilt, Runs};

mod array_of_one;
mod bounds;
mod columns;
mod commit;
mod foreign;
mod manifests;
mod metadata;
mod page_values;
mod parquet_file;
mod parquet_parts;
mod partition;
mod record_batch;
mod store;
