//! Registration: a declaration becomes the next version, with ids kept, or is refused.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::Regex;
use tidelog_log::limits::{COLLECTIONS_MAX, COLUMNS_MAX, FIELDS_MAX, VECTOR_LENGTH_MAX};
use tidelog_log::{Error, FieldId, FieldType, Result, Value};

use super::policy::ColdPolicy;
use super::resolve::TypePolicies;
use super::spec::{CollectionSpec, FieldSpec, IndexSpec, PartitionSpec, Transform, TypeSpec};
use super::stored::{Collection, Field, Index, TypeSchema};
use crate::address::check_name;

impl TypeSchema {
    /// Makes the version after `previous` (or the first) from a declaration. A declaration equal
    /// to `previous` gives `previous` back, so registering is idempotent.
    ///
    /// # Errors
    /// `invalid_schema`, `invalid_name` or `unknown_field` when the declaration is wrong;
    /// `schema_would_lose_data` when rows written under `previous` would lose a value or break.
    pub fn register(previous: Option<&Self>, spec: &TypeSpec) -> Result<Self> {
        check_name("type", &spec.name)?;
        limit("collections", spec.collections.len(), COLLECTIONS_MAX)?;
        let policies = TypePolicies::of(spec)?;
        let mut next_id = previous.map_or(1, |old| 1 + last_id(&old.collections));
        let mut collections = Vec::new();
        for (name, collection) in &spec.collections {
            check_name("collection", name)?;
            let before = previous.and_then(|old| old.collections.iter().find(|c| c.name == *name));
            let id = before.map_or(next_id, |c| c.id);
            next_id += u32::from(before.is_none());
            let place = format!("collections.{name}");
            let registered = register(before, id, name, collection, &policies);
            collections.push(registered.map_err(|e| e.within(&place))?);
        }
        if let Some(old) = previous {
            check_kept(old, &collections)?;
        }
        collections.sort_by_key(|collection| collection.id);
        check_references(&collections)?;
        let version = previous.map_or(1, |old| old.version + 1);
        let (name, description) = (spec.name.clone(), spec.description.clone());
        let next = Self {
            name,
            version,
            description,
            collections,
            hot: policies.hot,
            warm: policies.warm,
            sync: policies.sync,
            snapshots: policies.snapshots,
        };
        Ok(match previous {
            Some(old)
                if (Self {
                    version: old.version,
                    ..next.clone()
                }) == *old =>
            {
                old.clone()
            }
            _ => next,
        })
    }
}

fn last_id(collections: &[Collection]) -> u32 {
    collections
        .iter()
        .map(|collection| collection.id)
        .max()
        .unwrap_or(0)
}

fn limit(what: &str, count: usize, max: usize) -> Result<()> {
    if count <= max {
        return Ok(());
    }
    Err(Error::too_large("schema_too_large", format!("{count} {what}; at most {max}")).at(what))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::invalid("invalid_schema", message)
}

fn would_lose(message: impl Into<String>) -> Error {
    Error::conflict("schema_would_lose_data", message)
}

fn check_kept(old: &TypeSchema, collections: &[Collection]) -> Result<()> {
    for before in &old.collections {
        if !collections.iter().any(|c| c.id == before.id) {
            let place = format!("collections.{}", before.name);
            return Err(would_lose("a registered collection cannot be dropped").at(place));
        }
    }
    Ok(())
}

fn check_references(collections: &[Collection]) -> Result<()> {
    for collection in collections {
        for field in &collection.fields {
            let Some(target) = &field.check.references else {
                continue;
            };
            let place = format!("collections.{}.fields.{}", collection.name, field.name);
            if !collections.iter().any(|c| c.name == *target) {
                return Err(invalid(format!("references no collection {target:?}")).at(place));
            }
            if field.field_type != FieldType::String || !field.has_column() {
                return Err(invalid("a reference is a string among the first 80 fields").at(place));
            }
        }
    }
    Ok(())
}

