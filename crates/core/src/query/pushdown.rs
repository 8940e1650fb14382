//! Which conditions SQLite may answer, as SQL that means exactly what the filter tree means.
//!
//! SQL's NULL is neither true nor false; a test here is false without a value. Conjunction and
//! disjunction treat NULL as false at the end, so only negation needs care: `NOT coalesce(x, 0)`.

use tidelog_log::Value;

use super::filter::{Filter, Test};
use super::limits::{ARG_BYTES_MAX, FILTER_ARGS_MAX, FILTER_SQL_BYTES_MAX, LIST_INLINE_MAX};
use super::operand::Operand;
use super::value::size;
use crate::sql::SqlValue;
use crate::{Document, blob_form, to_sql};

/// A filter, divided.
#[derive(Debug)]
pub(super) struct Pushdown<'f> {
    /// SQL conditions, all of which hold for a wanted row.
    pub(super) conditions: Vec<String>,
    /// Their parameters, in order.
    pub(super) args: Args,
    /// What is left to test on the rows that come back.
    pub(super) residual: Vec<&'f Filter>,
}

/// Parameters of one statement, owned.
#[derive(Clone, Debug, Default)]
pub(super) struct Args(Vec<Arg>);

#[derive(Clone, Debug)]
enum Arg {
    Value(Value, Vec<u8>),
    Count(i64),
}

impl Args {
    /// Adds a parameter and returns its mark: `?1`.
    pub(super) fn push(&mut self, value: Value) -> String {
        let blob = blob_form(&value).unwrap_or_default();
        self.0.push(Arg::Value(value, blob));
        format!("?{}", self.0.len())
    }

    /// Adds a row count and returns its mark.
    pub(super) fn push_count(&mut self, count: usize) -> String {
        self.0
            .push(Arg::Count(i64::try_from(count).unwrap_or(i64::MAX)));
        format!("?{}", self.0.len())
    }

    /// The parameters as they cross the port.
    pub(super) fn bound(&self) -> Vec<SqlValue<'_>> {
        let bound = self.0.iter().map(|arg| match arg {
            Arg::Value(value, blob) => to_sql(value, blob),
            Arg::Count(count) => SqlValue::Integer(*count),
        });
        bound.collect()
    }

    /// Adds a parameter of the filter, unless they are used up or it is too large.
    fn filter_arg(&mut self, value: &Value) -> Option<String> {
        let fits = self.0.len() < FILTER_ARGS_MAX && size(value) <= ARG_BYTES_MAX;
        fits.then(|| self.push(value.clone()))
    }
}

impl<'f> Pushdown<'f> {
    /// Divides a filter: conjuncts that SQL can answer, in order, until its limits are reached.
    pub(super) fn of(filter: &'f Filter) -> Self {
        let conjuncts = match filter {
            Filter::All(filters) => filters.as_slice(),
            one => std::slice::from_ref(one),
        };
        let (mut args, mut conditions, mut residual) = (Args::default(), Vec::new(), Vec::new());
        let mut bytes = 0;
        for conjunct in conjuncts {
            let mark = args.0.len();
            match sql(conjunct, &mut args) {
                Some(text) if bytes + text.len() <= FILTER_SQL_BYTES_MAX => {
                    bytes += text.len();
                    conditions.push(text);
                }
                _ => {
                    args.0.truncate(mark);
                    residual.push(conjunct);
                }
            }
        }
        Self {
            conditions,
            args,
            residual,
        }
    }

    /// True when a row that SQL returned is wanted.
    pub(super) fn keeps(&self, document: &Document) -> bool {
        self.residual.iter().all(|filter| filter.matches(document))
    }
}

/// The filter as a parenthesized SQL condition, true or (false or NULL) as the filter is.
fn sql(filter: &Filter, args: &mut Args) -> Option<String> {
    match filter {
        Filter::All(filters) => joined(filters, " AND ", "1", args),
        Filter::Any(filters) => joined(filters, " OR ", "0", args),
        Filter::Not(filter) => Some(format!("(NOT coalesce({}, 0))", sql(filter, args)?)),
        Filter::Test(operand, test) => test_sql(operand, test, args),
    }
}

