//! One request: whom it goes to, and that it ends.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fullchain::fetch::{Client, Error, Network, Pending};
use tokio::net::TcpStream;

use super::{SHORT, block_on};
use crate::rig::responder::{Request, Responder, Response, dead_url};

/// An address of the public Internet at which the test's responder stands.
const PUBLIC: &str = "93.184.215.14:80";

/// Names and addresses as a test wants them.
#[derive(Default)]
struct Stage {
    names: HashMap<&'static str, Vec<SocketAddr>>,
    servers: HashMap<SocketAddr, SocketAddr>,
    connected: Mutex<Vec<SocketAddr>>,
}

impl Stage {
    fn name(mut self, name: &'static str, addresses: &[&str]) -> Self {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.names.insert(name, addresses);
        self
    }

    fn server(mut self, address: &str, responder: &Responder) -> Self {
        self.servers.insert(address.parse().unwrap(), responder.address());
        self
    }

    fn connected(&self) -> Vec<String> {
        self.connected.lock().unwrap().iter().map(ToString::to_string).collect()
    }
}

impl Network for Stage {
    fn resolve<'a>(&'a self, host: &'a str, _: u16) -> Pending<'a, Vec<SocketAddr>> {
        let addresses = self.names.get(host).cloned();
        Box::pin(async move { addresses.ok_or_else(|| io::Error::other("no such name")) })
    }

    fn connect(&self, address: SocketAddr) -> Pending<'_, TcpStream> {
        self.connected.lock().unwrap().push(address);
        let server = self.servers.get(&address).copied();
        Box::pin(async move { TcpStream::connect(server.ok_or(io::ErrorKind::ConnectionRefused)?).await })
    }
}

fn get_on(stage: &Arc<Stage>, url: &str) -> Result<Vec<u8>, Error> {
    let client = Client::new(false)
        .within(SHORT)
        .on(Arc::clone(stage) as Arc<dyn Network>);
    block_on(client.get(url))
}

fn get(url: &str) -> Result<Vec<u8>, Error> {
    block_on(Client::new(true).within(SHORT).get(url))
}

#[test]
fn a_request_says_what_a_server_needs_and_nothing_more() {
    let responder = Responder::new();
    responder.publish("/ca.cer?x=1", Response::ok("certificate"));
    let stage = Arc::new(Stage::default().name("ca.test", &[PUBLIC]).server(PUBLIC, &responder));
    assert_eq!(
        get_on(&stage, "http://ca.test/ca.cer?x=1#part").unwrap(),
        b"certificate"
    );
    let [Request { head, .. }] = &responder.requests()[..] else {
        panic!("{:?}", responder.requests())
    };
    let version = env!("CARGO_PKG_VERSION");
    let mut lines: Vec<_> = head.trim_end().split("\r\n").map(str::to_ascii_lowercase).collect();
    lines[1..].sort_unstable();
    assert_eq!(
        lines,
        [
            "get /ca.cer?x=1 http/1.1",
            "accept: */*",
            "connection: close",
            "host: ca.test",
            &format!("user-agent: fullchain/{version}")
        ]
    );
}

#[test]
fn a_name_that_resolves_to_a_private_address_is_not_connected_to() {
    let responder = Responder::new();
    let loopback = responder.address().to_string();
    for address in [
        "10.0.0.1:80",
        "[::1]:80",
        "169.254.169.254:80",
        "[fd00:ec2::254]:80",
        &loopback,
    ] {
        let stage = Arc::new(Stage::default().name("ca.test", &[address]).server(address, &responder));
        let error = get_on(&stage, "http://ca.test/").unwrap_err();
        assert!(matches!(error, Error::Address { .. }), "{address}: {error}");
        assert!(error.to_string().contains("ca.test is at "), "{error}");
        assert_eq!(stage.connected(), [""; 0]);
    }
    for url in ["http://127.0.0.1/", "http://[::1]/", &responder.url("/")] {
        let error = get_on(&Arc::default(), url).unwrap_err();
        assert!(matches!(error, Error::Address { .. }), "{url}: {error}");
    }
    // The real resolver knows other ways to write loopback.
    for url in ["http://localhost/", "http://127.1/", "http://2130706433/"] {
        let error = block_on(Client::new(false).within(SHORT).get(url)).unwrap_err();
        assert!(
            matches!(error, Error::Address { .. } | Error::Resolve { .. }),
            "{url}: {error}"
        );
    }
    assert!(responder.requests().is_empty());
}

