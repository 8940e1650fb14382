//! The reference evaluator: what a query means, over documents in memory, without SQL.

use serde_json::Value as Json;
use tidelog_log::Result;

use super::groups::Groups;
use super::operand::Operand;
use super::page::{PageBuilder, QueryPage};
use super::parse::{Query, Selection, Shape};
use super::sorting::{Cell, Rank};
use crate::{Collection, Document, JsonObject};

/// Answers a query from all documents of its collection, in whatever order they come.
///
/// # Errors
/// `too_many_groups` or `sum_overflow`.
pub fn evaluate(
    query: &Query,
    collection: &Collection,
    documents: impl IntoIterator<Item = Document>,
) -> Result<QueryPage> {
    let mut page = PageBuilder::new(query);
    match &query.shape {
        Shape::Rows(selection) => {
            for document in documents {
                page.scanned += 1;
                if query.filter.matches(&document) {
                    selection.offer(collection, &document, &mut page)?;
                }
            }
        }
        Shape::Groups(grouping) => {
            let mut groups = Groups::new(grouping);
            for document in documents {
                page.scanned += 1;
                if query.filter.matches(&document) {
                    groups.add(&document)?;
                }
            }
            groups.finish(&mut page)?;
        }
    }
    Ok(page.finish())
}

impl Selection {
    /// Offers a document to a page.
    pub(super) fn offer(
        &self,
        collection: &Collection,
        document: &Document,
        page: &mut PageBuilder<'_>,
    ) -> Result<()> {
        let cell = |operand: &Operand| Some(Cell::Value(operand.of(document)?.into_owned()));
        let rank: Rank = self.order.iter().map(cell).collect();
        if !page.wants(&rank) {
            return Ok(());
        }
        page.push(rank, self.row(collection, document))
    }

    /// The selected fields that have a value, with `_key` and `_version`.
    fn row(&self, collection: &Collection, document: &Document) -> JsonObject {
        let mut row = JsonObject::new();
        match &self.fields {
            None => {
                let name = |id| collection.field_name(id);
                if let Json::Object(all) = document.row.to_json(name) {
                    row = all;
                }
            }
            Some(fields) => {
                for field in fields {
                    if let Some(value) = field.of(document) {
                        row.insert(field.name.clone(), value.to_json());
                    }
                }
            }
        }
        row.insert("_key".to_owned(), Json::from(document.key.as_str()));
        row.insert("_version".to_owned(), Json::from(document.version.0));
        row
    }
}
