//! From a caller's JSON to a checked row, and the key it has.

use serde_json::Value as Json;
use tidelog_log::limits::{DEPTH_MAX, DOCUMENT_BYTES_MAX, EXTRA_FIELDS_MAX};
use tidelog_log::{Error, FieldType, Result, Row, Value};

use crate::{Collection, Field, JsonObject, RowTable};

mod key;
mod pattern;
mod text;
pub use key::key_values;
use key::{KEY_SEPARATOR, key_text, push_part, unescape};
pub(crate) use key::{check_key, check_keys, first_part, key_start};
use pattern::Pattern;

/// A collection with its checks compiled and its statements written.
#[derive(Debug)]
pub struct Prepared {
    /// The collection.
    pub collection: Collection,
    /// Its statements.
    pub table: RowTable,
    checks: Vec<Check>,
    /// Indexes into `checks`, by field name.
    by_name: Vec<(String, usize)>,
}

#[derive(Debug)]
struct Check {
    field: Field,
    min: Option<Value>,
    max: Option<Value>,
    one_of: Option<Vec<Value>>,
    pattern: Option<Pattern>,
    default: Option<Value>,
}

impl Prepared {
    /// Compiles a registered collection.
    ///
    /// # Errors
    /// `corrupt` when what was registered no longer compiles.
    pub fn new(collection: Collection) -> Result<Self> {
        let checks = collection
            .fields
            .iter()
            .map(Check::new)
            .collect::<Result<Vec<_>>>()?;
        let mut by_name: Vec<(String, usize)> = checks
            .iter()
            .enumerate()
            .map(|(at, c)| (c.field.name.clone(), at))
            .collect();
        by_name.sort_unstable();
        Ok(Self {
            table: RowTable::new(&collection),
            collection,
            checks,
            by_name,
        })
    }

    fn check(&self, name: &str) -> Option<&Check> {
        self.at(name).and_then(|at| self.checks.get(at))
    }

    /// The place of a field in `checks`.
    fn at(&self, name: &str) -> Option<usize> {
        let by_name = |(known, _): &(String, usize)| known.as_str().cmp(name);
        let found = self.by_name.binary_search_by(by_name).ok()?;
        Some(self.by_name[found].1)
    }

    /// Checks a whole document and fills in defaults.
    ///
    /// # Errors
    /// `wrong_type`, `value_out_of_range`, `missing_field`, `check_failed`, `reserved_member`,
    /// `document_too_large`, each naming the field.
    pub fn row(&self, document: JsonObject) -> Result<Row> {
        // One place per field: documents name their fields in another order than the ids.
        let mut values: Vec<Option<Value>> = self.checks.iter().map(|_| None).collect();
        let mut row = Row::default();
        let mut near = 0;
        for (name, json) in document {
            let Some(at) = self.find_from(&mut near, &name) else {
                put_extra(&mut row, name, json)?;
                continue;
            };
            values[at] = self.checks[at].value(json).map_err(|e| e.at(name))?;
        }
        self.filled(row, values.into_iter())
    }

    /// Puts the fields, one value per check, or their defaults into a row that has none yet.
    fn filled(&self, mut row: Row, values: impl Iterator<Item = Option<Value>>) -> Result<Row> {
        row.fields.reserve_exact(self.checks.len());
        for (check, value) in self.checks.iter().zip(values) {
            if let Some(value) = value.or_else(|| check.default.clone()) {
                row.fields.push((check.field.id, value));
            }
        }
        self.complete(row)
    }

    /// The place of a field in `checks`. Members come sorted by name, as `by_name` is, so the
    /// search goes on where the last one ended; any other order only costs time.
    fn find_from(&self, near: &mut usize, name: &str) -> Option<usize> {
        if let Some((known, at)) = self.by_name.get(*near)
            && known == name
        {
            *near += 1;
            return Some(*at);
        }
        let by_name = |(known, _): &(String, usize)| known.as_str().cmp(name);
        let found = self.by_name.binary_search_by(by_name);
        *near = found.map_or_else(|next| next, |at| at + 1);
        found.ok().map(|at| self.by_name[at].1)
    }