fn joined(filters: &[Filter], between: &str, none: &str, args: &mut Args) -> Option<String> {
    let parts: Option<Vec<String>> = filters.iter().map(|filter| sql(filter, args)).collect();
    let parts = parts?;
    Some(match parts.len() {
        0 => format!("({none})"),
        _ => format!("({})", parts.join(between)),
    })
}

fn test_sql(operand: &Operand, test: &Test, args: &mut Args) -> Option<String> {
    let column = operand.column.as_deref()?;
    Some(match test {
        Test::HasValue(true) => format!("({column} IS NOT NULL)"),
        Test::HasValue(false) => format!("({column} IS NULL)"),
        Test::Compare(comparison, value) => {
            format!(
                "({column} {} {})",
                comparison.sql(),
                args.filter_arg(value)?
            )
        }
        Test::In { values, or_absent } => {
            let or_absent = if *or_absent {
                format!(" OR {column} IS NULL")
            } else {
                String::new()
            };
            match list_sql(values, args)? {
                Some(list) => format!("({column} IN {list}{or_absent})"),
                None => format!("(0{or_absent})"),
            }
        }
        // `NULL NOT IN ()` would be true, so an empty list is said otherwise.
        Test::NotIn(values) => match list_sql(values, args)? {
            Some(list) => format!("({column} NOT IN {list})"),
            None => format!("({column} IS NOT NULL)"),
        },
        Test::Prefix(prefix) => prefix_sql(column, prefix, args)?,
        Test::Contains(part) => {
            let part = args.filter_arg(&Value::Text(part.clone()))?;
            format!("(instr({column}, {part}) > 0)")
        }
        // Matched here: SQLite's LIKE folds case, and a Durable Object's takes 50 bytes.
        Test::Like(_) => return None,
    })
}

/// The list in parentheses; `Some(None)` when it is empty, `None` when SQL cannot take it.
fn list_sql(values: &[Value], args: &mut Args) -> Option<Option<String>> {
    if values.is_empty() {
        return Some(None);
    }
    if values.len() > LIST_INLINE_MAX
        && let Some(json) = exact_json(values)
    {
        let list = args.filter_arg(&Value::Text(json))?;
        return Some(Some(format!("(SELECT value FROM json_each({list}))")));
    }
    let marks: Option<Vec<String>> = values.iter().map(|value| args.filter_arg(value)).collect();
    Some(Some(format!("({})", marks?.join(", "))))
}

/// A JSON array that `json_each` reads back to exactly these values, where that is sure: whole
/// numbers, and text without NUL. SQLite's reader of floats may be off by a bit.
fn exact_json(values: &[Value]) -> Option<String> {
    let items: Option<Vec<serde_json::Value>> = values
        .iter()
        .map(|value| match value {
            Value::Int(i) | Value::Timestamp(i) => Some((*i).into()),
            Value::Date(days) => Some((*days).into()),
            Value::Text(text) if !text.contains('\0') => Some(text.as_str().into()),
            _ => None,
        })
        .collect();
    Some(serde_json::Value::Array(items?).to_string())
}

/// `prefix <= column < next`, which an index answers; UTF-8 sorts as its characters do.
fn prefix_sql(column: &str, prefix: &str, args: &mut Args) -> Option<String> {
    if prefix.is_empty() {
        return Some(format!("({column} IS NOT NULL)"));
    }
    let from = args.filter_arg(&Value::Text(prefix.to_owned()))?;
    Some(match after_prefix(prefix) {
        Some(next) => {
            let next = args.filter_arg(&Value::Text(next))?;
            format!("({column} >= {from} AND {column} < {next})")
        }
        None => format!("({column} >= {from})"),
    })
}

/// The least text greater than every text that starts with `prefix`.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            c => char::from_u32(u32::from(c) + 1),
        };
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_the_next_text_starts() {
        assert_eq!(after_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(after_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(after_prefix("\u{10ffff}"), None);
    }
}
