//! The server as a process: this binary again, with two environment variables.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tidelog_embedded::{LakeSettings, Server, Settings, instant};

use crate::client;

const DATA: &str = "TIDELOG_KILL_DATA";
const PORT: &str = "TIDELOG_KILL_PORT";
/// How long a start may take.
const START: Duration = Duration::from_secs(60);

/// Runs the server until it is killed or told to stop, when the variables are set.
pub(crate) fn serve_if_told() {
    let (Some(data), Ok(port)) = (std::env::var_os(DATA), std::env::var(PORT)) else {
        return;
    };
    let settings = Settings {
        data: PathBuf::from(data),
        listen: ([127, 0, 0, 1], port.parse().unwrap()).into(),
        lake: LakeSettings {
            push_millis: 50,
            flush_millis: 200,
            ..LakeSettings::default()
        },
        ..Settings::default()
    };
    Server::start(settings).unwrap().run_until_signal().unwrap();
}

/// The server's process; killed when dropped, so that a failed test leaves nothing behind.
pub(crate) struct Process {
    data: PathBuf,
    port: u16,
    pub(crate) url: String,
    child: Option<Child>,
}

impl Process {
    /// Starts a server over a new data folder, on a port that it keeps through every restart.
    pub(crate) fn start(folder: &Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut process = Self {
            data: folder.join("data"),
            port,
            url: format!("127.0.0.1:{port}"),
            child: None,
        };
        process.spawn();
        process.wait_until_ready();
        process
    }

    pub(crate) fn spawn(&mut self) {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_serves_when_told_to", "--nocapture"])
            .env(DATA, &self.data)
            .env(PORT, self.port.to_string())
            .stdout(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap());
    }

    pub(crate) fn wait_until_ready(&mut self) {
        let started = instant();
        while !client::is_ready(&self.url) {
            let child = self.child.as_mut().unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the server ended with {status} instead of starting");
            }
            assert!(started.elapsed() < START, "the server does not start");
            pass(Duration::from_millis(5));
        }
    }

    /// SIGKILL: nothing in the process runs any more.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGTERM; true when the process ended well.
    pub(crate) fn stop(&mut self) -> bool {
        let mut child = self.child.take().unwrap();
        let told = Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status();
        told.unwrap().success() && child.wait().unwrap().success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Lets time pass.
pub(crate) fn pass(time: Duration) {
    let started = instant();
    while let Some(left) = time.checked_sub(started.elapsed()).filter(|t| !t.is_zero()) {
        std::thread::park_timeout(left);
    }
}
