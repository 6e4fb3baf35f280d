//! What clients get of the fields of a response, over HTTP/1.1 and HTTP/2, and what backends get of those that name
//! places.

use fullchain::proxy::Settings;
use fullchain::proxy::settings::{
    CookieRules, Edits, HeaderRules, HttpOnly, RedirectPair, RedirectRules, RequestId, Route, SameSite, Translation,
    UpstreamHost,
};

use crate::rig::client::Client;
use crate::rig::exchange::{Exchange, Seen};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::{Upstream, absent};

fn rules(settings: &mut Settings) -> &mut HeaderRules {
    &mut settings.routes[0].headers
}

/// A route for `/app`, which the backend knows as `upstream`.
fn mapped(settings: &mut Settings, upstream: Option<&str>) {
    let route = &mut settings.routes[0];
    route.paths = vec!["/app".parse().unwrap()];
    route.strip_prefix = true;
    route.add_prefix = upstream.map(|prefix| prefix.parse().unwrap());
}

fn automatic() -> RedirectRules {
    RedirectRules {
        automatic: true,
        pairs: Vec::new(),
    }
}

/// A request for `/app/x` that is answered with these fields.
fn answered(fields: &str, alter: impl Fn(&mut Settings)) -> [Seen; 2] {
    let response = format!("HTTP/1.1 302 Found\r\n{fields}\r\nContent-Length: 0\r\n\r\n");
    let exchange = Exchange {
        host: "a.test:8443",
        target: "/app/x",
        response: &response,
        ..Exchange::GET
    };
    exchange.through(alter)
}

#[test]
fn a_redirect_of_a_backend_that_knows_nothing_of_tls_leads_to_it() {
    for (location, expected) in [
        ("http://a.test:8443/x?y", "https://a.test:8443/x?y"),
        ("http://a.test/x", "https://a.test:8443/x"),
        ("https://a.test:8443/x", "https://a.test:8443/x"),
        ("http://b.test/x", "http://b.test/x"),
        ("http://a.test:8443/\u{e4}", "https://a.test:8443/\u{e4}"),
        ("/x", "/x"),
        ("../x", "../x"),
    ] {
        for seen in answered(&format!("Location: {location}"), |settings| {
            rules(settings).redirects = automatic();
        }) {
            assert_eq!(seen.got("location"), [expected]);
        }
        for seen in answered(&format!("Location: {location}"), |_| ()) {
            assert_eq!(seen.got("location"), [location]);
        }
    }
}

#[test]
fn a_redirect_to_the_backend_itself_leads_to_its_public_url() {
    // The script has to know its own address.
    let upstream = Upstream::scripted(|connection| {
        let own = connection.stream().local_addr().unwrap();
        while connection.request().is_some() {
            connection.send(format!(
                "HTTP/1.1 201 Created\r\nLocation: http://{own}/1\r\nContent-Location: http://a.test:{}/2\r\n\
                 Refresh: 5; url=\"http://{own}/3\"\r\nContent-Length: 0\r\n\r\n",
                own.port()
            ));
        }
    });
    let proxy = Proxy::with(&[upstream.address], |settings| rules(settings).redirects = automatic());
    let response = Client::of(&proxy)
        .send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .response();
    for line in [
        "location: https://a.test/1",
        "content-location: https://a.test/2",
        "refresh: 5; url=\"https://a.test/3\"",
    ] {
        assert!(response.has(line), "{line}: {}", response.head);
    }
}

#[test]
fn a_prefix_that_was_taken_off_or_put_on_is_led_back() {
    for (upstream, location, expected) in [
        (None, "/login?next=/x", "/app/login?next=/x"),
        (None, "http://a.test:8443/login", "https://a.test:8443/app/login"),
        (None, "http://b.test/login", "http://b.test/login"),
        (None, "login", "login"),
        (Some("/owa"), "/owa/login", "/app/login"),
        (Some("/owa"), "/ecp", "/ecp"),
    ] {
        let seen = answered(&format!("Location: {location}"), |settings| {
            mapped(settings, upstream);
            rules(settings).redirects = automatic();
        });
        for seen in seen {
            let sent = format!("GET {}/x HTTP/1.1", upstream.unwrap_or_default());
            assert_eq!(
                (seen.request[0].as_str(), seen.got("location")),
                (&*sent, vec![expected])
            );
        }
    }
}

#[test]
fn redirects_are_mapped_as_the_operator_says() {
    let pair = || RedirectPair::new("http://internal:8080/", "https://www.example.com/").unwrap();
    for seen in answered("Location: http://INTERNAL:8080/x", |settings| {
        rules(settings).redirects.pairs = vec![pair()];
    }) {
        assert_eq!(seen.got("location"), ["https://www.example.com/x"]);
    }
}

