//! What is counted: each number moves when its event happens, and by as much.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use bytes::Bytes;
use fullchain::proxy::Totals;
use fullchain::proxy::settings::{Ejection, HealthCheck, HttpVersion, Listener, Peers, Route, Service, Settings};
use http::uri::PathAndQuery;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::sync::Semaphore;

use crate::rig::client::{Client, http2};
use crate::rig::eventually;
use crate::rig::hyper_upstream::{HyperUpstream, Speech, full};
use crate::rig::plain::{connect, exchange, get};
use crate::rig::proxy::{NAME, Proxy, backend};
use crate::rig::scrape::Scrape;
use crate::rig::upstream::{Upstream, absent};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

const REQUESTS: &str = "fullchain_requests_total";
const IN_PROGRESS: &str = "fullchain_requests_in_progress";
const HANDSHAKES: &str = "fullchain_tls_handshakes_total";

/// Waits until what is counted is so.
#[track_caller]
fn counted(proxy: &Proxy, what: &str, condition: impl Fn(&Scrape) -> bool) {
    eventually(what, || condition(&proxy.scrape()));
}

#[test]
fn requests_are_counted_by_route_status_and_protocol() {
    let upstream = Upstream::scripted(|connection| {
        while let Some((head, _)) = connection.request() {
            let status = head.split([' ', '/']).nth(2).unwrap_or_default();
            let status = status.parse::<u16>().unwrap_or(200);
            connection.send(format!("HTTP/1.1 {status} So\r\nContent-Length: 2\r\n\r\nok"));
        }
    });
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.routes.push(Route {
            hosts: vec!["b.test".parse().unwrap(), "*.c.test".parse().unwrap()],
            paths: vec!["/app".parse().unwrap(), "/api".parse().unwrap()],
            ..Route::to(0)
        });
    });
    let route = "b.test,*.c.test/app,/api";
    let mut client = Client::of(&proxy);
    let mut ask = |host: &str, path: &str, version: &str| {
        let request = format!("GET {path} HTTP/{version}\r\nHost: {host}\r\nConnection: keep-alive\r\n\r\n");
        client.send(request).response().status
    };
    for _ in 0..3 {
        assert_eq!(ask("a.test", "/", "1.1"), 200);
    }
    assert_eq!(ask("a.test", "/304", "1.1"), 304);
    assert_eq!(ask("b.test", "/api/x", "1.1"), 200);
    assert_eq!(ask("x.c.test", "/app", "1.0"), 200);
    assert_eq!(ask("a.test", "/503", "1.1"), 503);
    // Refused before there is a route.
    let doubtful = "GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n";
    assert_eq!(Client::of(&proxy).send(doubtful).response().status, 400);
    http2(&proxy, async |mut sender| {
        for path in ["/", "/404", "/404"] {
            let request = Request::get(format!("https://a.test{path}"));
            let request = request.body(Full::<Bytes>::default()).unwrap();
            let response = sender.send_request(request).await.unwrap();
            response.into_body().collect().await.unwrap();
        }
    });
    counted(&proxy, "every request", |scrape| scrape.sum(REQUESTS, &[]) == 11.0);
    let scrape = proxy.scrape();
    for (route, status, protocol, count) in [
        ("*", "2xx", "HTTP/1.1", 3.0),
        ("*", "3xx", "HTTP/1.1", 1.0),
        ("*", "5xx", "HTTP/1.1", 1.0),
        (route, "2xx", "HTTP/1.1", 1.0),
        (route, "2xx", "HTTP/1.0", 1.0),
        ("(none)", "4xx", "HTTP/1.1", 1.0),
        ("*", "2xx", "HTTP/2.0", 1.0),
        ("*", "4xx", "HTTP/2.0", 2.0),
        ("*", "none", "HTTP/2.0", 0.0),
    ] {
        let labels = [("route", route), ("status", status), ("protocol", protocol)];
        assert_eq!(scrape.value(REQUESTS, &labels), count, "{labels:?}");
    }
    for (route, count) in [("*", 8.0), (route, 2.0), ("(none)", 1.0)] {
        let name = "fullchain_request_duration_seconds_count";
        assert_eq!(scrape.value(name, &[("route", route)]), count, "{route}");
    }
    assert_eq!(
        proxy.metrics.totals(),
        Totals {
            requests: 11,
            server_errors: 1,
            requests_in_progress: 0,
            handshakes: 3,
            handshake_failures: 0,
            connections: 3,
            connections_open: proxy.metrics.totals().connections_open,
        }
    );
}

