//! The `fullchain` command.

use std::env;
use std::process::ExitCode;

use fullchain::cli;

/// Faster than the system's allocator where many threads serve many short requests.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(env::args_os(), env::vars_os())
}
