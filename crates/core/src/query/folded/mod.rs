//! Queries over folded documents: pages that cannot match are skipped, conditions are tested column
//! by column, and only what is wanted of the rows that pass is read.

mod columns;
mod keys;
mod selected;
mod skip;
mod sums;

use std::collections::BTreeSet;

use tidelog_log::{FieldId, Result};

use self::columns::Columns;
use self::keys::Keys;
use self::selected::Selected;
use self::skip::Verdict;
use super::grouping::Grouping;
use super::groups::Groups;
use super::operand::{Operand, Source};
use super::page::PageBuilder;
use super::parse::{Query, Selection};
use super::sorting::{Cell, Rank};
use crate::Collection;
use crate::folded::{Entry, Folded};
use crate::sql::Sql;
use crate::table::masks::Mask;

/// A scan over the folded documents of one collection.
pub(super) struct FoldedScan<'r> {
    query: &'r Query,
    collection: &'r Collection,
    folded: Folded<'r>,
    keys: Keys,
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
            keys: Keys::of(&query.filter, collection),
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
        for entry in self.entries() {
            let blob = self.folded.blob(entry)?;
            let mask = self.folded.mask(entry.id)?;
            for at in 0..blob.decoder.page_count() {
                if by_key && !page.reaches(skip::key_bounds(&blob, at)) {
                    continue;
                }
                let mut columns = Columns::new(&blob, at, self.collection);
                let Some(passed) = self.passed(&mut columns, &mask, page)? else {
                    continue;
                };
                let ranked = blob.decode(at, |id| of_rank.contains(&id))?;
                let mut whole = None;
                for row in passed.iter() {
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
        for entry in self.entries() {
            let blob = self.folded.blob(entry)?;
            let mask = self.folded.mask(entry.id)?;
            for at in 0..blob.decoder.page_count() {
                let mut columns = Columns::new(&blob, at, self.collection);
                let Some(passed) = self.passed(&mut columns, &mask, page)? else {
                    continue;
                };
                if grouping.keys.is_empty() {
                    groups.add_all(|aggregate, state| {
                        sums::add(&mut columns, aggregate, &passed, state)
                    })?;
                    continue;
                }
                let decoded = blob.decode(at, |id| fields.contains(&id))?;
                for row in passed.iter() {
                    groups.add(&decoded.document(row)?)?;
                }
            }
        }
        Ok(())
    }

    /// The blobs that may hold wanted documents.
    fn entries(&self) -> impl Iterator<Item = &Entry> {
        let entries = self.folded.entries().iter();
        entries.filter(|entry| self.keys.may_be_in(entry))
    }

    /// Rows of a page that are not masked and pass the filter; none where no row does.
    fn passed(
        &self,
        columns: &mut Columns<'_, '_>,
        mask: &Mask,
        page: &mut PageBuilder<'_>,
    ) -> Result<Option<Selected>> {
        let (filter, rows) = (&self.query.filter, columns.range());
        let verdict = match columns.keys_may_pass(&self.keys) {
            true => columns.verdict(filter),
            false => Verdict::Never,
        };
        let passes = match verdict {
            Verdict::Never => return Ok(None),
            Verdict::Always => None,
            Verdict::Maybe => Some(columns.test(filter)?),
        };
        page.scanned += rows.len() as u64;
        Ok(Selected::of(passes, rows, mask))
    }
}

/// The declared field of an operand.
fn field(operand: &Operand) -> Option<FieldId> {
    match operand.source {
        Source::Field(id) => Some(id),
        Source::Key | Source::Version => None,
    }
}
