//! What is accepted on: the short keys and the tables become one list.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::admin::admin;
use super::one;
use crate::config::choices::{RedirectStatus, ServiceKind};
use crate::config::error::{Fault, Place, Problem};
use crate::config::layer::Given;
use crate::config::listening::FileMode;
use crate::config::networks::PeerRange;
use crate::config::precedence::Layers;
use crate::config::raw;
use crate::config::tables::Table;
use crate::proxy::settings::{ListenAddress, Listener, Peers, Redirect, Service};

/// Any address of this machine, on a port that needs no privilege.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8443);

/// Every address this process binds.
pub(super) struct Addresses {
    pub(super) listeners: Vec<Listener>,
    pub(super) admin: crate::admin::Settings,
}

type Placed = (Listener, Place);

/// What holds for a listener that says nothing else.
struct Common {
    redirect: Redirect,
    balancers: Peers,
}

/// Resolves every address. With `takeover` listeners let others in beside them, so that they may overlap.
pub(super) fn addresses(said: &mut Layers, takeover: bool) -> Addresses {
    let redirect = Redirect {
        port: said
            .one(|raw| &raw.redirect_port)
            .map_or_else(|| Redirect::default().port, |given| given.value.get()),
        status: one(said, |raw| &raw.redirect_status, RedirectStatus::default()).0,
    };
    let balancers = said.many(|raw| &raw.proxy_protocol_from).unwrap_or_default();
    let common = Common {
        redirect,
        balancers: PeerRange::peers(balancers),
    };
    let faults = said.faults.len();
    let listen = said.many(|raw| &raw.listen);
    let redirect_from = said.many(|raw| &raw.redirect_from);
    let tables = tables(said, &common);
    let mut listeners: Vec<Placed> = Vec::new();
    match listen {
        Some(given) => listeners.extend(placed(given, &Service::Tls, &common)),
        None if tables.is_empty() => {
            let listener = common.listener(LISTEN.into(), Service::Tls);
            listeners.push((listener, Place::Missing("listen")));
        }
        None => {}
    }
    if listeners.is_empty() && tables.is_empty() && said.faults.len() == faults {
        let problem = Problem::new("the list is empty").hint("give at least one address, such as \"0.0.0.0:8443\"");
        said.faults.push(problem.at(Place::Missing("listen")));
    }
    let redirecting = redirect_from.unwrap_or_default();
    listeners.extend(placed(redirecting, &Service::Redirect(redirect), &common));
    listeners.extend(tables);
    said.faults.extend(too_long(&listeners));
    let (admin, admin_place) = admin(said);
    let bound = listeners
        .iter()
        .map(|(listener, place)| Bound {
            address: listener.address.clone(),
            place,
            lets_in: takeover,
        })
        .chain(admin_place.iter().map(|(address, place)| Bound {
            address: (*address).into(),
            place,
            lets_in: false,
        }));
    let faults = taken_twice(&bound.collect::<Vec<_>>());
    said.faults.extend(faults);
    Addresses {
        listeners: listeners.into_iter().map(|(listener, _)| listener).collect(),
        admin,
    }
}

fn placed(given: Vec<Given<ListenAddress>>, service: &Service, common: &Common) -> impl Iterator<Item = Placed> {
    given.into_iter().map(|given| {
        let place = given.place.clone();
        (common.listener(given.address(), service.clone()), place)
    })
}

impl Common {
    fn listener(&self, address: ListenAddress, service: Service) -> Listener {
        Listener {
            balancers: self.balancers.clone(),
            ..Listener::new(address, service)
        }
    }
}

fn tables(said: &mut Layers, common: &Common) -> Vec<Placed> {
    let mut faults = Vec::new();
    let mut tables = Table::of_file(said, |raw| &raw.listener);
    tables.extend(Table::of_names(said, |raw| &raw.listener));
    let listeners = tables
        .iter()
        .filter_map(|table| listener(table, common, &mut faults))
        .collect();
    said.faults.extend(faults);
    listeners
}

