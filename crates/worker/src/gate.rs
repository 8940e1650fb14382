//! Nothing leaves before what it could have seen is durable.

use std::cell::Cell;

use tidelog_log::Result;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

use crate::js;

/// Follows which turns are durable. The platform holds back answers and calls by itself; what goes
/// out later on an open stream or socket, or from an alarm, passes here.
#[derive(Debug)]
pub(crate) struct Gate {
    storage: JsValue,
    written: Cell<u64>,
    durable: Cell<u64>,
}

impl Gate {
    pub(crate) fn of(storage: JsValue) -> Self {
        Self {
            storage,
            written: Cell::new(0),
            durable: Cell::new(0),
        }
    }

    /// A turn has written.
    pub(crate) fn wrote(&self) {
        self.written.set(self.written.get() + 1);
    }

    /// Returns once every turn made so far is durable.
    ///
    /// # Errors
    /// `storage_failed`: the platform is about to reset this object.
    pub(crate) async fn pass(&self) -> Result<()> {
        let seen = self.written.get();
        if self.durable.get() >= seen {
            return Ok(());
        }
        let lost = |e: JsValue| js::unavailable("the write was not made durable", &e);
        JsFuture::from(js::sync(&self.storage).map_err(lost)?)
            .await
            .map_err(lost)?;
        self.durable.set(self.durable.get().max(seen));
        Ok(())
    }
}
