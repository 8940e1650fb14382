//! `_lineage`: the epochs the object's history passed through, and where each began.

use tidelog_log::{Epoch, Result, Sequence};

use crate::sql::{Sql, all, int};

pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS _lineage \
     (epoch INTEGER PRIMARY KEY, first_sequence INTEGER NOT NULL, parent INTEGER NOT NULL)";

/// Where an epoch began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) epoch: Epoch,
    pub(crate) first_sequence: Sequence,
}

pub(crate) fn open(sql: &dyn Sql, opened: Opened, parent: Epoch) -> Result<()> {
    sql.run(
        "INSERT INTO _lineage (epoch, first_sequence, parent) VALUES (?1, ?2, ?3)",
        &[
            int(opened.epoch.0),
            int(opened.first_sequence.0),
            int(parent.0),
        ],
        &mut |_| Ok(()),
    )
}

/// Every epoch, oldest first.
pub(crate) fn epochs(sql: &dyn Sql) -> Result<Vec<Opened>> {
    all(
        sql,
        "SELECT epoch, first_sequence FROM _lineage ORDER BY epoch",
        &[],
        |row| {
            Ok(Opened {
                epoch: Epoch(row[0].unsigned()?),
                first_sequence: Sequence(row[1].unsigned()?),
            })
        },
    )
}
