//! Whole objects: listing, deleting, where they stand, bringing the lake up to date.

use http::StatusCode;
use serde_json::{Map, Value as Json, json};
use tidelog_core::{Address, ObjectState, check_name};
use tidelog_log::limits::OBJECT_ID_BYTES_MAX;
use tidelog_log::{Error, Kind, Offset, Result, timestamp_to_text};

use crate::body::{self, object};
use crate::caller::caller;
use crate::handle::Routed;
use crate::limits::{BODY_DEPTH_MAX, OBJECTS_DEFAULT, OBJECTS_MAX, SMALL_BODY_BYTES_MAX};
use crate::parameters::invalid;
use crate::{
    BodySource, Directory, LakeStatus, ObjectHost, ObjectList, Response, StateAnswer, Tier, actors,
    reply,
};

pub(crate) async fn list<H: Directory, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    let parameters = &request.parameters;
    let type_name = parameters.get("type").map(str::to_owned);
    if let Some(name) = &type_name {
        check_name("type", name)?;
    }
    let prefix = parameters.get("prefix").unwrap_or_default().to_owned();
    if prefix.len() > OBJECT_ID_BYTES_MAX {
        return Err(invalid("prefix", "no object id is that long"));
    }
    let page = host.objects(ObjectList {
        type_name,
        prefix,
        after: parameters.get("after").map(str::to_owned),
        limit: parameters.limit(OBJECTS_DEFAULT, OBJECTS_MAX)?,
    });
    Ok(reply::json(StatusCode::OK, &json!(page.await?)))
}

pub(crate) async fn delete<H: ObjectHost, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    let (object, caller) = (
        request.object()?,
        caller(&request.headers, &request.parameters)?,
    );
    let state = host.delete_object(&object, caller).await?;
    Ok(reply::json(
        StatusCode::OK,
        &state_json(&object, &state, &[]),
    ))
}

pub(crate) async fn state<H: ObjectHost, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    let object = request.object()?;
    let answer = host.state(&object).await?;
    Ok(reply::json(StatusCode::OK, &answer_json(&object, &answer)))
}

pub(crate) async fn sync<H: ObjectHost, B: BodySource>(
    host: &H,
    mut request: Routed<B>,
) -> Result<Response<B>> {
    let address = request.object()?;
    let body = body::read_json(
        &request.headers,
        &mut request.body,
        SMALL_BODY_BYTES_MAX,
        BODY_DEPTH_MAX,
    );
    let body = object(body.await?, "the body")?;
    if let Some(other) = body.keys().find(|name| *name != "tier") {
        let message = format!("sync takes no member {other:?}");
        return Err(Error::invalid("invalid_body", message).at(other.as_str()));
    }
    let tier = match body.get("tier") {
        None => Tier::All,
        Some(Json::String(name)) => tier(name)?,
        Some(_) => {
            let message = "tier is \"warm\" or \"cold\", or absent for both";
            return Err(Error::invalid("invalid_body", message).at("tier"));
        }
    };
    let answer = host.sync(&address, tier).await?;
    Ok(reply::json(StatusCode::OK, &answer_json(&address, &answer)))
}

fn tier(name: &str) -> Result<Tier> {
    match name {
        "warm" => Ok(Tier::Warm),
        "cold" => Ok(Tier::Cold),
        _ => {
            let shown: String = name.chars().take(40).collect();
            let message = format!("sync knows the tiers \"warm\" and \"cold\", not {shown:?}");
            Err(Error::new(Kind::Unsupported, "tier_unsupported", message).at("tier"))
        }
    }
}

fn answer_json(object: &Address, answer: &StateAnswer) -> Json {
    let mut state = state_json(object, &answer.object, &answer.lake);
    let (head, cold) = (answer.object.head, answer.cold());
    let warm = answer.warm.as_ref();
    state["lastHotSequence"] = json!(head);
    state["lastWarmSequence"] = json!(warm.map(|warm| warm.last_sequence));
    state["lastColdSequence"] = json!(cold.map(|mark| mark.sequence));
    let lag = |events: u64, millis: i64| json!({"events": events, "millis": millis});
    state["lag"] = json!({
        "warm": warm.map(|warm| lag(warm.lag_events, warm.lag_millis)),
        "cold": cold.map(|mark| lag(head.0.saturating_sub(mark.sequence.0), mark.lag_millis)),
    });
    if let Some(costs) = &answer.costs {
        state["costs"] = json!(costs);
    }
    if let Some(warm) = &answer.warm {
        state["warm"] = json!(warm);
    }
    if let Some(bytes) = answer.memory_bytes {
        state["memory"] = json!({ "wasmBytes": bytes });
    }
    state
}

fn state_json(object: &Address, state: &ObjectState, lake: &[LakeStatus]) -> Json {
    let offset = Offset {
        epoch: state.epoch,
        sequence: state.head,
    };
    let documents: Map<String, Json> = state
        .documents
        .iter()
        .map(|(collection, count)| (collection.clone(), Json::from(*count)))
        .collect();
    let wakes: Vec<Json> = state
        .wakes
        .iter()
        .map(|(name, next, attempts)| {
            json!({"name": name, "next": timestamp(*next), "attempts": attempts})
        })
        .collect();
    let mut shown = json!({
        "type": object.type_name,
        "id": object.id,
        "status": state.status,
        "epoch": state.epoch,
        "head": state.head,
        "headOffset": offset.to_string(),
        "headHash": state.head_hash.to_string(),
        "headTimestamp": timestamp(state.head_timestamp),
        "earliest": state.earliest,
        "schemaVersion": state.schema_version,
        "documents": documents,
        "folded": state.folded,
        "blobs": {"count": state.blobs.0, "bytes": state.blobs.1},
        "log": {
            "records": state.log_records, "bytes": state.log_bytes,
            "segments": state.log_segments, "segmentBytes": state.log_segment_bytes,
        },
        "database": {"bytes": state.used_bytes, "maxBytes": state.used_bytes_max},
        "warnings": state.warnings,
        "cursors": state.cursors,
        "lake": lake,
        "wakes": wakes,
    });
    if let Some(at) = state.expires {
        (shown["scratch"], shown["expires"]) = (json!(true), json!(timestamp(at)));
    }
    if let Some(actor) = &state.actor {
        actors::add_state(&mut shown, actor);
    }
    shown
}

pub(crate) fn timestamp(millis: i64) -> String {
    timestamp_to_text(millis.saturating_mul(1_000))
}