#[test]
fn of_several_addresses_only_public_ones_are_connected_to() {
    let responder = Responder::new();
    responder.publish("/", Response::ok("here"));
    let dead = "93.184.215.15:80";
    let addresses = ["10.0.0.1:80", dead, "[fe80::1]:80", PUBLIC];
    let stage = Arc::new(Stage::default().name("ca.test", &addresses).server(PUBLIC, &responder));
    assert_eq!(get_on(&stage, "http://ca.test/").unwrap(), b"here");
    assert_eq!(stage.connected(), [dead, PUBLIC]);
}

#[test]
fn a_redirect_to_a_private_address_is_not_followed() {
    let (public, private) = (Responder::new(), Responder::new());
    private.publish("/secret", Response::ok("secret"));
    for location in [private.url("/secret"), "http://inside.test/secret".to_owned()] {
        public.publish("/ca.cer", Response::redirect(302, &location));
        let stage = Stage::default()
            .name("ca.test", &[PUBLIC])
            .name("inside.test", &["10.0.0.1:80"])
            .server("10.0.0.1:80", &private)
            .server(PUBLIC, &public);
        let stage = Arc::new(stage);
        let error = get_on(&stage, "http://ca.test/ca.cer").unwrap_err();
        assert!(matches!(error, Error::Address { .. }), "{location}: {error}");
        assert_eq!(stage.connected(), [PUBLIC]);
    }
    assert!(private.requests().is_empty());
}

#[test]
fn private_addresses_are_asked_where_the_operator_allows_it() {
    let responder = Responder::new();
    responder.publish("/ca.cer", Response::ok("certificate"));
    assert_eq!(get(&responder.url("/ca.cer")).unwrap(), b"certificate");
}

#[test]
fn only_plain_http_is_asked_on_a_redirect_too() {
    let responder = Responder::new();
    responder.publish("/ca.cer", Response::redirect(301, "https://ca.test/ca.cer"));
    for url in [
        "https://ca.test/",
        "ldap://ca.test/CN=CA",
        "file:///etc/passwd",
        &responder.url("/ca.cer"),
    ] {
        let error = get(url).unwrap_err();
        assert!(matches!(error, Error::Scheme(_)), "{url}: {error}");
    }
}

#[test]
fn redirects_are_followed_three_times_and_not_for_ever() {
    let responder = Responder::new();
    responder.publish("/a/1", Response::redirect(301, "2"));
    responder.publish("/a/2", Response::redirect(302, "/3"));
    responder.publish("/3", Response::redirect(307, &responder.url("/4")));
    responder.publish("/4", Response::ok("at last"));
    assert_eq!(get(&responder.url("/a/1")).unwrap(), b"at last");

    responder.publish("/loop", Response::redirect(302, "/loop"));
    let before = responder.requests().len();
    assert!(matches!(get(&responder.url("/loop")), Err(Error::Redirects(3))));
    assert_eq!(responder.requests().len() - before, 4);

    responder.publish("/nowhere", Response::status(302));
    assert!(matches!(get(&responder.url("/nowhere")), Err(Error::Redirect)));
}

#[test]
fn an_answer_of_another_status_is_none() {
    let responder = Responder::new();
    assert!(matches!(get(&responder.url("/missing")), Err(Error::Status(404))));
    for status in [204, 206, 500, 503] {
        responder.publish("/", Response::status(status));
        assert!(matches!(get(&responder.url("/")), Err(Error::Status(found)) if found == status));
    }
}

