//! A query: parsed and checked against its collection.

use serde_json::Value as Json;
use tidelog_log::limits::{FIELDS_MAX, PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX};
use tidelog_log::{Error, Kind, Offset, Result};

use super::cursor::{Fingerprint, read_cursor};
use super::expect::{at_most, list, member, object, only, text, wrong};
use super::filter::Filter;
use super::grouping::Grouping;
use super::operand::{Operand, Source};
use super::sorting::{CellKind, OrderTerm, Rank, SortColumn, Sorting, not_ordered, order_terms};
use super::time::{partitions, time_range};
use super::value::is_ordered;
use super::where_clause::WhereClause;
use crate::{Collection, JsonObject};

/// A query over one collection, checked against its schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The reader must have seen this much of the log; the host checks it.
    pub at_least: Option<Offset>,
    pub(super) filter: Filter,
    pub(super) shape: Shape,
    pub(super) limit: usize,
    pub(super) after: Option<Rank>,
    pub(super) fingerprint: Fingerprint,
}

/// What a query returns.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// Documents.
    Rows(Selection),
    /// Groups of documents.
    Groups(Grouping),
}

/// Which fields of which documents, in which order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Selection {
    /// None: everything, undeclared fields included.
    pub(super) fields: Option<Vec<Operand>>,
    /// What [`Selection::sorting`] orders; the last is the key.
    pub(super) order: Vec<Operand>,
    pub(super) sorting: Sorting,
}

const MEMBERS: [&str; 13] = [
    "where",
    "select",
    "orderBy",
    "limit",
    "after",
    "groupBy",
    "aggregate",
    "asOf",
    "timeRange",
    "partitions",
    "tiers",
    "consistency",
    "atLeast",
];

/// Members that decide which rows there are and in which order: what a cursor is bound to.
const PAGED: [&str; 6] = [
    "where",
    "orderBy",
    "groupBy",
    "aggregate",
    "timeRange",
    "partitions",
];

impl Query {
    /// Reads a query's JSON body; null members are as absent ones.
    ///
    /// # Errors
    /// Every error has a stable code and the path of what is wrong. Invalid: `unknown_parameter`,
    /// `wrong_type`, `unknown_field`, `unknown_operator`, `operator_not_applicable`,
    /// `value_out_of_range`, `invalid_pattern`, `unknown_function`, `not_ordered`, `not_numeric`,
    /// `invalid_bucket`, `invalid_name`, `duplicate_name`, `ambiguous_time_field`,
    /// `unknown_partition`, `incomplete_partition`, `conflicting_parameters`,
    /// `limit_out_of_range`, `invalid_cursor`, `malformed_offset`. Too large: `filter_too_deep`,
    /// `filter_too_large`, `list_too_long`, `pattern_too_long`. Unsupported:
    /// `as_of_unsupported`, `tier_unsupported`, `consistency_unsupported`.
    pub fn parse(collection: &Collection, json: &Json) -> Result<Self> {
        let body = object(json, "query")?;
        only(body, &MEMBERS, "")?;
        check_supported(body)?;
        let filter = filter(collection, body)?;
        let shape = shape(collection, body)?;
        let fingerprint = fingerprint(collection, body);
        let after = match member(body, "after") {
            Some(json) => {
                let cursor = text(json, "after")?;
                Some(read_cursor(cursor, fingerprint, shape.sorting())?)
            }
            None => None,
        };
        let at_least = match member(body, "atLeast") {
            Some(json) => Some(
                text(json, "atLeast")?
                    .parse()
                    .map_err(|e: Error| e.at("atLeast"))?,
            ),
            None => None,
        };
        Ok(Self {
            at_least,
            filter,
            shape,
            limit: limit(body)?,
            after,
            fingerprint,
        })
    }
}

impl Shape {
    pub(super) fn sorting(&self) -> &Sorting {
        match self {
            Self::Rows(selection) => &selection.sorting,
            Self::Groups(grouping) => &grouping.sorting,
        }
    }
}

impl Selection {
    /// Every operand read; none: everything.
    pub(super) fn operands(&self) -> Option<impl Iterator<Item = &Operand>> {
        let fields = self.fields.as_ref()?;
        Some(fields.iter().chain(&self.order))
    }
}