#[test]
fn the_workers_numbers_add_up() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with_workers(4, &[upstream.address], |_| ());
    for _ in 0..40 {
        assert_eq!(Client::of(&proxy).send(GET).response().status, 200);
    }
    counted(&proxy, "every request", |scrape| {
        scrape.value(REQUESTS, &[("route", "*"), ("status", "2xx"), ("protocol", "HTTP/1.1")]) == 40.0
            && scrape.value("fullchain_connections_open", &[]) == 0.0
    });
    let scrape = proxy.scrape();
    assert_eq!(scrape.value("fullchain_connections_accepted_total", &[]), 40.0);
    assert_eq!(scrape.sum(HANDSHAKES, &[]), 40.0);
    assert_eq!(
        scrape.value("fullchain_tls_handshake_duration_seconds_count", &[]),
        40.0
    );
    let opened = scrape.value("fullchain_backend_connections_opened_total", &[]);
    let reused = scrape.value("fullchain_backend_connections_reused_total", &[]);
    assert_eq!((opened, opened + reused), (upstream.connections() as f64, 40.0));
}

#[test]
fn a_request_is_in_progress_until_its_response_has_ended() {
    let (go_on, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Upstream::scripted(move |connection| {
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha");
        let _ = wait.lock().unwrap().recv();
        connection.send("lf");
        connection.rest();
    });
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send(GET);
    assert_eq!(client.head().status, 200);
    let scrape = proxy.scrape();
    assert_eq!(scrape.value(IN_PROGRESS, &[]), 1.0);
    assert_eq!(scrape.sum(REQUESTS, &[]), 0.0);
    assert_eq!(scrape.value("fullchain_backend_connections", &[("state", "busy")]), 1.0);
    assert_eq!(scrape.value("fullchain_backend_first_byte_seconds_count", &[]), 1.0);
    drop(go_on);
    assert_eq!(client.bytes(4), b"half");
    counted(&proxy, "it has ended", |scrape| {
        scrape.value(IN_PROGRESS, &[]) == 0.0
            && scrape.sum(REQUESTS, &[("status", "2xx")]) == 1.0
            && scrape.value("fullchain_backend_connections", &[("state", "idle")]) == 1.0
            && scrape.value("fullchain_backend_connections", &[("state", "busy")]) == 0.0
    });
}

#[test]
fn a_client_that_leaves_before_its_answer_has_no_status() {
    let upstream = Upstream::scripted(|connection| {
        connection.rest();
    });
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send(GET);
    counted(&proxy, "it is in progress", |scrape| {
        scrape.value(IN_PROGRESS, &[]) == 1.0
    });
    drop(client);
    counted(&proxy, "it has ended", |scrape| {
        scrape.sum(REQUESTS, &[("route", "*"), ("status", "none")]) == 1.0
    });
}

#[test]
fn a_tunnel_is_a_busy_connection_and_no_request_any_more() {
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n");
        connection.rest();
    });
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n");
    assert_eq!(client.head().status, 101);
    counted(&proxy, "a tunnel", |scrape| {
        scrape.sum(REQUESTS, &[("status", "1xx")]) == 1.0
            && scrape.value(IN_PROGRESS, &[]) == 0.0
            && scrape.value("fullchain_backend_connections", &[("state", "busy")]) == 1.0
    });
    assert_eq!(proxy.scrape().value("fullchain_connections_open", &[]), 1.0);
    drop(client);
    counted(&proxy, "none", |scrape| {
        scrape.sum("fullchain_backend_connections", &[]) == 0.0
            && scrape.value("fullchain_connections_open", &[]) == 0.0
    });
}

