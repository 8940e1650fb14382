//! Reads `groupBy` and `aggregate`.

use serde_json::Value as Json;
use tidelog_log::limits::NAME_BYTES_MAX;
use tidelog_log::{Error, FieldType, Result};

use super::bucket::Bucket;
use super::expect::{at_most, list, member, object, only, shorten, text, wrong};
use super::limits::{AGGREGATES_MAX, GROUP_FIELDS_MAX};
use super::operand::Operand;
use super::sorting::{CellKind, OrderTerm, SortColumn, Sorting, not_ordered};
use super::value::is_ordered;
use crate::{Collection, JsonObject};

/// How documents become groups, and what is said of each.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grouping {
    pub(super) keys: Vec<GroupKey>,
    pub(super) aggregates: Vec<Aggregate>,
    /// Outputs (keys, then aggregates) that groups are ordered by, as [`Grouping::sorting`] says.
    pub(super) order: Vec<usize>,
    pub(super) sorting: Sorting,
}

/// What documents of one group share.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GroupKey {
    pub(super) name: String,
    pub(super) operand: Operand,
    pub(super) bucket: Option<Bucket>,
}

/// What is said of a group.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Aggregate {
    pub(super) name: String,
    pub(super) function: Function,
    /// None counts documents.
    pub(super) operand: Option<Operand>,
}

/// The aggregate functions. All leave out documents without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Count,
    Sum,
    Avg,
    Min,
    Max,
    CountDistinct,
}

const FUNCTIONS: [(&str, Function); 6] = [
    ("count", Function::Count),
    ("sum", Function::Sum),
    ("avg", Function::Avg),
    ("min", Function::Min),
    ("max", Function::Max),
    ("countDistinct", Function::CountDistinct),
];

impl Grouping {
    /// Reads both members; `order` holds names of outputs.
    ///
    /// # Errors
    /// `unknown_field`, `unknown_function`, `unknown_parameter`, `not_ordered`, `not_numeric`,
    /// `invalid_bucket`, `invalid_name`, `duplicate_name`, `list_too_long` or `wrong_type`.
    pub(super) fn read(
        collection: &Collection,
        group_by: Option<&Json>,
        aggregate: Option<&Json>,
        order: &[OrderTerm],
    ) -> Result<Self> {
        let keys = group_by.map_or(Ok(Vec::new()), |json| group_keys(collection, json))?;
        let aggregates = aggregate.map_or(Ok(Vec::new()), |json| aggregates(collection, json))?;
        let mut grouping = Self {
            keys,
            aggregates,
            order: Vec::new(),
            sorting: Sorting(Vec::new()),
        };
        grouping.check_names()?;
        for term in order {
            let at = grouping.names().position(|name| name == term.name);
            let at = at.ok_or_else(|| grouping.no_output(term))?;
            grouping.order_by(at, term.descending);
        }
        for at in 0..grouping.keys.len() {
            if !grouping.order.contains(&at) {
                grouping.order_by(at, false);
            }
        }
        Ok(grouping)
    }

    /// Names of the outputs: keys, then aggregates.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let keys = self.keys.iter().map(|key| key.name.as_str());
        keys.chain(self.aggregates.iter().map(|a| a.name.as_str()))
    }

    /// What the output at `at` holds.
    pub(super) fn kind(&self, at: usize) -> CellKind {
        match self.keys.get(at) {
            Some(key) => CellKind::Value(key.operand.field_type),
            None => self.aggregates[at - self.keys.len()].kind(),
        }
    }

    /// Every operand read.
    pub(super) fn operands(&self) -> impl Iterator<Item = &Operand> {
        let keys = self.keys.iter().map(|key| &key.operand);
        keys.chain(self.aggregates.iter().filter_map(|a| a.operand.as_ref()))
    }

    fn order_by(&mut self, at: usize, descending: bool) {
        let kind = self.kind(at);
        self.order.push(at);
        self.sorting.0.push(SortColumn { kind, descending });
    }

    fn no_output(&self, term: &OrderTerm) -> Error {
        let known: Vec<&str> = self.names().collect();
        let (name, known) = (shorten(&term.name), known.join(", "));
        let message = format!("groups have no {name:?}; they have {known}");
        Error::invalid("unknown_field", message).at(term.path.as_str())
    }

    fn check_names(&self) -> Result<()> {
        let mut seen = std::collections::BTreeSet::new();
        for name in self.names() {
            if name.is_empty() || name.len() > NAME_BYTES_MAX {
                let message = format!("a name is 1 to {NAME_BYTES_MAX} bytes");
                return Err(Error::invalid("invalid_name", message).at("aggregate"));
            }
            if !seen.insert(name) {
                let message = format!("two outputs are named {name:?}; rename one with `as`");
                return Err(Error::invalid("duplicate_name", message).at("groupBy"));
            }
        }
        Ok(())
    }
}

