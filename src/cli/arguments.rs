//! The command line: subcommands, their flags and their help.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, ValueEnum, ValueHint};
use clap_complete::Shell;
use rustls_pki_types::UnixTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::flags::{AdminArguments, ConfigArguments};
use crate::certs::Roots;
use crate::chain::Policy;
use crate::config::parse_duration;
use crate::fetch::Aia;

/// TLS in front of HTTP backends, with the certificate chain assembled, checked and renewed.
#[derive(Debug, Parser)]
#[command(name = "fullchain", version, max_term_width = 120, after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) subcommand: Subcommand,
}

const EXAMPLES: &str = "\
Examples:
  fullchain demo
  fullchain serve --pfx site.pfx --password-file site.password --upstream http://a:8080
  fullchain check -c /etc/fullchain/fullchain.toml
  fullchain chain --leaf tls.crt --intermediates store/ > chain.pem

Exit codes: 0 well, 1 bad configuration or unreadable input, 2 wrong usage,
3 a chain is not complete.";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Subcommand {
    /// Terminate TLS and pass requests to the upstreams.
    Serve(ServeArguments),
    /// Check the configuration and show the chain that would be served for each certificate.
    Check(CheckArguments),
    /// Assemble the chain of a certificate and print it.
    Chain(ChainArguments),
    /// Show everything at work, with certificates and a backend made on the spot.
    Demo(DemoArguments),
    /// Ask a running fullchain whether it is ready.
    Healthcheck(HealthcheckArguments),
    /// Tell a running fullchain to read its certificates again.
    Reload(ReloadArguments),
    /// Print a completion script for a shell.
    Completions(CompletionsArguments),
    /// Print the manual page, as roff.
    Man,
    /// Print the JSON Schema of the config file, for editors.
    Schema,
}

#[derive(Debug, Args)]
#[command(after_help = SERVE_EXAMPLES)]
pub(super) struct ServeArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
}

const SERVE_EXAMPLES: &str = "\
Every flag is a key of the config file too, and an environment variable: --strict-sni
is FULLCHAIN_STRICT_SNI (several values separated by commas). A flag goes before a
variable, a variable before the file. `--help` shows the tuning flags as well.

Without -c and --cert, the file that FULLCHAIN_CONFIG names is read, or else
/etc/fullchain/fullchain.toml.

Examples:
  fullchain serve -c fullchain.toml
  fullchain serve --cert tls.crt --key tls.key --upstream http://a:8080
  fullchain serve --pfx site.pfx --password-file site.password \\
    --intermediates store/ --upstream http://a:8080 --upstream http://b:8080
  FULLCHAIN_CERT=tls.crt FULLCHAIN_KEY=tls.key \\
    FULLCHAIN_UPSTREAM=http://a:8080,http://b:8080 fullchain serve";

#[derive(Debug, Args)]
#[command(after_help = CHECK_ENDINGS)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
}

const CHECK_ENDINGS: &str = "\
Takes the flags of `serve`. Every file is read, no address is bound.

Exit codes: 0 well, 1 bad configuration or unreadable input, 3 a chain is not complete.";

#[derive(Debug, Args)]
#[command(after_help = CHAIN_EXAMPLES)]
pub(super) struct ChainArguments {
    /// File with the certificate, and whatever lies beside it: PEM, DER or PKCS#7.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) leaf: PathBuf,

    /// File or directory with intermediates; may be given several times.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(super) intermediates: Vec<PathBuf>,

    /// Trusted roots: they say where the chain ends and are not part of it.
    #[arg(long, value_name = "FILE|system|none", default_value = "system", value_parser = roots, value_hint = ValueHint::AnyPath)]
    pub(super) roots: Roots,

    /// Assemble as of this time instead of now, such as 2030-01-01T00:00:00Z.
    #[arg(long, value_name = "RFC3339", value_parser = point_in_time)]
    pub(super) at: Option<UnixTime>,

    /// What is printed: the chain, or the tree of candidates with the reason for each that was refused.
    #[arg(long, value_enum, default_value_t = ChainFormat::Pem)]
    pub(super) format: ChainFormat,

