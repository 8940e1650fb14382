//! One file per internal table of an object's database: its SQL, its row type, its rules.
//!
//! Names that start with `_` are the engine's; a collection's table has the collection's name.

pub(crate) mod actor;
pub(crate) mod audit;
pub(crate) mod blobs;
pub(crate) mod cursors;
pub(crate) mod failed_letters;
pub(crate) mod idempotency;
pub(crate) mod lineage;
pub(crate) mod log;
pub(crate) mod masks;
pub(crate) mod meta;
pub(crate) mod outbox;
pub(crate) mod restore;
pub(crate) mod rows;
pub(crate) mod schema;
pub(crate) mod segments;
pub(crate) mod senders;
pub(crate) mod snapshots;
pub(crate) mod transfers;
pub(crate) mod wakes;

use tidelog_log::Result;

use crate::sql::Sql;

/// Creates the engine's tables where they are missing.
pub(crate) fn create(sql: &dyn Sql) -> Result<()> {
    for statement in [
        meta::CREATE,
        schema::CREATE,
        log::CREATE,
        segments::CREATE,
        lineage::CREATE,
        idempotency::CREATE,
        wakes::CREATE,
        cursors::CREATE,
        blobs::CREATE,
        blobs::CREATE_MAIN,
        masks::CREATE,
    ] {
        sql.run(statement, &[], &mut |_| Ok(()))?;
    }
    Ok(())
}
