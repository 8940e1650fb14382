//! Several objects, and a host that delivers their messages and may be torn down between any two
//! of its steps.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use tidelog_core::{
    ActorCommand, Actors, Address, Caller, Command, Effect, Engine, Input, Letter, LogPolicy,
    MessageReply, Outcome, Reply, SqlExt as _, TypeSchema, TypeSpec,
};
use tidelog_log::{Error, Result};

use super::teller::Teller;
use crate::lab::{START, schema};
use crate::sqlite::Sqlite;

pub(super) struct Node {
    pub(super) sql: Sqlite,
    pub(super) engine: Engine,
}

pub(super) struct World {
    pub(super) nodes: BTreeMap<String, Node>,
    pub(super) now: i64,
    pub(super) actors: Actors,
    schema: Arc<TypeSchema>,
    turns: u64,
    /// Steps until the host is torn down.
    pub(super) left: Option<u64>,
    pub(super) steps: u64,
}

thread_local! {
    /// When actors' own code began to run in this test (true), and when it ended.
    pub(super) static WATCHED: RefCell<Vec<bool>> = RefCell::default();
}

/// The host was torn down.
#[derive(Debug)]
pub(super) struct Torn;

fn address(id: &str) -> Address {
    Address::object("lab", id).unwrap()
}

