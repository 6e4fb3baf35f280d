//! Which backend gets which request, and under which path.

use bytes::Bytes;
use fullchain::proxy::settings::Route;
use http::Request;
use http_body_util::{BodyExt, Full};

use crate::rig::client::{Client, http2};
use crate::rig::proxy::{Proxy, backend};
use crate::rig::upstream::Upstream;

/// A proxy with two backends that answer with their names, and these routes.
fn proxy(routes: Vec<Route>) -> (Proxy, [Upstream; 2]) {
    let answering = |name: &str| Upstream::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{name}"));
    let upstreams = [answering("one"), answering("two")];
    let proxy = Proxy::with(&[], |settings| {
        settings.backends = vec![
            backend("one", &[upstreams[0].address]),
            backend("two", &[upstreams[1].address]),
        ];
        settings.routes = routes;
    });
    (proxy, upstreams)
}

fn route(hosts: &[&str], paths: &[&str], backend: usize) -> Route {
    Route {
        hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
        paths: paths.iter().map(|path| path.parse().unwrap()).collect(),
        ..Route::to(backend)
    }
}

fn get(host: &str, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[test]
fn host_and_path_choose_the_backend() {
    let (proxy, _upstreams) = proxy(vec![
        route(&["a.test"], &[], 0),
        route(&["a.test"], &["/app"], 1),
        route(&["*.a.test"], &[], 1),
    ]);
    let mut client = Client::of(&proxy);
    for (host, target, expected) in [
        ("a.test", "/", "one"),
        ("A.TEST:443", "/x", "one"),
        ("a.test", "/app", "two"),
        ("a.test", "/app/x?y", "two"),
        ("a.test", "/apple", "one"),
        ("x.a.test", "/", "two"),
    ] {
        let response = client.send(get(host, target)).response();
        assert_eq!(
            (response.status, response.body),
            (200, expected.into()),
            "{host}{target}"
        );
    }
}

#[test]
fn what_no_route_takes_is_a_404_and_the_connection_stays() {
    let (proxy, upstreams) = proxy(vec![route(&["a.test"], &["/app"], 0)]);
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(get("b.test", "/app")).response().status, 404);
    assert_eq!(client.send(get("a.test", "/")).response().status, 404);
    assert_eq!(client.send(get("a.test", "/app")).response().status, 200);
    assert_eq!(upstreams[1].connections(), 0);
}

#[test]
fn the_path_goes_on_as_it_came_unless_a_route_changes_it() {
    let (proxy, upstreams) = proxy(vec![
        route(&[], &["/as/is"], 0),
        Route {
            strip_prefix: true,
            add_prefix: Some("/new".parse().unwrap()),
            ..route(&[], &["/old"], 1)
        },
    ]);
    let mut client = Client::of(&proxy);
    client.send(get("a.test", "/as//is/%7Ex%2f?q=%20")).response();
    client.send(get("a.test", "/old/x%2f?q")).response();
    assert_eq!(upstreams[0].first_head()[0], "GET /as//is/%7Ex%2f?q=%20 HTTP/1.1");
    assert_eq!(upstreams[1].first_head()[0], "GET /new/x%2f?q HTTP/1.1");
}

#[test]
fn a_path_that_could_mean_another_route_reaches_no_backend() {
    let (proxy, upstreams) = proxy(vec![route(&[], &["/public"], 0), route(&[], &["/admin"], 1)]);
    for target in [
        "/public/../admin",
        "/public/%2e%2e/admin",
        "/public/..%2fadmin",
        "/public/..;/admin",
        "/public%00",
    ] {
        let mut client = Client::of(&proxy);
        assert_eq!(client.send(get("a.test", target)).response().status, 400, "{target}");
        http2(&proxy, async |mut sender| {
            let request = Request::get(format!("https://a.test{target}")).body(Full::<Bytes>::default());
            let response = sender.send_request(request.unwrap()).await.unwrap();
            assert_eq!(response.status(), 400, "{target}");
            response.into_body().collect().await.unwrap();
        });
    }
    assert_eq!(upstreams.map(|upstream| upstream.connections()), [0, 0]);
}
