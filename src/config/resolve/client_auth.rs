//! How clients are authenticated.

use std::path::PathBuf;

use super::alone::{alone, departure};
use crate::certs::ClientTrustSettings;
use crate::config::error::{Fault, Place, Problem};
use crate::config::layer::Given;
use crate::config::precedence::Layers;
use crate::config::raw;
use crate::config::tables::Table;
use crate::proxy::settings::{HostPattern, Listener, Service};
use crate::reload::ClientAuthSettings;
use crate::tls::{ClientAuthMode, Revocation, RevocationDepth, RevocationPolicy};

/// Resolves every policy. Flags and variables describe the one for all other hosts. Certificates can be asked for on those
/// of the `listeners` alone that speak TLS.
pub(super) fn client_auth(said: &mut Layers, listeners: &[Listener]) -> Vec<ClientAuthSettings> {
    let mut faults = Vec::new();
    let mut tables = Table::of_file(said, |raw| &raw.client_auth);
    if let Some(names) = Table::of_names(said, |raw| &raw.client_auth) {
        let is_for_others = |table: &Table<'_, raw::ClientAuth>| {
            let mut unreadable = Vec::new();
            hosts(table, &mut unreadable).is_empty() && unreadable.is_empty()
        };
        match tables.iter().position(is_for_others) {
            Some(at) => {
                let others = tables.remove(at).under(names);
                tables.insert(at, others);
            }
            None => tables.push(names),
        }
    }
    let mut taken = Vec::new();
    let policies = tables.iter().map(|table| {
        let before = faults.len();
        let hosts = hosts(table, &mut faults);
        // What could not be read would otherwise be taken for every other host.
        if faults.len() == before {
            note(&hosts, table, &mut taken, &mut faults);
        }
        policy(hosts, table, before, &mut faults)
    });
    let policies: Vec<ClientAuthSettings> = policies.collect();
    let asks = policies.iter().position(|policy| policy.mode != ClientAuthMode::Off);
    let is_tls = |listener: &Listener| listener.service == Service::Tls;
    if let Some(table) = asks.and_then(|asks| tables.get(asks))
        && !listeners.is_empty()
        && !listeners.iter().any(is_tls)
    {
        let problem = Problem::new("certificates are asked of clients in TLS, and no listener speaks it");
        let place = table.place().cloned().unwrap_or(Place::Missing("listen"));
        faults.push(
            problem
                .hint("give one that does: listen = [\"0.0.0.0:8443\"]")
                .at(place),
        );
    }
    said.faults.extend(faults);
    policies
}

fn hosts(table: &Table<'_, raw::ClientAuth>, faults: &mut Vec<Fault>) -> Vec<Given<HostPattern>> {
    table.many(|table| &table.host, faults).unwrap_or_default()
}

/// Notes what has a policy by now, so that no host has two.
fn note(
    hosts: &[Given<HostPattern>],
    table: &Table<'_, raw::ClientAuth>,
    taken: &mut Vec<(Option<HostPattern>, Place)>,
    faults: &mut Vec<Fault>,
) {
    let start = table.place().cloned().unwrap_or(Place::Missing("client_auth"));
    let each: Vec<_> = match hosts.is_empty() {
        true => vec![(None, start)],
        false => hosts
            .iter()
            .map(|given| (Some(given.value.clone()), given.place.clone()))
            .collect(),
    };
    for (host, place) in each {
        if let Some(HostPattern::Exact(name)) = &host
            && is_address(name)
        {
            let problem = Problem::new("an address has no policy of its own");
            let hint = "clients name no address in the TLS handshake: a table without `host` is for them";
            faults.push(problem.hint(hint).at(place));
            continue;
        }
        match taken.iter().find(|(other, _)| *other == host) {
            Some((_, first)) => {
                let host = host.map_or_else(|| "every other host".to_owned(), |host| host.to_string());
                faults.push(Problem::new(format!("{host} has a policy already, by {first}")).at(place));
            }
            None => taken.push((host, place)),
        }
    }
}

fn is_address(name: &str) -> bool {
    name.starts_with('[') || name.parse::<std::net::Ipv4Addr>().is_ok()
}

/// `before` is how many faults there were before the table.
fn policy(
    hosts: Vec<Given<HostPattern>>,
    table: &Table<'_, raw::ClientAuth>,
    before: usize,
    faults: &mut Vec<Fault>,
) -> ClientAuthSettings {
    let mode = table.one(|table| &table.mode, faults);
    let ca = table.many(|table| &table.ca, faults).unwrap_or_default();
    let crl = table.many(|table| &table.crl, faults).unwrap_or_default();
    let crl_policy = table.one(|table| &table.crl_policy, faults);
    let crl_check = table.one(|table| &table.crl_check, faults);
    let places = [
        mode.as_ref().map(|given| given.place.clone()),
        crl.first().map(|given| given.place.clone()),
        crl_policy.as_ref().map(|given| given.place.clone()),
        crl_check.as_ref().map(|given| given.place.clone()),
        hosts.first().map(|given| given.place.clone()),
    ];
    let mode = mode.map_or(ClientAuthMode::Required, |given| given.value);
    if mode != ClientAuthMode::Off && ca.is_empty() && faults.len() == before {
        let problem = Problem::new("clients are asked for a certificate, and there is no CA that it may come from");
        let place = table.place().cloned().or_else(|| places.into_iter().flatten().next());
        let place = place.unwrap_or(Place::Missing("client_auth.ca"));
        faults.push(problem.hint("give the CA with it: ca = \"clients.pem\"").at(place));
    }
    if crl.is_empty() {
        let needs_crl = [
            departure(&crl_policy, &RevocationPolicy::default()),
            departure(&crl_check, &RevocationDepth::default()),
        ];
        let hint = "give crl with it, or leave this out";
        alone(needs_crl, "it says how CRLs count, and there is none", hint, faults);
    }
    let paths = |given: Vec<Given<PathBuf>>| given.into_iter().map(Given::path).collect();
    ClientAuthSettings {
        hosts: hosts.into_iter().map(|given| given.value.to_string().into()).collect(),
        mode,
        trust: ClientTrustSettings {
            authorities: paths(ca),
            revocation_lists: paths(crl),
        },
        revocation: Revocation {
            policy: crl_policy.map(|given| given.value).unwrap_or_default(),
            depth: crl_check.map(|given| given.value).unwrap_or_default(),
        },
    }
}
