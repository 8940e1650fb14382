//! The `tidelog` command. All of it is in the library, so that a crate of one's own can have the
//! same command with its own actors: `docs/custom-actors.md`.

fn main() -> std::process::ExitCode {
    tidelog::run_with(tidelog_core::Actors::new())
}
