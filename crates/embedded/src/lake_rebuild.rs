//! Tables of the lake made again from their data files and the objects of a data folder, while no server
//! runs on it.

use std::collections::BTreeMap;

use serde::Serialize;
use tidelog_api::ObjectList;
use tidelog_api::limits::OBJECTS_MAX;
use tidelog_core::{Address, Collection, TypeSchema, View};
use tidelog_lake::{Rebuild, Rebuilt, Runs, TableActor};
use tidelog_log::{BatchRange, Error, Hash, PackedBatch, Result, Sequence};

use crate::blobs::Blobs;
use crate::buckets::Buckets;
use crate::folder::Folder;
use crate::registry::Registry;
use crate::settings::Settings;
use crate::sqlite::Sqlite;
use crate::{clock, tables};

/// Log bytes read at once.
const BATCH_BYTES: usize = 1_000_000;
/// Log bytes looked through for one data file of rows that come again.
const REFILL_BYTES: usize = 32_000_000;
/// Missing ranges that are told, in all.
const MISSING_MAX: usize = 1_000;

/// Which tables are made again.
#[derive(Clone, Debug, Default)]
pub struct RebuildWanted {
    /// Those of this type; none: of all.
    pub type_name: Option<String>,
    /// Those of this collection; none: of all.
    pub collection: Option<String>,
    /// Only say what would be.
    pub dry_run: bool,
}

/// What became of one table.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableRebuilt {
    /// The type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The collection.
    pub collection: String,
    /// Data files that the table has now.
    pub files: u64,
    /// Rows that it has now.
    pub rows: u64,
    /// Of the rows, those that came again from the logs of objects.
    pub refilled: u64,
    /// Data files that are no part of it: of attempts that failed, or that nobody was told of.
    pub dropped: Vec<String>,
    /// Data files that cannot be read, left where they are.
    pub damaged: Vec<String>,
}

/// Events that are in no table of a type and in no log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The object's name, `type/id`.
    pub object: String,
    /// The first of them.
    pub from: Sequence,
    /// The last of them.
    pub to: Sequence,
}

/// What became of all of them.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LakeRebuilt {
    /// The tables.
    pub tables: Vec<TableRebuilt>,
    /// What is lost, so many ranges at most; told of types whose collections all have tables.
    pub missing: Vec<Missing>,
    /// Types of which that cannot be told: their logs have events that no table ever had.
    pub untold: Vec<String>,
}

/// Makes tables again: their metadata, rows that data files have lost and logs still have, and the marks
/// of objects where the table's own database is lost, too.
///
/// # Errors
/// `data_folder_in_use` while a server runs; those of the lake; `corrupt` when two data files have the same
/// event. A table is changed as a whole or not at all.
pub async fn rebuild_lake(settings: &Settings, wanted: &RebuildWanted) -> Result<LakeRebuilt> {
    let folder = Folder::open(&settings.data)?;
    let registry = Registry::open(&folder)?;
    let buckets = Buckets::open(settings, &folder)?;
    let mut done = LakeRebuilt::default();
    for schema in registry.types()? {
        if wanted
            .type_name
            .as_ref()
            .is_some_and(|name| *name != schema.name)
        {
            continue;
        }
        let mut type_rebuild = TypeRebuild {
            settings,
            folder: &folder,
            buckets: &buckets,
            objects: objects(&registry, &schema)?,
            schema: &schema,
            known: BTreeMap::new(),
        };
        let cold = schema.collections.iter().filter(|c| c.cold.enabled);
        for collection in cold {
            if wanted
                .collection
                .as_ref()
                .is_none_or(|name| *name == collection.name)
            {
                done.tables
                    .push(type_rebuild.table(collection, wanted.dry_run).await?);
            }
        }
        match wanted.collection.is_none() && schema.collections.iter().all(|c| c.cold.enabled) {
            true => type_rebuild.missing(&mut done.missing),
            false => done.untold.push(schema.name.clone()),
        }
    }
    Ok(done)
}

fn objects(registry: &Registry, schema: &TypeSchema) -> Result<Vec<Address>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = registry.objects(&ObjectList {
            type_name: Some(schema.name.clone()),
            prefix: String::new(),
            after,
            limit: OBJECTS_MAX,
        })?;
        for entry in &page.objects {
            all.push(Address::object(&schema.name, &entry.id)?);
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(all),
        }
    }
}

