//! Types and their collections: what a user declares, and what a registered version keeps.

mod spec;
pub use spec::{
    CheckSpec, ColdSpec, CollectionSpec, FieldSpec, IndexSpec, PartitionSpec, Transform, TypeSpec,
};

mod stored;
pub use stored::{Collection, Field, Index, TypeSchema};

mod register;
