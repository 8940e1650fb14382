//! The HTTP contract of Tidelog, neutral to the host it runs in.

pub mod limits;

mod host;
pub use host::{
    ApiSettings, Host, LakeStatus, LoadedTable, ObjectEntry, ObjectList, ObjectPage, QueryAnswer,
    StateAnswer, TableName, Tier, TypeSummary,
};
