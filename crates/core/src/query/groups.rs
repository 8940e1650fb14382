//! Groups as they form, and the page they make.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use tidelog_log::limits::GROUPS_MAX;
use tidelog_log::{Error, Result, Value};

use super::accumulator::Accumulator;
use super::grouping::{Aggregate, Grouping};
use super::limits::GROUP_BYTES_MAX;
use super::page::PageBuilder;
use super::sorting::{Cell, Rank};
use super::value::{encoded, size};
use crate::{Document, JsonObject};

/// Groups by the bytes of their keys.
#[derive(Debug)]
pub(super) struct Groups<'q> {
    grouping: &'q Grouping,
    groups: BTreeMap<Vec<u8>, Group>,
    bytes: usize,
}

#[derive(Debug)]
struct Group {
    keys: Vec<Option<Value>>,
    states: Vec<Accumulator>,
}

impl<'q> Groups<'q> {
    /// No groups yet.
    pub(super) fn new(grouping: &'q Grouping) -> Self {
        Self {
            grouping,
            groups: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Takes a document into its group.
    ///
    /// # Errors
    /// `too_many_groups`.
    pub(super) fn add(&mut self, document: &Document) -> Result<()> {
        let grouping = self.grouping;
        let keys = grouping.keys.iter().map(|key| {
            let value = key.operand.of(document)?;
            Some(match key.bucket {
                Some(bucket) => bucket.start(&value),
                None => value.into_owned(),
            })
        });
        let keys = keys.collect();
        let mut grown = 0;
        let group = self.group(keys)?;
        for (aggregate, state) in grouping.aggregates.iter().zip(&mut group.states) {
            match &aggregate.operand {
                None => state.add(&Value::Bool(true)),
                Some(operand) => {
                    if let Some(value) = operand.of(document) {
                        grown += state.bytes_for(&value);
                        state.add(&value);
                    }
                }
            }
        }
        self.grow(grown)
    }

    /// Takes a whole group, as SQL made it.
    ///
    /// # Errors
    /// `too_many_groups`.
    pub(super) fn put(&mut self, keys: Vec<Option<Value>>, states: Vec<Accumulator>) -> Result<()> {
        let held = |state: &Accumulator| match state {
            Accumulator::Min(Some(value)) | Accumulator::Max(Some(value)) => size(value),
            _ => 0,
        };
        let grown = states.iter().map(held).sum();
        self.group(keys)?.states = states;
        self.grow(grown)
    }

    /// Lets `add` take values into every aggregate of the only group of a query without keys; it says
    /// how many bytes a state grew by.
    ///
    /// # Errors
    /// `too_many_groups`, and what `add` says.
    pub(super) fn add_all(
        &mut self,
        mut add: impl FnMut(&Aggregate, &mut Accumulator) -> Result<usize>,
    ) -> Result<()> {
        let grouping = self.grouping;
        let group = self.group(Vec::new())?;
        let mut grown = 0;
        for (aggregate, state) in grouping.aggregates.iter().zip(&mut group.states) {
            grown += add(aggregate, state)?;
        }
        self.grow(grown)
    }

    fn group(&mut self, keys: Vec<Option<Value>>) -> Result<&mut Group> {
        let grouping = self.grouping;
        let mut bytes = Vec::new();
        for key in &keys {
            match key {
                Some(value) => bytes.extend(encoded(value)),
                None => bytes.push(0),
            }
        }
        if !self.groups.contains_key(&bytes) {
            if self.groups.len() >= GROUPS_MAX {
                return Err(too_many());
            }
            self.grow(2 * bytes.len() + 32 * (keys.len() + grouping.aggregates.len()))?;
        }
        Ok(self.groups.entry(bytes).or_insert_with(|| Group {
            keys,
            states: grouping.aggregates.iter().map(Accumulator::new).collect(),
        }))
    }

    fn grow(&mut self, bytes: usize) -> Result<()> {
        self.bytes += bytes;
        if self.bytes <= GROUP_BYTES_MAX {
            return Ok(());
        }
        Err(too_many())
    }

    /// Hands the groups to a page. Without `groupBy` there is one group, even of no documents.
    pub(super) fn finish(mut self, page: &mut PageBuilder<'_>) -> Result<()> {
        if self.grouping.keys.is_empty() {
            self.group(Vec::new())?;
        }
        for group in self.groups.into_values() {
            let outputs = group.outputs(self.grouping)?;
            let rank: Rank = self
                .grouping
                .order
                .iter()
                .map(|at| outputs[*at].clone())
                .collect();
            if page.wants(&rank) {
                page.push(rank, row(self.grouping, &outputs))?;
            }
        }
        Ok(())
    }
}

impl Group {
    /// Keys, then aggregates.
    fn outputs(self, grouping: &Grouping) -> Result<Vec<Option<Cell>>> {
        let mut outputs: Vec<Option<Cell>> = self
            .keys
            .into_iter()
            .map(|key| key.map(Cell::Value))
            .collect();
        for (aggregate, state) in grouping.aggregates.iter().zip(&self.states) {
            outputs.push(state.finish(aggregate)?);
        }
        Ok(outputs)
    }
}

fn row(grouping: &Grouping, outputs: &[Option<Cell>]) -> JsonObject {
    let mut row = JsonObject::new();
    for (at, (name, cell)) in grouping.names().zip(outputs).enumerate() {
        let json = cell.as_ref().map(|cell| cell.to_json(grouping.kind(at)));
        row.insert(name.to_owned(), json.unwrap_or(Json::Null));
    }
    row
}

fn too_many() -> Error {
    let message = format!(
        "more than {GROUPS_MAX} groups, or more than {GROUP_BYTES_MAX} bytes of group keys and \
         distinct values: filter, or group by less"
    );
    Error::too_large("too_many_groups", message).at("groupBy")
}
