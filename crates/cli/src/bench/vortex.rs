//! Vortex blobs beside Parquet, LF Vortex, Arrow IPC, SQLite rows and JSON lines: builds and runs
//! `tests/peers/vortex`, which has the peers in a lock file of its own.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, ExitStatus};

use clap::Args;
use tidelog_log::Result;

use super::figures::failed;

/// What to measure; everything but the way of building is passed on.
#[derive(Debug, Args)]
pub(crate) struct VortexArgs {
    /// Only these sets, with commas
    #[arg(long)]
    sets: Option<String>,
    /// Only these formats, with commas; a name that ends in `*` is a beginning
    #[arg(long)]
    formats: Option<String>,
    /// Rounds; in each, every format does the same work and another one goes first
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// A tenth of the rows, and three rounds at most
    #[arg(long)]
    quick: bool,
    /// Also write everything as JSON to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The core to run on
    #[arg(long)]
    core: Option<usize>,
    /// Leave LF Vortex out: it is most of what there is to build
    #[arg(long)]
    without_lf: bool,
    /// Cargo of the toolchain that builds the peers
    #[arg(long, default_value = "cargo")]
    cargo: PathBuf,
    /// The workspace of the peers
    #[arg(long, default_value = "tests/peers/Cargo.toml", value_name = "FILE")]
    manifest: PathBuf,
}

/// Builds with cargo's progress on standard error, then runs; tables go to standard output.
///
/// # Errors
/// `bench_failed` names what is missing and how to get it, or which of the two steps failed.
pub(crate) fn run(args: &VortexArgs) -> Result<()> {
    if let Some(why) = missing(&args.manifest) {
        return Err(failed(why));
    }
    let built = spawn(args, "build", &[])?;
    if !built.success() {
        return Err(failed(
            "the peers were not built; cargo says why above. They come from crates.io and need a C \
             compiler; `--without-lf` builds without LF Vortex",
        ));
    }
    let status = spawn(args, "run", &passed_on(args))?;
    match status.success() {
        true => Ok(()),
        false => Err(failed(format!(
            "the measuring did not end well ({status}); it says why above"
        ))),
    }
}

fn missing(manifest: &Path) -> Option<String> {
    let gone = !manifest.is_file();
    gone.then(|| format!("{} is not there: run in the repository", manifest.display()))
}

/// One cargo command on the peers' workspace, and the arguments of the program after `--`.
fn spawn(args: &VortexArgs, what: &str, program: &[OsString]) -> Result<ExitStatus> {
    let mut cargo = Process::new(&args.cargo);
    cargo.arg(what).args(["--release", "--locked"]);
    cargo
        .args(["--package", "tidelog-peers-vortex", "--manifest-path"])
        .arg(&args.manifest);
    if args.without_lf {
        cargo.arg("--no-default-features");
    }
    if what == "run" {
        cargo.arg("--quiet").arg("--").args(program);
    }
    cargo.status().map_err(|error| {
        let cargo = args.cargo.display();
        failed(match error.kind() {
            ErrorKind::NotFound => {
                format!("{cargo} is not there: install Rust (rustup.rs), or name it with --cargo")
            }
            _ => format!("{cargo}: {error}"),
        })
    })
}

fn passed_on(args: &VortexArgs) -> Vec<OsString> {
    let mut all: Vec<OsString> = Vec::new();
    let mut pass = |flag: &str, value: Option<OsString>| {
        if let Some(value) = value {
            all.extend([OsString::from(flag), value]);
        }
    };
    pass("--sets", args.sets.clone().map(Into::into));
    pass("--formats", args.formats.clone().map(Into::into));
    pass(
        "--rounds",
        args.rounds.map(|rounds| rounds.to_string().into()),
    );
    pass("--json", args.json.clone().map(Into::into));
    pass("--core", args.core.map(|core| core.to_string().into()));
    if args.quick {
        all.push("--quick".into());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        args: VortexArgs,
    }

    fn parsed(words: &[&str]) -> VortexArgs {
        let words = std::iter::once(&"bench").chain(words);
        Only::parse_from(words).args
    }

    #[test]
    fn flags_are_passed_on_and_those_of_the_build_are_not() {
        let args = parsed(&[
            "--sets",
            "cdc,flights",
            "--rounds",
            "3",
            "--quick",
            "--without-lf",
        ]);
        let flags = ["--sets", "cdc,flights", "--rounds", "3", "--quick"];
        assert_eq!(passed_on(&args), flags.map(OsString::from));
        assert_eq!(passed_on(&parsed(&[])), Vec::<OsString>::new());
    }

    #[test]
    fn what_is_missing_comes_with_its_remedy() {
        let nowhere = parsed(&["--manifest", "nowhere/Cargo.toml"]);
        let error = run(&nowhere).unwrap_err();
        assert_eq!(error.code(), "bench_failed");
        assert!(
            error.to_string().contains("run in the repository"),
            "{error}"
        );

        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let error = run(&parsed(&[
            "--manifest",
            manifest,
            "--cargo",
            "no-such-cargo",
        ]))
        .unwrap_err();
        assert!(error.to_string().contains("rustup.rs"), "{error}");
    }
}