fn collections() -> Json {
    json!({"notes": {"fields": {"n": {"type": "int"}}}, "watched": {}, "seen": {}})
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            nodes: BTreeMap::new(),
            now: START,
            actors: Actors::new().with("lab", Teller),
            schema: schema(None, collections()).unwrap(),
            turns: 0,
            left: None,
            steps: 0,
        }
    }

    /// A new version of the type, whose objects hold at most so many bytes.
    pub(super) fn set_max_size(&mut self, bytes: u64) {
        let collections = collections();
        let spec = json!({"type": "lab", "hot": {"max_size": bytes}, "collections": collections});
        let spec = TypeSpec::from_json(spec.to_string().as_bytes()).unwrap();
        self.schema = Arc::new(TypeSchema::register(Some(&self.schema), &spec).unwrap());
    }

    fn open(&self, sql: &Sqlite, id: &str) -> Engine {
        let watch = |runs| WATCHED.with_borrow_mut(|watched| watched.push(runs));
        let behaviour = self.actors.of("lab").map(|actor| actor.watched(watch));
        let policy = LogPolicy::default();
        Engine::open_as(sql, &address(id), policy, behaviour.as_ref()).unwrap()
    }

    /// Every engine is forgotten and opened again.
    pub(super) fn reopen(&mut self) {
        for (id, mut node) in std::mem::take(&mut self.nodes) {
            node.engine = self.open(&node.sql, &id);
            self.nodes.insert(id, node);
        }
    }

    pub(super) fn turn(&mut self, id: &str, command: Command) -> Result<Vec<Effect>> {
        self.turns += 1;
        let mut entropy = [0; 16];
        entropy[..8].copy_from_slice(&self.turns.to_le_bytes());
        if !self.nodes.contains_key(id) {
            let sql = Sqlite::new();
            let engine = self.open(&sql, id);
            self.nodes.insert(id.to_owned(), Node { sql, engine });
        }
        let (now, node) = (self.now, self.nodes.get_mut(id).unwrap());
        let input = Input {
            now,
            entropy,
            command,
        };
        node.engine.turn(&node.sql, input)
    }

    pub(super) fn act(&mut self, id: &str, command: ActorCommand) -> Result<Vec<Effect>> {
        self.turn(id, Command::Actor(Box::new(command)))
    }

    pub(super) fn send(&mut self, id: &str, name: &str, body: Json) -> Result<MessageReply> {
        self.send_as(id, Caller::default(), name, body)
    }

    pub(super) fn send_as(
        &mut self,
        id: &str,
        caller: Caller,
        name: &str,
        body: Json,
    ) -> Result<MessageReply> {
        let (schema, name) = (Arc::clone(&self.schema), name.to_owned());
        let effects = self.act(
            id,
            ActorCommand::Message {
                schema,
                caller,
                name,
                body,
            },
        )?;
        match effects.into_iter().next() {
            Some(Effect::Reply(Reply::Message(reply))) => Ok(reply),
            other => panic!("{other:?}"),
        }
    }

    /// The error of a message that must change nothing.
    pub(super) fn refused(&mut self, id: &str, name: &str, body: Json) -> Error {
        let before = self.nodes.get(id).map(|node| node.dump());
        let error = self.send(id, name, body).unwrap_err();
        if let Some(before) = before {
            assert_eq!(self.nodes[id].dump(), before, "{error}");
        }
        error
    }

    pub(super) fn write(&mut self, id: &str, mutation: tidelog_core::Mutation) {
        let schema = Arc::clone(&self.schema);
        self.turn(
            id,
            Command::Write {
                schema,
                caller: Caller::default(),
                mutations: vec![mutation],
            },
        )
        .unwrap();
    }

    pub(super) fn wake(&mut self, id: &str) {
        self.turn(id, Command::Wake).unwrap();
    }

    pub(super) fn due(&self, id: &str) -> Vec<Letter> {
        let node = &self.nodes[id];
        node.engine
            .view()
            .letters_due(&node.sql, self.now, 16)
            .unwrap()
    }

    /// What a host does with one letter.
    pub(super) fn deliver(&mut self, letter: &Letter) -> Result<()> {
        assert_eq!(letter.to.type_name, "lab");
        let schema = Arc::clone(&self.schema);
        let letter = letter.clone();
        self.act(
            &letter.to.id.clone(),
            ActorCommand::Deliver { schema, letter },
        )
        .map(drop)
    }

    pub(super) fn delivered(&mut self, letter: &Letter, outcome: Outcome) {
        let (to, number) = (letter.to.clone(), letter.number);
        let command = ActorCommand::Delivered {
            to,
            number,
            outcome,
        };
        self.act(&letter.from.id, command).unwrap();
    }

    /// A boundary between two steps of the host: here it may be torn down.
    pub(super) fn step(&mut self) -> std::result::Result<(), Torn> {
        self.steps += 1;
        match &mut self.left {
            Some(0) => Err(Torn),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Delivers until nothing is due.
    pub(super) fn pump(&mut self) -> std::result::Result<(), Torn> {
        loop {
            let ids: Vec<String> = self.nodes.keys().cloned().collect();
            let letters: Vec<Letter> = ids.iter().flat_map(|id| self.due(id)).collect();
            if letters.is_empty() {
                return Ok(());
            }
            for letter in letters {
                self.step()?;
                let outcome = match self.deliver(&letter) {
                    Ok(()) => Outcome::Taken,
                    Err(error) => Outcome::Failed(error),
                };
                self.step()?;
                self.delivered(&letter, outcome);
                self.step()?;
            }
        }
    }

    pub(super) fn keys(&self, id: &str, collection: &str) -> Vec<String> {
        let node = &self.nodes[id];
        let collection = &node.engine.view().prepared(collection).unwrap().collection;
        let body = serde_json::json!({"select": ["_key"], "limit": 10_000});
        let query = tidelog_core::Query::parse(collection, &body).unwrap();
        let rows = query.run(&node.sql, collection).unwrap().rows;
        let key = |row: &tidelog_core::JsonObject| row["_key"].as_str().unwrap().to_owned();
        rows.iter().map(key).collect()
    }

    /// Keys of notes in the order in which they came to be.
    pub(super) fn history(&self, id: &str) -> Vec<String> {
        self.strings(id, "SELECT _key FROM notes ORDER BY _version")
    }

    pub(super) fn strings(&self, id: &str, text: &str) -> Vec<String> {
        let sql = &self.nodes[id].sql;
        sql.rows(text, &[], |row| Ok(row[0].text()?.to_owned()))
            .unwrap()
    }

    pub(super) fn state(&self, id: &str) -> tidelog_core::ObjectState {
        let node = &self.nodes[id];
        node.engine.view().state(&node.sql).unwrap()
    }

    pub(super) fn actor_state(&self, id: &str) -> tidelog_core::ActorState {
        self.state(id).actor.unwrap()
    }
}

impl Node {
    /// Every row of every table.
    pub(super) fn dump(&self) -> Vec<String> {
        let tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
        let name = |row: &[tidelog_core::SqlValue<'_>]| Ok(row[0].text()?.to_owned());
        let mut lines = Vec::new();
        for table in self.sql.rows(tables, &[], name).unwrap() {
            let text = format!("SELECT '{table}', * FROM \"{table}\" ORDER BY 2");
            let read = |row: &[tidelog_core::SqlValue<'_>]| Ok(format!("{row:?}"));
            lines.extend(self.sql.rows(&text, &[], read).unwrap());
        }
        lines
    }
}