    /// Which of several complete chains is preferred: the shortest, or one that old clients find a root for.
    #[arg(long, default_value = "short", value_parser = policy())]
    pub(super) policy: Policy,

    /// Whether missing intermediates are fetched from where certificates say they are (AIA).
    #[arg(long, value_name = "off|missing", default_value = "off", value_parser = aia())]
    pub(super) aia: Aia,

    /// Fetch them from addresses of this machine and its neighbourhood too.
    #[arg(long)]
    pub(super) aia_allow_private: bool,
}

const CHAIN_EXAMPLES: &str = "\
Examples:
  fullchain chain --leaf tls.crt --intermediates store/ > chain.pem
  fullchain chain --leaf tls.crt --intermediates store/ --roots root.pem --format text
  fullchain chain --leaf tls.crt --intermediates store/ --at 2030-01-01T00:00:00Z
  fullchain chain --leaf tls.crt --aia missing > chain.pem

Exit codes: 0 complete (or ending at no known root with --roots none),
1 unreadable input, 3 no such chain.";

/// What `chain` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ChainFormat {
    /// The chain as PEM: the leaf first, without the root, and nothing else.
    Pem,
    /// The tree and the trail, for people.
    Text,
    /// The same for programs.
    Json,
}

#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    /// Do one round, check the outcome and end: exit code 0 if all went well.
    #[arg(long)]
    pub(super) once: bool,

    /// How often the certificate is renewed.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    pub(super) every: Duration,
}

#[derive(Debug, Args)]
#[command(after_help = HEALTHCHECK_EXAMPLE)]
pub(super) struct HealthcheckArguments {
    #[command(flatten)]
    pub(super) admin: AdminArguments,

    /// How long to wait for the answer.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = parse_duration)]
    pub(super) timeout: Duration,
}

const HEALTHCHECK_EXAMPLE: &str = "\
Exit codes: 0 ready, 1 not ready or not reached.

Example, in a container file:
  HEALTHCHECK CMD [\"fullchain\", \"healthcheck\"]";

#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 reloaded or nothing to do, 1 a certificate stays as it was, or not reached.")]
pub(super) struct ReloadArguments {
    /// Take chains even if they are worse than those served.
    #[arg(long)]
    pub(super) force: bool,

    #[command(flatten)]
    pub(super) admin: AdminArguments,

    /// How long to wait for the outcome: reading thousands of certificates takes its time.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    pub(super) timeout: Duration,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  fullchain completions bash > /etc/bash_completion.d/fullchain")]
pub(super) struct CompletionsArguments {
    /// The shell.
    #[arg(value_enum)]
    pub(super) shell: Shell,
}

fn roots(text: &str) -> Result<Roots, Infallible> {
    Ok(match text {
        "system" => Roots::System,
        "none" => Roots::None,
        path => Roots::Files(vec![PathBuf::from(path)]),
    })
}

fn policy() -> impl TypedValueParser<Value = Policy> {
    PossibleValuesParser::new(["short", "compat"]).map(|text| match text.as_str() {
        "compat" => Policy::Compat,
        _ => Policy::Short,
    })
}

fn aia() -> impl TypedValueParser<Value = Aia> {
    PossibleValuesParser::new(["off", "missing"]).map(|text| match text.as_str() {
        "missing" => Aia::Missing,
        _ => Aia::Off,
    })
}

fn point_in_time(text: &str) -> Result<UnixTime, String> {
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|error| format!("{error}; write 2030-01-01T00:00:00Z"))?;
    let seconds = u64::try_from(time.unix_timestamp()).map_err(|_| "before 1970".to_owned())?;
    Ok(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_tree_of_commands_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_point_in_time_is_rfc_3339_and_not_before_1970() {
        assert_eq!(
            point_in_time("1970-01-01T01:00:01+01:00").map(|time| time.as_secs()),
            Ok(1)
        );
        for text in ["2030-01-01", "yesterday", "1969-12-31T23:59:59Z"] {
            assert!(point_in_time(text).is_err(), "{text}");
        }
    }
}
