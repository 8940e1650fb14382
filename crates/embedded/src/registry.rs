//! Types and objects, in SQLite files sharded by hash from the start; listing merges.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use tidelog_api::{ObjectEntry, ObjectList, ObjectPage, TypeSummary};
use tidelog_core::{Address, SqlExt, SqlValue, TypeSchema, TypeSpec, all, int};
use tidelog_log::{Error, Result};

use crate::folder::Folder;
use crate::sqlite::Sqlite;

/// Registry shards; an object's is a hash of its address. Types are all in shard 0.
const SHARDS: usize = 4;
/// Largest registry file.
const SHARD_BYTES_MAX: u64 = 1 << 40;

const CREATE: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS types (name TEXT NOT NULL, version INTEGER NOT NULL, \
     hash TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (name, version)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS objects (type TEXT NOT NULL, id TEXT NOT NULL, \
     status TEXT NOT NULL, PRIMARY KEY (type, id)) WITHOUT ROWID",
];

/// The registry of a data folder.
#[derive(Debug)]
pub struct Registry {
    shards: Vec<Mutex<Sqlite>>,
    types: RwLock<BTreeMap<String, Arc<TypeSchema>>>,
}

impl Registry {
    /// Opens the registry and reads every type's newest version.
    pub fn open(folder: &Folder) -> Result<Self> {
        let mut shards = Vec::new();
        for shard in 0..SHARDS {
            let sql = Sqlite::writer(&folder.registry(shard)?, SHARD_BYTES_MAX)?;
            for statement in CREATE {
                sql.exec(statement, &[])?;
            }
            shards.push(Mutex::new(sql));
        }
        let registry = Self {
            shards,
            types: RwLock::default(),
        };
        let newest = "SELECT body FROM types ORDER BY name, version";
        let bodies = all(&*registry.shard(0)?, newest, &[], |row| {
            TypeSchema::from_json(row[0].text()?.as_bytes())
        })?;
        let types = bodies
            .into_iter()
            .map(|schema| (schema.name.clone(), Arc::new(schema)));
        *registry.types.write().map_err(|_| poisoned())? = types.collect();
        Ok(registry)
    }

    /// Registers a declaration; true when it made a new version.
    pub fn register_type(&self, spec: &TypeSpec) -> Result<(Arc<TypeSchema>, bool)> {
        let sql = self.shard(0)?;
        let mut types = self.types.write().map_err(|_| poisoned())?;
        let before = types.get(&spec.name);
        let schema = TypeSchema::register(before.map(Arc::as_ref), spec)?;
        if let Some(before) = before.filter(|before| ***before == schema) {
            return Ok((Arc::clone(before), false));
        }
        let (hash, body) = (schema.hash()?, schema.to_json()?);
        sql.exec(
            "INSERT INTO types (name, version, hash, body) VALUES (?1, ?2, ?3, ?4)",
            &[
                SqlValue::Text(&schema.name),
                int(u64::from(schema.version)),
                SqlValue::Text(&hash),
                SqlValue::Text(&body),
            ],
        )?;
        let schema = Arc::new(schema);
        types.insert(schema.name.clone(), Arc::clone(&schema));
        Ok((schema, true))
    }

    /// The newest version of a type.
    ///
    /// # Errors
    /// `unknown_type`.
    pub fn newest(&self, name: &str) -> Result<Arc<TypeSchema>> {
        let types = self.types.read().map_err(|_| poisoned())?;
        types.get(name).cloned().ok_or_else(|| unknown_type(name))
    }

    /// Any version of a type.
    ///
    /// # Errors
    /// `unknown_type`.
    pub fn version(&self, name: &str, version: u32) -> Result<TypeSchema> {
        let text = "SELECT body FROM types WHERE name = ?1 AND version = ?2";
        let args = [SqlValue::Text(name), int(u64::from(version))];
        let found = self.shard(0)?.first(text, &args, |row| {
            TypeSchema::from_json(row[0].text()?.as_bytes())
        })?;
        found.ok_or_else(|| unknown_type(&format!("{name} version {version}")))
    }

    /// Every type, by name.
    pub fn types(&self) -> Result<Vec<Arc<TypeSchema>>> {
        Ok(self
            .types
            .read()
            .map_err(|_| poisoned())?
            .values()
            .cloned()
            .collect())
    }

