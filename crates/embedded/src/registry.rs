//! Types and objects, in SQLite files sharded by hash from the start; listing merges.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use tidelog_api::{ObjectList, ObjectPage, TypeSummary, registry};
use tidelog_core::{Address, TypeSchema, TypeSpec};
use tidelog_log::{Error, Result};

use crate::folder::Folder;
use crate::sqlite::Sqlite;

/// Registry shards; an object's is a hash of its address. Types are all in shard 0.
const SHARDS: usize = 4;
/// Largest registry file.
const SHARD_BYTES_MAX: u64 = 1 << 40;

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
            registry::create(&sql)?;
            shards.push(Mutex::new(sql));
        }
        let registry = Self {
            shards,
            types: RwLock::default(),
        };
        let types = registry::newest(&*registry.shard(0)?)?;
        let types = types
            .into_iter()
            .map(|schema| (schema.name.clone(), Arc::new(schema)));
        *registry.types.write().map_err(|_| poisoned())? = types.collect();
        Ok(registry)
    }

    /// Registers a declaration; true when it made a new version.
    pub fn register_type(&self, spec: &TypeSpec) -> Result<(Arc<TypeSchema>, bool)> {
        let sql = self.shard(0)?;
        let mut types = self.types.write().map_err(|_| poisoned())?;
        let (schema, new) = registry::register(&*sql, spec)?;
        let schema = Arc::new(schema);
        types.insert(schema.name.clone(), Arc::clone(&schema));
        Ok((schema, new))
    }

    /// The newest version of a type.
    ///
    /// # Errors
    /// `unknown_type`.
    pub fn newest(&self, name: &str) -> Result<Arc<TypeSchema>> {
        let types = self.types.read().map_err(|_| poisoned())?;
        types
            .get(name)
            .cloned()
            .ok_or_else(|| registry::unknown_type(name))
    }

    /// Any version of a type.
    ///
    /// # Errors
    /// `unknown_type`.
    pub fn version(&self, name: &str, version: u32) -> Result<TypeSchema> {
        registry::find(&*self.shard(0)?, name, Some(version))
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
        let types = self.types()?;
        Ok(types.iter().map(|schema| TypeSummary::of(schema)).collect())
    }

    /// Records an object before its file is made, or its new status.
    pub fn note(&self, object: &Address, status: &str) -> Result<()> {
        let sql = self.shard(shard_of(object))?;
        registry::note(&*sql, &object.type_name, &object.id, status)
    }

    /// Forgets an object that was never written.
    pub fn forget(&self, object: &Address) -> Result<()> {
        let sql = self.shard(shard_of(object))?;
        registry::forget(&*sql, &object.type_name, &object.id)
    }

    /// One page of objects, merged from the shards, by type and then id.
    pub fn objects(&self, list: &ObjectList) -> Result<ObjectPage> {
        let mut found = Vec::new();
        for shard in 0..SHARDS {
            found.extend(registry::page(&*self.shard(shard)?, list)?);
        }
        Ok(registry::merge(found, list.limit))
    }

    fn shard(&self, at: usize) -> Result<MutexGuard<'_, Sqlite>> {
        let shard = self.shards.get(at).ok_or_else(poisoned)?;
        shard.lock().map_err(|_| poisoned())
    }
}

fn shard_of(object: &Address) -> usize {
    usize::from(blake3::hash(object.to_string().as_bytes()).as_bytes()[0]) % SHARDS
}

fn poisoned() -> Error {
    Error::internal("a thread failed while it held the registry")
}
