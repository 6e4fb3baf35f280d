//! The binary run to its end.

use std::process::{Command, Output};

/// The binary without any `FULLCHAIN_*` or proxy settings of this process in its environment.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fullchain"));
    command.env_clear();
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

/// Runs `program`, one that may not be there: then a message and `None`.
pub(crate) fn where_present(program: &str, arguments: &[&str]) -> Option<Ended> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => Some(output.into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: there is no {program} here");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}
