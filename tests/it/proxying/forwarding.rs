//! What backends are told about the client's side, over HTTP/1.1 and HTTP/2.

use fullchain::proxy::Settings;
use fullchain::proxy::settings::{App, Forwarding, HeaderRules, RequestId, UpstreamHost};

use crate::rig::client::Client;
use crate::rig::exchange::Exchange;
use crate::rig::proxy::Proxy;
use crate::rig::upstream::Upstream;

/// What a client could say of itself.
const CLAIMS: [(&str, &str); 14] = [
    ("x-forwarded-for", "192.0.2.1"),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-host", "b.test"),
    ("x-forwarded-port", "8080"),
    ("x-forwarded-user", "admin"),
    ("x-real-ip", "192.0.2.1"),
    ("forwarded", "for=192.0.2.1"),
    ("x-request-id", "abc"),
    ("x_forwarded_for", "6.6.6.6"),
    ("x_real_ip", "6.6.6.6"),
    ("x.forwarded.for", "6.6.6.6"),
    ("front-end-https", "on"),
    ("x-original-url", "/admin"),
    ("x-ssl-client-s-dn", "CN=admin"),
];

fn rules(settings: &mut Settings) -> &mut HeaderRules {
    &mut settings.routes[0].headers
}

/// The tests' client comes from loopback.
fn trust(settings: &mut Settings) {
    settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()].into();
}

#[test]
fn a_stranger_cannot_say_who_it_is() {
    let exchange = Exchange {
        fields: &CLAIMS,
        host: "a.test:8443",
        ..Exchange::GET
    };
    for seen in exchange.through(|settings| rules(settings).forwarding.request_id = RequestId::Upstream) {
        let mut request = seen.request.clone();
        request.retain(|line| !line.starts_with("X-Request-Id: "));
        assert_eq!(
            request,
            [
                "GET / HTTP/1.1",
                "Host: a.test:8443",
                "X-Forwarded-For: 127.0.0.1",
                "X-Forwarded-Host: a.test:8443",
                "X-Forwarded-Port: 8443",
                "X-Forwarded-Proto: https",
                "X-Real-Ip: 127.0.0.1",
            ]
        );
        let [id] = seen.sent("x-request-id")[..] else {
            panic!("{seen:?}")
        };
        assert!(id.len() == 32 && id != "abc", "{id}");
        assert!(seen.got("x-request-id").is_empty());
    }
}

#[test]
fn a_trusted_proxy_speaks_for_its_client() {
    let exchange = Exchange {
        fields: &CLAIMS,
        ..Exchange::GET
    };
    let seen = exchange.through(|settings| {
        trust(settings);
        rules(settings).forwarding = Forwarding {
            forwarded: true,
            via: Some("edge".parse().unwrap()),
            request_id: RequestId::Both,
        };
    });
    for (seen, version) in seen.iter().zip(["1.1", "2.0"]) {
        assert_eq!(
            seen.request,
            [
                "GET / HTTP/1.1".to_owned(),
                "Forwarded: for=192.0.2.1, for=127.0.0.1;host=a.test;proto=https".to_owned(),
                "Host: a.test".to_owned(),
                format!("Via: {version} edge"),
                "X-Forwarded-For: 192.0.2.1, 127.0.0.1".to_owned(),
                "X-Forwarded-Host: b.test".to_owned(),
                "X-Forwarded-Port: 8080".to_owned(),
                "X-Forwarded-Proto: http".to_owned(),
                "X-Forwarded-User: admin".to_owned(),
                "X-Real-Ip: 192.0.2.1".to_owned(),
                "X-Request-Id: abc".to_owned(),
            ]
        );
        assert_eq!(seen.got("x-request-id"), ["abc"]);
        assert_eq!(seen.got("via"), ["1.1 edge"]);
    }
}

/// The names of what says who the client is, what it asked for and what the request is called, on its way to the backend.
const OURS: &str = "X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Forwarded-Port, X-Real-IP, Forwarded, Via, \
    X-Request-ID, Front-End-Https, X-Url-Scheme, Host";

/// All of them are sent.
fn all_of_ours(settings: &mut Settings) {
    rules(settings).app = Some(App::Exchange);
    rules(settings).forwarding = Forwarding {
        forwarded: true,
        via: Some("edge".parse().unwrap()),
        request_id: RequestId::Both,
    };
}