impl Aggregate {
    /// What its result is.
    pub(super) fn kind(&self) -> CellKind {
        let field_type = self.operand.as_ref().map(|operand| operand.field_type);
        match (self.function, field_type) {
            (Function::Sum, Some(FieldType::BigInt)) => CellKind::Whole,
            (Function::Avg, Some(FieldType::BigInt)) => CellKind::Millionths,
            (Function::Avg, _) => CellKind::Value(FieldType::Float),
            (Function::Sum | Function::Min | Function::Max, Some(field_type)) => {
                CellKind::Value(field_type)
            }
            _ => CellKind::Value(FieldType::Int),
        }
    }
}

fn group_keys(collection: &Collection, json: &Json) -> Result<Vec<GroupKey>> {
    let items = list(json, "groupBy")?;
    at_most(items.len(), GROUP_FIELDS_MAX, "groupBy")?;
    let keys = items.iter().enumerate();
    keys.map(|(at, item)| group_key(collection, item, &format!("groupBy[{at}]")))
        .collect()
}

fn group_key(collection: &Collection, json: &Json, path: &str) -> Result<GroupKey> {
    let none = JsonObject::new();
    let (members, name, named_at) = match json {
        Json::String(name) => (&none, name.as_str(), path.to_owned()),
        _ => {
            let members = object(json, path)?;
            only(members, &["field", "bucket", "as"], path)?;
            let at = format!("{path}.field");
            let name = text(members.get("field").unwrap_or(&Json::Null), &at)?;
            (members, name, at)
        }
    };
    let operand = Operand::resolve(collection, name, &named_at)?;
    if !is_ordered(operand.field_type) {
        return Err(not_ordered(name, operand.field_type, &named_at));
    }
    let bucket = member(members, "bucket").map(|json| {
        let at = format!("{path}.bucket");
        Bucket::parse(text(json, &at)?, operand.field_type).map_err(|e| e.at(at))
    });
    let name = match member(members, "as") {
        Some(json) => text(json, &format!("{path}.as"))?,
        None => name,
    };
    Ok(GroupKey {
        name: name.to_owned(),
        bucket: bucket.transpose()?,
        operand,
    })
}

fn aggregates(collection: &Collection, json: &Json) -> Result<Vec<Aggregate>> {
    let members = object(json, "aggregate")?;
    at_most(members.len(), AGGREGATES_MAX, "aggregate")?;
    let each = members.iter().map(|(name, json)| {
        let path = format!("aggregate.{}", shorten(name));
        aggregate(collection, name, json, &path)
    });
    each.collect()
}

fn aggregate(collection: &Collection, name: &str, json: &Json, path: &str) -> Result<Aggregate> {
    let members = object(json, path)?;
    let one = (members.len() == 1)
        .then(|| members.iter().next())
        .flatten();
    let (called, json) = one.ok_or_else(|| wrong(path, "one function, as {\"sum\": field}"))?;
    let path = format!("{path}.{}", shorten(called));
    let function = FUNCTIONS.iter().find(|(known, _)| known == called);
    let (_, function) = *function.ok_or_else(|| {
        let known = "count, sum, avg, min, max, countDistinct";
        let message = format!("no function {:?}; one of {known}", shorten(called));
        Error::invalid("unknown_function", message).at(path.as_str())
    })?;
    let field = text(json, &path)?;
    let operand = match (function, field) {
        (Function::Count, "*") => None,
        _ => Some(Operand::resolve(collection, field, &path)?),
    };
    let field_type = operand.as_ref().map(|operand| operand.field_type);
    match (function, field_type) {
        (Function::Sum | Function::Avg, Some(field_type)) if !is_number(field_type) => {
            let message = format!("{field} is a {} field: no number", field_type.name());
            return Err(Error::invalid("not_numeric", message).at(path));
        }
        (Function::Min | Function::Max, Some(field_type)) if !is_ordered(field_type) => {
            return Err(not_ordered(field, field_type, &path));
        }
        _ => {}
    }
    Ok(Aggregate {
        name: name.to_owned(),
        function,
        operand,
    })
}

fn is_number(field_type: FieldType) -> bool {
    matches!(
        field_type,
        FieldType::Int | FieldType::BigInt | FieldType::Float
    )
}
