//! `tidelog query`: one collection of one object, as a table or as NDJSON.

mod condition;

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use tidelog_core::TypeSchema;

use crate::client::{Ask, Client};
use crate::configuration::Configuration;
use crate::failure::{Failure, Result};
use crate::object_name::{ObjectName, path};
use crate::print;
use crate::target::TargetArgs;
use crate::text_table::TextTable;

const EXAMPLES: &str = "\
Examples:
  tidelog query airport/JFK flights --where carrier=UA --where 'dep_delay>=60' --order -dep_delay --limit 10
  tidelog query airport/JFK flights '{\"groupBy\": [\"carrier\"], \"aggregate\": {\"mean\": {\"avg\": \"dep_delay\"}}}'
  tidelog query airport/JFK weather --select time_hour,temp --all --json >weather.ndjson

docs/queries.md describes the JSON.";

/// Flags of `query`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct QueryArgs {
    /// The object
    #[arg(value_name = "TYPE/ID")]
    object: ObjectName,
    /// The collection
    collection: String,
    /// The query as JSON; the flags are put on top
    #[arg(value_name = "JSON")]
    query: Option<String>,
    /// A condition: FIELD=VALUE, also != > >= < <= and ~ (like); `FIELD=` is "no value"
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,
    /// Fields to return
    #[arg(long, value_delimiter = ',', value_name = "FIELDS")]
    select: Vec<String>,
    /// Fields to order by; - before one is descending
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "FIELDS",
        allow_hyphen_values = true
    )]
    order: Vec<String>,
    /// Rows of a page, at most 10,000
    #[arg(long)]
    limit: Option<u64>,
    /// Read every page
    #[arg(long)]
    all: bool,
    /// Print one JSON object per row
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// A page as the server answers it.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    /// The rows.
    pub(crate) rows: Vec<Map<String, Json>>,
    /// The cursor of the page after, if there is one.
    pub(crate) next: Option<String>,
}

pub(crate) fn run(args: &QueryArgs, configuration: &Configuration) -> Result<()> {
    args.target.with(configuration, |target| {
        let client = &target.client;
        let mut query = query(args, client)?;
        let mut table = None;
        loop {
            let page = page(client, &args.object, &args.collection, &query)?;
            show(args, &page, &mut table)?;
            match page.next {
                Some(next) if args.all => query["after"] = Json::from(next),
                Some(_) => {
                    print::note("there is more: --all, or --limit up to 10000");
                    return Ok(());
                }
                None => return Ok(()),
            }
        }
    })
}

/// Asks for one page.
pub(crate) fn page(
    client: &Client,
    object: &ObjectName,
    collection: &str,
    query: &Json,
) -> Result<Page> {
    client.json(&Ask::post_json(object.path(&[collection, "query"]), query))
}

fn show(args: &QueryArgs, page: &Page, table: &mut Option<TextTable>) -> Result<()> {
    if args.json {
        for row in &page.rows {
            print::line(Json::Object(row.clone()))?;
        }
        return Ok(());
    }
    if table.is_none() {
        let first = if args.select.is_empty() {
            vec!["_key".to_owned()]
        } else {
            args.select.clone()
        };
        let keyed = page.rows.iter().any(|row| row.contains_key("_key"));
        let made = TextTable::of(&page.rows, if keyed { &first } else { &[] });
        print::line(made.header())?;
        *table = Some(made);
    }
    if let Some(table) = table {
        for row in &page.rows {
            print::line(table.row(row))?;
        }
    }
    Ok(())
}

fn query(args: &QueryArgs, client: &Client) -> Result<Json> {
    let mut query = match &args.query {
        Some(text) => serde_json::from_str(text)
            .map_err(|e| Failure::usage(format!("the query is not JSON: {e}")))?,
        None => json!({}),
    };
    if !query.is_object() {
        return Err(Failure::usage("the query is a JSON object"));
    }
    if !args.conditions.is_empty() {
        let schema: TypeSchema = client.get(path(&["v1", "types", &args.object.type_name]))?;
        let collection = schema.collection(&args.collection)?;
        let parsed = args.conditions.iter();
        let mut all = parsed
            .map(|text| condition::parse(text, collection))
            .collect::<Result<Vec<Json>>>()?;
        all.extend(query.get("where").filter(|w| !w.is_null()).cloned());
        query["where"] = json!({ "and": all });
    }
    if !args.select.is_empty() {
        query["select"] = json!(args.select);
    }
    if !args.order.is_empty() {
        query["orderBy"] = json!(args.order);
    }
    if let Some(limit) = args.limit {
        query["limit"] = json!(limit);
    }
    Ok(query)
}
