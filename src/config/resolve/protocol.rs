//! How the servers of a backend are spoken to.

use std::time::Duration;

use rustls::pki_types::ServerName;

use super::SHORTEST_TIMEOUT;
use super::alone::{alone, departure, place};
use super::profile::Defaults;
use crate::certs::Roots;
use crate::config::choices::Root;
use crate::config::error::{Fault, Problem};
use crate::config::layer::Given;
use crate::config::raw;
use crate::config::setting::Setting;
use crate::config::tables::Table;
use crate::config::units::duration_text;
use crate::proxy::settings::{Endpoint, HttpVersion, Protocol, ServerAddress};
use crate::tls::{ClientIdentity, ConnectorSettings, Trust};

type Backend<'a> = Table<'a, raw::Backend>;

/// How `servers` of the backend in `table` are spoken to.
pub(super) fn protocol(table: &Backend<'_>, servers: &[Given<ServerAddress>], faults: &mut Vec<Fault>) -> Protocol {
    let profile = table.one(|table| &table.profile, faults);
    let defaults = Defaults::from(profile.map(|given| given.value).unwrap_or_default());
    let standard = Protocol::default();
    Protocol {
        http: one(table, |table| &table.http, standard.http, faults),
        header_case: one(table, |table| &table.header_case, standard.header_case, faults),
        header_spelling: table
            .many(|table| &table.header_spelling, faults)
            .unwrap_or_default()
            .into_iter()
            .map(|given| given.value)
            .collect(),
        legacy_response_parser: one(
            table,
            |table| &table.legacy_response_parser,
            defaults.legacy_response_parser,
            faults,
        ),
        http09_responses: one(
            table,
            |table| &table.http09_responses,
            defaults.http09_responses,
            faults,
        ),
        proxy_protocol: proxy_protocol(table, faults),
        tls: tls(table, servers, faults),
        resolve_interval: interval(table, standard.resolve_interval, faults),
    }
}

fn one<T: Clone>(
    table: &Backend<'_>,
    pick: fn(&raw::Backend) -> &Setting<T>,
    default: T,
    faults: &mut Vec<Fault>,
) -> T {
    table.one(pick, faults).map_or(default, |given| given.value)
}

fn interval(table: &Backend<'_>, default: Duration, faults: &mut Vec<Fault>) -> Duration {
    let Some(given) = table.one(|table| &table.resolve_interval, faults) else {
        return default;
    };
    if given.value < SHORTEST_TIMEOUT {
        let problem = Problem::new(format!("must be at least {}", duration_text(SHORTEST_TIMEOUT)));
        faults.push(problem.at(given.place));
    }
    given.value
}

fn proxy_protocol(table: &Backend<'_>, faults: &mut Vec<Fault>) -> Option<crate::proxy::settings::ProxyProtocol> {
    let given = table.one(|table| &table.proxy_protocol, faults)?;
    let version = given.value.0?;
    let http = table.one(|table| &table.http, &mut Vec::new());
    if let Some(http) = http.filter(|http| matches!(http.value, HttpVersion::Http2 | HttpVersion::Auto)) {
        let problem = Problem::new("the PROXY protocol names one client for a connection, and HTTP/2 has many on one")
            .hint(format!("take http = \"1.1\", which is the default, at {}", http.place));
        faults.push(problem.at(given.place));
    }
    Some(version)
}

fn tls(table: &Backend<'_>, servers: &[Given<ServerAddress>], faults: &mut Vec<Fault>) -> ConnectorSettings {
    if !servers.is_empty() && !servers.iter().any(|server| server.value.tls) {
        without_tls(table, faults);
    }
    let name = table.one(|table| &table.tls_name, faults).map(|given| given.value.0);
    if name.is_none() {
        for server in servers {
            check_name(server, faults);
        }
    }
    ConnectorSettings {
        trust: trust(table, faults),
        identity: identity(table, faults),
        name,
    }
}

/// Whoever says how servers are known means them to be spoken to over TLS, and not in the clear.
fn without_tls(table: &Backend<'_>, faults: &mut Vec<Fault>) {
    // What cannot be read is told where it is read.
    let none = &mut Vec::new();
    let roots = table.many(|table| &table.tls_roots, none).unwrap_or_default();
    let root = roots.iter().find(|root| root.value != Root::System);
    let places = [
        root.map(|root| root.place.clone()),
        departure(&table.one(|table| &table.tls_verify, none), &true),
        place(&table.one(|table| &table.tls_name, none)),
        place(&table.one(|table| &table.tls_cert, none)),
        place(&table.one(|table| &table.tls_key, none)),
        place(&table.one(|table| &table.tls_password_file, none)),
    ];
    alone(
        places,
        "no server of this backend is spoken to over TLS",
        "write https:// where its servers are named",
        faults,
    );
}

/// A host under which a server can be reached is not always one that a certificate can be for.
fn check_name(server: &Given<ServerAddress>, faults: &mut Vec<Fault>) {
    let Endpoint::Tcp { host, .. } = &server.value.endpoint else {
        return;
    };
    if server.value.tls && ServerName::try_from(host.as_str()).is_err() {
        let problem = Problem::new(format!("{host:?} is no name that a certificate could be for"))
            .hint("say with tls_name which name the server's certificate has");
        faults.push(problem.at(server.place.clone()));
    }
}

fn trust(table: &Backend<'_>, faults: &mut Vec<Fault>) -> Trust {
    let verify = table.one(|table| &table.tls_verify, faults);
    let Some(roots) = table.many(|table| &table.tls_roots, faults) else {
        return match verify {
            Some(verify) if !verify.value => Trust::Anyone,
            _ => Trust::default(),
        };
    };
    if let Some(verify) = verify.filter(|verify| !verify.value) {
        let problem = Problem::new("nothing is verified, but tls_roots says by what")
            .hint("leave out one of the two; with tls_roots alone it is verified");
        faults.push(problem.at(verify.place));
    }
    let word = roots.iter().find(|root| !matches!(root.value, Root::File(_)));
    match word {
        Some(word) if word.value == Root::None => {
            let problem = Problem::new("without roots no certificate is accepted")
                .hint("tls_verify = false accepts any; whoever sits between can then read and change everything");
            faults.push(problem.at(word.place.clone()));
            Trust::default()
        }
        Some(word) if roots.len() > 1 => {
            let problem = Problem::new("\"system\" stands alone")
                .hint("to trust files besides the system's roots, name the system's bundle as a file too");
            faults.push(problem.at(word.place.clone()));
            Trust::default()
        }
        Some(_) => Trust::default(),
        None => Trust::Roots(Roots::Files(roots.into_iter().filter_map(Given::file).collect())),
    }
}

fn identity(table: &Backend<'_>, faults: &mut Vec<Fault>) -> Option<ClientIdentity> {
    let certificate = table.one(|table| &table.tls_cert, faults);
    let key = table.one(|table| &table.tls_key, faults);
    let password_file = table.one(|table| &table.tls_password_file, faults);
    let Some(certificate) = certificate else {
        for (given, what) in [(key, "a key"), (password_file, "a password")] {
            if let Some(given) = given {
                let problem = Problem::new(format!("{what} without its certificate")).hint("give tls_cert with it");
                faults.push(problem.at(given.place));
            }
        }
        return None;
    };
    Some(ClientIdentity {
        certificate: certificate.path(),
        key: key.map(Given::path),
        password_file: password_file.map(Given::path),
    })
}