    /// Every type in one line each.
    pub fn summaries(&self) -> Result<Vec<TypeSummary>> {
        let line = |schema: &Arc<TypeSchema>| TypeSummary {
            name: schema.name.clone(),
            version: schema.version,
            description: schema.description.clone(),
            collections: schema.collections.iter().map(|c| c.name.clone()).collect(),
        };
        Ok(self.types()?.iter().map(line).collect())
    }

    /// Records an object before its file is made, or its new status.
    pub fn note(&self, object: &Address, status: &str) -> Result<()> {
        self.shard(shard_of(object))?.exec(
            "INSERT INTO objects (type, id, status) VALUES (?1, ?2, ?3) ON CONFLICT (type, id) \
             DO UPDATE SET status = excluded.status WHERE status <> excluded.status",
            &[
                SqlValue::Text(&object.type_name),
                SqlValue::Text(&object.id),
                SqlValue::Text(status),
            ],
        )
    }

    /// Forgets an object that was never written.
    pub fn forget(&self, object: &Address) -> Result<()> {
        let args = [
            SqlValue::Text(&object.type_name),
            SqlValue::Text(&object.id),
        ];
        self.shard(shard_of(object))?
            .exec("DELETE FROM objects WHERE type = ?1 AND id = ?2", &args)
    }

    /// One page of objects, merged from the shards, by type and then id.
    pub fn objects(&self, list: &ObjectList) -> Result<ObjectPage> {
        let malformed =
            || Error::invalid("invalid_parameter", "not a cursor of this list").at("after");
        let after: (String, String) = match &list.after {
            Some(after) => serde_json::from_str(after).map_err(|_| malformed())?,
            None => Default::default(),
        };
        let limit = list.limit.max(1);
        let mut found: Vec<ObjectEntry> = Vec::new();
        for shard in 0..SHARDS {
            found.extend(self.page(shard, list, &after, limit + 1)?);
        }
        found.sort_by(|a, b| (&a.type_name, &a.id).cmp(&(&b.type_name, &b.id)));
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more);
        let next = next.map(|last| serde_json::json!([last.type_name, last.id]).to_string());
        Ok(ObjectPage {
            objects: found,
            next,
        })
    }

    fn page(
        &self,
        shard: usize,
        list: &ObjectList,
        after: &(String, String),
        limit: usize,
    ) -> Result<Vec<ObjectEntry>> {
        let mut text =
            "SELECT type, id, status FROM objects WHERE (type, id) > (?1, ?2)".to_owned();
        let mut args = vec![SqlValue::Text(&after.0), SqlValue::Text(&after.1)];
        if let Some(name) = &list.type_name {
            args.push(SqlValue::Text(name));
            text.push_str(&format!(" AND type = ?{}", args.len()));
        }
        let end;
        if !list.prefix.is_empty() {
            // Every text that starts with the prefix sorts below prefix + U+10FFFF.
            end = format!("{}\u{10ffff}", list.prefix);
            args.push(SqlValue::Text(&list.prefix));
            args.push(SqlValue::Text(&end));
            text.push_str(&format!(
                " AND id >= ?{} AND id < ?{}",
                args.len() - 1,
                args.len()
            ));
        }
        args.push(int(limit as u64));
        text.push_str(&format!(" ORDER BY type, id LIMIT ?{}", args.len()));
        all(&*self.shard(shard)?, &text, &args, |row| {
            Ok(ObjectEntry {
                type_name: row[0].text()?.to_owned(),
                id: row[1].text()?.to_owned(),
                status: row[2].text()?.to_owned(),
            })
        })
    }

    fn shard(&self, at: usize) -> Result<MutexGuard<'_, Sqlite>> {
        let shard = self.shards.get(at).ok_or_else(poisoned)?;
        shard.lock().map_err(|_| poisoned())
    }
}

fn shard_of(object: &Address) -> usize {
    usize::from(blake3::hash(object.to_string().as_bytes()).as_bytes()[0]) % SHARDS
}

fn unknown_type(name: &str) -> Error {
    let shown: String = name.chars().take(80).collect();
    Error::not_found("unknown_type", format!("no type {shown:?} is registered")).at("type")
}

fn poisoned() -> Error {
    Error::internal("a thread failed while it held the registry")
}
