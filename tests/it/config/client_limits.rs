//! What one client may have.

use fullchain::proxy::settings::{ClientLimits, Route};

use super::{LEAST, faults, load};

#[test]
fn a_client_has_what_is_said_and_nothing_is_said_by_default() {
    let limits = |text: &str| load(&format!("{LEAST}[limits]\n{text}")).unwrap().proxy.limits.clients;
    assert_eq!(limits(""), ClientLimits::default());
    let clients = limits("connections_per_client = 100\nhandshakes_per_second = \"off\"\nrequests_per_second = 20\n");
    assert_eq!(clients.connections.unwrap().get(), 100);
    assert_eq!(clients.handshakes_per_second, None);
    let requests = clients.requests.unwrap();
    assert_eq!((requests.per_second.get(), requests.burst.get()), (20, 200));
    let requests = limits("requests_per_second = 20\nrequests_burst = 5\n")
        .requests
        .unwrap();
    assert_eq!(requests.burst.get(), 5);
}

#[test]
fn a_limit_that_is_none_is_told() {
    let told = faults(&format!(
        "{LEAST}[limits]\nrequests_per_second = 0\nconnections_per_client = \"many\"\n"
    ));
    for part in [
        "fullchain.toml:6:23: limits.requests_per_second: expected a number from 1 or \"off\", found 0\n  \
         hint: write \"off\" for no limit",
        "fullchain.toml:7:26: limits.connections_per_client: expected a number from 1 or \"off\", found \"many\"",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    assert_eq!(
        faults(&format!("{LEAST}[limits]\nrequests_burst = 5\n")),
        "fullchain.toml:6:18: limits.requests_burst: a burst of what is not limited\n  \
         hint: give requests_per_second with it"
    );
}

#[test]
fn a_route_has_a_rate_beside_that_of_all() {
    let config = load(&format!(
        "{LEAST}[limits]\nrequests_per_second = 20\n[[route]]\n[[route]]\npath = \"/login\"\nrequests_per_second = 1\n"
    ))
    .unwrap();
    let burst = |route: &Route| route.requests.map(|rate| (rate.per_second.get(), rate.burst.get()));
    let routes: Vec<_> = config.proxy.routes.iter().map(burst).collect();
    assert!(routes.contains(&None) && routes.contains(&Some((1, 10))), "{routes:?}");
    assert!(config.proxy.limits.clients.requests.is_some());
}

#[test]
fn channels_are_for_exchange_and_where_it_is_said() {
    let channels = |keys: &str| load(&format!("{LEAST}[[route]]\n{keys}\n")).unwrap().proxy.routes[0].rpc_over_http;
    assert!(!channels("") && !channels("app = \"sharepoint\""));
    assert!(channels("app = \"exchange\"") && channels("rpc_over_http = true"));
    assert!(!channels("app = \"exchange\"\nrpc_over_http = false"));
}