fn listener(table: &Table<'_, raw::Listener>, common: &Common, faults: &mut Vec<Fault>) -> Option<Placed> {
    let before = faults.len();
    let address = table.one(|table| &table.address, faults);
    let service = table.one(|table| &table.service, faults);
    let port = table.one(|table| &table.redirect_port, faults);
    let status = table.one(|table| &table.redirect_status, faults);
    let balancers = table.many(|table| &table.proxy_protocol_from, faults);
    let mode = table.one(|table| &table.unix_mode, faults);
    let kind = service.map_or(ServiceKind::Tls, |given| given.value);
    let redirecting = [
        port.as_ref().map(|given| &given.place),
        status.as_ref().map(|given| &given.place),
    ];
    if let (ServiceKind::Tls | ServiceKind::Http, Some(place)) = (kind, redirecting.into_iter().flatten().next()) {
        let problem = Problem::new("this listener redirects nobody").hint("it needs service = \"redirect\"");
        faults.push(problem.at(place.clone()));
    }
    let service = match kind {
        ServiceKind::Tls => Service::Tls,
        ServiceKind::Http => Service::Http,
        ServiceKind::Redirect => Service::Redirect(Redirect {
            port: port.map_or(common.redirect.port, |given| given.value.get()),
            status: status.map_or(common.redirect.status, |given| given.value.0),
        }),
    };
    let Some(address) = address else {
        if faults.len() == before {
            let problem = Problem::new("a listener without an address").hint("give one: address = \"0.0.0.0:8443\"");
            faults.push(problem.at(table.place().cloned().unwrap_or(Place::Missing("listener.address"))));
        }
        return None;
    };
    let place = address.place.clone();
    let address = address.address();
    if let (Some(mode), false) = (&mode, matches!(address, ListenAddress::Unix(_))) {
        let problem = Problem::new("this listener has no file").hint("it is for an address such as \"unix:/path\"");
        faults.push(problem.at(mode.place.clone()));
    }
    let mut listener = common.listener(address, service);
    if let Some(balancers) = balancers {
        listener.balancers = PeerRange::peers(balancers);
    }
    if let Some(FileMode(mode)) = mode.map(|given| given.value) {
        listener.unix_mode = mode;
    }
    Some((listener, place))
}

/// A fault for each path that no socket can be bound at.
fn too_long(listeners: &[Placed]) -> Vec<Fault> {
    let long = listeners.iter().filter_map(|(listener, place)| {
        let ListenAddress::Unix(path) = &listener.address else {
            return None;
        };
        let bytes = path.as_os_str().len();
        let most = ListenAddress::longest_path(path);
        let problem = Problem::new(format!(
            "the path {} has {bytes} bytes, and a Unix socket can have {most} there",
            path.display()
        ));
        let problem = problem.hint("take a directory with a shorter path, such as /run/fullchain");
        (bytes > most).then(|| problem.at(place.clone()))
    });
    long.collect()
}

/// An address that this process binds.
struct Bound<'a> {
    address: ListenAddress,
    place: &'a Place,
    /// Whether a wildcard and an address that it covers can be bound beside each other.
    lets_in: bool,
}

/// A fault for each address that is bound already, by itself or by a wildcard.
fn taken_twice(bound: &[Bound<'_>]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, one) in bound.iter().enumerate() {
        // Port 0 is a port of the system's choice, another one each time.
        let is_chosen = one.address.ip().is_some_and(|address| address.port() == 0);
        let before = bound.iter().take(index).filter(|_| !is_chosen);
        for other in before {
            let problem = if one.address == other.address {
                Problem::new(format!("{} is taken already, by {}", one.address, other.place))
            } else if !(one.lets_in && other.lets_in) && overlap(one, other, bound) {
                let problem = format!("{} overlaps with {}, by {}", one.address, other.address, other.place);
                Problem::new(problem).hint("a wildcard takes its port on every address; give one of them another port")
            } else {
                continue;
            };
            faults.push(problem.at(one.place.clone()));
            break;
        }
    }
    faults
}

/// Whether one of the two takes what comes to the other.
fn overlap(one: &Bound<'_>, other: &Bound<'_>, bound: &[Bound<'_>]) -> bool {
    let (Some(one), Some(other)) = (one.address.ip(), other.address.ip()) else {
        return false;
    };
    // `[::]` takes IPv4 as well, unless that is configured on its own.
    let four = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), one.port());
    let only_v6 = bound.iter().any(|bound| bound.address.ip() == Some(four));
    let covers = |wildcard: SocketAddr, other: SocketAddr| match (wildcard.ip(), other.ip().to_canonical()) {
        (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(_)) => !only_v6,
        (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(_)) | (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(_)) => true,
        _ => false,
    };
    one.port() == other.port() && (covers(one, other) || covers(other, one))
}