    /// Applies a merge patch (RFC 7396) to a row and checks what comes out.
    pub fn patched(&self, before: &Row, patch: JsonObject) -> Result<Row> {
        let mut row = before.clone();
        // The document may be older than a required field; such a field has a default.
        for check in self.checks.iter().filter(|check| check.field.required) {
            if row.get(check.field.id).is_none() {
                row.set(check.field.id, check.default.clone());
            }
        }
        for (name, json) in patch {
            let merged = match (self.check(&name), json) {
                (Some(check), Json::Object(patch)) if check.field.field_type == FieldType::Json => {
                    merge(row.get(check.field.id).map(Value::to_json), patch)
                }
                (None, Json::Null) => {
                    row.extra.remove(&name);
                    continue;
                }
                (None, Json::Object(patch)) => merge(row.extra.get(&name).cloned(), patch),
                (_, json) => json,
            };
            self.put(&mut row, name, merged)?;
        }
        self.complete(row)
    }

    fn put(&self, row: &mut Row, name: String, json: Json) -> Result<()> {
        let Some(check) = self.check(&name) else {
            return put_extra(row, name, json);
        };
        let value = check.value(json).map_err(|e| e.at(&name))?;
        row.set(check.field.id, value);
        Ok(())
    }

    fn complete(&self, row: Row) -> Result<Row> {
        // Both are ascending by id: one walk over them together.
        let mut fields = row.fields.iter().map(|(id, _)| *id).peekable();
        for check in self.checks.iter().filter(|check| check.field.required) {
            while fields.next_if(|id| *id < check.field.id).is_some() {}
            if fields.peek() != Some(&check.field.id) {
                let name = &check.field.name;
                return Err(
                    Error::invalid("missing_field", format!("{name} is required")).at(name),
                );
            }
        }
        if row.extra.len() > EXTRA_FIELDS_MAX {
            let message = format!("at most {EXTRA_FIELDS_MAX} undeclared fields");
            return Err(Error::too_large("too_many_fields", message));
        }
        self.check_size(&row)?;
        Ok(row)
    }

    fn check_size(&self, row: &Row) -> Result<()> {
        // JSON is at most about four times a row's bytes, so small rows need no measuring.
        let mut bytes = Vec::new();
        if row_bytes_at_least(row) < DOCUMENT_BYTES_MAX / 8 {
            return Ok(());
        }
        let json = row.to_json(|id| self.collection.field_name(id));
        serde_json::to_writer(&mut bytes, &json).map_err(|e| Error::internal(e.to_string()))?;
        if bytes.len() <= DOCUMENT_BYTES_MAX {
            return Ok(());
        }
        Err(Error::too_large(
            "document_too_large",
            format!(
                "a document is at most {DOCUMENT_BYTES_MAX} bytes of JSON, this has {}",
                bytes.len()
            ),
        ))
    }

    /// The key a row's fields make, or `None` where the collection has no key fields.
    pub fn key_of(&self, row: &Row) -> Option<String> {
        let (first, rest) = self.collection.key.split_first()?;
        if rest.is_empty() {
            let whole = row.get(*first).map(|value| key_text(value).into_owned());
            return Some(whole.unwrap_or_default());
        }
        let mut key = String::with_capacity(48);
        for (at, id) in self.collection.key.iter().enumerate() {
            if at > 0 {
                key.push(KEY_SEPARATOR);
            }
            if let Some(value) = row.get(*id) {
                push_part(&mut key, value);
            }
        }
        Some(key)
    }

    /// Fills the key fields (or the member `id`) that a document lacks from its key.
    pub fn fill_key(&self, document: &mut JsonObject, key: &str) {
        if self.collection.key.is_empty() {
            document.entry("id").or_insert_with(|| Json::from(key));
        }
        let single = self.collection.key.len() == 1;
        let mut parts = key.split(KEY_SEPARATOR);
        for id in &self.collection.key {
            let Some(field) = self.collection.field_by_id(*id) else {
                continue;
            };
            let text = if single {
                key.to_owned()
            } else {
                unescape(parts.next().unwrap_or_default())
            };
            let json = match field.field_type {
                FieldType::Int | FieldType::Bool => {
                    serde_json::from_str(&text).unwrap_or(Json::String(text))
                }
                _ => Json::String(text),
            };
            document.entry(field.name.clone()).or_insert(json);
        }
    }
}

impl Check {
    fn new(field: &Field) -> Result<Self> {
        let value = |json: &Json| -> Result<Option<Value>> {
            Value::from_json(field.field_type, json.clone())
        };
        let one = |json: &Option<Json>| json.as_ref().map_or(Ok(None), value);
        let check = &field.check;
        let listed = check.one_of.as_ref().map(|list| {
            list.iter()
                .filter_map(|json| value(json).transpose())
                .collect()
        });
        let pattern = check.pattern.as_deref().map(Pattern::new);
        Ok(Self {
            min: one(&check.min)?,
            max: one(&check.max)?,
            one_of: listed.transpose()?,
            pattern: pattern
                .transpose()
                .map_err(|e| Error::corrupt(e.to_string()))?,
            default: one(&field.default)?,
            field: field.clone(),
        })
    }

