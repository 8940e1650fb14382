//! Following a log over messages (WebSocket): a reader's place, small enough to be kept beside a
//! socket whose object sleeps.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tidelog_core::{Address, ChangesPage};
use tidelog_log::{Error, Offset, Result, StartAt};

use crate::ObjectHost;
use crate::changes::wanted;
use crate::limits::{FOLLOW_QUERY_BYTES_MAX, FOLLOW_UNACKNOWLEDGED_MAX};
use crate::parameters::{Parameters, invalid};

/// A reader that is sent pages until as many as [`FOLLOW_UNACKNOWLEDGED_MAX`] are not
/// acknowledged; then it is sent nothing more before it acknowledges one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follower {
    /// The query it came with: filter, images, limit.
    query: String,
    /// The offset of the last page sent; `None` before the first.
    at: Option<String>,
    /// Pages sent and not acknowledged.
    unacknowledged: u32,
    /// The log is closed and its last page was sent.
    done: bool,
}

/// What a reader says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acknowledgement {
    /// The `nextOffset` of a page it has dealt with.
    ack: String,
}

impl Follower {
    /// A reader with the query of its request.
    ///
    /// # Errors
    /// As for `GET …/changes`; `invalid_parameter` for a query that is too long to be kept.
    pub fn open(query: &str) -> Result<Self> {
        if query.len() > FOLLOW_QUERY_BYTES_MAX {
            let message = format!("the query is at most {FOLLOW_QUERY_BYTES_MAX} bytes");
            return Err(invalid("collections", &message));
        }
        let parameters = Parameters::parse(query, None)?;
        wanted(&parameters)?;
        if parameters.get("offset").is_none() {
            return Err(invalid(
                "offset",
                "a live read says where it starts: offset=",
            ));
        }
        Ok(Self {
            query: query.to_owned(),
            at: None,
            unacknowledged: 0,
            done: false,
        })
    }

    /// The next message to send, if there is one: the first page in any case, then those that
    /// hold events, are not the last yet, or close the log.
    ///
    /// # Errors
    /// As for `GET …/changes`: the socket is told and closed.
    pub async fn next<H: ObjectHost>(
        &mut self,
        host: &H,
        object: &Address,
    ) -> Result<Option<String>> {
        let mut request = wanted(&Parameters::parse(&self.query, None)?)?;
        if !self.done && self.unacknowledged < FOLLOW_UNACKNOWLEDGED_MAX {
            if let Some(at) = &self.at {
                request.start = at.parse::<StartAt>()?;
            }
            let page = host.changes(object, request.clone()).await?;
            let first = self.at.is_none();
            self.at = Some(page.next.to_string());
            self.done = page.closed;
            // A page that a filter leaves empty is sent, too: it moves the reader's place.
            let behind = !page.up_to_date;
            if first || behind || !page.events.is_empty() || page.closed {
                self.unacknowledged += 1;
                return Ok(Some(message(page).to_string()));
            }
        }
        Ok(None)
    }

    /// Takes what the reader says.
    ///
    /// # Errors
    /// `invalid_body` for anything but `{"ack": "<offset>"}`.
    pub fn heard(&mut self, message: &str) -> Result<()> {
        let odd = || Error::invalid("invalid_body", "a reader says {\"ack\": \"<nextOffset>\"}");
        let said: Acknowledgement = serde_json::from_str(message).map_err(|_| odd())?;
        said.ack.parse::<Offset>().map_err(|_| odd().at("ack"))?;
        // Pages arrive in order: to have dealt with one is to have dealt with those before it.
        self.unacknowledged = match self.at.as_deref() == Some(said.ack.as_str()) {
            true => 0,
            false => self.unacknowledged.saturating_sub(1),
        };
        Ok(())
    }

    /// True once the log is closed and the reader was told.
    pub fn is_done(&self) -> bool {
        self.done
    }
}

fn message(page: ChangesPage) -> Json {
    json!({
        "events": page.events,
        "nextOffset": page.next.to_string(),
        "upToDate": page.up_to_date,
        "closed": page.closed,
    })
}