#[test]
fn cookies_get_what_the_backend_forgets() {
    let cookies = "Set-Cookie: sid=1; Domain=internal.local; Path=/app\r\nSet-Cookie: lang=\u{e4}; SameSite=None\r\n\
                   Set-Cookie: __Host-x=1; Path=/; Secure";
    let seen = answered(cookies, |settings| {
        rules(settings).cookies = CookieRules {
            secure: true,
            http_only: HttpOnly::Named(vec!["sid".into()]),
            same_site: Some(SameSite::Lax),
            domains: vec![Translation {
                from: "internal.local".into(),
                to: "a.test".into(),
            }],
            paths: vec![Translation {
                from: "/".into(),
                to: "/legacy".into(),
            }],
        };
    });
    for seen in seen {
        assert_eq!(
            seen.got("set-cookie"),
            [
                "__Host-x=1; Path=/; Secure; SameSite=Lax",
                "lang=\u{e4}; SameSite=Lax; Secure",
                "sid=1; Domain=a.test; Path=/legacy/app; SameSite=Lax; Secure; HttpOnly",
            ]
        );
    }
    let untouched = [
        "__Host-x=1; Path=/; Secure",
        "lang=\u{e4}; SameSite=None",
        "sid=1; Domain=internal.local; Path=/app",
    ];
    for seen in answered(cookies, |_| ()) {
        assert_eq!(seen.got("set-cookie"), untouched);
    }
}

#[test]
fn browsers_are_told_to_come_over_https() {
    let fields = "Content-Security-Policy: default-src 'self'\r\nContent-Security-Policy-Report-Only: img-src x\r\n\
                  Strict-Transport-Security: max-age=1";
    let seen = answered(fields, |settings| {
        rules(settings).upgrade_insecure_requests = true;
        rules(settings).hsts = Some("31536000; includeSubDomains".parse().unwrap());
    });
    for seen in seen {
        assert_eq!(
            seen.got("content-security-policy"),
            ["default-src 'self'; upgrade-insecure-requests"]
        );
        assert_eq!(seen.got("content-security-policy-report-only"), ["img-src x"]);
        assert_eq!(
            seen.got("strict-transport-security"),
            ["max-age=31536000; includeSubDomains"]
        );
    }
    for seen in answered(fields, |_| ()) {
        assert_eq!(seen.got("content-security-policy"), ["default-src 'self'"]);
        assert_eq!(seen.got("strict-transport-security"), ["max-age=1"]);
    }
}

#[test]
fn where_the_client_has_no_tls_nothing_asks_for_it() {
    let exchange = Exchange {
        fields: &[("x-forwarded-proto", "http")],
        response: "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nLocation: http://a.test/\r\nContent-Length: 0\r\n\r\n",
        ..Exchange::GET
    };
    let seen = exchange.through(|settings| {
        settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()].into();
        let rules = rules(settings);
        rules.redirects = automatic();
        rules.cookies.secure = true;
        rules.upgrade_insecure_requests = true;
        rules.hsts = Some("300".parse().unwrap());
    });
    for seen in seen {
        assert_eq!(seen.got("set-cookie"), ["a=1"]);
        assert_eq!(seen.got("location"), ["http://a.test/"]);
        assert!(seen.got("content-security-policy").is_empty() && seen.got("strict-transport-security").is_empty());
    }
}

#[test]
fn an_answer_of_our_own_has_the_name_of_the_request_and_hsts_too() {
    // It closes every connection without an answer.
    let upstream = Upstream::scripted(|_| ());
    let proxy = Proxy::with(&[upstream.address], |settings| {
        rules(settings).hsts = Some("300".parse().unwrap());
        rules(settings).forwarding.request_id = RequestId::Both;
    });
    let response = Client::of(&proxy)
        .send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .response();
    assert_eq!(response.status, 502);
    assert!(response.has("strict-transport-security: max-age=300") && response.has_field("x-request-id"));
}

#[test]
fn fields_are_set_added_and_removed_as_the_operator_says() {
    let exchange = Exchange {
        host: "A.test:8443",
        target: "/a%20b?c",
        fields: &[
            ("x-env", "client"),
            ("x_env", "client"),
            ("x-debug", "1"),
            ("x_debug", "1"),
            ("accept", "a/b"),
        ],
        response: "HTTP/1.1 200 OK\r\nServer: old\r\nX-Powered-By: old\r\nVary: Accept\r\nContent-Length: 0\r\n\r\n",
        ..Exchange::GET
    };
    let seen = exchange.through(|settings| {
        rules(settings).request = Edits {
            remove: vec!["x-debug".parse().unwrap()],
            set: vec![
                "X-Env: prod".parse().unwrap(),
                "X-Seen: {client_ip} {scheme}://{host}{path} {server_name} {tls_version} {{x}} {request_id}"
                    .parse()
                    .unwrap(),
            ],
            add: vec!["Accept: c/d".parse().unwrap()],
        };
        rules(settings).response = Edits {
            remove: vec!["x-powered-by".parse().unwrap()],
            set: vec!["Server: {host}".parse().unwrap(), "X-Path: {path}".parse().unwrap()],
            add: vec!["Vary: Cookie".parse().unwrap()],
        };
    });
    for seen in seen {
        assert_eq!(seen.sent("x-env"), ["prod"]);
        assert!(seen.sent("x_env").is_empty() && seen.sent("x-debug").is_empty() && seen.sent("x_debug").is_empty());
        let host = seen.sent("host")[0].trim_end_matches(":8443");
        let expected = format!("127.0.0.1 https://{host}/a%20b a.test TLSv1.3 {{x}}");
        assert_eq!(seen.sent("x-seen"), [expected]);
        assert_eq!(seen.sent("accept"), ["a/b", "c/d"]);
        assert_eq!(seen.got("server"), [host]);
        assert_eq!(seen.got("x-path"), ["/a%20b"]);
        assert_eq!(seen.got("vary"), ["Accept", "Cookie"]);
        assert!(seen.got("x-powered-by").is_empty());
    }
}

