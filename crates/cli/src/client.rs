//! A blocking client of the HTTP contract (`docs/http.md`).

use std::io::{BufRead, BufReader};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use ureq::http::{HeaderMap, Method, Request};
use ureq::{Agent, Body};

use crate::failure::{Failure, Result};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a request that was refused with 503 is sent again, a second apart.
const BUSY_RETRIES_MAX: usize = 60;
/// Largest answer read into memory; pages are about 8 MB.
const ANSWER_BYTES_MAX: u64 = 512_000_000;

/// A server's address and token.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    agent: Agent,
    url: String,
    token: Option<String>,
}

/// One request. The body is kept, so that it can be sent again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
}

/// A successful answer, its body not read yet.
#[derive(Debug)]
pub(crate) struct Answer {
    headers: HeaderMap,
    body: Body,
}

impl Ask {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            ..Self::default()
        }
    }

    /// A request without a body.
    pub(crate) fn bare(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            ..Self::default()
        }
    }

    pub(crate) fn new(
        method: Method,
        path: impl Into<String>,
        content_type: &str,
        body: Vec<u8>,
    ) -> Self {
        Self {
            method,
            path: path.into(),
            headers: vec![("content-type", content_type.to_owned())],
            body: Some(body),
        }
    }

    pub(crate) fn post_json(path: impl Into<String>, body: &Json) -> Self {
        Self::json(Method::POST, path, body)
    }

    pub(crate) fn json(method: Method, path: impl Into<String>, body: &Json) -> Self {
        let body = body.to_string().into_bytes();
        Self::new(method, path, "application/json", body)
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Client {
    pub(crate) fn new(url: &str, token: Option<String>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None) // the server is one's own, most often on loopback
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(concat!("tidelog/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: config.new_agent(),
            url: url.trim_end_matches('/').to_owned(),
            token,
        }
    }

    /// Sends a request, again while the server is busy.
    ///
    /// # Errors
    /// Exit 3 when the server cannot be reached; its problem document otherwise.
    pub(crate) fn send(&self, ask: &Ask) -> Result<Answer> {
        let mut left = BUSY_RETRIES_MAX;
        loop {
            match self.send_once(ask) {
                Err(failure) if failure.problem["status"] == 503 && left > 0 => left -= 1,
                outcome => return outcome,
            }
            wait(Duration::from_secs(1));
        }
    }

    fn send_once(&self, ask: &Ask) -> Result<Answer> {
        let mut request = Request::builder()
            .method(&ask.method)
            .uri(format!("{}{}", self.url, ask.path));
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = match &ask.body {
            Some(body) => request
                .body(body.as_slice())
                .map_err(|e| self.unreachable(&e.into()))
                .and_then(|r| self.agent.run(r).map_err(|e| self.unreachable(&e))),
            None => request
                .body(())
                .map_err(|e| self.unreachable(&e.into()))
                .and_then(|r| self.agent.run(r).map_err(|e| self.unreachable(&e))),
        };
        let (head, mut body) = answer?.into_parts();
        if head.status.is_success() {
            let headers = head.headers;
            return Ok(Answer { headers, body });
        }
        let status = head.status.as_u16();
        let problem = body.read_to_vec().unwrap_or_default();
        let mut problem: Json = serde_json::from_slice(&problem).unwrap_or_default();
        if problem.is_object() {
            problem["status"] = Json::from(status);
        }
        Err(Failure::problem(status, problem))
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        Failure::unreachable(format!("could not reach {}: {error}", self.url))
    }

    /// Sends a request and reads the JSON answered.
    pub(crate) fn json<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T> {
        self.send(ask)?.json()
    }

    /// Reads a path as JSON.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: impl Into<String>) -> Result<T> {
        self.json(&Ask::get(path))
    }
}

impl Answer {
    /// A header as text; empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|v| v.to_str().ok());
        value.unwrap_or_default()
    }

    /// The whole body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(self) -> Result<T> {
        let reader = self.body.into_with_config().limit(ANSWER_BYTES_MAX);
        let bytes = reader.read_to_vec();
        let bytes =
            bytes.map_err(|e| Failure::unreachable(format!("the answer broke off: {e}")))?;
        serde_json::from_slice(&bytes)
            .map_err(|e| Failure::failed(format!("the answer is not what was expected: {e}")))
    }

    /// The body as it comes.
    pub(crate) fn reader(self) -> impl BufRead {
        BufReader::new(self.body.into_with_config().limit(u64::MAX).reader())
    }
}

/// Waits before something is tried again.
pub(crate) fn wait(time: Duration) {
    std::thread::park_timeout(time);
}
