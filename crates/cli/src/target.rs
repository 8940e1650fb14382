//! The server a command talks to: one that runs, or one of its own over a folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use tidelog_embedded::{Server, Settings};

use crate::client::Client;
use crate::configuration::Configuration;
use crate::failure::{Failure, Result};

/// Where the objects are.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct TargetArgs {
    /// The server [default: http://127.0.0.1:7411, or `listen` of the settings file]
    #[arg(long, env = "TIDELOG_URL")]
    pub(crate) url: Option<String>,
    /// Serve this data folder for the duration of the command, instead of --url
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// A server to talk to; one of its own lives for one call of `Target::with`.
pub(crate) struct Target {
    pub(crate) client: Client,
    /// The same server, asked as an administrator where there is an admin token.
    pub(crate) admin: Client,
    /// There is one.
    pub(crate) has_admin: bool,
    server: Option<Server>,
    data: Option<PathBuf>,
}

impl TargetArgs {
    /// Runs `work` against the server, and stops one of its own whatever happened.
    pub(crate) fn with<T>(
        &self,
        configuration: &Configuration,
        work: impl FnOnce(&Target) -> Result<T>,
    ) -> Result<T> {
        let target = self.open(configuration)?;
        let outcome = work(&target);
        let closed = target.server.map_or(Ok(()), Server::stop);
        let value = outcome?;
        closed?;
        Ok(value)
    }

    fn open(&self, configuration: &Configuration) -> Result<Target> {
        let Some(data) = &self.data else {
            let settings = configuration.settings(&[])?;
            let default = format!("http://{}", reachable(settings.listen));
            let url = self.url.as_ref().unwrap_or(&default);
            if !url.starts_with("http://") {
                let message = format!("{url}: a server's URL starts with http://");
                return Err(Failure::usage(message));
            }
            let has_admin = settings.admin_token.is_some();
            let admin = settings.admin_token.or_else(|| settings.token.clone());
            return Ok(Target {
                client: Client::new(url, settings.token),
                admin: Client::new(url, admin),
                has_admin,
                server: None,
                data: None,
            });
        };
        if !data.is_dir() {
            let message = format!("{}: there is no such folder", data.display());
            return Err(Failure::usage(message));
        }
        let settings = configuration.settings(&[("data", Some(data.display().to_string()))])?;
        let mut settings = private(settings);
        // Who may open the folder is its administrator.
        let admin = settings.admin_token.get_or_insert_with(random_token);
        let admin = admin.clone();
        let server = configuration.start(settings).map_err(|e| {
            let held = e.code() == "data_folder_in_use";
            let failure = Failure::from(e);
            let hint = "a server has the folder, use --url";
            if held { failure.within(hint) } else { failure }
        })?;
        Ok(Target {
            client: Client::new(&server.url(), None),
            admin: Client::new(&server.url(), Some(admin)),
            has_admin: true,
            server: Some(server),
            data: Some(data.clone()),
        })
    }
}

impl Target {
    /// The data folder, when the command serves it itself.
    pub(crate) fn data(&self) -> Option<&Path> {
        self.data.as_deref()
    }
}

/// Settings of a server for one command: any free ports of loopback.
pub(crate) fn private(settings: Settings) -> Settings {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Settings {
        listen: any,
        s3_listen: any,
        token: None,
        ..settings
    }
}

/// A token that nobody is told.
fn random_token() -> String {
    let bytes = tidelog_embedded::entropy();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The address to call a listener at: one that listens everywhere is called on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        ip if !ip.is_unspecified() => listen,
        ip if ip.is_ipv4() => SocketAddr::from(([127, 0, 0, 1], listen.port())),
        _ => SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), listen.port()),
    }
}