#[test]
fn the_places_that_webdav_names_are_the_backends() {
    let exchange = Exchange {
        method: "MOVE",
        host: "a.test:8443",
        target: "/app/a",
        fields: &[
            ("destination", "https://a.test:8443/app/b%20c"),
            (
                "if",
                "<https://a.test:8443/app/a> (<urn:uuid:1> [\"https://a.test:8443/app\"])",
            ),
        ],
        ..Exchange::GET
    };
    let sent = exchange.through(|settings| mapped(settings, None));
    for seen in sent {
        assert_eq!(seen.request[0], "MOVE /a HTTP/1.1");
        assert_eq!(seen.sent("destination"), ["http://a.test:8443/b%20c"]);
        assert_eq!(
            seen.sent("if"),
            ["<http://a.test:8443/a> (<urn:uuid:1> [\"https://a.test:8443/app\"])"]
        );
    }
    let sent = exchange.through(|settings| {
        mapped(settings, Some("/dav"));
        rules(settings).upstream_host = UpstreamHost::Upstream;
    });
    for seen in sent {
        let server = seen.server;
        assert_eq!(seen.sent("host"), [server.to_string()]);
        assert_eq!(seen.sent("destination"), [format!("http://{server}/dav/b%20c")]);
        assert!(seen.sent("if")[0].starts_with(&format!("<http://{server}/dav/a> ")));
    }
}

#[test]
fn a_place_of_another_host_is_left_to_the_backend_to_refuse() {
    for (method, destination) in [
        ("COPY", "https://b.test/x"),
        ("MOVE", "https://a.test:9/x"),
        ("MOVE", "https://a.test@b.test/x"),
        ("GET", "https://a.test/x"),
    ] {
        let exchange = Exchange {
            method,
            fields: &[("destination", destination)],
            ..Exchange::GET
        };
        for seen in exchange.through(|_| ()) {
            assert_eq!(seen.sent("destination"), [destination]);
        }
    }
}

#[test]
fn nothing_is_moved_to_the_place_of_another_route() {
    let upstream = Upstream::answering("HTTP/1.1 204 No Content\r\n\r\n");
    let proxy = Proxy::with(&[upstream.address], |settings| {
        let team = Route {
            paths: vec!["/team1".parse().unwrap()],
            strip_prefix: true,
            add_prefix: Some("/dav/team1".parse().unwrap()),
            ..Route::to(0)
        };
        settings.routes.insert(0, team);
    });
    let status = |destination: &str| {
        let mut client = Client::of(&proxy);
        let request = format!("MOVE /team1/a HTTP/1.1\r\nHost: a.test\r\nDestination: {destination}\r\n\r\n");
        client.send(request).response().status
    };
    for destination in [
        "https://a.test/team1/../team2/x",
        "https://a.test/team1/%2e%2e/team2/x",
        "/team1/..;/team2/x",
        "/dav/team2/x",
        "http://a.test/dav/team2/x",
        "https://A.TEST/elsewhere",
    ] {
        assert_eq!(status(destination), 400, "{destination}");
    }
    assert_eq!(upstream.connections(), 0);
    assert_eq!(status("https://a.test/team1/b"), 204);
    assert!(
        upstream.was_told("destination: http://a.test/dav/team1/b"),
        "{}",
        upstream.received(0)
    );
}

#[test]
fn the_next_server_is_named_where_the_first_takes_no_connection() {
    let closed = absent();
    let upstream = Upstream::answering(Exchange::GET.response);
    let proxy = Proxy::with(&[closed, upstream.address], |settings| {
        rules(settings).upstream_host = UpstreamHost::Upstream;
    });
    let mut client = Client::of(&proxy);
    for _ in 0..2 {
        let request = "MOVE /a HTTP/1.1\r\nHost: a.test\r\nDestination: https://a.test/b\r\n\r\n";
        assert_eq!(client.send(request).response().status, 200);
    }
    let received = upstream.received(0);
    assert_eq!(received.matches(&format!("Host: {}\r\n", upstream.address)).count(), 2);
    let destination = format!("Destination: http://{}/b\r\n", upstream.address);
    assert_eq!(received.matches(&destination).count(), 2, "{received}");
}
