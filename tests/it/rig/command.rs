//! The binary run to its end, and other people's programs.

use std::env;
use std::io::ErrorKind;
use std::process::{Child, Command, Output};

/// The binary without any `FULLCHAIN_*` or proxy settings of this process in its environment.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fullchain"));
    command.env_clear();
    // Bodies that are put aside go elsewhere than the files of tests: these are in reach of the sandbox for their own sake.
    command.env("TMPDIR", "/var/tmp");
    command
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs the binary with `arguments`.
pub(crate) fn fullchain<A: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = A>) -> Ended {
    binary().args(arguments).output().unwrap().into()
}

/// Runs `program`, one that may not be there: then it is [missing](miss).
pub(crate) fn where_present(program: &str, arguments: &[&str]) -> Option<Ended> {
    unless_missing(program, peer(program).args(arguments).output()).map(Ended::from)
}

/// Starts `command`, which runs `program`, one that may not be there: then it is [missing](miss).
pub(crate) fn start_where_present(program: &str, command: &mut Command) -> Option<Child> {
    unless_missing(program, command.spawn())
}

/// A program of other people. Debian has its servers in /usr/sbin, which is in the path of root alone.
pub(crate) fn peer(program: &str) -> Command {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut files = env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|directory| directory.join(program));
    Command::new(files.find(|file| file.is_file()).unwrap_or_else(|| program.into()))
}

/// Says that there is no `what` here, for which a test is skipped; where all of them have to be there, it fails.
#[track_caller]
pub(crate) fn miss(what: &str) {
    assert!(
        env::var_os("REQUIRE_PEERS").is_none_or(|value| value.is_empty()),
        "there is no {what} here, and REQUIRE_PEERS is set"
    );
    eprintln!("skipped: there is no {what} here");
}

#[track_caller]
fn unless_missing<T>(program: &str, outcome: std::io::Result<T>) -> Option<T> {
    match outcome {
        Ok(run) => Some(run),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            miss(program);
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}
