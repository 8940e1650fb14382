//! The table actor over SQLite and blobs in memory.

mod support;

mod exactly_once;
mod folder;
mod growth;
mod marks;
mod schema;
