//! The Cloudflare host: the same engine, in Durable Objects.
//!
//! Every actor is a Durable Object: `ObjectActor` holds one digital object, `TableActor` one
//! collection's Iceberg tables in R2, `RegistryActor` types and the list of objects,
//! `CatalogActor` the names of the tables. `Front` answers what is no object's. `entry.mjs`
//! wraps them in the classes that Cloudflare knows, and adds typed RPC.
//!
//! This is the only crate that names a JavaScript type. It has no engine of its own: what it
//! does is SQL over `ctx.storage.sql`, blobs over R2, one alarm, and calls between actors.
#![cfg(target_arch = "wasm32")]

mod js;
mod settings;

mod alarm;
mod blobs;
mod call;
mod carrier;
mod counts;
mod gate;
mod kept;
mod sql;

mod messages;
mod peers;
mod schemas;

mod crossing;
pub use crossing::LiveBody;

mod actors;
pub use actors::register;
#[doc(hidden)]
pub use wasm_bindgen;
#[doc(hidden)]
pub use wasm_bindgen::prelude::wasm_bindgen as exported;

mod lake_restore;
mod object;
mod object_host;
mod post;
mod push;
mod sockets;
mod warm;
pub use object::ObjectActor;

mod table;
pub use table::TableActor;

mod registry;
pub use registry::RegistryActor;

mod catalog;
pub use catalog::CatalogActor;

mod front;
pub use front::Front;

mod start;
pub use start::{problem, start};
