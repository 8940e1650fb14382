//! Snapshots, restores and the audit log: what an administrator asks of one object.

mod look;
pub use look::{Look, SnapshotFilter};

mod download;
pub(crate) use download::download;
pub use download::{FileBytes, FilePart, FileStream};

mod upload;
pub(crate) use upload::upload;

mod fork;
pub(crate) use fork::{cancel_fork, fork, last_fork};

mod retention;
pub(crate) use retention::{keep, retention, set_retention};

mod show;

use http::{HeaderMap, StatusCode};
use serde_json::Value as Json;
use tidelog_core::{
    AUDIT_ENTRIES_MAX, AdminCommand, JsonObject, RestoreStatus, RestoreTarget, SNAPSHOTS_PAGE_MAX,
    SnapshotCommand, SnapshotKind, SnapshotReply, SnapshotStatus, SnapshotTier,
};
use tidelog_log::limits::SEQUENCE_MAX;
use tidelog_log::{Error, Result, Sequence, timestamp_from_text};

use crate::body::{self, Media, object};
use crate::caller::{caller, label};
use crate::handle::Routed;
use crate::limits::{ADMIN_PAGE_DEFAULT, BODY_DEPTH_MAX, SMALL_BODY_BYTES_MAX};
use crate::{BodySource, ObjectHost, Response, json, reply};

/// Takes a snapshot: 201 when it is complete, 202 while it is being taken.
pub(crate) async fn create<H: ObjectHost, B: BodySource>(
    host: &H,
    mut request: Routed<B>,
) -> Result<Response<B>> {
    let body = members(&mut request, &["kind", "parent", "note"]).await?;
    let kind = kind(text(&body, "kind")?)?.unwrap_or_default();
    let parent = text(&body, "parent")?.map(str::to_owned);
    if kind == SnapshotKind::Full && parent.is_some() {
        let message = "a full snapshot has no parent; ask for kind \"incremental\"";
        return Err(Error::invalid("conflicting_parameters", message).at("parent"));
    }
    let note = text(&body, "note")?.unwrap_or_default().to_owned();
    let (object, by) = (request.object()?, Who::of(&request, &note)?);
    let command = SnapshotCommand::Create { kind, parent, note };
    let answer = host.administer(&object, |_| by.asks(command)).await?;
    Ok(answered(&answer, StatusCode::CREATED))
}

/// One page of snapshots, newest first.
pub(crate) async fn list<H: ObjectHost, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    let parameters = &request.parameters;
    let number = |name| parameters.number(name, 0, SEQUENCE_MAX);
    let filter = SnapshotFilter {
        kind: kind(parameters.get("kind"))?,
        tier: tier(parameters.get("tier"))?,
        parent: parameters.get("parent").map(str::to_owned),
        bytes: (number("minBytes")?, number("maxBytes")?),
        sequence: (number("fromSequence")?, number("toSequence")?),
    };
    let (before, limit) = (
        parameters.get("before").map(str::to_owned),
        parameters.limit(ADMIN_PAGE_DEFAULT, SNAPSHOTS_PAGE_MAX)?,
    );
    let page = Look::Snapshots {
        filter,
        before,
        limit,
    };
    look(host, request, page).await
}

/// One snapshot.
pub(crate) async fn get<H: ObjectHost, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    look(host, request, Look::Snapshot(request.value(2).to_owned())).await
}

/// Forgets a snapshot, or gives up taking it.
pub(crate) async fn delete<H: ObjectHost, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    let (object, by) = (request.object()?, Who::of(request, "")?);
    let id = request.value(2).to_owned();
    let answer = host
        .administer(&object, |_| by.asks(SnapshotCommand::Delete { id }))
        .await?;
    let SnapshotReply::Snapshot(snapshot) = &answer else {
        return Err(Error::internal("a deleted snapshot was answered otherwise"));
    };
    let status = match snapshot.status {
        SnapshotStatus::Deleting => StatusCode::ACCEPTED,
        _ => StatusCode::OK,
    };
    Ok(reply::json(status, &show::snapshot(snapshot)))
}

/// Brings a snapshot to object storage.
pub(crate) async fn promote<H: ObjectHost, B>(
    host: &H,
    request: &Routed<B>,
) -> Result<Response<B>> {
    let id = request.value(2).to_owned();
    moved(host, request, SnapshotCommand::Promote { id }).await
}

/// Brings a snapshot back from object storage.
pub(crate) async fn recall<H: ObjectHost, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    let id = request.value(2).to_owned();
    moved(host, request, SnapshotCommand::Recall { id }).await
}

async fn moved<H: ObjectHost, B>(
    host: &H,
    request: &Routed<B>,
    command: SnapshotCommand,
) -> Result<Response<B>> {
    let (object, by) = (request.object()?, Who::of(request, "")?);
    let answer = host.administer(&object, |_| by.asks(command)).await?;
    Ok(answered(&answer, StatusCode::OK))
}

