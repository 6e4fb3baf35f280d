//! `man`: the manual pages of the whole tree, one after the other.

use std::io;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::arguments::Arguments;
use super::{Ending, complain, print};

pub(super) fn run() -> Ending {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    match render(&command, &mut pages) {
        Ok(()) => print(&pages),
        Err(error) => complain(&error),
    }
}

fn render(command: &Command, pages: &mut Vec<u8>) -> io::Result<()> {
    Man::new(command.clone()).render(pages)?;
    command
        .get_subcommands()
        .try_for_each(|subcommand| render(subcommand, pages))
}
