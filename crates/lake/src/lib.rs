//! tidelog-lake