/// Looks for snapshots in object storage.
pub(crate) async fn discover<H: ObjectHost, B>(
    host: &H,
    request: &Routed<B>,
) -> Result<Response<B>> {
    let (object, by) = (request.object()?, Who::of(request, "")?);
    let command = |schema| by.asks(SnapshotCommand::Discover { schema });
    let answer = host.administer(&object, command).await?;
    Ok(answered(&answer, StatusCode::OK))
}

/// What the search for snapshots has found.
pub(crate) async fn discovery<H: ObjectHost, B>(
    host: &H,
    request: &Routed<B>,
) -> Result<Response<B>> {
    look(host, request, Look::Discovery).await
}

/// Brings a state back: 200 when it is there, 202 while that is under way.
pub(crate) async fn restore<H: ObjectHost, B: BodySource>(
    host: &H,
    mut request: Routed<B>,
) -> Result<Response<B>> {
    let known = ["snapshot", "sequence", "time", "collections", "dryRun"];
    let body = members(&mut request, &known).await?;
    let snapshot = text(&body, "snapshot")?.map(str::to_owned);
    let target = RestoreTarget::of(snapshot, sequence(&body)?, time(&body)?)?;
    let collections = collections(&body)?;
    let dry_run = match body.get("dryRun") {
        None => false,
        Some(Json::Bool(dry_run)) => *dry_run,
        Some(_) => return Err(wrong("dryRun", "dryRun is true or false")),
    };
    let caller = caller(&request.headers, &request.parameters)?;
    let (object, by) = (request.object()?, Who::of(&request, "")?);
    let answer = host.administer(&object, |schema| {
        by.asks(SnapshotCommand::Restore {
            schema,
            caller,
            target,
            collections,
            dry_run,
        })
    });
    Ok(answered(&answer.await?, StatusCode::OK))
}

/// The restore under way, or the last one.
pub(crate) async fn last_restore<H: ObjectHost, B>(
    host: &H,
    request: &Routed<B>,
) -> Result<Response<B>> {
    look(host, request, Look::Restore).await
}

/// Gives the restore up that is under way.
pub(crate) async fn cancel<H: ObjectHost, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    let (object, by) = (request.object()?, Who::of(request, "")?);
    let command = SnapshotCommand::CancelRestore;
    let answer = host.administer(&object, |_| by.asks(command)).await?;
    Ok(answered(&answer, StatusCode::OK))
}

/// A page of a check for damage.
pub(crate) async fn check<H: ObjectHost, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    let after = request.parameters.get("after").map(str::to_owned);
    look(host, request, Look::Check(after)).await
}

/// Heals what is damaged: 200 when it is through, 202 while that is under way.
pub(crate) async fn heal<H: ObjectHost, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    let (object, by) = (request.object()?, Who::of(request, "")?);
    let command = SnapshotCommand::Heal;
    let answer = host.administer(&object, |_| by.asks(command)).await?;
    Ok(answered(&answer, StatusCode::OK))
}

/// The healing under way, or the last one.
pub(crate) async fn last_heal<H: ObjectHost, B>(
    host: &H,
    request: &Routed<B>,
) -> Result<Response<B>> {
    look(host, request, Look::Heal).await
}

/// How far the import of a file is.
pub(crate) async fn import_under_way<H: ObjectHost, B>(
    host: &H,
    request: &Routed<B>,
) -> Result<Response<B>> {
    look(host, request, Look::Import).await
}

/// One page of the audit log, newest first.
pub(crate) async fn audit<H: ObjectHost, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    let parameters = &request.parameters;
    let page = Look::Audit {
        before: parameters.number("before", 0, SEQUENCE_MAX)?,
        limit: parameters.limit(ADMIN_PAGE_DEFAULT, AUDIT_ENTRIES_MAX)?,
    };
    look(host, request, page).await
}

async fn look<H: ObjectHost, B>(
    host: &H,
    request: &Routed<B>,
    wanted: Look,
) -> Result<Response<B>> {
    let found = host.look(&request.object()?, wanted).await?;
    Ok(reply::json(StatusCode::OK, &found))
}

/// `done`, or 202 for what is under way.
fn answered<B>(answer: &SnapshotReply, done: StatusCode) -> Response<B> {
    let (is_done, shown) = match answer {
        SnapshotReply::Snapshot(snapshot) => (
            snapshot.status == SnapshotStatus::Complete && snapshot.moving.is_none(),
            show::snapshot(snapshot),
        ),
        SnapshotReply::Restore(restore) => (
            restore.status != RestoreStatus::Running,
            show::restore(restore),
        ),
        SnapshotReply::Heal(heal) => (heal.status != RestoreStatus::Running, show::heal(heal)),
        SnapshotReply::Discovery(discovery) => (
            discovery.status != RestoreStatus::Running,
            show::discovery(discovery),
        ),
        SnapshotReply::Import(import) => (import.snapshot.is_some(), serde_json::json!(import)),
        SnapshotReply::Fork(fork) => (fork.status != RestoreStatus::Running, show::fork(fork)),
        SnapshotReply::Place(place) => (true, serde_json::json!(place)),
        SnapshotReply::Retention(retention) => (true, serde_json::json!(retention)),
    };
    let status = if is_done { done } else { StatusCode::ACCEPTED };
    reply::json(status, &shown)
}

