//! tidelog-api
