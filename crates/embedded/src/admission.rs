//! Frames of a snapshot's file are looked at before the object takes them: on all processors, and while
//! its own thread goes on.

use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

use tidelog_core::snapshot_file::{Frame, FrameKind};
use tidelog_log::{Error, Result};

/// Threads of one look at most: each has a decoded blob in memory.
const THREADS_MAX: usize = 8;

/// Looks at every blob among these frames. What is wrong with one the object's turn says.
pub fn admit(frames: &mut [Frame]) {
    let mut blobs: Vec<&mut Frame> = frames
        .iter_mut()
        .filter(|frame| frame.kind == FrameKind::Blob)
        .collect();
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = processors.min(THREADS_MAX).min(blobs.len());
    if threads < 2 {
        blobs.iter_mut().for_each(|frame| frame.admit());
        return;
    }
    let waiting = Mutex::new(blobs.into_iter());
    let next = || {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.next()
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(frame) = next() {
                    frame.admit();
                }
            });
        }
    });
}

/// The same while this thread does something else.
///
/// # Errors
/// Those of `work`.
pub fn admit_beside(frames: &mut [Frame], work: impl FnOnce() -> Result<()>) -> Result<()> {
    thread::scope(|scope| {
        // A scope waits for its threads.
        scope.spawn(|| admit(frames));
        work()
    })
}

/// The same while other tasks go on.
pub(crate) async fn admitted(mut frames: Vec<Frame>) -> Result<Vec<Frame>> {
    let looking = tokio::task::spawn_blocking(move || {
        admit(&mut frames);
        frames
    });
    let looked = looking.await;
    looked.map_err(|e| Error::internal(format!("a file was not looked at: {e}")))
}
