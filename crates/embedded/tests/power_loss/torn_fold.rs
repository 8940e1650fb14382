//! A fold as it must not be: in two transactions.

use tidelog_core::{Command, Engine, Input, LogPolicy, Sql, SqlValue};
use tidelog_embedded::Sqlite;
use tidelog_log::Result;

use crate::script::address;

/// Takes the timers' turn over a connection that commits between the rows' deletion and the
/// manifest that names their blob.
pub(crate) fn torn_fold(sqlite: &Sqlite, now: i64) {
    let torn = Torn(sqlite);
    sqlite.begin().unwrap();
    let mut engine = Engine::open(&torn, &address(), LogPolicy::default()).unwrap();
    let input = Input {
        now,
        entropy: [0; 16],
        command: Command::Wake,
    };
    engine.turn(&torn, input).unwrap();
    sqlite.commit().unwrap();
}

struct Torn<'s>(&'s Sqlite);

impl Sql for Torn<'_> {
    fn run(
        &self,
        sql: &str,
        args: &[SqlValue<'_>],
        each: &mut dyn FnMut(&[SqlValue<'_>]) -> Result<()>,
    ) -> Result<()> {
        self.0.run(sql, args, each)?;
        if sql.starts_with("DELETE FROM \"notes\"") {
            self.0.commit()?;
            self.0.begin()?;
        }
        Ok(())
    }

    /// Nothing is undone: a savepoint would not outlive the commit in it.
    fn savepoint(&self, body: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        body()
    }
}