fn register(
    before: Option<&Collection>,
    id: u32,
    name: &str,
    spec: &CollectionSpec,
    policies: &TypePolicies,
) -> Result<Collection> {
    limit("fields", spec.fields.len(), FIELDS_MAX)?;
    let fields = register_fields(before, spec)?;
    let find = |field: &String| -> Result<&Field> {
        fields
            .iter()
            .find(|known| known.name == *field)
            .ok_or_else(|| {
                Error::invalid("unknown_field", format!("no field {field:?} is declared"))
            })
    };
    let key = spec
        .key
        .iter()
        .map(|field| Ok(find(field)?.id))
        .collect::<Result<Vec<_>>>();
    let key = key.map_err(|e| e.within("key"))?;
    check_key(before, &key, &fields)?;
    let indexes = spec.indexes.iter().enumerate().map(|(at, index)| {
        register_index(index, &find).map_err(|e| e.within(format!("indexes[{at}]")))
    });
    let indexes = indexes.collect::<Result<Vec<_>>>()?;
    let policies = policies.collection(name, spec, &fields)?;
    let mut timed = BTreeSet::new();
    for (at, partition) in policies.cold.partition_by.iter().enumerate() {
        check_partition(partition, &find, &mut timed)
            .map_err(|e| e.within(format!("cold.partition_by[{at}]")))?;
    }
    if let Some(old) = before {
        check_same_tables(&old.cold, &policies.cold).map_err(|e| e.within("cold"))?;
    }
    let (name, description) = (name.to_owned(), spec.description.clone());
    Ok(Collection {
        id,
        name,
        description,
        key,
        fields,
        indexes,
        cold: policies.cold,
        hot: policies.hot,
        warm: policies.warm,
        retention: policies.retention,
    })
}

/// Refuses what would leave a table's files behind or cut them differently.
fn check_same_tables(old: &ColdPolicy, new: &ColdPolicy) -> Result<()> {
    if old.partition_by != new.partition_by {
        let message = "the partitions of a registered collection cannot change";
        let error = Error::conflict("partition_change_unsupported", message);
        return Err(error.at("partition_by"));
    }
    for (name, old, new) in [
        ("bucket", &old.bucket, &new.bucket),
        ("prefix", &old.prefix, &new.prefix),
    ] {
        if old != new {
            let message = format!("the tables are at {name} {old:?} and do not move to {new:?}");
            return Err(Error::conflict("location_change_unsupported", message).at(name));
        }
    }
    Ok(())
}

fn register_fields(before: Option<&Collection>, spec: &CollectionSpec) -> Result<Vec<Field>> {
    let old_fields: &[Field] = before.map_or(&[], |collection| &collection.fields);
    let mut next_id = 1 + old_fields.iter().map(|field| field.id).max().unwrap_or(0);
    let mut folded = BTreeSet::new();
    let mut fields = Vec::new();
    for (name, declared) in &spec.fields {
        let place = format!("fields.{name}");
        check_name("field", name).map_err(|e| e.within(&place))?;
        if name == "id" && spec.key.is_empty() && declared.field_type != FieldType::String {
            return Err(invalid("the implied key member id is a string").at(place));
        }
        if !folded.insert(name.to_ascii_lowercase()) {
            return Err(invalid("SQLite columns differ by more than case").at(place));
        }
        let known = declared.renamed_from.as_ref().unwrap_or(name);
        let named = |name: &String| old_fields.iter().find(|field| field.name == *name);
        let old = named(name).or_else(|| named(known));
        let id = old.map_or(next_id, |field| field.id);
        next_id += u32::from(old.is_none());
        let field = register_field(id, name, declared).map_err(|e| e.within(&place))?;
        check_evolution(before.is_some(), old, &field).map_err(|e| e.within(&place))?;
        fields.push(field);
    }
    fields.sort_by_key(|field| field.id);
    for pair in fields.windows(2) {
        if pair[0].id == pair[1].id {
            let (one, two) = (&pair[0].name, &pair[1].name);
            let message = format!("{one:?} and {two:?} are the same field of the version before");
            return Err(invalid(message).at(format!("fields.{two}")));
        }
    }
    for old in old_fields {
        if fields
            .binary_search_by_key(&old.id, |field| field.id)
            .is_err()
        {
            return Err(would_lose(format!(
                "field {:?} would be dropped; keep it, or rename it with renamed_from",
                old.name
            ))
            .at(format!("fields.{}", old.name)));
        }
    }
    Ok(fields)
}

fn register_field(id: FieldId, name: &str, spec: &FieldSpec) -> Result<Field> {
    let field = Field {
        id,
        name: name.to_owned(),
        field_type: spec.field_type,
        description: spec.description.clone(),
        required: spec.required,
        default: spec.default.clone(),
        dimensions: spec.dimensions,
        check: spec.check(),
    };
    match (spec.field_type, spec.dimensions) {
        (FieldType::Vector, Some(n)) if (1..=VECTOR_LENGTH_MAX).contains(&n) => {}
        (FieldType::Vector, _) => {
            return Err(invalid(format!(
                "a vector has dimensions, 1 to {VECTOR_LENGTH_MAX}"
            )));
        }
        (_, Some(_)) => return Err(invalid("only a vector has dimensions")),
        (_, None) => {}
    }
    let check = &field.check;
    let ordered = !matches!(
        spec.field_type,
        FieldType::Bool | FieldType::Json | FieldType::Binary | FieldType::Vector
    );
    if (check.min.is_some() || check.max.is_some()) && !ordered {
        return Err(invalid(format!(
            "{} has no min or max",
            spec.field_type.name()
        )));
    }
    let listed = check.one_of.iter().flatten();
    for value in check
        .min
        .iter()
        .chain(&check.max)
        .chain(listed)
        .chain(&spec.default)
    {
        Value::from_json(spec.field_type, value.clone())?;
    }
    if let Some(pattern) = &check.pattern {
        if spec.field_type != FieldType::String {
            return Err(invalid("only a string has a pattern"));
        }
        Regex::new(pattern).map_err(|e| invalid(format!("pattern: {e}")))?;
    }
    Ok(field)
}

