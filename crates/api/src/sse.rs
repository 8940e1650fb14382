//! Changes as server-sent events, in the form of Durable Streams section 5.8.

use bytes::Bytes;
use serde_json::{Map, Value as Json};
use tidelog_core::{Address, ChangesPage, ChangesRequest};
use tidelog_log::{Offset, StartAt};

use crate::changes::cursor_after;
use crate::{Host, ObjectHost};

/// A live read of one object's log. It holds one page at most: a slow client is simply not read
/// for, and is told 410 on its next connection if its place was trimmed meanwhile.
#[derive(Debug)]
pub struct EventStream {
    object: Address,
    request: ChangesRequest,
    first: Option<ChangesPage>,
    at: Offset,
    up_to_date: bool,
    /// The client's cursor until the first frame, then the last one told.
    cursor: Option<u64>,
    told: bool,
    ends: i64,
    done: bool,
}

impl EventStream {
    /// Starts with a page that was read already, so its errors had a status of their own.
    pub(crate) fn new<H: Host>(
        host: &H,
        object: Address,
        request: ChangesRequest,
        cursor: Option<u64>,
        first: ChangesPage,
    ) -> Self {
        let life = i64::try_from(host.settings().sse_millis).unwrap_or(i64::MAX);
        Self {
            object,
            request,
            at: first.next,
            up_to_date: first.up_to_date,
            first: Some(first),
            cursor,
            told: false,
            ends: host.now().saturating_add(life),
            done: false,
        }
    }

    /// The next frames to send; `None` when the stream closed, its time is over, the host stops
    /// or the log cannot be read: the client connects again with its last offset.
    pub async fn next<H: ObjectHost>(&mut self, host: &H) -> Option<Bytes> {
        if let Some(page) = self.first.take() {
            return Some(self.frames(host, &page));
        }
        let left = u64::try_from(self.ends.saturating_sub(host.now())).unwrap_or(0);
        if self.done || left == 0 || host.stopping() {
            return None;
        }
        if self.up_to_date {
            let wait = left.min(host.settings().keep_alive_millis);
            let waited = host.changed(&self.object, self.at.sequence, wait).await;
            waited.ok()?;
        }
        self.request.start = StartAt::After(self.at);
        let page = host
            .changes(&self.object, self.request.clone())
            .await
            .ok()?;
        if page.next == self.at && page.events.is_empty() && !page.closed {
            return Some(Bytes::from_static(b":\n\n"));
        }
        Some(self.frames(host, &page))
    }

    fn frames<H: Host>(&mut self, host: &H, page: &ChangesPage) -> Bytes {
        self.at = page.next;
        self.up_to_date = page.up_to_date;
        self.done = page.closed;
        let mut out = String::new();
        if !page.events.is_empty() {
            put_data(&mut out, &page.events);
        }
        // Within one connection a cursor may repeat; only the client's own must be passed.
        let cursor = match self.cursor {
            Some(last) if self.told => last.max(cursor_after(None, host.now())),
            client => cursor_after(client, host.now()),
        };
        (self.cursor, self.told) = (Some(cursor), true);
        let mut control = Map::new();
        control.insert("streamNextOffset".into(), page.next.to_string().into());
        if page.closed {
            control.insert("streamClosed".into(), true.into());
        } else {
            control.insert("streamCursor".into(), cursor.to_string().into());
        }
        if page.up_to_date {
            control.insert("upToDate".into(), true.into());
        }
        out.push_str("event: control\ndata:");
        out.push_str(&Json::Object(control).to_string());
        out.push_str("\n\n");
        Bytes::from(out)
    }
}

/// One `data` event: a JSON array, one change a line. Compact JSON holds no line break.
fn put_data(out: &mut String, events: &[Json]) {
    out.push_str("event: data\ndata:[");
    for (at, event) in events.iter().enumerate() {
        out.push_str(if at == 0 { "\ndata:" } else { ",\ndata:" });
        out.push_str(&event.to_string());
    }
    out.push_str("\ndata:]\n\n");
}
