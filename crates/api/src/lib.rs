//! The HTTP contract of Tidelog, neutral to the host it runs in.
//!
//! [`handle`] turns one request into one answer over the ports [`ObjectHost`] and [`Directory`]. It binds no socket,
//! spawns nothing, reads no clock and holds at most one page or one turn in memory; live answers
//! are state machines ([`Live`]) that the host pulls as fast as its client reads.
//!
//! `docs/http.md` is the contract for users; [`ROUTES`] and [`CODES`] are its single sources.

pub mod limits;
pub mod metrics;
pub mod registry;

mod host;
pub use host::{
    ApiSettings, Directory, Host, LakeStatus, LoadedTable, ObjectEntry, ObjectHost, ObjectList,
    ObjectPage, QueryAnswer, StateAnswer, TableName, Tier, TierMark, TypeSummary, WarmStatus,
    found,
};

mod costs;
pub use costs::{Costs, Dollars, Meter, MeterKey, PRICES, Prices, meters_text};

mod message;
pub use message::{Body, BodySource, Request, Response};

mod handle;
pub use handle::{Handled, handle, handle_directory, handle_object};

mod route;
pub use route::{Operation, ROUTES, Route};

mod codes;
pub use codes::{CODES, Code, known_code};

mod error;
pub use error::{problem, read_problem, refusal, status_of};

mod auth;
mod body;
mod caller;
mod json;
mod parameters;
mod reply;

mod schemas;
pub use schemas::{RESERVED_COLLECTIONS, check_reserved};

mod actors;
mod documents;
mod objects;

mod snapshots;
pub use snapshots::{FileBytes, FilePart, FileStream, Look, SnapshotFilter};

mod warm;
pub use warm::{
    Cache, CacheKey, Entry, Figures, Forward, Keep, Outcome, Push, Stays, Underway, WarmFigures,
    WarmHost, figures_text,
};

mod ingest;
pub use ingest::Ingest;

mod changes;
mod sse;
pub use sse::EventStream;

mod live;
pub use live::Live;

mod follow;
pub use follow::Follower;

mod iceberg;
mod openapi;
pub use openapi::openapi;

#[cfg(test)]
mod tests;