#[test]
fn connections_are_counted_when_they_come_wait_and_are_refused() {
    let balancer = |settings: &mut Settings| {
        let mut listener = Listener::new(SocketAddr::from(([127, 0, 0, 1], 0)), Service::Http);
        listener.balancers = Peers::from(vec!["127.0.0.0/8".parse().unwrap()]);
        settings.listeners.push(listener);
        settings.limits.connections = 2;
        settings.limits.clients.connections = NonZeroUsize::new(1);
    };
    let proxy = Proxy::with(&[Upstream::answering(OK).address], balancer);
    assert_eq!(proxy.scrape().value("fullchain_connections_limit", &[]), 2.0);
    let mut first = Client::of(&proxy);
    assert_eq!(first.send(GET).response().status, 200);
    assert_eq!(exchange(connect(proxy.redirect), ""), "");
    assert_eq!(exchange(connect(proxy.listener(2)), "no header\r\n\r\n"), "");
    let refused = |reason| [("reason", reason)];
    counted(&proxy, "two refusals", |scrape| {
        let name = "fullchain_connections_refused_total";
        scrape.value(name, &refused("connections_per_client")) == 1.0
            && scrape.value(name, &refused("proxy_header")) == 1.0
    });
    let scrape = proxy.scrape();
    assert_eq!(scrape.value("fullchain_connections_accepted_total", &[]), 3.0);
    assert_eq!(scrape.sum("fullchain_connections_delayed_total", &[]), 0.0);
    // It waits for its PROXY header and has the second place; who comes next has none.
    let _second = connect(proxy.listener(2));
    counted(&proxy, "no place is left", |scrape| {
        scrape.value("fullchain_connections_open", &[]) == 2.0
    });
    let _third = connect(proxy.redirect);
    counted(&proxy, "one waits", |scrape| {
        scrape.value("fullchain_connections_delayed_total", &refused("connections")) == 1.0
    });
}

#[test]
fn handshakes_wait_where_there_are_too_many_in_a_second() {
    let proxy = Proxy::with(&[Upstream::answering(OK).address], |settings| {
        settings.limits.clients.handshakes_per_second = Some(2.try_into().unwrap());
    });
    for _ in 0..4 {
        assert_eq!(Client::of(&proxy).send(GET).response().status, 200);
    }
    let delayed = proxy.scrape().value(
        "fullchain_connections_delayed_total",
        &[("reason", "handshakes_per_second")],
    );
    assert!(delayed >= 1.0, "{delayed}");
}

#[test]
fn handshakes_are_counted_by_version_resumption_and_cause() {
    let proxy = Proxy::with(&[Upstream::answering(OK).address], |_| ());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = ClientConfig::builder_with_protocol_versions(&[version])
            .with_root_certificates(proxy.roots.clone())
            .with_no_client_auth();
        let config = Arc::new(config);
        for _ in 0..3 {
            // A session comes with the first response.
            assert_eq!(
                Client::at(proxy.address, Arc::clone(&config)).last(get("/")).status,
                200
            );
        }
    }
    let stranger = ClientConfig::builder()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let mut socket = TcpStream::connect(proxy.address).unwrap();
    let mut connection = ClientConnection::new(Arc::new(stranger), NAME.try_into().unwrap()).unwrap();
    assert!(connection.complete_io(&mut socket).is_err());
    assert!(exchange(connect(proxy.address), get("/")).starts_with("HTTP/1.1 400 "));
    connect(proxy.address).write_all(b"\x16\x03\x01\x00\x04junk").unwrap();
    counted(&proxy, "the failures", |scrape| {
        let name = "fullchain_tls_handshake_failures_total";
        let of = |cause| scrape.value(name, &[("cause", cause)]);
        [of("refused"), of("plain-http"), of("protocol"), scrape.sum(name, &[])] == [1.0, 1.0, 1.0, 3.0]
    });
    let scrape = proxy.scrape();
    for version in ["TLSv1.2", "TLSv1.3"] {
        let of = |resumption| scrape.value(HANDSHAKES, &[("version", version), ("resumption", resumption)]);
        assert_eq!((of("full"), of("resumed")), (1.0, 2.0), "{version}");
    }
    assert_eq!(scrape.value("fullchain_tls_handshake_duration_seconds_count", &[]), 6.0);
    let totals = proxy.metrics.totals();
    assert_eq!((totals.handshakes, totals.handshake_failures), (6, 3));
}

