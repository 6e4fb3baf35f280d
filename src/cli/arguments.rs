//! The command line: subcommands, their flags and their help.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, ValueEnum, ValueHint};
use clap_complete::Shell;
use rustls_pki_types::{DnsName, UnixTime};

use super::flags::{AdminArguments, ConfigArguments};
use super::inspect::Target;
use super::moment::{AT, parse_moment};
use crate::certs::Roots;
use crate::chain::Policy;
use crate::config::{parse_duration, parse_time_ahead};
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
  fullchain chain --leaf tls.crt --intermediates store/ --format text
  fullchain inspect www.example.org

Exit codes: 0 well, 1 bad configuration or unreadable input, 2 wrong usage,
3 a chain is not complete, or a server sends a wrong one.";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Subcommand {
    /// Terminate TLS and pass requests to the backends.
    Serve(ServeArguments),
    /// Check the configuration and show the chain that would be served for each certificate.
    Check(CheckArguments),
    /// Assemble the chain of a certificate and print it.
    Chain(ChainArguments),
    /// Look at the certificates that a server sends, and say what is wrong with them.
    Inspect(InspectArguments),
    /// Show everything at work, with certificates and a backend made on the spot.
    Demo(DemoArguments),
    /// Ask a running fullchain whether it is ready.
    Healthcheck(HealthcheckArguments),
    /// Tell a running fullchain to read its configuration and certificates again.
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
    #[arg(long, value_name = "DATE", value_parser = parse_moment, help = AT)]
    pub(super) at: Option<UnixTime>,

    /// List everything that will break within this time, be it a leaf, an intermediate or a root, such as 30d.
    #[arg(long, value_name = "DURATION", value_parser = parse_time_ahead)]
    pub(super) within: Option<Duration>,

    /// What is printed: for people, or for programs.
    #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
    pub(super) format: CheckFormat,

    #[command(flatten)]
    pub(super) config: ConfigArguments,
}

const CHECK_ENDINGS: &str = "\
Takes the flags of `serve`. Every file is read, no address is bound.

Examples:
  fullchain check -c fullchain.toml
  fullchain check -c fullchain.toml --at 2030-01-31
  fullchain check -c fullchain.toml --within 30d --format json

Exit codes: 0 well, 1 bad configuration or unreadable input, 3 a chain is not complete
or breaks within the time given.";

/// What `check` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CheckFormat {
    /// A tree for each certificate and what will break, for people.
    Text,
    /// The same for programs.
    Json,
}

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

    #[arg(long, value_name = "DATE", value_parser = parse_moment, help = AT)]
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
  fullchain chain --leaf tls.crt --intermediates store/ --roots root.pem --format text
  fullchain chain --leaf tls.crt --intermediates store/ --at 2030-01-31
  fullchain chain --leaf tls.crt --aia missing

To another server. The shell empties the file before anything runs, so it is a new one:
  fullchain chain --leaf tls.crt --intermediates store/ > new.pem \\
    && mv new.pem fullchain.pem && nginx -s reload

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
#[command(after_help = INSPECT_EXAMPLES)]
pub(super) struct InspectArguments {
    /// The server; port 443 unless told otherwise. An IPv6 address stands in brackets.
    #[arg(value_name = "HOST:PORT", value_hint = ValueHint::Hostname)]
    pub(super) target: Target,

    /// The name that is asked for and that the certificate must be for, instead of HOST.
    #[arg(long, value_name = "NAME", value_parser = server_name)]
    pub(super) sni: Option<DnsName<'static>>,

    /// File or directory with intermediates that the server could send; may be given several times.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(super) intermediates: Vec<PathBuf>,

    /// The roots that clients trust; with none, it does not matter where the chain ends.
    #[arg(long, value_name = "FILE|system|none", default_value = "system", value_parser = roots, value_hint = ValueHint::AnyPath)]
    pub(super) roots: Roots,

    #[arg(long, value_name = "DATE", value_parser = parse_moment, help = AT)]
    pub(super) at: Option<UnixTime>,

    /// Which of several complete chains the server should send: the shortest, or one that old clients find a root for.
    #[arg(long, default_value = "short", value_parser = policy())]
    pub(super) policy: Policy,

    /// A certificate that expires within this time is a fault. Without it, 30 days ahead are told and no fault.
    #[arg(long, value_name = "DURATION", value_parser = parse_time_ahead)]
    pub(super) within: Option<Duration>,

    /// What is printed: the verdict and the tree, for people or programs, or the chain that the server should send.
    #[arg(long, value_enum, default_value_t = InspectFormat::Text)]
    pub(super) format: InspectFormat,

    /// Whether missing intermediates are fetched from where certificates say they are (AIA).
    #[arg(long, value_name = "off|missing", default_value = "off", value_parser = aia())]
    pub(super) aia: Aia,

    /// Fetch them from addresses of this machine and its neighbourhood too.
    #[arg(long)]
    pub(super) aia_allow_private: bool,

    /// How long to wait for the server, all handshakes together.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    pub(super) timeout: Duration,
}

const INSPECT_EXAMPLES: &str = "\
The server is judged by what it sends alone. One handshake is made with TLS 1.3, one
with TLS 1.2, and one that accepts only the other kind of key (RSA or ECDSA); no
request is sent.

Examples:
  fullchain inspect www.example.org
  fullchain inspect 192.0.2.1:8443 --sni www.example.org --roots root.pem
  fullchain inspect www.example.org --within 14d --format json
  fullchain inspect www.example.org --aia missing

What it should send, for that server. The shell empties the file before anything runs,
so it is a new one:
  fullchain inspect www.example.org --intermediates store/ --format pem > new.pem \\
    && mv new.pem fullchain.pem && nginx -s reload

Exit codes: 0 clients find nothing wrong, 1 not reached or unreadable input,
3 some or all clients find something wrong (or it expires within --within).
With --format pem: 0 a chain is printed, 3 none is, since clients would not accept it.";

/// What `inspect` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum InspectFormat {
    /// The verdict, what is sent, and the tree of what should be sent, for people.
    Text,
    /// The same for programs.
    Json,
    /// The chain that the server should send as PEM, and nothing else; the verdict goes to standard error.
    Pem,
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
#[command(after_help = "Exit codes: 0 reloaded or nothing to do, 1 something stays as it was, or not reached.")]
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

fn server_name(text: &str) -> Result<DnsName<'static>, String> {
    let name = DnsName::try_from(text.to_owned());
    name.map_err(|_| "not a DNS name; write one such as www.example.org, in ASCII".to_owned())
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_tree_of_commands_is_sound() {
        Arguments::command().debug_assert();
    }
}
