//! Arguments in, exit code out; one file for each subcommand.
//!
//! The names, the flags and the exit codes are a contract: scripts rely on them.

mod admin;
mod aia;
mod arguments;
mod assembling;
mod chain;
mod check;
mod client_auth;
mod completions;
mod demo;
mod flags;
mod healthcheck;
mod inspect;
mod man;
mod moment;
mod outlook;
mod reload;
mod schema;
mod serve;
mod tickets;
mod tree;

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::config::Environment;

use arguments::{Arguments, Subcommand};

/// Runs the command line `arguments` (the first is the name of the program) with the environment variables `variables`.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let environment: Environment = variables.into_iter().collect();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(usage) => {
            // Nobody is left to tell where the terminal is gone.
            let _ = usage.print();
            return usage
                .exit_code()
                .try_into()
                .map_or(ExitCode::FAILURE, |code: u8| code.into());
        }
    };
    let ending = match &arguments.subcommand {
        Subcommand::Serve(arguments) => serve::run(arguments, &environment),
        Subcommand::Check(arguments) => check::run(arguments, &environment),
        Subcommand::Chain(arguments) => chain::run(arguments),
        Subcommand::Inspect(arguments) => inspect::run(arguments),
        Subcommand::Demo(arguments) => demo::run(arguments),
        Subcommand::Healthcheck(arguments) => healthcheck::run(arguments, &environment),
        Subcommand::Reload(arguments) => reload::run(arguments, &environment),
        Subcommand::Completions(arguments) => completions::run(arguments),
        Subcommand::Man => man::run(),
        Subcommand::Schema => schema::run(),
    };
    ending.into()
}

/// How a subcommand ended. A command line that cannot be understood ends with clap's 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// 0: all is well.
    Well,
    /// 1: bad configuration, unreadable input, or whoever was asked says no.
    Bad,
    /// 3: a chain is not complete, or clients find something wrong with the one that a server sends.
    Incomplete,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(match ending {
            Ending::Well => 0,
            Ending::Bad => 1,
            Ending::Incomplete => 3,
        })
    }
}

/// Writes `text` to standard output. A reader that has seen enough (`| head`) is no failure.
fn print(text: &[u8]) -> Ending {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Ok(()) => Ending::Well,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ending::Well,
        Err(error) => complain(&error),
    }
}

/// Writes `error` and what caused it to standard error.
fn complain(error: &dyn Error) -> Ending {
    eprintln!("{}", with_causes(error));
    Ending::Bad
}

/// `error: its cause: the cause of that`, without repeating a cause that the error has in its own sentence.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.ends_with(&told) {
            text = format!("{text}: {told}");
        }
        cause = error.source();
    }
    text
}
