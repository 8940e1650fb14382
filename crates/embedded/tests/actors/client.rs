//! Requests to a server that may be gone, and waiting for what it does by itself.

use std::time::Duration;

use serde_json::Value as Json;
use tidelog_embedded::instant;
use ureq::http::Request;

/// Longest wait for what happens by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends a request; an error means that nobody knows whether it was done.
pub(crate) fn send(
    url: &str,
    (method, path): (&str, &str),
    key: Option<&str>,
    body: Option<&str>,
) -> Result<(u16, Json), ureq::Error> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .build()
        .into();
    let toml = path.starts_with("/v1/types");
    let media = if toml {
        "application/toml"
    } else {
        "application/json"
    };
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{url}{path}"));
    request = request.header("content-type", media);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let response = match body {
        Some(body) => agent.run(request.body(body.to_owned()).unwrap()),
        None => agent.run(request.body(()).unwrap()),
    };
    let (parts, mut body) = response?.into_parts();
    let text = body.read_to_string()?;
    let json = serde_json::from_str(&text).unwrap_or(Json::Null);
    Ok((parts.status.as_u16(), json))
}

/// Sends a message to an actor of a server that is there.
pub(crate) fn message(url: &str, object: &str, name: &str, body: &Json) -> (u16, Json) {
    let path = format!("/v1/objects/{object}/messages/{name}");
    send(url, ("POST", &path), None, Some(&body.to_string())).unwrap()
}

pub(crate) fn get(url: &str, path: &str) -> Json {
    send(url, ("GET", path), None, None).unwrap().1
}

/// The documents of a collection, by key; none while the object is not there.
pub(crate) fn documents(url: &str, object: &str, collection: &str) -> Vec<Json> {
    let path = format!("/v1/objects/{object}/{collection}/query");
    let (status, answer) = send(url, ("POST", &path), None, Some(r#"{"limit": 10000}"#)).unwrap();
    match status {
        404 => Vec::new(),
        _ => answer["rows"].as_array().unwrap().clone(),
    }
}

pub(crate) fn register(url: &str) {
    for (name, schema) in [
        ("room", tidelog_rooms::ROOM),
        ("person", tidelog_rooms::PERSON),
    ] {
        let path = format!("/v1/types/{name}");
        let (status, answer) = send(url, ("PUT", &path), None, Some(schema)).unwrap();
        assert_eq!(status, 201, "{answer}");
    }
}

/// Looks again until something is there.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = instant();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "{what} does not come");
        pass(Duration::from_millis(5));
    }
}

/// Lets time pass.
pub(crate) fn pass(time: Duration) {
    let started = instant();
    while let Some(left) = time.checked_sub(started.elapsed()).filter(|t| !t.is_zero()) {
        std::thread::park_timeout(left);
    }
}