#[test]
fn what_connection_lists_does_not_take_ours_away_nor_those_of_a_trusted_proxy() {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n\
         X-Forwarded-Host: b.test\r\nX-Forwarded-Port: 8080\r\nX-Real-IP: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n\
         Via: 1.0 before\r\nX-Request-ID: abc\r\nX-Hop: 1\r\nConnection: {OURS}, X-Hop\r\n\r\n"
    );
    for trusted in [false, true] {
        let upstream = Upstream::answering(Exchange::GET.response);
        let proxy = Proxy::with(&[upstream.address], |settings| {
            all_of_ours(settings);
            if trusted {
                trust(settings);
            }
        });
        let response = Client::of(&proxy).send(&request).response();
        let name = response.fields.iter().find(|(name, _)| name == "x-request-id").unwrap();
        let name = str::from_utf8(&name.1).unwrap();
        assert_eq!(name == "abc", trusted, "{name}");
        let [forwarded, chain, host, port, client] = match trusted {
            true => [
                "for=192.0.2.1, for=127.0.0.1;host=a.test;proto=https",
                "192.0.2.1, 127.0.0.1",
                "b.test",
                "8080",
                "192.0.2.1",
            ],
            false => [
                "for=127.0.0.1;host=a.test;proto=https",
                "127.0.0.1",
                "a.test",
                "443",
                "127.0.0.1",
            ],
        };
        assert_eq!(
            upstream.first_head(),
            [
                "GET / HTTP/1.1".to_owned(),
                format!("Forwarded: {forwarded}"),
                "Front-End-Https: on".to_owned(),
                "Host: a.test".to_owned(),
                "Via: 1.1 edge".to_owned(),
                format!("X-Forwarded-For: {chain}"),
                format!("X-Forwarded-Host: {host}"),
                format!("X-Forwarded-Port: {port}"),
                "X-Forwarded-Proto: https".to_owned(),
                format!("X-Real-Ip: {client}"),
                format!("X-Request-Id: {name}"),
                "X-Url-Scheme: https".to_owned(),
            ]
        );
    }
}

#[test]
fn a_request_is_named_anew_each_time() {
    let upstream = Upstream::answering(Exchange::GET.response);
    let proxy = Proxy::with(&[upstream.address], |settings| {
        rules(settings).forwarding.request_id = RequestId::Both;
    });
    let mut client = Client::of(&proxy);
    let mut names: Vec<String> = (0..3)
        .map(|_| {
            let response = client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
            let line = response
                .head
                .lines()
                .find(|line| line.to_ascii_lowercase().starts_with("x-request-id: "));
            line.unwrap()[14..].to_owned()
        })
        .collect();
    for name in &names {
        assert!(upstream.received(0).contains(&format!("X-Request-Id: {name}\r\n")));
    }
    names.dedup();
    assert_eq!(names.len(), 3);
}

#[test]
fn applications_of_microsoft_are_told_of_tls_in_their_own_words() {
    for (app, name, value) in [
        (App::Exchange, "front-end-https", "on"),
        (App::SharePoint, "front-end-https", "on"),
        (App::AspNet, "x-url-scheme", "https"),
    ] {
        let exchange = Exchange {
            fields: &[("front_end_https", "off"), ("x-url-scheme", "http")],
            ..Exchange::GET
        };
        for seen in exchange.through(|settings| rules(settings).app = Some(app)) {
            assert_eq!(seen.sent(name), [value], "{app:?}");
            assert!(seen.sent("front_end_https").is_empty());
        }
    }
}

#[test]
fn the_backend_is_sent_the_host_that_the_route_says() {
    for seen in Exchange::GET
        .through(|settings| rules(settings).upstream_host = "intranet:81".parse().map(UpstreamHost::Literal).unwrap())
    {
        assert_eq!(seen.sent("host"), ["intranet:81"]);
        assert_eq!(seen.sent("x-forwarded-host"), ["a.test"]);
    }
    for seen in Exchange::GET.through(|settings| rules(settings).upstream_host = UpstreamHost::Upstream) {
        assert_eq!(seen.sent("host"), [seen.server.to_string()]);
        assert_eq!(seen.sent("x-forwarded-host"), ["a.test"]);
    }
}

#[test]
fn an_http_1_0_client_without_a_host_is_given_the_default_one() {
    let upstream = Upstream::answering(Exchange::GET.response);
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.default_host = Some("old.test:8443".parse().unwrap());
    });
    Client::of(&proxy).send("GET / HTTP/1.0\r\n\r\n").response();
    let head = upstream.first_head();
    for line in [
        "Host: old.test:8443",
        "X-Forwarded-Host: old.test:8443",
        "X-Forwarded-Port: 8443",
    ] {
        assert!(head.contains(&line.to_owned()), "{line}: {head:?}");
    }
}

#[test]
fn a_path_is_passed_on_as_it_came() {
    for target in [
        "/a/../b",
        "/a/./b",
        "/%2e%2e/b",
        "/a%2Fb%2fc",
        "/a%00b",
        "/a//b",
        "/a\\b",
        "/a;x=1/b",
        "/%C3%A4?%20=%zz&a=b?c",
        "/a?",
    ] {
        let exchange = Exchange {
            target,
            ..Exchange::GET
        };
        for seen in exchange.through(|_| ()) {
            assert_eq!(
                (seen.status, seen.request[0].as_str()),
                (200, &*format!("GET {target} HTTP/1.1"))
            );
        }
    }
}

#[test]
fn the_client_is_the_last_address_that_no_trusted_proxy_has() {
    let exchange = Exchange {
        fields: &[("x-forwarded-for", "6.6.6.6, 192.0.2.7:4711, 127.0.0.2")],
        ..Exchange::GET
    };
    for seen in exchange.through(trust) {
        assert_eq!(seen.sent("x-real-ip"), ["192.0.2.7"]);
    }
    for seen in exchange.through(|_| ()) {
        assert_eq!(seen.sent("x-real-ip"), ["127.0.0.1"]);
    }
}