/// Who asks, and why.
#[derive(Clone)]
struct Who {
    actor: String,
    reason: String,
}

impl Who {
    /// `Tidelog-Actor`, or else the source; `Tidelog-Reason`, or else the note.
    fn of<B>(request: &Routed<B>, note: &str) -> Result<Self> {
        let headers: &HeaderMap = &request.headers;
        let source = caller(headers, &request.parameters)?.source;
        let or = |given: String, other: &str| match given.is_empty() {
            true => other.to_owned(),
            false => given,
        };
        Ok(Self {
            actor: or(label(headers, "Tidelog-Actor")?, &source),
            reason: or(label(headers, "Tidelog-Reason")?, note),
        })
    }

    fn asks(self, command: SnapshotCommand) -> AdminCommand {
        AdminCommand {
            actor: self.actor,
            reason: self.reason,
            command,
        }
    }
}

/// The members of a body that knows these; none when there is no body.
async fn members<B: BodySource>(request: &mut Routed<B>, known: &[&str]) -> Result<JsonObject> {
    let (headers, body) = (&request.headers, &mut request.body);
    body::media(headers, &[Media::Json])?;
    let bytes = body::read(headers, body, SMALL_BODY_BYTES_MAX).await?;
    if bytes.is_empty() {
        return Ok(JsonObject::new());
    }
    let body = object(json::parse(&bytes, BODY_DEPTH_MAX)?, "the body")?;
    match body.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(body),
        Some(other) => {
            let message = format!("the body's members are {}", known.join(", "));
            Err(wrong(other, &message))
        }
    }
}

fn wrong(field: &str, message: &str) -> Error {
    Error::invalid("invalid_body", message).at(field)
}

fn text<'a>(body: &'a JsonObject, name: &str) -> Result<Option<&'a str>> {
    match body.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong(name, &format!("{name} is text"))),
    }
}

fn kind(name: Option<&str>) -> Result<Option<SnapshotKind>> {
    match name {
        None => Ok(None),
        Some("full") => Ok(Some(SnapshotKind::Full)),
        Some("incremental") => Ok(Some(SnapshotKind::Incremental)),
        Some(_) => Err(wrong("kind", "kind is \"full\" or \"incremental\"")),
    }
}

fn tier(name: Option<&str>) -> Result<Option<SnapshotTier>> {
    match name {
        None => Ok(None),
        Some("hot") => Ok(Some(SnapshotTier::Hot)),
        Some("cold") => Ok(Some(SnapshotTier::Cold)),
        Some(_) => Err(wrong("tier", "tier is \"hot\" or \"cold\"")),
    }
}

fn sequence(body: &JsonObject) -> Result<Option<Sequence>> {
    let Some(value) = body.get("sequence").filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let number = value.as_u64().filter(|number| *number <= SEQUENCE_MAX);
    let sequence = number.map(Sequence);
    sequence.map(Some).ok_or_else(|| {
        let message = format!("sequence is a whole number from 0 to {SEQUENCE_MAX}");
        Error::invalid("invalid_target", message).at("sequence")
    })
}

/// A moment as milliseconds since 1970, from those or from RFC 3339.
fn time(body: &JsonObject) -> Result<Option<i64>> {
    let millis = match body.get("time") {
        None | Some(Json::Null) => return Ok(None),
        Some(Json::String(text)) => {
            timestamp_from_text(text).map(|micros| micros.div_euclid(1_000))
        }
        Some(value) => value.as_u64().and_then(|millis| i64::try_from(millis).ok()),
    };
    millis.map(Some).ok_or_else(|| {
        let message = "time is RFC 3339, such as 2026-11-29T08:00:00Z, or milliseconds since 1970";
        Error::invalid("invalid_target", message).at("time")
    })
}

/// Collections by name, each once; none: all of them.
fn collections(body: &JsonObject) -> Result<Vec<String>> {
    let message = "collections is a list of names; leave it out for all of them";
    let wrong = || wrong("collections", message);
    let names = match body.get("collections") {
        None | Some(Json::Null) => return Ok(Vec::new()),
        Some(Json::Array(names)) if !names.is_empty() => names,
        Some(_) => return Err(wrong()),
    };
    let texts = names.iter().map(|name| name.as_str().map(str::to_owned));
    let mut names: Vec<String> = texts.collect::<Option<_>>().ok_or_else(wrong)?;
    names.sort_unstable();
    names.dedup();
    Ok(names)
}
