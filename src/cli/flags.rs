//! The flags that the keys of the config file make: none of them is written down here.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueHint};

use crate::config::{Flags, Key, Kind, keys};

/// The config file and every key of it as a flag.
#[derive(Clone, Debug)]
pub(super) struct ConfigArguments {
    pub(super) flags: Flags,
}

/// Where the admin listener is, and what it takes.
#[derive(Clone, Debug)]
pub(super) struct AdminArguments {
    pub(super) flags: Flags,
}

impl Args for ConfigArguments {
    fn augment_args(command: Command) -> Command {
        command.arg(file()).args(keys().iter().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ConfigArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self {
            flags: flags(matches, keys()),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        Self::from_arg_matches(matches).map(|arguments| *self = arguments)
    }
}

impl Args for AdminArguments {
    fn augment_args(command: Command) -> Command {
        command.arg(file()).args(admin_keys().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for AdminArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self {
            flags: flags(matches, admin_keys()),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        Self::from_arg_matches(matches).map(|arguments| *self = arguments)
    }
}

fn admin_keys() -> impl Iterator<Item = &'static Key> {
    keys()
        .iter()
        .filter(|key| matches!(key.flag.as_str(), "admin" | "admin-token-file"))
}

const FILE: &str = "config";

fn file() -> Arg {
    Arg::new(FILE)
        .short('c')
        .long(FILE)
        .value_name("FILE")
        .value_hint(ValueHint::FilePath)
        .value_parser(clap::value_parser!(PathBuf))
        .help("Config file [env: FULLCHAIN_CONFIG]")
}

/// The flag of a key. Keys in tables are tuned rarely: `-h` leaves them out, `--help` shows them under the name of
/// the table.
fn flag(key: &'static Key) -> Arg {
    let default = key.default.as_ref().filter(|_| key.kind != Kind::Switch);
    let default = default
        .map(|default| format!(" [default: {default}]"))
        .unwrap_or_default();
    let details = key
        .details
        .as_ref()
        .map(|details| format!("\n\n{details}"))
        .unwrap_or_default();
    let argument = Arg::new(key.flag.as_str())
        .long(key.flag.as_str())
        .value_name(key.value_name.as_str())
        .help(format!("{}{default}", key.summary))
        .long_help(format!("{}{default} [env: {}]{details}", key.summary, key.variable));
    let argument = match &key.table {
        Some(table) if table != "certificate" => argument.help_heading(table.as_str()).hide_short_help(true),
        _ => argument,
    };
    let argument = if key.value_name.contains("PATH") {
        argument.value_hint(ValueHint::AnyPath)
    } else {
        argument
    };
    match key.kind {
        Kind::One => argument.action(ArgAction::Set),
        Kind::Many => argument.action(ArgAction::Append),
        Kind::Switch => argument
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
    }
}

fn flags(matches: &ArgMatches, keys: impl IntoIterator<Item = &'static Key>) -> Flags {
    let mut flags = Flags::new(matches.get_one(FILE).cloned());
    for key in keys {
        if let Some(values) = matches.get_many::<String>(&key.flag) {
            flags.set(key, values.cloned().collect());
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::super::arguments::{Arguments, Subcommand};
    use super::*;

    fn flags_of(arguments: &[&str]) -> Flags {
        match Arguments::try_parse_from(["fullchain", "serve"].iter().chain(arguments))
            .unwrap()
            .subcommand
        {
            Subcommand::Serve(serve) => serve.config.flags,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_key_is_a_flag_of_serve_and_check() {
        for name in ["serve", "check"] {
            let command = Arguments::command();
            let command = command.find_subcommand(name).unwrap();
            for key in keys() {
                assert!(
                    command
                        .get_arguments()
                        .any(|argument| argument.get_long() == Some(&key.flag)),
                    "{}",
                    key.flag
                );
            }
        }
    }

    #[test]
    fn a_switch_alone_means_true_and_can_be_turned_off() {
        assert_eq!(flags_of(&["--strict"]), flags_of(&["--strict=true"]));
        assert_ne!(flags_of(&["--strict"]), flags_of(&["--strict=false"]));
        assert_ne!(flags_of(&["--strict"]), flags_of(&[]));
    }

    #[test]
    fn a_list_is_given_by_repeating_its_flag() {
        let twice = ["--upstream", "http://a", "--upstream", "http://b"];
        assert_ne!(flags_of(&twice), flags_of(&twice[2..]));
        let once = Arguments::try_parse_from(["fullchain", "serve", "--workers", "1", "--workers", "2"]);
        assert!(once.is_err());
    }
}
