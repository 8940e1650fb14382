//! Answers a query: from the row table in SQL what SQL answers alike, here the rest; from blobs by
//! [`FoldedScan`].

use std::collections::BTreeSet;

use tidelog_log::{FieldId, Result, Value};

use super::accumulator::Accumulator;
use super::folded::FoldedScan;
use super::grouping::{Aggregate, Function, Grouping};
use super::groups::Groups;
use super::limits::{RESULT_COLUMNS_MAX, SCAN_ROWS};
use super::operand::{Operand, Source};
use super::page::{PageBuilder, QueryPage};
use super::parse::{Query, Selection, Shape};
use super::pushdown::{Args, Pushdown};
use super::sorting::Cell;
use crate::sql::{Sql, SqlValue, quoted};
use crate::{Collection, Document, RowTable, from_sql};

impl Query {
    /// Answers the query from the collection's table and blobs.
    ///
    /// # Errors
    /// `too_many_groups` or `sum_overflow`, and what the database says.
    pub fn run(&self, sql: &dyn Sql, collection: &Collection) -> Result<QueryPage> {
        let run = Run {
            sql,
            collection,
            query: self,
            table: RowTable::new(collection),
            pushdown: Pushdown::of(&self.filter),
        };
        let folded = FoldedScan::of(sql, self, collection)?;
        let mut page = PageBuilder::new(self);
        match &self.shape {
            Shape::Rows(selection) => {
                run.rows(selection, &mut page)?;
                if let Some(folded) = folded {
                    folded.rows(selection, &mut page)?;
                }
            }
            Shape::Groups(grouping) => {
                let mut groups = run.groups(grouping, &mut page)?;
                if let Some(folded) = folded {
                    folded.groups(grouping, &mut groups, &mut page)?;
                }
                groups.finish(&mut page)?;
            }
        }
        Ok(page.finish())
    }
}

struct Run<'r> {
    sql: &'r dyn Sql,
    collection: &'r Collection,
    query: &'r Query,
    table: RowTable,
    pushdown: Pushdown<'r>,
}