#[test]
fn a_slow_or_silent_server_is_left_after_the_deadline() {
    let responder = Responder::new();
    responder.publish("/drip", Response::Drip);
    responder.publish("/silence", Response::Silence);
    let header = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfew bytes";
    responder.answer("/redirect", |_| Response::redirect(302, "/drip"));
    responder.publish("/short", Response::Raw(header.to_vec()));
    for path in ["/drip", "/silence", "/redirect"] {
        let start = Instant::now();
        let error = get(&responder.url(path)).unwrap_err();
        assert!(matches!(error, Error::Deadline(_)), "{path}: {error}");
        assert!(start.elapsed() < SHORT.whole + Duration::from_secs(3), "{path}");
    }
    assert!(matches!(get(&responder.url("/short")), Err(Error::Http(_))));
}

#[test]
fn more_than_64_kib_are_not_read() {
    let responder = Responder::new();
    let of = |length: usize| Response::ok(vec![b'.'; length]);
    responder.publish("/full", of(64 << 10));
    responder.publish("/large", of((64 << 10) + 1));
    responder.publish("/endless", Response::Endless);
    let announced = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
    responder.publish("/announced", Response::Raw(announced.to_vec()));
    assert_eq!(get(&responder.url("/full")).unwrap().len(), 64 << 10);
    for path in ["/large", "/endless", "/announced"] {
        let error = get(&responder.url(path)).unwrap_err();
        assert!(matches!(error, Error::TooLarge(_)), "{path}: {error}");
    }
}

#[test]
fn informational_responses_without_an_end_are_not_read_until_the_deadline() {
    let responder = Responder::new();
    let endless = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100_000);
    responder.publish("/endless", Response::Raw(endless));
    let start = Instant::now();
    assert!(matches!(get(&responder.url("/endless")), Err(Error::TooLarge(131_072))));
    assert!(start.elapsed() < SHORT.whole);
    // Nor is what hides in chunk extensions.
    let chunks = b"1;a=bbbbbbbbbbbbbbbb\r\n.\r\n".repeat(10_000);
    let chunked = [&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &chunks].concat();
    responder.publish("/chunked", Response::Raw(chunked));
    assert!(get(&responder.url("/chunked")).is_err());
}

#[test]
fn a_dead_server_and_one_that_speaks_another_protocol_are_errors() {
    let responder = Responder::new();
    responder.publish("/ssh", Response::Raw(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()));
    let endless = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"X: ".to_vec(), vec![b'a'; 1 << 20]].concat();
    responder.publish("/header", Response::Raw(endless));
    responder.publish("/nothing", Response::Raw(Vec::new()));
    assert!(matches!(get(&dead_url()), Err(Error::Connect { .. })));
    for path in ["/ssh", "/header", "/nothing"] {
        let error = get(&responder.url(path)).unwrap_err();
        assert!(matches!(error, Error::Http(_)), "{path}: {error}");
    }
}

#[test]
fn a_post_sends_its_body_and_is_never_turned_into_a_get() {
    let responder = Responder::new();
    responder.answer("/ocsp", |request| Response::ok(request.body.clone()));
    responder.publish("/moved", Response::redirect(308, "/ocsp"));
    responder.publish("/found", Response::redirect(302, "/ocsp"));
    let post = |path: &str| {
        let client = Client::new(true).within(SHORT);
        block_on(client.post(&responder.url(path), "application/ocsp-request", b"question".to_vec()))
    };
    assert_eq!(post("/moved").unwrap(), b"question");
    assert!(matches!(post("/found"), Err(Error::Status(302))));
    let requests = responder.requests();
    let asked: Vec<_> = requests
        .iter()
        .map(|request| (&*request.method, &*request.target))
        .collect();
    assert_eq!(asked, [("POST", "/moved"), ("POST", "/ocsp"), ("POST", "/found")]);
    assert!(
        requests[1]
            .head
            .to_ascii_lowercase()
            .contains("content-type: application/ocsp-request")
    );
}
