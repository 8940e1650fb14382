//! Queries over one collection: filter, order, page, group, aggregate.
//!
//! A query is parsed and checked against its collection once ([`Query::parse`]). What it means is
//! said by [`evaluate`], a pure function over documents. [`Query::run`] gives the same answer from
//! SQLite: a condition, an order or an aggregate goes to SQL only where SQL provably agrees, the
//! rest is done here on the rows that come back. Property tests hold the two together.

pub(crate) mod limits;

mod expect;

mod value;

mod operand;

mod like;

mod filter;

mod where_clause;

mod time;

mod bucket;

mod sorting;

mod cursor;

mod grouping;

mod exact_sum;

mod accumulator;

mod parse;
pub use parse::Query;

mod page;
pub use page::QueryPage;

mod groups;

mod evaluate;
pub use evaluate::evaluate;

mod pushdown;

mod folded;

mod run;

#[cfg(test)]
mod tests;