#[test]
fn connections_to_a_server_are_opened_and_used_again() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with(&[], |settings| {
        settings.backends = vec![backend("app", &[upstream.address])];
    });
    let mut client = Client::of(&proxy);
    for _ in 0..3 {
        assert_eq!(client.send(GET).response().status, 200);
    }
    let server = upstream.address.to_string();
    let labels = [("backend", "app"), ("server", server.as_str())];
    let scrape = proxy.scrape();
    for (name, value) in [
        ("fullchain_backend_connections_opened_total", 1.0),
        ("fullchain_backend_connections_reused_total", 2.0),
        ("fullchain_backend_connection_failures_total", 0.0),
        ("fullchain_backend_retries_total", 0.0),
        ("fullchain_backend_first_byte_seconds_count", 3.0),
    ] {
        assert_eq!(scrape.value(name, &labels), value, "{name}");
    }
    assert_eq!(scrape.named("fullchain_backend_responses_total", "status"), ["2xx"]);
    assert_eq!(scrape.sum("fullchain_backend_responses_total", &labels), 3.0);
}

#[test]
fn a_shared_connection_is_busy_once_however_many_requests_are_on_it() {
    let go_on = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&go_on);
    let upstream = HyperUpstream::start(Speech::h2c(), move |_| {
        let waiting = Arc::clone(&waiting);
        async move {
            waiting.acquire().await.unwrap().forget();
            Response::new(full("ok"))
        }
    });
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].protocol.http = HttpVersion::Http2;
    });
    let connections = |scrape: &Scrape, state| scrape.value("fullchain_backend_connections", &[("state", state)]);
    http2(&proxy, async |sender| {
        let held: Vec<_> = (0..3)
            .map(|_| {
                let mut sender = sender.clone();
                let request = Request::get("https://a.test/").body(Full::<Bytes>::default()).unwrap();
                tokio::spawn(async move { sender.send_request(request).await.unwrap().status() })
            })
            .collect();
        while upstream.requests().len() < 3 {
            tokio::task::yield_now().await;
        }
        let scrape = proxy.scrape();
        assert_eq!((connections(&scrape, "busy"), connections(&scrape, "idle")), (1.0, 0.0));
        go_on.add_permits(3);
        for one in held {
            assert_eq!(one.await.unwrap(), 200);
        }
    });
    counted(&proxy, "it is idle", |scrape| {
        (connections(scrape, "busy"), connections(scrape, "idle")) == (0.0, 1.0)
    });
}

#[test]
fn retries_and_failed_connections_are_counted_at_the_server_that_failed() {
    let (gone, well) = (absent(), Upstream::answering(OK));
    let proxy = Proxy::with(&[gone, well.address], |_| ());
    let mut client = Client::of(&proxy);
    for _ in 0..2 {
        assert_eq!(client.send(GET).response().status, 200);
    }
    let scrape = proxy.scrape();
    for (server, count) in [(gone, 2.0), (well.address, 0.0)] {
        let server = server.to_string();
        for name in [
            "fullchain_backend_retries_total",
            "fullchain_backend_connection_failures_total",
        ] {
            assert_eq!(scrape.value(name, &[("server", &server)]), count, "{name} {server}");
        }
    }
}

#[test]
fn a_request_that_is_sent_again_on_a_connection_to_the_same_server_is_a_retry() {
    // Each connection dies of its second request.
    let upstream = Upstream::scripted(|connection| {
        connection.request();
        connection.send(OK);
        connection.request();
    });
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    for _ in 0..2 {
        assert_eq!(client.send(GET).response().status, 200);
    }
    assert_eq!(proxy.scrape().value("fullchain_backend_retries_total", &[]), 1.0);
}