fn check_evolution(known: bool, old: Option<&Field>, field: &Field) -> Result<()> {
    let Some(old) = old else {
        if known && field.required && field.default.is_none() {
            return Err(would_lose(
                "documents already there would lack this required field: give it a default",
            ));
        }
        return Ok(());
    };
    if old.field_type != field.field_type || old.dimensions != field.dimensions {
        return Err(would_lose(format!(
            "the type cannot change from {} to {}; add a field instead",
            old.field_type.name(),
            field.field_type.name()
        )));
    }
    if field.required && !old.required {
        return Err(would_lose("an optional field cannot become required"));
    }
    Ok(())
}

fn check_key(before: Option<&Collection>, key: &[FieldId], fields: &[Field]) -> Result<()> {
    for id in key {
        let Some(field) = fields.iter().find(|field| field.id == *id) else {
            continue;
        };
        let fits = !matches!(
            field.field_type,
            FieldType::Json | FieldType::Binary | FieldType::Vector | FieldType::Float
        );
        if !field.required || !fits {
            return Err(invalid(format!(
                "key field {:?} must be required and of an exact type",
                field.name
            ))
            .at("key"));
        }
    }
    match before {
        Some(old) if old.key != key => Err(would_lose("the key cannot change").at("key")),
        _ => Ok(()),
    }
}

fn register_index<'a>(
    spec: &IndexSpec,
    find: &impl Fn(&String) -> Result<&'a Field>,
) -> Result<Index> {
    if spec.fields.is_empty() || spec.fields.len() > 8 {
        return Err(invalid("an index has 1 to 8 fields").at("fields"));
    }
    let column = |name: &String| {
        let field = find(name)?;
        if field.has_column() {
            return Ok(field);
        }
        Err(invalid(format!(
            "{name:?} has no column: only the first {COLUMNS_MAX} fields do"
        )))
    };
    let fields = spec
        .fields
        .iter()
        .map(|name| Ok(column(name)?.id))
        .collect::<Result<_>>()?;
    let only: BTreeMap<FieldId, _> = spec
        .only
        .iter()
        .map(|(name, value)| {
            let field = column(name)?;
            Value::from_json(field.field_type, value.clone())?;
            Ok((field.id, value.clone()))
        })
        .collect::<Result<_>>()?;
    Ok(Index {
        fields,
        unique: spec.unique,
        only: only.into_iter().collect(),
    })
}

fn check_partition<'a>(
    spec: &PartitionSpec,
    find: &impl Fn(&String) -> Result<&'a Field>,
    timed: &mut BTreeSet<String>,
) -> Result<()> {
    let field_type = if spec.field == "_object" {
        FieldType::String
    } else {
        find(&spec.field)?.field_type
    };
    let time = matches!(
        spec.transform,
        Transform::Year | Transform::Month | Transform::Day | Transform::Hour
    );
    if time && !timed.insert(spec.field.clone()) {
        return Err(invalid(format!(
            "{:?} has two time transforms; one is all Iceberg takes, and month answers year too",
            spec.field
        )));
    }
    let fits = match spec.transform {
        Transform::Hour => field_type == FieldType::Timestamp,
        Transform::Year | Transform::Month | Transform::Day => {
            matches!(field_type, FieldType::Timestamp | FieldType::Date)
        }
        Transform::Bucket(_) => !matches!(
            field_type,
            FieldType::Bool | FieldType::Float | FieldType::Json | FieldType::Vector
        ),
        Transform::Truncate(_) => {
            matches!(
                field_type,
                FieldType::Int | FieldType::BigInt | FieldType::String
            )
        }
        Transform::Identity => !matches!(
            field_type,
            FieldType::Json | FieldType::Vector | FieldType::Binary | FieldType::Float
        ),
    };
    if fits {
        return Ok(());
    }
    Err(invalid(format!(
        "{} does not take {:?}",
        field_type.name(),
        spec.transform
    )))
}

#[cfg(test)]
mod tests;
