//! Routing, parsing and protocol edges over a host that keeps one list of events.

mod actors;
mod changes;
mod costs;
mod documents;
mod fake;
mod iceberg;
mod routes;
mod snapshots;
mod uploads;