impl Run<'_> {
    fn rows(&self, selection: &Selection, page: &mut PageBuilder<'_>) -> Result<()> {
        let has_columns = selection.order.iter().all(|o| o.column.is_some());
        if self.pushdown.residual.is_empty() && has_columns {
            return self.ordered(selection, page);
        }
        let select = self.select(selection.operands());
        let by_key = selection.order.len() == 1;
        let descending = by_key && selection.sorting.0[0].descending;
        let start = self.query.after.as_ref().filter(|_| by_key);
        let start = match start.and_then(|rank| rank.first()) {
            Some(Some(Cell::Value(Value::Text(key)))) => Some(key.clone()),
            _ => None,
        };
        self.scan(&select, start, descending, &mut |document| {
            page.scanned += 1;
            if self.pushdown.keeps(&document) {
                selection.offer(self.collection, &document, page)?;
            }
            Ok(by_key && page.is_full())
        })
    }

    /// One statement: filter, place, order and limit are all SQL's.
    fn ordered(&self, selection: &Selection, page: &mut PageBuilder<'_>) -> Result<()> {
        let mut args = self.pushdown.args.clone();
        let mut conditions = self.pushdown.conditions.clone();
        if let Some(after) = &self.query.after {
            conditions.push(after_sql(selection, after, &mut args));
        }
        let order: Vec<String> = selection
            .order
            .iter()
            .zip(&selection.sorting.0)
            .map(|(operand, column)| order_sql(operand, column.descending))
            .collect();
        let text = format!(
            "{}{} ORDER BY {} LIMIT {}",
            self.select(selection.operands()),
            where_sql(&conditions),
            order.join(", "),
            args.push_count(self.query.limit + 1)
        );
        self.sql.run(&text, &args.bound(), &mut |row| {
            // The rest of a page that is full by its bytes is stepped over, not held.
            if page.is_full() {
                return Ok(());
            }
            page.scanned += 1;
            selection.offer(self.collection, &self.table.read(row)?, page)
        })
    }

    fn groups<'g>(&self, grouping: &'g Grouping, page: &mut PageBuilder<'_>) -> Result<Groups<'g>> {
        if let Some(groups) = self.groups_in_sql(grouping, page)? {
            return Ok(groups);
        }
        let mut groups = Groups::new(grouping);
        let select = self.select(Some(grouping.operands()));
        self.scan(&select, None, false, &mut |document| {
            page.scanned += 1;
            if self.pushdown.keeps(&document) {
                groups.add(&document)?;
            }
            Ok(false)
        })?;
        Ok(groups)
    }

    /// Groups and aggregates as one statement; none when SQL would not answer alike.
    fn groups_in_sql<'g>(
        &self,
        grouping: &'g Grouping,
        page: &mut PageBuilder<'_>,
    ) -> Result<Option<Groups<'g>>> {
        let plain = grouping.keys.iter().all(|key| key.bucket.is_none());
        if !self.pushdown.residual.is_empty() || !plain {
            return Ok(None);
        }
        let keys = grouping.keys.iter().map(|key| key.operand.column.clone());
        let Some(keys) = keys.collect::<Option<Vec<String>>>() else {
            return Ok(None);
        };
        let parts = grouping.aggregates.iter().map(aggregate_sql);
        let Some(parts) = parts.collect::<Option<Vec<Vec<String>>>>() else {
            return Ok(None);
        };
        let columns: Vec<String> = keys.iter().cloned().chain(parts.concat()).collect();
        if columns.len() > RESULT_COLUMNS_MAX {
            return Ok(None);
        }
        let by = if keys.is_empty() {
            String::new()
        } else {
            format!(" GROUP BY {}", keys.join(", "))
        };
        let text = format!(
            "SELECT {} FROM {}{}{by}",
            columns.join(", "),
            quoted(&self.collection.name),
            where_sql(&self.pushdown.conditions)
        );
        let mut groups = Groups::new(grouping);
        let mut exact = true;
        self.sql
            .run(&text, &self.pushdown.args.bound(), &mut |row| {
                page.scanned += 1;
                let (key_cells, mut rest) = row.split_at(keys.len().min(row.len()));
                let mut values = Vec::new();
                for (key, cell) in grouping.keys.iter().zip(key_cells) {
                    values.push(from_sql(key.operand.field_type, *cell)?);
                }
                let mut states = Vec::new();
                for (aggregate, part) in grouping.aggregates.iter().zip(&parts) {
                    let (cells, others) = rest.split_at(part.len().min(rest.len()));
                    rest = others;
                    match read_aggregate(aggregate, cells)? {
                        Some(state) => states.push(state),
                        None => exact = false,
                    }
                }
                if exact {
                    groups.put(values, states)?;
                }
                Ok(())
            })?;
        Ok(exact.then_some(groups))
    }

    /// Hands every row that SQL's part of the filter lets through to `each`, by key, in chunks,
    /// until it says that it is done.
    fn scan(
        &self,
        select: &str,
        mut start: Option<String>,
        descending: bool,
        each: &mut dyn FnMut(Document) -> Result<bool>,
    ) -> Result<()> {
        let (past, direction) = if descending {
            ("<", "DESC")
        } else {
            (">", "ASC")
        };
        loop {
            let mut args = self.pushdown.args.clone();
            let mut conditions = self.pushdown.conditions.clone();
            if let Some(key) = start.take() {
                let key = args.push(Value::Text(key));
                conditions.push(format!("_key {past} {key}"));
            }
            let limit = args.push_count(SCAN_ROWS);
            let conditions = where_sql(&conditions);
            let text = format!("{select}{conditions} ORDER BY _key {direction} LIMIT {limit}");
            let (mut rows, mut done) = (0, false);
            self.sql.run(&text, &args.bound(), &mut |row| {
                rows += 1;
                if done {
                    return Ok(());
                }
                if rows == SCAN_ROWS {
                    start = Some(row.first().map_or(Ok(""), |key| key.text())?.to_owned());
                }
                done = each(self.table.read(row)?)?;
                Ok(())
            })?;
            if done || rows < SCAN_ROWS {
                return Ok(());
            }
        }
    }

    /// [`RowTable::select`] with NULL in place of what neither the answer nor the residual needs.
    fn select<'o>(&'o self, operands: Option<impl Iterator<Item = &'o Operand>>) -> String {
        let Some(operands) = operands else {
            return self.table.select.clone();
        };
        let mut needed: BTreeSet<FieldId> = BTreeSet::new();
        let mut need = |operand: &Operand| {
            if let Source::Field(id) = operand.source {
                needed.insert(id);
            }
        };
        operands.for_each(&mut need);
        self.pushdown
            .residual
            .iter()
            .for_each(|f| f.operands(&mut need));
        let columns: String = self
            .collection
            .columns()
            .map(|field| match needed.remove(&field.id) {
                true => format!("{}, ", quoted(&field.name)),
                false => "NULL, ".to_owned(),
            })
            .collect();
        // What is still needed has no column.
        let extra = if needed.is_empty() { "NULL" } else { "_extra" };
        let table = quoted(&self.collection.name);
        format!("SELECT _key, _version, {columns}{extra} FROM {table}")
    }
}

