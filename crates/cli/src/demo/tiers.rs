//! The demo's step over the columns: what was folded.

use std::time::Duration;

use serde_json::Value as Json;
use tidelog_embedded::instant;

use super::{AIRPORTS, Demo, object};
use crate::client::wait;
use crate::failure::{Failure, Result};
use crate::print;

/// Longest wait until nothing more is to be folded.
const FOLD_WAIT_MAX: Duration = Duration::from_secs(60);

impl Demo<'_> {
    /// Waits until the row tables are folded, and says what came of it.
    pub(super) fn folded(&mut self) -> Result<()> {
        let started = instant();
        let (mut documents, mut bytes, mut lines) = (0, 0, Vec::new());
        for id in AIRPORTS {
            let state = self.settled(id)?;
            for folded in state["folded"].as_array().into_iter().flatten() {
                let number = |name: &str| folded[name].as_u64().unwrap_or(0);
                documents += number("documents");
                bytes += number("bytes");
                lines.push(format!(
                    "{id} {}: {} documents in {} blobs, {} of {}",
                    folded["collection"].as_str().unwrap_or_default(),
                    print::count(number("documents")),
                    number("blobs"),
                    print::bytes(number("bytes")),
                    print::bytes(number("rawBytes")),
                ));
            }
        }
        if documents == 0 {
            return Err(Failure::failed("nothing was folded"));
        }
        let name = "fold rows into columns";
        self.steps
            .moved(name, documents, Some(bytes), started.elapsed())?;
        lines
            .iter()
            .try_for_each(|line| print::line(format_args!("      {line}")))
    }

    /// An object's state once its folding timer is not set.
    fn settled(&self, id: &str) -> Result<Json> {
        let started = instant();
        loop {
            let state: Json = self.client.get(object(id)?.path(&["state"]))?;
            let mut wakes = state["wakes"].as_array().into_iter().flatten();
            if !wakes.any(|wake| wake["name"] == "fold") {
                return Ok(state);
            }
            if started.elapsed() > FOLD_WAIT_MAX {
                return Err(Failure::failed(format!("{id} still folds")));
            }
            wait(Duration::from_millis(20));
        }
    }
}
