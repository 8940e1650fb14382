//! One workerd with two Workers in it, started through `tests/peers/worker/serve.mjs`.

use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};

use clap::Args;
use serde::Deserialize;
use tidelog_log::Result;

use crate::bench::figures::failed;

/// Where Node and the script are.
#[derive(Clone, Debug, Args)]
pub(crate) struct Runtime {
    /// Node 20 or newer
    #[arg(long, default_value = "node")]
    node: PathBuf,
    /// The script that starts both Workers
    #[arg(long, default_value = "tests/peers/worker/serve.mjs")]
    script: PathBuf,
    /// Port for a profiler: V8's inspector protocol, one target per Worker
    #[arg(long, value_name = "PORT")]
    inspector: Option<u16>,
}

/// What must be there before anything is started, and how one gets it.
const NEEDED: [(&str, &str); 2] = [
    ("node_modules/miniflare", "run `npm ci`"),
    (
        "crates/worker/build/tidelog_bg.wasm",
        "run `crates/worker/build.sh`",
    ),
];

/// The line that the script prints once both Workers answer.
#[derive(Debug, Deserialize)]
struct Started {
    tidelog: String,
    peer: String,
    workerd: String,
}

/// A running workerd; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Workerd {
    child: Child,
    started: Started,
}

impl Workerd {
    /// Starts both Workers; their databases are files in `folder`.
    ///
    /// # Errors
    /// `bench_failed` names what is missing and how to get it.
    pub(crate) fn start(runtime: &Runtime, folder: &Path) -> Result<Self> {
        if let Some(why) = missing(Path::new("")) {
            return Err(failed(why));
        }
        let mut command = Process::new(&runtime.node);
        command.arg(&runtime.script).arg(folder);
        command.args(runtime.inspector.map(|port| port.to_string()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            let node = runtime.node.display();
            failed(match error.kind() {
                ErrorKind::NotFound => {
                    format!("{node} is not there: install Node 20, or name it with --node")
                }
                _ => format!("{node}: {error}"),
            })
        })?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            let read = BufReader::new(out).read_line(&mut line);
            read.map_err(|e| failed(e.to_string()))?;
        }
        match serde_json::from_str(&line) {
            Ok(started) => Ok(Self { child, started }),
            Err(_) => {
                let script = runtime.script.display();
                drop(child.wait());
                Err(failed(format!("{script} did not start; it says why above")))
            }
        }
    }

    /// URL of our Worker.
    pub(crate) fn tidelog(&self) -> &str {
        &self.started.tidelog
    }

    /// URL of the peer.
    pub(crate) fn peer(&self) -> &str {
        &self.started.peer
    }

    /// Version of workerd.
    pub(crate) fn version(&self) -> &str {
        &self.started.workerd
    }
}

impl Drop for Workerd {
    fn drop(&mut self) {
        // The script stops workerd when its input ends.
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

/// The first thing that is needed and not in the repository at `root`, with its remedy.
fn missing(root: &Path) -> Option<String> {
    let gone = NEEDED.iter().find(|(path, _)| !root.join(path).exists());
    gone.map(|(path, remedy)| format!("{path} is not there: {remedy} in the repository"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::scratch::Scratch;

    #[test]
    fn what_is_missing_comes_with_its_remedy() {
        let scratch = Scratch::new(None).unwrap();
        let root = scratch.path();
        assert!(missing(root).unwrap().contains("npm ci"));
        std::fs::create_dir_all(root.join(NEEDED[0].0)).unwrap();
        assert!(missing(root).unwrap().contains("crates/worker/build.sh"));
        std::fs::create_dir_all(root.join(NEEDED[1].0)).unwrap();
        assert_eq!(missing(root), None);
    }
}