#[test]
fn servers_are_up_down_or_ejected() {
    let (gone, well) = (absent(), Upstream::answering(OK));
    let state_of = |scrape: &Scrape, server: &str| -> Vec<String> {
        let state = |state: &&str| {
            scrape.value(
                "fullchain_backend_server_state",
                &[("server", server), ("state", state)],
            ) == 1.0
        };
        let states = ["up", "down", "ejected"].into_iter().filter(state);
        states.map(str::to_owned).collect()
    };
    let ejecting = Proxy::with(&[gone, well.address], |settings| {
        settings.backends[0].choice.ejection = Some(Ejection {
            duration: Duration::from_secs(3600),
            ..Ejection::after(1.try_into().unwrap())
        });
    });
    let (gone, well) = (gone.to_string(), well.address.to_string());
    assert_eq!(state_of(&ejecting.scrape(), &gone), ["up"]);
    let mut client = Client::of(&ejecting);
    for _ in 0..2 {
        assert_eq!(client.send(GET).response().status, 200);
    }
    assert_eq!(state_of(&ejecting.scrape(), &gone), ["ejected"]);
    assert_eq!(state_of(&ejecting.scrape(), &well), ["up"]);

    let checked = Proxy::with(&[gone.parse().unwrap(), well.parse().unwrap()], |settings| {
        settings.backends[0].choice.health = Some(HealthCheck {
            interval: Duration::from_millis(20),
            ..HealthCheck::of(PathAndQuery::from_static("/"))
        });
    });
    counted(&checked, "it is down", |scrape| state_of(scrape, &gone) == ["down"]);
    assert_eq!(state_of(&checked.scrape(), &well), ["up"]);
    // What checks do is none of what requests do.
    assert_eq!(
        checked.scrape().sum("fullchain_backend_connections_opened_total", &[]),
        0.0
    );
}

#[test]
fn another_configuration_restarts_no_counter_of_what_stays() {
    let (one, two) = (Upstream::answering(OK), Upstream::answering(OK));
    let proxy = Proxy::with(&[one.address], |settings| {
        settings.routes.push(Route {
            hosts: vec!["b.test".parse().unwrap()],
            ..Route::to(0)
        });
    });
    let ask = |host: &str| {
        let mut client = Client::of(&proxy);
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(client.last(request).status, 200);
    };
    let requests = |scrape: &Scrape, route| scrape.sum(REQUESTS, &[("route", route)]);
    let responses = |scrape: &Scrape, server: SocketAddr| {
        let server = server.to_string();
        scrape.sum("fullchain_backend_responses_total", &[("server", &server)])
    };
    ask("a.test");
    ask("b.test");
    counted(&proxy, "both", |scrape| {
        (requests(scrape, "*"), requests(scrape, "b.test")) == (1.0, 1.0)
    });
    proxy.reconfigure(|settings| {
        settings.routes.remove(1);
        settings.backends[0].servers = backend("", &[one.address, two.address]).servers;
        settings.limits.connections = 7;
    });
    let up = |scrape: &Scrape| scrape.sum("fullchain_backend_server_state", &[("state", "up")]);
    let scrape = proxy.scrape();
    assert_eq!(
        (up(&scrape), scrape.value("fullchain_connections_limit", &[])),
        (2.0, 7.0)
    );
    assert_eq!((requests(&scrape, "*"), responses(&scrape, one.address)), (1.0, 2.0));
    eventually("both servers are asked", || {
        ask("a.test");
        responses(&proxy.scrape(), two.address) > 0.0 && responses(&proxy.scrape(), one.address) > 2.0
    });
    counted(&proxy, "what has gone is forgotten", |scrape| {
        let without_b = proxy.metrics.totals().requests as f64 - 1.0;
        requests(scrape, "*") == without_b && !scrape.named(REQUESTS, "route").contains(&"b.test")
    });
    // What comes again begins anew.
    proxy.reconfigure(|settings| {
        settings.routes.push(Route {
            hosts: vec!["b.test".parse().unwrap()],
            ..Route::to(0)
        });
    });
    assert_eq!(requests(&proxy.scrape(), "b.test"), 0.0);
}

#[test]
fn each_worker_looks_how_late_it_is() {
    let proxy = Proxy::with_workers(2, &[], |_| ());
    counted(&proxy, "each has looked", |scrape| {
        ["0", "1"]
            .iter()
            .all(|worker| scrape.value("fullchain_worker_loop_lag_seconds_count", &[("worker", worker)]) >= 2.0)
    });
}

#[test]
fn nothing_that_clients_choose_becomes_a_label() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with(&[upstream.address], |_| ());
    let lines = |scrape: &Scrape| format!("{scrape:?}").matches("Sample {").count();
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(GET).response().status, 200);
    let before = lines(&proxy.scrape());
    for number in 0..20 {
        let request =
            format!("M{number} /{number}?{number} HTTP/1.1\r\nHost: h{number}.test\r\nUser-Agent: {number}\r\n\r\n");
        assert_eq!(client.send(request).response().status, 200);
    }
    assert_eq!(lines(&proxy.scrape()), before);
}
