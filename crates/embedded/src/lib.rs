//! tidelog-embedded