    /// A member's value, checked; `None` for JSON null.
    fn value(&self, json: Json) -> Result<Option<Value>> {
        let value = Value::from_json(self.field.field_type, json)?;
        value.as_ref().map_or(Ok(()), |value| self.test(value))?;
        Ok(value)
    }

    fn test(&self, value: &Value) -> Result<()> {
        let failed = |message: String| Err(Error::invalid("check_failed", message));
        if let Some(min) = self.min.as_ref().filter(|min| less(value, min)) {
            return failed(format!("is below the minimum {}", min.to_json()));
        }
        if let Some(max) = self.max.as_ref().filter(|max| less(max, value)) {
            return failed(format!("is above the maximum {}", max.to_json()));
        }
        if self
            .one_of
            .as_ref()
            .is_some_and(|list| !list.contains(value))
        {
            return failed("is not one of the allowed values".to_owned());
        }
        match (value, &self.pattern, self.field.dimensions) {
            (Value::Text(text), Some(pattern), _) if !pattern.is_match(text) => {
                let pattern = self.field.check.pattern.as_deref().unwrap_or_default();
                failed(format!("does not match the pattern {pattern}"))
            }
            (Value::Vector(items), _, Some(n)) if items.len() != n => {
                failed(format!("has {} numbers, the field takes {n}", items.len()))
            }
            _ => Ok(()),
        }
    }
}

fn less(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Int(a), Value::Int(b))
        | (Value::BigInt(a), Value::BigInt(b))
        | (Value::Timestamp(a), Value::Timestamp(b)) => a < b,
        (Value::Float(a), Value::Float(b)) => a < b,
        (Value::Date(a), Value::Date(b)) => a < b,
        (Value::Text(a), Value::Text(b)) => a < b,
        (Value::Uuid(a), Value::Uuid(b)) => a < b,
        _ => false,
    }
}

fn put_extra(row: &mut Row, name: String, json: Json) -> Result<()> {
    if name.starts_with('_') || name.is_empty() || name.len() > tidelog_log::limits::NAME_BYTES_MAX
    {
        let shown: String = name.chars().take(80).collect();
        return Err(Error::invalid(
            "reserved_member",
            format!("{shown:?}: a member is 1 to 64 bytes and does not start with _"),
        )
        .at(shown));
    }
    if nests_deeper(&json, DEPTH_MAX) {
        let message = format!("JSON may nest at most {DEPTH_MAX} levels");
        return Err(Error::invalid("json_too_deep", message).at(name));
    }
    row.extra.insert(name, json);
    Ok(())
}

fn nests_deeper(json: &Json, levels: usize) -> bool {
    match json {
        Json::Array(items) => levels == 0 || items.iter().any(|j| nests_deeper(j, levels - 1)),
        Json::Object(members) => {
            levels == 0 || members.values().any(|j| nests_deeper(j, levels - 1))
        }
        _ => false,
    }
}

/// RFC 7396.
fn merge(target: Option<Json>, patch: JsonObject) -> Json {
    let mut members = match target {
        Some(Json::Object(members)) => members,
        _ => JsonObject::new(),
    };
    for (name, json) in patch {
        match json {
            Json::Null => drop(members.remove(&name)),
            Json::Object(patch) => {
                let merged = merge(members.remove(&name), patch);
                members.insert(name, merged);
            }
            json => drop(members.insert(name, json)),
        }
    }
    Json::Object(members)
}

pub(crate) fn row_bytes_at_least(row: &Row) -> usize {
    let fields = row.fields.iter().map(|(_, value)| match value {
        Value::Text(text) | Value::Json(text) => text.len(),
        Value::Binary(bytes) => bytes.len(),
        Value::Vector(items) => items.len() * 4,
        _ => 8,
    });
    let extra = row.extra.iter();
    fields.sum::<usize>()
        + extra
            .map(|(name, json)| name.len() + json_bytes_at_least(json))
            .sum::<usize>()
}

fn json_bytes_at_least(json: &Json) -> usize {
    match json {
        Json::String(text) => text.len() + 2,
        Json::Array(items) => {
            2 + items
                .iter()
                .map(|j| 1 + json_bytes_at_least(j))
                .sum::<usize>()
        }
        Json::Object(members) => members
            .iter()
            .map(|(name, j)| name.len() + 4 + json_bytes_at_least(j))
            .sum(),
        _ => 4,
    }
}
