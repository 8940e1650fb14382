//! A folder of the benchmark's own, gone when it ends.

use std::path::{Path, PathBuf};

use tidelog_log::{Error, Result};

/// A new folder, removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes a folder in `parent`, or in the system's folder for temporary files.
    pub(crate) fn new(parent: Option<&Path>) -> Result<Self> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let id = u64::from_le_bytes(std::array::from_fn(|at| tidelog_embedded::entropy()[at]));
        let path = parent.join(format!("tidelog-bench-{id:016x}"));
        std::fs::create_dir_all(&path).map_err(|e| {
            Error::unavailable("storage_failed", format!("{}: {e}", path.display()))
        })?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.path));
    }
}
