//! One open object: its engine, its connection, and the turns it takes together.

use std::path::Path;
use std::sync::Arc;

use tidelog_core::{Address, Behaviour, Command, Effect, Engine, Input, LogPolicy, Reply};
use tidelog_log::{Error, Result};

use crate::BlobMemory;
use crate::clock;
use crate::sqlite::Sqlite;

/// An object with its database open. Used by one thread.
#[derive(Debug)]
pub struct OpenObject {
    sql: Sqlite,
    engine: Engine,
}

/// What a group of turns came to, after its transaction is durable or undone.
#[derive(Debug)]
pub struct GroupOutcome {
    /// One per command, in order. Nothing in here was visible before the group was durable.
    pub answers: Vec<Result<Vec<Effect>>>,
    /// False when the commit failed: the object must be dropped and opened again.
    pub usable: bool,
}

impl OpenObject {
    /// Opens or creates an object's file.
    pub fn open(path: &Path, address: &Address, policy: LogPolicy, bytes_max: u64) -> Result<Self> {
        Self::open_as(path, address, policy, bytes_max, None, &Arc::default())
    }

    /// Opens or creates the file of an object that has an actor, perhaps, with a memory for blobs that
    /// others share.
    pub fn open_as(
        path: &Path,
        address: &Address,
        policy: LogPolicy,
        bytes_max: u64,
        behaviour: Option<&Behaviour>,
        blobs: &Arc<BlobMemory>,
    ) -> Result<Self> {
        let sql = Sqlite::writer(path, bytes_max)?.remembering(blobs);
        let engine = Engine::open_as(&sql, address, policy, behaviour)?;
        Ok(Self { sql, engine })
    }

    /// Opens an object on a connection, whatever is under it.
    pub fn on(sql: Sqlite, address: &Address, policy: LogPolicy) -> Result<Self> {
        let engine = Engine::open(&sql, address, policy)?;
        Ok(Self { sql, engine })
    }

    /// Takes several inputs, one savepoint each, in one transaction with one fsync. A single input is
    /// undone with its transaction and needs no savepoint.
    ///
    /// An input that is refused changes nothing and does not disturb the others. If the commit
    /// fails, all of them fail.
    pub fn group(&mut self, commands: Vec<Command>) -> GroupOutcome {
        let count = commands.len();
        let begun = match count {
            1 => self.sql.begin_alone(),
            _ => self.sql.begin(),
        };
        if let Err(error) = begun {
            return GroupOutcome {
                answers: vec![Err(error); count],
                usable: false,
            };
        }
        let mut answers = Vec::with_capacity(count);
        for command in commands {
            let input = Input {
                now: clock::now(),
                entropy: clock::entropy(),
                command,
            };
            answers.push(self.engine.turn(&self.sql, input));
        }
        match self.sql.commit() {
            Ok(()) => GroupOutcome {
                answers,
                usable: true,
            },
            Err(error) => {
                self.sql.rollback();
                let failed = |answer: Result<Vec<Effect>>| answer.and(Err(error.clone()));
                let answers = answers.into_iter().map(failed).collect();
                GroupOutcome {
                    answers,
                    usable: false,
                }
            }
        }
    }

    /// True when the object holds nothing.
    pub(crate) fn is_blank(&self) -> bool {
        self.engine.head().0 == 0 && self.engine.view().is_blank(&self.sql).unwrap_or(false)
    }

    /// The engine, to read what it knows.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The connection, to read committed data between groups.
    pub fn sql(&self) -> &Sqlite {
        &self.sql
    }
}

/// The reply among a turn's effects.
pub(crate) fn reply_of(effects: Vec<Effect>) -> Result<Reply> {
    let mut replies = effects.into_iter().filter_map(|effect| match effect {
        Effect::Reply(reply) => Some(reply),
        _ => None,
    });
    replies
        .next()
        .ok_or_else(|| Error::internal("a turn gave no reply"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidelog_core::{Caller, Mutation, NewDocument, SqlExt as _, TypeSchema, TypeSpec};

    use super::*;

    fn write(schema: &Arc<TypeSchema>, keys: &[&str]) -> Command {
        let insert = |key: &&str| Mutation::Insert {
            collection: "notes".to_owned(),
            document: NewDocument::Text(json!({ "id": key }).to_string().into()),
        };
        Command::Write {
            schema: Arc::clone(schema),
            caller: Caller::default(),
            mutations: keys.iter().map(insert).collect(),
        }
    }

    #[test]
    fn a_lone_turn_that_is_refused_changes_nothing_and_the_next_one_stands() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("object.db");
        let address = Address::object("lab", "one").unwrap();
        let open = || OpenObject::open(&path, &address, LogPolicy::default(), 1 << 30).unwrap();
        let spec = json!({"type": "lab", "collections": {"notes": {}}}).to_string();
        let spec = TypeSpec::from_json(spec.as_bytes()).unwrap();
        let schema = Arc::new(TypeSchema::register(None, &spec).unwrap());
        let mut object = open();
        for keys in [["a", "b"].as_slice(), &["c", "a"], &["d"]] {
            let outcome = object.group(vec![write(&schema, keys)]);
            assert!(outcome.usable);
            assert_eq!(outcome.answers[0].is_ok(), keys != ["c", "a"]);
        }
        for object in [object, open()] {
            let keys = object.sql().rows("SELECT _key FROM notes", &[], |row| {
                Ok(row[0].text()?.to_owned())
            });
            assert_eq!(keys.unwrap(), ["a", "b", "d"]);
            assert_eq!(object.engine().head().0, 3);
            assert_eq!(object.engine().view().check_log(object.sql()).unwrap(), 3);
        }
    }
}
