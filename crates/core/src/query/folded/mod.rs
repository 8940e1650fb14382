//! Queries over folded documents: pages that cannot match are skipped, conditions are tested column
//! by column, and only what is wanted of the rows that pass is read.

mod columns;
mod skip;
mod sums;

use std::collections::BTreeSet;

use tidelog_log::{FieldId, Result};

use self::columns::Columns;
use super::filter::Filter;
use super::grouping::Grouping;
use super::groups::Groups;
use super::operand::{Operand, Source};
use super::page::PageBuilder;
use super::parse::{Query, Selection};
use super::sorting::{Cell, Rank};
use crate::Collection;
use crate::folded::{Blob, Folded};
use crate::sql::Sql;
use crate::table::masks::Mask;

/// A scan over the folded documents of one collection.
pub(super) struct FoldedScan<'r> {
    query: &'r Query,
    collection: &'r Collection,
    folded: Folded<'r>,
}

impl<'r> FoldedScan<'r> {
    /// A scan for a query; none where nothing is folded.
    pub(super) fn of(
        sql: &'r dyn Sql,
        query: &'r Query,
        collection: &'r Collection,
    ) -> Result<Option<Self>> {
        let folded = Folded::open(sql, collection.id)?;
        Ok((!folded.is_empty()).then_some(Self {
            query,
            collection,
            folded,
        }))
    }

    /// Offers every document that passes to a page of rows.
    pub(super) fn rows(&self, selection: &Selection, page: &mut PageBuilder<'_>) -> Result<()> {
        let mut of_rank = BTreeSet::new();
        selection
            .order
            .iter()
            .for_each(|o| of_rank.extend(field(o)));
        let of_row = selection.operands().map(|operands| {
            let fields: BTreeSet<FieldId> = operands.filter_map(field).collect();
            fields
        });
        let by_key = selection.order.len() == 1;
        for entry in self.folded.entries() {
            let blob = self.folded.blob(entry)?;
            let mask = self.folded.mask(entry.id)?;
            for at in 0..blob.decoder.page_count() {
                if by_key && !page.reaches(skip::key_bounds(&blob, at)) {
                    continue;
                }
                let Some(passed) = self.passed(&blob, &mask, at, page)? else {
                    continue;
                };
                let ranked = blob.decode(at, |id| of_rank.contains(&id))?;
                let mut whole = None;
                for row in passed {
                    let document = ranked.document(row)?;
                    let cell = |o: &Operand| Some(Cell::Value(o.of(&document)?.into_owned()));
                    let rank: Rank = selection.order.iter().map(cell).collect();
                    if !page.wants(&rank) {
                        continue;
                    }
                    if whole.is_none() {
                        let wanted = |id| of_row.as_ref().is_none_or(|fields| fields.contains(&id));
                        whole = Some(blob.decode(at, wanted)?);
                    }
                    if let Some(whole) = &whole {
                        selection.offer(self.collection, &whole.document(row)?, page)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds every document that passes to its group.
    pub(super) fn groups(
        &self,
        grouping: &Grouping,
        groups: &mut Groups<'_>,
        page: &mut PageBuilder<'_>,
    ) -> Result<()> {
        let fields: BTreeSet<FieldId> = grouping.operands().filter_map(field).collect();
        for entry in self.folded.entries() {
            let blob = self.folded.blob(entry)?;
            let mask = self.folded.mask(entry.id)?;
            for at in 0..blob.decoder.page_count() {
                let Some(passed) = self.passed(&blob, &mask, at, page)? else {
                    continue;
                };
                if grouping.keys.is_empty() {
                    let mut columns = Columns::new(&blob, at);
                    groups.add_all(|aggregate, state| {
                        sums::add(&mut columns, aggregate, &passed, state)
                    })?;
                    continue;
                }
                let decoded = blob.decode(at, |id| fields.contains(&id))?;
                for row in passed {
                    groups.add(&decoded.document(row)?)?;
                }
            }
        }
        Ok(())
    }

    /// Rows of a page, counted from its first, that are not masked and pass the filter; none where
    /// no row does.
    fn passed(
        &self,
        blob: &Blob<'_>,
        mask: &Mask,
        at: usize,
        page: &mut PageBuilder<'_>,
    ) -> Result<Option<Vec<usize>>> {
        let filter = &self.query.filter;
        if !skip::may_pass(filter, blob, at) {
            return Ok(None);
        }
        let rows = blob.rows_of(at);
        page.scanned += rows.len() as u64;
        let passes = match filter {
            Filter::All(filters) if filters.is_empty() => None,
            filter => Some(Columns::new(blob, at).test(filter)?),
        };
        let live = |row: usize| !mask.has(u32::try_from(row).unwrap_or(u32::MAX));
        let none_masked = mask.masked() == 0;
        let passed: Vec<usize> = match passes {
            None if none_masked => (0..rows.len()).collect(),
            None => (0..rows.len()).filter(|i| live(rows.start + i)).collect(),
            Some(passes) => {
                let passed = passes.iter().enumerate().filter(|(_, passes)| **passes);
                let passed = passed.map(|(i, _)| i);
                passed
                    .filter(|i| none_masked || live(rows.start + i))
                    .collect()
            }
        };
        Ok((!passed.is_empty()).then_some(passed))
    }
}

/// The declared field of an operand.
fn field(operand: &Operand) -> Option<FieldId> {
    match operand.source {
        Source::Field(id) => Some(id),
        Source::Key | Source::Version => None,
    }
}
