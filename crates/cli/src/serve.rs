//! `tidelog serve`: one data folder, until a signal.

use std::path::PathBuf;

use clap::Args;
use tidelog_embedded::Server;

use crate::configuration::Configuration;
use crate::failure::Result;
use crate::print;

const EXAMPLES: &str = "\
Examples:
  tidelog serve --data data
  tidelog serve --data data --listen 0.0.0.0:7411 --token \"$(openssl rand -hex 24)\"
  tidelog serve --set lake.flush_millis=5000";

/// Flags of `serve`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// The data folder [default: data]
    #[arg(long, env = "TIDELOG_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address of the HTTP API; port 0: any free one [default: 127.0.0.1:7411]
    #[arg(long, env = "TIDELOG_LISTEN", value_name = "ADDR")]
    listen: Option<String>,
    /// Address of the read-only S3 endpoint [default: 127.0.0.1:0]
    #[arg(long, env = "TIDELOG_S3_LISTEN", value_name = "ADDR")]
    s3_listen: Option<String>,
}

pub(crate) fn run(args: ServeArgs, configuration: &Configuration) -> Result<()> {
    let data = args.data.map(|path| path.display().to_string());
    let flags = [
        ("data", data),
        ("listen", args.listen),
        ("s3_listen", args.s3_listen),
    ];
    let server = configuration.start(configuration.settings(&flags)?)?;
    announce(&server)?;
    Ok(server.run_until_signal()?)
}

/// Says where everything is, one line each; scripts wait for the first.
pub(crate) fn announce(server: &Server) -> Result<()> {
    let url = server.url();
    print::line(format_args!("listening on {url}"))?;
    print::line(format_args!("s3 endpoint  {}", server.s3_url()))?;
    print::line(format_args!("iceberg      {url}/iceberg"))
}
