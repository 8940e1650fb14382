//! tidelog
mod bench;
use clap::Parser;
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
}
#[derive(Debug, clap::Subcommand)]
enum What {
    Bench(bench::BenchArgs),
}
fn main() {
    if let Err(error) = bench::run(Cli::parse().what.into_bench()) {
        eprintln!("{error:?}");
        std::process::exit(1);
    }
}
impl What {
    fn into_bench(self) -> bench::BenchArgs {
        let Self::Bench(args) = self;
        args
    }
}
