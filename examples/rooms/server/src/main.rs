//! `rooms`: the `tidelog` command, its servers with the actors of this example.

fn main() -> std::process::ExitCode {
    tidelog::run_with(tidelog_rooms::actors())
}
