//! Messages to the actors in objects.

use http::StatusCode;
use serde_json::{Value as Json, json};
use tidelog_core::{ActorState, FailedLetter};
use tidelog_log::Result;

use crate::body::{self, Media};
use crate::caller::caller;
use crate::handle::Routed;
use crate::limits::{BODY_DEPTH_MAX, FAILED_BODY_BYTES_MAX, SMALL_BODY_BYTES_MAX};
use crate::objects::timestamp;
use crate::reply::{self, with_header};
use crate::{BodySource, ObjectHost, Response, json};

/// Hands a message to an object's actor and answers its reply.
pub(crate) async fn message<H: ObjectHost, B: BodySource>(
    host: &H,
    mut request: Routed<B>,
) -> Result<Response<B>> {
    let (object, caller) = (
        request.object()?,
        caller(&request.headers, &request.parameters)?,
    );
    let body = body(&mut request).await?;
    let answer = host
        .message(&object, caller, request.value(2), body)
        .await?;
    let response = reply::json(StatusCode::OK, &answer.reply);
    let response = with_header(response, "cache-control", "no-store");
    let response = with_header(response, "stream-next-offset", &answer.offset.to_string());
    Ok(match answer.replayed {
        true => with_header(response, "idempotency-replayed", "true"),
        false => response,
    })
}

/// What is sent: JSON, `null` when there is no body.
async fn body<B: BodySource>(request: &mut Routed<B>) -> Result<Json> {
    let (headers, body) = (&request.headers, &mut request.body);
    body::media(headers, &[Media::Json])?;
    let bytes = body::read(headers, body, SMALL_BODY_BYTES_MAX).await?;
    match bytes.is_empty() {
        true => Ok(Json::Null),
        false => json::parse(&bytes, BODY_DEPTH_MAX),
    }
}

/// Adds to an object's state what its actor sends and fails at.
pub(crate) fn add_state(state: &mut Json, actor: &ActorState) {
    for (name, error) in &actor.errors {
        let wakes = state["wakes"].as_array_mut().into_iter().flatten();
        for wake in wakes.filter(|wake| wake["name"] == name.as_str()) {
            wake["error"] = Json::from(error.as_str());
        }
    }
    state["outbox"] = json!({ "waiting": actor.waiting });
    if let Some(followed) = actor.followed {
        state["followed"] = json!(followed);
    }
    state["failedMessages"] = actor.failed.iter().map(failed).collect();
}

fn failed(letter: &FailedLetter) -> Json {
    let mut shown = json!({
        "number": letter.number,
        "to": letter.to,
        "message": letter.message,
        "code": letter.code,
        "detail": letter.detail,
        "at": timestamp(letter.at),
    });
    if letter.body.len() <= FAILED_BODY_BYTES_MAX {
        shown["body"] = serde_json::from_str(&letter.body).unwrap_or_default();
    }
    shown
}