/// The tables of one type.
struct TypeRebuild<'r> {
    settings: &'r Settings,
    folder: &'r Folder,
    buckets: &'r Buckets,
    objects: Vec<Address>,
    schema: &'r TypeSchema,
    /// Of each object the sequences in tables or the log, and how far all tables have it.
    known: BTreeMap<String, (Runs, Sequence)>,
}

/// An object's log, and how far a table has it.
struct ObjectLog {
    sql: Sqlite,
    view: View,
    committed: Sequence,
}

impl TypeRebuild<'_> {
    async fn table(&mut self, collection: &Collection, dry_run: bool) -> Result<TableRebuilt> {
        let table = Address::table(&self.schema.name, &collection.name)?;
        let path = self.folder.make_room(&table)?;
        let sql = Sqlite::writer(&path, tables::TABLE_BYTES_MAX)?;
        let actor = TableActor::open(&sql, &table, self.settings.table())?;
        let (now, version) = (clock::now(), self.schema.version);
        actor.set_schema(&sql, now, clock::entropy(), collection, version)?;
        let blobs = self.buckets.of(&actor.bucket(&sql)?)?;
        let marks = actor.marks(&sql)?;
        let marks: BTreeMap<String, Sequence> = marks
            .into_iter()
            .map(|(source, mark)| (source, mark.committed))
            .collect();
        let mut rebuild = actor
            .begin_rebuild(&sql, &blobs, now, clock::entropy())
            .await?;
        let committed = self.committed(&table, &rebuild, &marks)?;
        rebuild.choose(|object| committed.get(object).copied())?;
        let new_marks = self
            .bring(&table, &blobs, &mut rebuild, &marks, dry_run)
            .await?;
        let made = match dry_run {
            true => rebuild.summary(),
            false => rebuild.write(&sql, &blobs, &new_marks).await?,
        };
        Ok(rebuilt(&table, made))
    }

    /// How far each object of the data files is known to be in the table; not of one that is gone.
    fn committed(
        &self,
        table: &Address,
        rebuild: &Rebuild,
        marks: &BTreeMap<String, Sequence>,
    ) -> Result<BTreeMap<String, Sequence>> {
        let mut all = BTreeMap::new();
        for id in rebuild.objects() {
            let object = Address::object(&table.type_name, &id)?;
            let known = match marks.is_empty() {
                false => Some(marks.get(&object.to_string()).copied().unwrap_or_default()),
                true => self.log_of(table, &object)?.map(|log| log.committed),
            };
            all.extend(known.map(|known| (id, known)));
        }
        Ok(all)
    }

    fn log_of(&self, table: &Address, object: &Address) -> Result<Option<ObjectLog>> {
        let path = self.folder.actor(object);
        if !path.exists() {
            return Ok(None);
        }
        let sql = Sqlite::reader(&path)?;
        let view = View::open(&sql, object)?;
        let destination = table.to_string();
        let cursors = view.cursors(&sql)?;
        let cursor = cursors
            .iter()
            .find(|cursor| cursor.destination == destination);
        let committed = cursor.map(|cursor| cursor.committed).unwrap_or_default();
        Ok(Some(ObjectLog {
            sql,
            view,
            committed,
        }))
    }

    /// Brings rows that are lost again, and answers the marks that the table's database lacks.
    async fn bring(
        &mut self,
        table: &Address,
        blobs: &Blobs,
        rebuild: &mut Rebuild,
        marks: &BTreeMap<String, Sequence>,
        dry_run: bool,
    ) -> Result<Vec<BatchRange>> {
        let mut objects = self.objects.clone();
        for id in rebuild.objects() {
            objects.push(Address::object(&table.type_name, &id)?);
        }
        objects.sort_unstable_by_key(ToString::to_string);
        objects.dedup();
        let (mut new_marks, mut waiting) = (Vec::new(), Waiting::default());
        for object in objects {
            let rows = rebuild.rows_of(&object.id)?;
            let Some(log) = self.log_of(table, &object)? else {
                new_marks
                    .extend((marks.is_empty() && rows.count() > 0).then(|| orphan(&object, &rows)));
                continue;
            };
            let mark = match marks.is_empty() {
                true => log.mark(table, &rows)?,
                false => marks.get(&object.to_string()).copied().unwrap_or_default(),
            };
            if marks.is_empty() && mark > Sequence(0) {
                new_marks.push(log.view.mark_at(&log.sql, mark)?);
            }
            let found = waiting.gather(&log, table, &object, (rows, mark))?;
            if waiting.bytes >= REFILL_BYTES && !dry_run {
                std::mem::take(&mut waiting).write(blobs, rebuild).await?;
            }
            let known = self.known.entry(object.id.clone());
            let (all, least) = known.or_insert_with(|| (Runs::default(), mark));
            *least = mark.min(*least);
            all.merge(&found).map_err(|at| {
                let message = format!("event {at} of {} is in two tables", object.short());
                Error::corrupt(message)
            })?;
        }
        if !dry_run {
            waiting.write(blobs, rebuild).await?;
        }
        Ok(new_marks)
    }

    /// What no table and no log has.
    fn missing(&self, out: &mut Vec<Missing>) {
        for (id, (all, least)) in &self.known {
            let most = MISSING_MAX.saturating_sub(out.len());
            let gaps = all.gaps(*least, most).into_iter();
            out.extend(gaps.map(|(from, to)| Missing {
                object: format!("{}/{id}", self.schema.name),
                from,
                to,
            }));
        }
    }
}

