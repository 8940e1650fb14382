//! Reads `where` into a [`Filter`], typed against the collection.

use serde_json::Value as Json;
use tidelog_log::limits::{DEPTH_MAX, FILTER_NODES_MAX, IN_LIST_MAX};
use tidelog_log::{Error, FieldType, Result, Value};

use super::expect::{list, object, shorten, text, wrong};
use super::filter::{Comparison, Filter, Test};
use super::like::Pattern;
use super::operand::Operand;
use super::value::{compare, is_ordered};
use crate::Collection;

const OPERATORS: &str =
    "eq, ne, gt, gte, lt, lte, in, nin, like, prefix, contains, exists, between";

/// Reads a filter, counting its nodes.
#[derive(Debug)]
pub(super) struct WhereClause<'c> {
    collection: &'c Collection,
    nodes: usize,
}

impl<'c> WhereClause<'c> {
    /// Reads `where`.
    ///
    /// # Errors
    /// `unknown_field`, `unknown_operator`, `operator_not_applicable`, `wrong_type`,
    /// `value_out_of_range`, `list_too_long`, `filter_too_deep`, `filter_too_large`,
    /// `invalid_pattern` or `pattern_too_long`, each with its path.
    pub(super) fn read(collection: &'c Collection, json: &Json) -> Result<Filter> {
        let mut reader = Self {
            collection,
            nodes: 0,
        };
        reader.tree(json, "where", 1)
    }

    fn tree(&mut self, json: &Json, path: &str, depth: usize) -> Result<Filter> {
        if depth > DEPTH_MAX {
            let message = format!("a filter nests at most {DEPTH_MAX} levels");
            return Err(Error::too_large("filter_too_deep", message).at("where"));
        }
        let mut filters = Vec::new();
        for (name, json) in object(json, path)? {
            let path = format!("{path}.{}", shorten(name));
            filters.push(match name.as_str() {
                "and" => Filter::all(self.list(json, &path, depth)?),
                "or" => Filter::Any(self.list(json, &path, depth)?),
                "not" => {
                    self.count()?;
                    Filter::Not(Box::new(self.tree(json, &path, depth + 1)?))
                }
                _ => self.field(name, json, &path)?,
            });
        }
        Ok(Filter::all(filters))
    }

    fn list(&mut self, json: &Json, path: &str, depth: usize) -> Result<Vec<Filter>> {
        self.count()?;
        let items = list(json, path)?.iter().enumerate();
        items
            .map(|(at, item)| {
                self.count()?;
                self.tree(item, &format!("{path}[{at}]"), depth + 1)
            })
            .collect()
    }

    fn field(&mut self, name: &str, json: &Json, path: &str) -> Result<Filter> {
        let operand = Operand::resolve(self.collection, name, path)?;
        let Some(operators) = json.as_object() else {
            self.count()?;
            return equality(&operand, json, path, true);
        };
        if operators.is_empty() {
            return Err(wrong(path, &format!("one of {OPERATORS}")));
        }
        let mut filters = Vec::new();
        for (operator, json) in operators {
            self.count()?;
            let path = format!("{path}.{}", shorten(operator));
            filters.push(condition(&operand, operator, json, &path)?);
        }
        Ok(Filter::all(filters))
    }

    fn count(&mut self) -> Result<()> {
        self.nodes += 1;
        if self.nodes <= FILTER_NODES_MAX {
            return Ok(());
        }
        let message = format!("a filter has at most {FILTER_NODES_MAX} conditions");
        Err(Error::too_large("filter_too_large", message).at("where"))
    }
}

fn condition(operand: &Operand, operator: &str, json: &Json, path: &str) -> Result<Filter> {
    let test = |test| Ok(Filter::Test(operand.clone(), test));
    match operator {
        "eq" | "ne" => return equality(operand, json, path, operator == "eq"),
        "exists" => {
            let wanted = json.as_bool().ok_or_else(|| wrong(path, "true or false"))?;
            return test(Test::HasValue(wanted));
        }
        "gt" | "gte" | "lt" | "lte" | "between" | "in" | "nin" => {
            applies(is_ordered(operand.field_type), operand, operator, path)?;
        }
        "like" | "prefix" | "contains" => {
            let is_text = operand.field_type == FieldType::String;
            applies(is_text, operand, operator, path)?;
            let given = text(json, path)?;
            return test(match operator {
                "like" => Test::Like(Pattern::parse(given).map_err(|e| e.at(path))?),
                "prefix" => Test::Prefix(given.to_owned()),
                _ => Test::Contains(given.to_owned()),
            });
        }
        _ => {
            let message = format!("no operator {:?}; one of {OPERATORS}", shorten(operator));
            return Err(Error::invalid("unknown_operator", message).at(path));
        }
    }
    let compared = |comparison, json: &Json, path: &str| {
        Ok::<_, Error>(Filter::compare(
            operand,
            comparison,
            operand_value(operand, json, path)?,
        ))
    };
    match operator {
        "gt" => compared(Comparison::Gt, json, path),
        "gte" => compared(Comparison::Gte, json, path),
        "lt" => compared(Comparison::Lt, json, path),
        "lte" => compared(Comparison::Lte, json, path),
        "between" => {
            let [low, high] = list(json, path)? else {
                return Err(wrong(path, "an array of two: the least and the greatest"));
            };
            Ok(Filter::all([
                compared(Comparison::Gte, low, &format!("{path}[0]"))?,
                compared(Comparison::Lte, high, &format!("{path}[1]"))?,
            ]))
        }
        _ => membership(operand, json, path, operator == "in"),
    }
}

fn equality(operand: &Operand, json: &Json, path: &str, equal: bool) -> Result<Filter> {
    let test = match (optional_value(operand, json, path)?, equal) {
        (None, _) => Test::HasValue(!equal),
        (Some(value), true) => Test::Compare(Comparison::Eq, value),
        (Some(value), false) => Test::Compare(Comparison::Ne, value),
    };
    Ok(Filter::Test(operand.clone(), test))
}

fn membership(operand: &Operand, json: &Json, path: &str, wanted: bool) -> Result<Filter> {
    let items = list(json, path)?;
    super::expect::at_most(items.len(), IN_LIST_MAX, path)?;
    let mut values = Vec::with_capacity(items.len());
    let mut or_absent = false;
    for (at, item) in items.iter().enumerate() {
        match optional_value(operand, item, &format!("{path}[{at}]"))? {
            Some(value) => values.push(value),
            None => or_absent = true,
        }
    }
    values.sort_by(compare);
    values.dedup_by(|a, b| compare(a, b).is_eq());
    let test = if wanted {
        Test::In { values, or_absent }
    } else {
        Test::NotIn(values)
    };
    Ok(Filter::Test(operand.clone(), test))
}

fn applies(fits: bool, operand: &Operand, operator: &str, path: &str) -> Result<()> {
    if fits {
        return Ok(());
    }
    let message = format!(
        "{operator} does not apply to {}, a {} field",
        operand.name,
        operand.field_type.name()
    );
    Err(Error::invalid("operator_not_applicable", message).at(path))
}

/// A value of the operand's type; null is none.
pub(super) fn optional_value(operand: &Operand, json: &Json, path: &str) -> Result<Option<Value>> {
    Value::from_json(operand.field_type, json.clone()).map_err(|e| e.at(path))
}

/// A value of the operand's type; null is refused, because nothing compares with it.
pub(super) fn operand_value(operand: &Operand, json: &Json, path: &str) -> Result<Value> {
    optional_value(operand, json, path)?
        .ok_or_else(|| wrong(path, &format!("{}, not null", operand.field_type.name())))
}