fn where_sql(conditions: &[String]) -> String {
    match conditions {
        [] => String::new(),
        some => format!(" WHERE {}", some.join(" AND ")),
    }
}

fn column(operand: &Operand) -> &str {
    operand.column.as_deref().unwrap_or("NULL")
}

/// SQLite puts NULL first, so only ascending order needs to say otherwise.
fn order_sql(operand: &Operand, descending: bool) -> String {
    let never_null = !matches!(operand.source, Source::Field(_));
    match (descending, never_null) {
        (true, _) => format!("{} DESC", column(operand)),
        (false, true) => column(operand).to_owned(),
        (false, false) => format!("{} ASC NULLS LAST", column(operand)),
    }
}

/// Rows after a place: for some column it is past the place's value and equal in all before.
fn after_sql(selection: &Selection, after: &[Option<Cell>], args: &mut Args) -> String {
    let mut equal_so_far = String::new();
    let mut ways = Vec::new();
    let columns = selection.order.iter().zip(&selection.sorting.0);
    for ((operand, sort), cell) in columns.zip(after) {
        let name = column(operand);
        let Some(Cell::Value(value)) = cell else {
            // Nothing comes after no value.
            equal_so_far.push_str(&format!("{name} IS NULL AND "));
            continue;
        };
        let mark = args.push(value.clone());
        let past = if sort.descending { "<" } else { ">" };
        let or_null = match operand.source {
            Source::Field(_) => format!(" OR {name} IS NULL"),
            _ => String::new(),
        };
        ways.push(format!("({equal_so_far}({name} {past} {mark}{or_null}))"));
        equal_so_far.push_str(&format!("{name} = {mark} AND "));
    }
    match ways.is_empty() {
        true => "(0)".to_owned(),
        false => format!("({})", ways.join(" OR ")),
    }
}

/// Bits of the low half of an int sum.
const HALF_BITS: u32 = 26;
/// Values whose halves sum within 2^53 on every host: ints are within 2^53, halves within 2^27.
const HALF_SUM_VALUES_MAX: u64 = 1 << 26;

/// Result columns that make up an aggregate; none when SQL would not answer alike.
///
/// A sum of ints goes as two sums of halves, because SQLite's `sum` overflows at 64 bits and a
/// Durable Object's answer crosses as a double. Float sums depend on the order of rows in SQL,
/// and distinct values are bounded here.
fn aggregate_sql(aggregate: &Aggregate) -> Option<Vec<String>> {
    let Some(operand) = &aggregate.operand else {
        return Some(vec!["count(*)".to_owned()]);
    };
    let column = operand.column.as_deref()?;
    let int = operand.field_type == tidelog_log::FieldType::Int;
    match aggregate.function {
        Function::Count => Some(vec![format!("count({column})")]),
        Function::Min => Some(vec![format!("min({column})")]),
        Function::Max => Some(vec![format!("max({column})")]),
        Function::Sum | Function::Avg if int => Some(vec![
            format!("count({column})"),
            format!("sum({column} >> {HALF_BITS})"),
            format!("sum({column} & {})", (1_u32 << HALF_BITS) - 1),
        ]),
        _ => None,
    }
}

/// Reads the columns of [`aggregate_sql`]; none when there were too many values to be exact.
fn read_aggregate(aggregate: &Aggregate, cells: &[SqlValue<'_>]) -> Result<Option<Accumulator>> {
    let operand = aggregate.operand.as_ref();
    let value = |cell: &SqlValue<'_>| match operand {
        Some(operand) => from_sql(operand.field_type, *cell),
        None => Ok(None),
    };
    Ok(Some(match (aggregate.function, cells) {
        (Function::Count, [count]) => Accumulator::Count(count.unsigned()?),
        (Function::Min, [least]) => Accumulator::Min(value(least)?),
        (Function::Max, [most]) => Accumulator::Max(value(most)?),
        (_, [count, high, low]) => {
            let count = count.unsigned()?;
            if count > HALF_SUM_VALUES_MAX {
                return Ok(None);
            }
            let half = |cell: &SqlValue<'_>| match cell.optional() {
                Some(cell) => cell.integer().map(i128::from),
                None => Ok(0),
            };
            let total = (half(high)? << HALF_BITS) + half(low)?;
            Accumulator::Whole { count, total }
        }
        _ => return Ok(None),
    }))
}