impl ObjectLog {
    /// How far the table has the object: as far as it was told, or to the end of the turn of its last row,
    /// of which it was not told yet.
    fn mark(&self, table: &Address, rows: &Runs) -> Result<Sequence> {
        let mut at = self.committed;
        while at < rows.last() {
            let batch = self.view.batch(&self.sql, &table.id, at, 1)?;
            if batch.range.to <= at {
                let message = format!("the log of {} ends before its rows", batch.range.source);
                return Err(Error::corrupt(message));
            }
            at = batch.range.to;
        }
        Ok(at)
    }
}

/// Batches of logs in which rows are that data files lack.
#[derive(Default)]
struct Waiting {
    batches: Vec<(String, PackedBatch)>,
    lacking: BTreeMap<String, Runs>,
    bytes: usize,
}

impl Waiting {
    /// Looks for what is lacking up to a mark; answers all that is there then.
    fn gather(
        &mut self,
        log: &ObjectLog,
        table: &Address,
        object: &Address,
        (rows, mark): (Runs, Sequence),
    ) -> Result<Runs> {
        let earliest = log.view.state(&log.sql)?.earliest;
        let mut at = Sequence(earliest.0.saturating_sub(1));
        let mut lacking = Runs::default();
        while at < mark {
            let batch = log.view.batch(&log.sql, &table.id, at, BATCH_BYTES)?;
            if batch.range.to <= at {
                break;
            }
            at = batch.range.to;
            let before = lacking.count();
            PackedBatch::walk(batch.as_bytes(), |event| {
                match event.sequence <= mark && !rows.contains(event.sequence) {
                    true => lacking.push(event.sequence),
                    false => Ok(()),
                }
            })?;
            if lacking.count() > before {
                self.bytes += batch.as_bytes().len();
                self.batches.push((object.id.clone(), batch));
            }
        }
        let mut all = rows;
        all.merge(&lacking)
            .map_err(|_| Error::internal("a row that is there is lacking"))?;
        self.lacking.insert(object.id.clone(), lacking);
        Ok(all)
    }

    async fn write(self, blobs: &Blobs, rebuild: &mut Rebuild) -> Result<()> {
        let lacking = &self.lacking;
        let lacks = |object: &str, at| lacking.get(object).is_some_and(|runs| runs.contains(at));
        rebuild.refill(blobs, &self.batches, lacks).await
    }
}

/// The mark of an object that is gone: no other one of its name goes on where it ended.
fn orphan(object: &Address, rows: &Runs) -> BatchRange {
    BatchRange {
        source: object.to_string(),
        epoch: tidelog_log::Epoch(0),
        from: Sequence(0),
        from_hash: Hash::default(),
        to: rows.last(),
        to_hash: Hash([u8::MAX; 32]),
    }
}

fn rebuilt(table: &Address, made: Rebuilt) -> TableRebuilt {
    TableRebuilt {
        type_name: table.type_name.clone(),
        collection: table.id.clone(),
        files: made.files,
        rows: made.rows,
        refilled: made.refilled,
        dropped: made.dropped,
        damaged: made
            .damaged
            .into_iter()
            .map(|(key, why)| format!("{key}: {why}"))
            .collect(),
    }
}
