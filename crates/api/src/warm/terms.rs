//! What a read asks for beside its question: how new the answer must be.

use serde_json::Value as Json;
use tidelog_log::{Error, Kind, Offset, Result};

use crate::parameters::Parameters;

/// Where an answer may come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Consistency {
    /// The object, now.
    #[default]
    Strong,
    /// The cache, if it has one that is new enough.
    Warm,
    /// The lake's newest snapshot.
    Cold,
}

/// How new an answer must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) consistency: Consistency,
    /// The answer must have seen this event.
    pub(crate) at_least: Option<Offset>,
}

impl Terms {
    /// Of a read by key: query parameters.
    ///
    /// # Errors
    /// `consistency_unsupported`, `tier_unsupported`, `conflicting_parameters`, `malformed_offset`.
    pub(crate) fn of_parameters(parameters: &Parameters) -> Result<Self> {
        let named = parameters.get("consistency");
        let consistency = consistency(named)?;
        let cold = is_cold(parameters.get("tier"))?;
        if cold && named.is_some() {
            let message = "the lake is neither strong nor warm: tier=cold goes without consistency";
            return Err(Error::invalid("conflicting_parameters", message).at("consistency"));
        }
        Ok(Self {
            consistency: if cold { Consistency::Cold } else { consistency },
            at_least: parameters.get("atLeast").map(offset).transpose()?,
        })
    }

    /// Of a query: members of its body.
    ///
    /// # Errors
    /// `wrong_type`, `consistency_unsupported`, `malformed_offset`.
    pub(crate) fn of_query(query: &Json) -> Result<Self> {
        let text = |name: &str| match query.get(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(Error::invalid("wrong_type", "must be a string").at(name)),
        };
        Ok(Self {
            consistency: consistency(text("consistency")?)?,
            at_least: text("atLeast")?.map(offset).transpose()?,
        })
    }

    pub(crate) fn warm(&self) -> bool {
        self.consistency == Consistency::Warm
    }

    pub(crate) fn cold(&self) -> bool {
        self.consistency == Consistency::Cold
    }
}

fn consistency(text: Option<&str>) -> Result<Consistency> {
    match text {
        None | Some("strong") => Ok(Consistency::Strong),
        Some("warm") => Ok(Consistency::Warm),
        Some(_) => {
            let message = "consistency is strong or warm";
            let error = Error::new(Kind::Unsupported, "consistency_unsupported", message);
            Err(error.at("consistency"))
        }
    }
}

fn is_cold(tier: Option<&str>) -> Result<bool> {
    match tier {
        None | Some("hot") => Ok(false),
        Some("cold") => Ok(true),
        Some(_) => {
            let message = "tier is hot or cold; the cache is asked for by consistency=warm";
            Err(Error::new(Kind::Unsupported, "tier_unsupported", message).at("tier"))
        }
    }
}

fn offset(text: &str) -> Result<Offset> {
    text.parse().map_err(|e: Error| e.at("atLeast"))
}
