//! Clients that stay with their server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fullchain::proxy::settings::{HealthCheck, Secret, Settings, Sticky};
use http::uri::PathAndQuery;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Full};

use crate::rig::client::{Client, Response, http2};
use crate::rig::eventually;
use crate::rig::proxy::Proxy;
use crate::rig::upstream::Upstream;

fn sticky(settings: &mut Settings) {
    settings.backends[0].choice.sticky = Some(Sticky {
        cookie: "to".into(),
        secret: Secret::new(b"a secret of all replicas"),
        lifetime: Duration::from_secs(3600),
    });
}

fn servers() -> [Upstream; 2] {
    ["a", "b"].map(|name| Upstream::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{name}")))
}

fn get(cookie: &str) -> String {
    match cookie {
        "" => "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(),
        _ => format!("GET / HTTP/1.1\r\nHost: a.test\r\nCookie: {cookie}\r\n\r\n"),
    }
}

/// The cookie that a response sets, as the client sends it back.
fn cookie_of(response: &Response) -> Option<String> {
    let mut lines = response.head.split("\r\n");
    let line = lines.find(|line| line.to_ascii_lowercase().starts_with("set-cookie: to="))?;
    assert!(line.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{line}");
    Some(line["set-cookie: ".len()..].split(';').next().unwrap().to_owned())
}

#[test]
fn a_client_with_the_cookie_stays_and_the_server_never_sees_it() {
    let servers = servers();
    let proxy = Proxy::with(&[servers[0].address, servers[1].address], sticky);
    let mut client = Client::of(&proxy);
    let first = client.send(get("")).response();
    let cookie = cookie_of(&first).unwrap();
    for _ in 0..4 {
        let response = client.send(get(&format!("session=1; {cookie}; theme=dark"))).response();
        assert_eq!((response.text(), cookie_of(&response)), (first.text(), None));
    }
    let seen = servers.each_ref().map(|server| server.received(0)).concat();
    assert!(seen.contains("Cookie: session=1; theme=dark\r\n"), "{seen}");
    assert!(!seen.contains("to="), "{seen}");
    // Others are spread as ever, and get cookies of their own.
    let others = [(); 2].map(|()| Client::of(&proxy).send(get("")).response());
    assert_ne!(others[0].text(), others[1].text());
    assert!(
        others
            .iter()
            .all(|other| cookie_of(other).is_some_and(|other| other != cookie))
    );
}

#[test]
fn http_2_clients_that_send_cookies_crumb_by_crumb_stay_too() {
    let servers = servers();
    let proxy = Proxy::with(&[servers[0].address, servers[1].address], sticky);
    let first = Client::of(&proxy).send(get("")).response();
    let cookie = HeaderValue::try_from(cookie_of(&first).unwrap()).unwrap();
    let answers = http2(&proxy, async |mut sender| {
        let mut answers = String::new();
        for _ in 0..3 {
            let mut request = Request::get("https://a.test/").body(Full::<Bytes>::default()).unwrap();
            request
                .headers_mut()
                .append("cookie", HeaderValue::from_static("session=1"));
            request.headers_mut().append("cookie", cookie.clone());
            let response = sender.send_request(request).await.unwrap();
            assert!(!response.headers().contains_key("set-cookie"));
            let body = response.into_body().collect().await.unwrap().to_bytes();
            answers.push_str(std::str::from_utf8(&body).unwrap());
        }
        answers
    });
    assert_eq!(answers, first.text().repeat(3));
}

#[test]
fn a_forged_cookie_is_as_none() {
    let servers = servers();
    let proxy = Proxy::with(&[servers[0].address, servers[1].address], sticky);
    let mut client = Client::of(&proxy);
    let mut cookie = cookie_of(&client.send(get("")).response()).unwrap();
    let last = if cookie.ends_with('0') { "1" } else { "0" };
    cookie.replace_range(cookie.len() - 1.., last);
    let answers: String = (0..4)
        .map(|_| {
            let response = client.send(get(&cookie)).response();
            assert!(cookie_of(&response).is_some());
            response.text()
        })
        .collect();
    assert_eq!(answers, "baba");
    assert!(!servers[0].received(0).contains("to="));
}

#[test]
fn replicas_with_one_secret_know_each_others_cookies_and_strangers_do_not() {
    let servers = servers();
    let addresses = [servers[0].address, servers[1].address];
    let proxy = Proxy::with(&addresses, sticky);
    let cookie = cookie_of(&Client::of(&proxy).send(get("")).response()).unwrap();
    // The same servers in another order.
    let replica = Proxy::with(&[addresses[1], addresses[0]], sticky);
    let mut client = Client::of(&replica);
    for _ in 0..3 {
        let response = client.send(get(&cookie)).response();
        assert_eq!((response.text().as_str(), cookie_of(&response)), ("a", None));
    }
    let stranger = Proxy::with(&addresses, |settings| {
        sticky(settings);
        let sticky = settings.backends[0].choice.sticky.as_mut().unwrap();
        sticky.secret = None;
    });
    assert!(cookie_of(&Client::of(&stranger).send(get(&cookie)).response()).is_some());
}

#[test]
fn a_client_whose_server_is_down_gets_another_and_a_new_cookie() {
    let well = Arc::new(AtomicBool::new(true));
    let servers = ["a", "b"].map(|name| {
        let well = Arc::clone(&well);
        Upstream::scripted(move |connection| {
            while let Some((head, _)) = connection.request() {
                let is_down = head.starts_with("GET /health ") && name == "a" && !well.load(Ordering::SeqCst);
                let status = if is_down { "503 Down" } else { "200 OK" };
                connection.send(format!("HTTP/1.1 {status}\r\nContent-Length: 1\r\n\r\n{name}"));
            }
        })
    });
    let proxy = Proxy::with(&[servers[0].address, servers[1].address], |settings| {
        sticky(settings);
        settings.backends[0].choice.health = Some(HealthCheck {
            interval: Duration::from_millis(20),
            ..HealthCheck::of(PathAndQuery::from_static("/health"))
        });
    });
    let mut client = Client::of(&proxy);
    let first = client.send(get("")).response();
    assert_eq!(first.text(), "a");
    let cookie = cookie_of(&first).unwrap();
    well.store(false, Ordering::SeqCst);
    let mut moved = None;
    eventually("the client is moved", || {
        let response = client.send(get(&cookie)).response();
        moved = cookie_of(&response);
        response.text() == "b"
    });
    // It stays there, even when its old server is back.
    well.store(true, Ordering::SeqCst);
    eventually("the old server is back", || {
        Client::of(&proxy).send(get("")).response().text() == "a"
    });
    let response = client.send(get(&moved.unwrap())).response();
    assert_eq!((response.text().as_str(), cookie_of(&response)), ("b", None));
}