fn check_supported(body: &JsonObject) -> Result<()> {
    let refuse = |code, path, message| Err(Error::new(Kind::Unsupported, code, message).at(path));
    if member(body, "asOf").is_some() {
        let message = "queries answer the present only";
        return refuse("as_of_unsupported", "asOf", message);
    }
    if let Some(json) = member(body, "tiers") {
        for (at, tier) in list(json, "tiers")?.iter().enumerate() {
            let path = format!("tiers[{at}]");
            if text(tier, &path)? != "hot" {
                let message = "queries read the hot tier only";
                return refuse("tier_unsupported", path.as_str(), message);
            }
        }
    }
    if let Some(json) = member(body, "consistency")
        && !["strong", "warm"].contains(&text(json, "consistency")?)
    {
        let message = "consistency is strong or warm";
        return refuse("consistency_unsupported", "consistency", message);
    }
    Ok(())
}

fn filter(collection: &Collection, body: &JsonObject) -> Result<Filter> {
    let mut filters = Vec::new();
    if let Some(json) = member(body, "where") {
        filters.push(WhereClause::read(collection, json)?);
    }
    if let Some(json) = member(body, "timeRange") {
        filters.push(time_range(collection, json)?);
    }
    if let Some(json) = member(body, "partitions") {
        filters.push(partitions(collection, json)?);
    }
    Ok(Filter::all(filters))
}

fn shape(collection: &Collection, body: &JsonObject) -> Result<Shape> {
    let terms = member(body, "orderBy").map_or(Ok(Vec::new()), order_terms)?;
    let select = member(body, "select");
    match (member(body, "groupBy"), member(body, "aggregate")) {
        (None, None) => Ok(Shape::Rows(selection(collection, select, &terms)?)),
        (group_by, aggregate) => {
            if select.is_some() {
                let message = "groups return their keys and aggregates: leave select out";
                return Err(Error::invalid("conflicting_parameters", message).at("select"));
            }
            let grouping = Grouping::read(collection, group_by, aggregate, &terms)?;
            if grouping.keys.is_empty() && grouping.aggregates.is_empty() {
                return Err(wrong("aggregate", "at least one function or group"));
            }
            Ok(Shape::Groups(grouping))
        }
    }
}

fn selection(
    collection: &Collection,
    select: Option<&Json>,
    terms: &[OrderTerm],
) -> Result<Selection> {
    let fields = match select {
        Some(json) => Some(select_fields(collection, json)?),
        None => None,
    };
    let mut order = Vec::new();
    let mut columns = Vec::new();
    for term in terms {
        let operand = Operand::resolve(collection, &term.name, &term.path)?;
        if !is_ordered(operand.field_type) {
            return Err(not_ordered(&term.name, operand.field_type, &term.path));
        }
        order.push((operand, term.descending));
    }
    order.push((Operand::key(), false));
    // Nothing after the key can matter: it is unique.
    let keyed = order.iter().position(|(o, _)| o.source == Source::Key);
    order.truncate(keyed.map_or(order.len(), |at| at + 1));
    for (operand, descending) in &order {
        let (kind, descending) = (CellKind::Value(operand.field_type), *descending);
        columns.push(SortColumn { kind, descending });
    }
    Ok(Selection {
        fields,
        order: order.into_iter().map(|(operand, _)| operand).collect(),
        sorting: Sorting(columns),
    })
}

fn select_fields(collection: &Collection, json: &Json) -> Result<Vec<Operand>> {
    let items = list(json, "select")?;
    at_most(items.len(), FIELDS_MAX, "select")?;
    let fields = items.iter().enumerate().map(|(at, item)| {
        let path = format!("select[{at}]");
        Operand::resolve(collection, text(item, &path)?, &path)
    });
    fields.collect()
}

fn limit(body: &JsonObject) -> Result<usize> {
    let Some(json) = member(body, "limit") else {
        return Ok(PAGE_ROWS_DEFAULT);
    };
    let limit = json.as_u64().and_then(|n| usize::try_from(n).ok());
    limit
        .filter(|n| (1..=PAGE_ROWS_MAX).contains(n))
        .ok_or_else(|| {
            let message = format!("limit is a whole number from 1 to {PAGE_ROWS_MAX}");
            Error::invalid("limit_out_of_range", message).at("limit")
        })
}

fn fingerprint(collection: &Collection, body: &JsonObject) -> Fingerprint {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&collection.id.to_le_bytes());
    for name in PAGED {
        let json = member(body, name).map_or_else(String::new, Json::to_string);
        hasher.update(&(json.len() as u64).to_le_bytes());
        hasher.update(json.as_bytes());
    }
    let mut fingerprint = Fingerprint::default();
    hasher.finalize_xof().fill(&mut fingerprint);
    fingerprint
}
