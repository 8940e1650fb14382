//! A server on a fresh folder and a client of it.

use std::path::Path;

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tidelog_embedded::{LakeSettings, Server, Settings};
use ureq::http::{HeaderMap, Request};

/// What a request was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// A running server with the type `shop`.
pub(crate) struct Shop {
    server: Option<Server>,
    pub(crate) folder: TempDir,
}

pub(crate) const SCHEMA: &str = r#"
type = "shop"
[collections.items]
key = ["sku"]
indexes = [{ fields = ["code"], unique = true }]
[collections.items.fields]
sku = { type = "string", required = true }
code = { type = "int" }
price = { type = "float", min = 0 }
kind = { type = "string", enum = ["a", "b"] }
at = { type = "timestamp" }
[collections.items.cold]
partition_by = [{ field = "at", transform = "month" }]
[collections.notes.fields]
text = { type = "string" }
"#;

/// What administrators of every shop show.
pub(crate) const ADMIN_TOKEN: &str = "a-token-of-administrators";

pub(crate) fn settings(folder: &Path) -> Settings {
    Settings {
        data: folder.join("data"),
        listen: ([127, 0, 0, 1], 0).into(),
        admin_token: Some(ADMIN_TOKEN.to_owned()),
        lake: LakeSettings {
            push_millis: 20,
            ..LakeSettings::default()
        },
        ..Settings::default()
    }
}

impl Shop {
    pub(crate) fn open() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(folder.path());
        change(&mut settings);
        let token = settings.token.clone();
        let shop = Self {
            server: Some(Server::start(settings).unwrap()),
            folder,
        };
        if token.is_none() {
            let answer = shop.send(
                "PUT",
                "/v1/types/shop",
                "application/toml",
                SCHEMA.as_bytes(),
            );
            assert_eq!(answer.status, 201, "{}", answer.text);
        }
        shop
    }

    pub(crate) fn restart(&mut self) {
        self.restart_after(|_| {});
    }

    /// Starts again; `between` has the data folder for itself.
    pub(crate) fn restart_after(&mut self, between: impl FnOnce(&Path)) {
        self.server.take().unwrap().stop().unwrap();
        between(&self.data());
        self.server = Some(Server::start(settings(self.folder.path())).unwrap());
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn url(&self) -> String {
        self.server.as_ref().unwrap().url()
    }

    pub(crate) fn send(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Answer {
        self.send_with(method, path, &[("content-type", content_type)], body)
    }

    pub(crate) fn send_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .build()
            .into();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = if matches!(method, "GET" | "HEAD" | "DELETE") {
            agent.run(request.body(()).unwrap())
        } else {
            agent.run(request.body(body).unwrap())
        };
        let response = response.unwrap();
        let (parts, mut body) = response.into_parts();
        let bytes = body.with_config().limit(1 << 30).read_to_vec().unwrap();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
        }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send_with("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Json) -> Answer {
        self.send(
            "POST",
            path,
            "application/json",
            body.to_string().as_bytes(),
        )
    }

    /// What an administrator asks.
    pub(crate) fn admin(&self, method: &str, path: &str, body: &Json) -> Answer {
        let bearer = format!("Bearer {ADMIN_TOKEN}");
        let headers = [
            ("content-type", "application/json"),
            ("authorization", &bearer),
        ];
        self.send_with(method, path, &headers, body.to_string().as_bytes())
    }

    pub(crate) fn insert(&self, object: &str, sku: &str) -> Answer {
        self.post(
            &format!("/v1/objects/shop/{object}/items"),
            &json!({"sku": sku, "price": 1}),
        )
    }

    pub(crate) fn stop(mut self) {
        self.server.take().unwrap().stop().unwrap();
    }
}

/// Every event from `offset` to the end.
pub(crate) fn events(shop: &Shop, object: &str) -> Vec<Json> {
    let (mut offset, mut all) = ("-1".to_owned(), Vec::new());
    loop {
        let page = shop.get(&format!(
            "/v1/objects/shop/{object}/changes?offset={offset}&limit=7"
        ));
        assert_eq!(page.status, 200, "{}", page.text);
        all.extend(page.json().as_array().unwrap().iter().cloned());
        page.header("stream-next-offset").clone_into(&mut offset);
        if page.header("stream-up-to-date") == "true" {
            return all;
        }
    }
}
