//! Making another object of one.

use http::StatusCode;
use tidelog_core::{RestoreTarget, SnapshotCommand};
use tidelog_log::Result;

use super::retention::quantity;
use super::{Look, Who, answered, look, members, sequence, text, time, wrong};
use crate::handle::Routed;
use crate::{BodySource, ObjectHost, Response};

/// Begins to make another object of this one: 202, and `GET` says how far it is.
pub(crate) async fn fork<H: ObjectHost, B: BodySource>(
    host: &H,
    mut request: Routed<B>,
) -> Result<Response<B>> {
    let known = ["to", "snapshot", "sequence", "time", "expires"];
    let body = members(&mut request, &known).await?;
    let to = text(&body, "to")?.unwrap_or_default().to_owned();
    if to.is_empty() {
        return Err(wrong("to", "to is the id of the object that is to be"));
    }
    let snapshot = text(&body, "snapshot")?.map(str::to_owned);
    let target = match (snapshot, sequence(&body)?, time(&body)?) {
        (None, None, None) => None,
        (snapshot, sequence, time) => Some(RestoreTarget::of(snapshot, sequence, time)?),
    };
    let expires = quantity(&body, "expires", "is a time of 1 minute to 30 days")?;
    let life = expires.map(|life| life.millis()).transpose();
    let life = life.map_err(|e| wrong("expires", e.message()))?;
    let (object, by) = (request.object()?, Who::of(&request, "")?);
    let command = SnapshotCommand::Fork { to, target, life };
    let answer = host.administer(&object, |_| by.asks(command)).await?;
    Ok(answered(&answer, StatusCode::OK))
}

/// The fork under way, or the last one.
pub(crate) async fn last_fork<H: ObjectHost, B>(
    host: &H,
    request: &Routed<B>,
) -> Result<Response<B>> {
    look(host, request, Look::Fork).await
}

/// Gives the fork up that is under way.
pub(crate) async fn cancel_fork<H: ObjectHost, B>(
    host: &H,
    request: &Routed<B>,
) -> Result<Response<B>> {
    let (object, by) = (request.object()?, Who::of(request, "")?);
    let command = SnapshotCommand::CancelFork;
    let answer = host.administer(&object, |_| by.asks(command)).await?;
    Ok(answered(&answer, StatusCode::OK))
}
