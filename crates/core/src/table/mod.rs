//! One file per internal table of an object's database: its SQL, its row type, its rules.

pub(crate) mod rows;
