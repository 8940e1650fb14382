//! How long an object keeps its snapshots.

use http::StatusCode;
use serde_json::Value as Json;
use tidelog_core::{
    JsonObject, Quantity, SnapshotCommand, SnapshotReply, SnapshotRetention, SnapshotRetentionSpec,
};
use tidelog_log::{Error, Result};

use super::{Look, Who, answered, look, members, wrong};
use crate::handle::Routed;
use crate::{BodySource, ObjectHost, Response};

const AGES: &str = "is a time: seconds, or text such as \"7d\"; 0: no limit";

/// The rules in force, and how far the schedule is.
pub(crate) async fn retention<H: ObjectHost, B>(
    host: &H,
    request: &Routed<B>,
) -> Result<Response<B>> {
    look(host, request, Look::Retention).await
}

/// Declares the object's own rules, in the place of those before.
pub(crate) async fn set_retention<H: ObjectHost, B: BodySource>(
    host: &H,
    mut request: Routed<B>,
) -> Result<Response<B>> {
    let known = [
        "hotAge",
        "hotCount",
        "coldAge",
        "coldCount",
        "chain",
        "promoteAge",
        "promoteSize",
    ];
    let body = members(&mut request, &known).await?;
    let rules = SnapshotRetentionSpec {
        hot_age: quantity(&body, "hotAge", AGES)?,
        hot_count: count(&body, "hotCount")?,
        cold_age: quantity(&body, "coldAge", AGES)?,
        cold_count: count(&body, "coldCount")?,
        chain: count(&body, "chain")?,
        promote_age: quantity(&body, "promoteAge", AGES)?,
        promote_size: quantity(&body, "promoteSize", "is bytes, or text such as \"10MB\"")?,
    };
    rules
        .over(SnapshotRetention::default())
        .map_err(|e| wrong(e.field().unwrap_or_default(), e.message()))?;
    let (object, by) = (request.object()?, Who::of(&request, "")?);
    let command = SnapshotCommand::SetRetention(rules);
    let answer = host.administer(&object, |_| by.asks(command)).await?;
    Ok(answered(&answer, StatusCode::OK))
}

/// Keeps a snapshot whatever its age and number, or no longer.
pub(crate) async fn keep<H: ObjectHost, B: BodySource>(
    host: &H,
    mut request: Routed<B>,
) -> Result<Response<B>> {
    let body = members(&mut request, &["keep"]).await?;
    let Some(Json::Bool(keep)) = body.get("keep") else {
        return Err(wrong("keep", "keep is true or false"));
    };
    let (object, by) = (request.object()?, Who::of(&request, "")?);
    let (id, keep) = (request.value(2).to_owned(), *keep);
    let command = SnapshotCommand::Keep { id, keep };
    match host.administer(&object, |_| by.asks(command)).await? {
        SnapshotReply::Snapshot(snapshot) => {
            let shown = super::show::snapshot(&snapshot);
            Ok(crate::reply::json(StatusCode::OK, &shown))
        }
        _ => Err(Error::internal("a kept snapshot was answered otherwise")),
    }
}

pub(super) fn quantity(body: &JsonObject, name: &str, wanted: &str) -> Result<Option<Quantity>> {
    match body.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(Quantity::Text(text.clone()))),
        Some(value) => match value.as_i64() {
            Some(number) => Ok(Some(Quantity::Number(number))),
            None => Err(wrong(name, &format!("{name} {wanted}"))),
        },
    }
}

fn count(body: &JsonObject, name: &str) -> Result<Option<i64>> {
    match body.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => match value.as_i64() {
            Some(number) => Ok(Some(number)),
            None => Err(wrong(name, &format!("{name} is a whole number"))),
        },
    }
}
