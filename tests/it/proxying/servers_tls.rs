//! Servers that speak TLS: whom the proxy trusts, what it shows and asks for, and what it says where that fails.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fullchain::certs::Roots;
use fullchain::proxy::settings::{HealthCheck, HttpVersion, Limit, ServerAddress};
use fullchain::proxy::{AccessFormat, Settings};
use fullchain::tls::{ClientIdentity, Trust};
use http::Version;
use http::uri::PathAndQuery;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};

use crate::rig::PATIENCE;
use crate::rig::access::AccessFile;
use crate::rig::client::Client;
use crate::rig::command::fullchain;
use crate::rig::directory::Directory;
use crate::rig::eventually;
use crate::rig::family::{Family, around_today, leaf};
use crate::rig::house::House;
use crate::rig::hyper_upstream::{HyperUpstream, Speech};
use crate::rig::pki::{Entity, ca};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::Upstream;

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A CA, and servers with certificates of it.
struct Estate {
    root: Entity,
    directory: Directory,
}

impl Estate {
    fn new() -> Self {
        Self::of("Backend Root")
    }

    fn of(root: &str) -> Self {
        let estate = Self {
            root: around_today(ca(root), 100).self_signed(),
            directory: Directory::new(),
        };
        estate.directory.write("root.pem", estate.root.pem());
        estate
    }

    fn leaf(&self, name: &str) -> Entity {
        leaf(name).signed_by(&self.root)
    }

    /// A server with a certificate for `localhost`.
    fn server(&self, alpn: &[&str]) -> HyperUpstream {
        HyperUpstream::answering_ok(Speech::tls(config(&[&self.leaf("localhost")], alpn, None)))
    }

    /// Servers are reached as `host`, and trusted if this estate's root vouches for them.
    fn trusting(&self, host: &str, upstream: &HyperUpstream) -> impl FnOnce(&mut Settings) + use<> {
        self.trusting_servers(vec![ServerAddress::https(host, upstream.address.port())])
    }

    /// The same for servers that are reached as `localhost`.
    fn trusting_at(&self, addresses: &[SocketAddr]) -> impl FnOnce(&mut Settings) + use<> {
        let server = |address: &SocketAddr| ServerAddress::https("localhost", address.port());
        self.trusting_servers(addresses.iter().map(server).collect())
    }

    fn trusting_servers(&self, servers: Vec<ServerAddress>) -> impl FnOnce(&mut Settings) + use<> {
        let root = PathBuf::from(self.directory.text("root.pem"));
        move |settings| {
            settings.backends[0].servers = servers;
            settings.backends[0].protocol.tls.trust = Trust::Roots(Roots::Files(vec![root]));
        }
    }
}

fn config(chain: &[&Entity], alpn: &[&str], clients: Option<&Entity>) -> ServerConfig {
    let builder = ServerConfig::builder();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(root) => {
            let mut roots = RootCertStore::empty();
            roots.add(root.certificate.der().clone()).unwrap();
            builder.with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap())
        }
    };
    let key = PrivateKeyDer::Pkcs8(chain[0].key.serialize_der().into());
    let chain = chain.iter().map(|entity| entity.certificate.der().clone()).collect();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

fn get(proxy: &Proxy) -> u16 {
    Client::of(proxy).send(GET).response().status
}

#[test]
fn a_server_of_the_operators_own_ca_is_trusted_and_asked_for_by_its_name() {
    let estate = Estate::new();
    let upstream = estate.server(&["http/1.1"]);
    let proxy = Proxy::with(&[], estate.trusting("localhost", &upstream));
    assert_eq!(get(&proxy), 200);
    assert_eq!(upstream.hellos()[0].server_name.as_deref(), Some("localhost"));
    let request = &upstream.requests()[0];
    // Whatever the server is reached as, it hears the client's Host.
    assert_eq!(
        (request.version, &request.headers["host"]),
        (Version::HTTP_11, &"a.test".parse().unwrap())
    );
}

#[test]
fn health_checks_trust_whom_requests_trust() {
    let estate = Estate::new();
    let upstream = estate.server(&[]);
    let checked = |settings: &mut Settings| {
        estate.trusting("localhost", &upstream)(settings);
        settings.backends[0].choice.health = Some(HealthCheck {
            interval: Duration::from_millis(50),
            ..HealthCheck::of(PathAndQuery::from_static("/healthz"))
        });
    };
    let proxy = Proxy::with(&[], checked);
    eventually("two checks", || upstream.requests().len() >= 2);
    assert_eq!(upstream.requests()[0].uri, "/healthz");
    assert_eq!(get(&proxy), 200);
    let proxy = Proxy::with(&[], |settings| {
        checked(settings);
        settings.backends[0].protocol.tls.trust = Trust::default();
    });
    eventually("the server is down", || get(&proxy) == 503);
}

#[test]
fn what_the_system_does_not_trust_is_a_502() {
    let estate = Estate::new();
    let upstream = estate.server(&[]);
    let proxy = Proxy::with(&[], |settings| {
        estate.trusting("localhost", &upstream)(settings);
        settings.backends[0].protocol.tls.trust = Trust::default();
    });
    assert_eq!(get(&proxy), 502);
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_server_that_the_system_trusts_is_trusted_unless_others_are_named() {
    let family = Family::new();
    let (own, other) = (Estate::new(), Estate::of("Other Root"));
    for (system, named, status) in [
        (&own, None, 200),
        (&own, Some("system".to_owned()), 200),
        (&other, None, 502),
        (&own, Some(other.directory.text("root.pem")), 502),
    ] {
        let upstream = own.server(&["http/1.1"]);
        let mut house = House::of(&family, &family.leaf())
            .variable("SSL_CERT_FILE", &system.directory.text("root.pem"))
            .flag("--upstream", &format!("https://localhost:{}", upstream.address.port()));
        if let Some(named) = &named {
            house = house.flag("--backend-tls-roots", named);
        }
        let running = house.start();
        let config = running.client_config(rustls::ALL_VERSIONS);
        let response = Client::at(running.address, config).send(GET).response();
        assert_eq!(response.status, status, "{named:?}: {}", response.text());
    }
}

#[test]
fn a_server_with_another_name_is_refused_unless_that_is_the_name_it_should_have() {
    let estate = Estate::new();
    let upstream = estate.server(&[]);
    // An address is no name that it has, and is not asked for.
    let proxy = Proxy::with(&[], estate.trusting("127.0.0.1", &upstream));
    assert_eq!(get(&proxy), 502);
    let proxy = Proxy::with(&[], |settings| {
        estate.trusting("127.0.0.1", &upstream)(settings);
        settings.backends[0].protocol.tls.name = Some(ServerName::try_from("localhost").unwrap());
    });
    assert_eq!(get(&proxy), 200);
    assert_eq!(upstream.hellos()[0].server_name.as_deref(), Some("localhost"));
}

#[test]
fn whoever_says_so_gets_what_nobody_verified() {
    let estate = Estate::new();
    let upstream = estate.server(&[]);
    let proxy = Proxy::with(&[], |settings| {
        estate.trusting("127.0.0.1", &upstream)(settings);
        settings.backends[0].protocol.tls.trust = Trust::Anyone;
    });
    assert_eq!(get(&proxy), 200);
}

#[test]
fn a_client_certificate_is_shown_to_servers_that_ask_for_one() {
    let estate = Estate::new();
    let asking = || {
        let speech = Speech::tls(config(&[&estate.leaf("localhost")], &[], Some(&estate.root)));
        HyperUpstream::answering_ok(speech)
    };
    let client = leaf("proxy.test").for_clients_only().signed_by(&estate.root);
    estate.directory.write("client.pem", client.pem() + &client.key_pem());
    let (bare, shown) = (asking(), asking());
    let proxy = Proxy::with(&[], estate.trusting("localhost", &bare));
    assert_eq!(get(&proxy), 502);
    let proxy = Proxy::with(&[], |settings| {
        estate.trusting("localhost", &shown)(settings);
        settings.backends[0].protocol.tls.identity = Some(ClientIdentity {
            certificate: estate.directory.text("client.pem").into(),
            key: None,
            password_file: None,
        });
    });
    assert_eq!(get(&proxy), 200);
    assert_eq!(
        shown.hellos()[0].certificate.as_deref(),
        Some(&**client.certificate.der())
    );
}

#[test]
fn a_client_that_authenticates_its_connection_has_one_of_http_1_1_where_that_is_left_to_the_server() {
    let estate = Estate::new();
    let upstream = estate.server(&["h2", "http/1.1"]);
    let proxy = Proxy::with(&[], |settings| {
        estate.trusting("localhost", &upstream)(settings);
        settings.backends[0].protocol.http = HttpVersion::Auto;
    });
    assert_eq!(get(&proxy), 200);
    let mut client = Client::of(&proxy);
    for credentials in ["Authorization: Negotiate YIIG\r\n", ""] {
        client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{credentials}\r\n"));
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(get(&proxy), 200);
    let (http1, http2) = (Version::HTTP_11, Version::HTTP_2);
    let seen: Vec<_> = upstream
        .requests()
        .iter()
        .map(|seen| (seen.connection, seen.version))
        .collect();
    assert_eq!(seen, [(0, http2), (1, http1), (1, http1), (0, http2)]);
}

#[test]
fn the_version_of_http_is_agreed_on_where_it_is_left_to_the_server() {
    let estate = Estate::new();
    for (http, alpn, version, connections) in [
        (HttpVersion::Auto, &["h2", "http/1.1"][..], Some(Version::HTTP_2), 1),
        (HttpVersion::Auto, &["http/1.1"], Some(Version::HTTP_11), 1),
        (HttpVersion::Auto, &[], Some(Version::HTTP_11), 1),
        (HttpVersion::Http2, &["h2", "http/1.1"], Some(Version::HTTP_2), 1),
        (HttpVersion::Http2, &[], None, 2),
        (HttpVersion::Http11, &["h2", "http/1.1"], Some(Version::HTTP_11), 1),
        (HttpVersion::Http10, &["h2", "http/1.1"], Some(Version::HTTP_10), 2),
    ] {
        let upstream = estate.server(alpn);
        let proxy = Proxy::with(&[], |settings| {
            estate.trusting("localhost", &upstream)(settings);
            settings.backends[0].protocol.http = http;
        });
        for _ in 0..2 {
            let status = if version.is_some() { 200 } else { 502 };
            assert_eq!(get(&proxy), status, "{http:?} {alpn:?}");
        }
        for request in upstream.requests() {
            assert_eq!(Some(request.version), version, "{http:?} {alpn:?}");
            if request.version == Version::HTTP_2 {
                assert_eq!(request.uri, "https://a.test/");
            }
        }
        // One that agreed on nothing is over for the proxy before the server has noted it.
        eventually(&format!("{connections} connections for {http:?} {alpn:?}"), || {
            upstream.hellos().len() == connections
        });
    }
}

#[test]
fn sessions_are_resumed() {
    let estate = Estate::new();
    let upstream = estate.server(&[]);
    let proxy = Proxy::with(&[], |settings| {
        estate.trusting("localhost", &upstream)(settings);
        // Each request has a connection of its own.
        settings.backends[0].protocol.http = HttpVersion::Http10;
    });
    assert_eq!((get(&proxy), get(&proxy)), (200, 200));
    let resumed: Vec<bool> = upstream.hellos().iter().map(|hello| hello.resumed).collect();
    assert_eq!(resumed, [false, true]);
}

/// How a connection in TLS ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// TLS says so.
    Notified,
    /// The socket alone does.
    Cut,
    Reset,
}

/// A server whose first connection ends like this under the request after so many answers; on others it answers all.
fn dying(estate: &Estate, answers: usize, end: End) -> Upstream {
    let config = Arc::new(config(&[&estate.leaf("localhost")], &[], None));
    Upstream::scripted(move |connection| {
        let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut answered = 0;
        while takes_request(&mut rustls::Stream::new(&mut tls, connection.stream())) {
            if connection.number == 0 && answered == answers {
                break;
            }
            answered += 1;
            tls.writer().write_all(OK).unwrap();
            tls.write_tls(connection.stream()).unwrap();
        }
        match end {
            End::Notified => {
                tls.send_close_notify();
                tls.write_tls(connection.stream()).unwrap();
            }
            End::Cut => {}
            End::Reset => connection.reset(),
        }
    })
}

/// Whether another request comes, without a body.
fn takes_request(stream: &mut impl Read) -> bool {
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => request.push(byte[0]),
            _ => return false,
        }
    }
    true
}

const ENDS: [End; 3] = [End::Notified, End::Cut, End::Reset];

/// What TLS says for itself, such as the tickets after a handshake and that it ends, is no byte of a response.
#[test]
fn a_new_connection_that_dies_under_a_request_costs_only_what_cannot_be_said_twice() {
    let estate = Estate::new();
    for (method, status) in [("GET", 200), ("POST", 502)] {
        for end in ENDS {
            let (dying, well) = (dying(&estate, 0, end), estate.server(&[]));
            let proxy = Proxy::with(&[], estate.trusting_at(&[dying.address, well.address]));
            let mut client = Client::of(&proxy);
            client.send(format!(
                "{method} / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n"
            ));
            assert_eq!(client.response().status, status, "{method} {end:?}");
            assert_eq!(dying.connections(), 1);
            assert_eq!(well.requests().len(), usize::from(status == 200), "{method} {end:?}");
        }
    }
}

/// RFC 9112 section 9.3.1: a server may close an idle connection at the moment at which a request is on its way.
#[test]
fn a_kept_connection_that_dies_under_a_request_is_replaced() {
    let estate = Estate::new();
    for end in ENDS {
        let dying = dying(&estate, 1, end);
        let proxy = Proxy::with(&[], estate.trusting_at(&[dying.address]));
        assert_eq!((get(&proxy), get(&proxy)), (200, 200), "{end:?}");
        assert_eq!(dying.connections(), 2, "{end:?}");
    }
}

#[test]
fn a_connection_of_http_1_1_that_nobody_waits_for_any_more_is_closed() {
    let estate = Estate::new();
    let config = Arc::new(config(&[&estate.leaf("localhost")], &["http/1.1"], None));
    let (accepted, is_accepted) = channel();
    let (left, has_left) = channel();
    let (closed, is_closed) = channel();
    let has_left = Mutex::new(has_left);
    let upstream = Upstream::scripted(move |connection| {
        let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
        let is_first = connection.number == 0;
        if is_first {
            accepted.send(()).unwrap();
            has_left.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
        while takes_request(&mut rustls::Stream::new(&mut tls, connection.stream())) {
            tls.writer().write_all(OK).unwrap();
            tls.write_tls(connection.stream()).unwrap();
        }
        if is_first {
            closed.send(tls.is_handshaking()).unwrap();
        }
    });
    let file = AccessFile::new();
    let proxy = Proxy::with(&[], |settings| {
        estate.trusting_at(&[upstream.address])(settings);
        settings.access_log = file.settings(AccessFormat::Json);
        settings.backends[0].protocol.http = HttpVersion::Auto;
        settings.backends[0].choice.limit = Some(Limit {
            connections: NonZeroUsize::MIN,
            queue: 1,
            queue_timeout: PATIENCE,
        });
    });
    let mut leaving = Client::of(&proxy);
    leaving.send(GET);
    is_accepted.recv_timeout(PATIENCE).unwrap();
    drop(leaving);
    file.wait_for(1);
    left.send(()).unwrap();
    // The handshake was done all the same, and then the only connection there may be.
    assert!(!is_closed.recv_timeout(PATIENCE).unwrap());
    assert_eq!(get(&proxy), 200);
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn a_server_that_speaks_plain_http_is_a_502() {
    let upstream = Upstream::scripted(|connection| {
        connection.bytes(5);
        connection.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        connection.rest();
    });
    let proxy = Proxy::with(&[], |settings| {
        settings.backends[0].servers = vec![ServerAddress::https("127.0.0.1", upstream.address.port())];
        settings.backends[0].protocol.tls.trust = Trust::Anyone;
    });
    assert_eq!(get(&proxy), 502);
}

#[test]
fn the_log_says_what_is_wrong_with_a_certificate_and_files_are_read_again_when_told_to() {
    let family = Family::new();
    let (own, other) = (Estate::new(), Estate::of("Other Root"));
    let upstream = own.server(&[]);
    other.directory.write("roots/root.pem", other.root.pem());
    let running = House::of(&family, &family.leaf())
        .flag("--upstream", &format!("https://localhost:{}", upstream.address.port()))
        .flag("--backend-tls-roots", &other.directory.text("roots"))
        .start();
    let config = running.client_config(rustls::ALL_VERSIONS);
    let get = || {
        Client::at(running.address, Arc::clone(&config))
            .send(GET)
            .response()
            .status
    };
    assert_eq!(get(), 502);
    running.wait_for_log(&[
        "request failed",
        "CN=localhost",
        "leads to the issuer",
        "CN=Backend Root",
        "which is not trusted",
    ]);
    other.directory.write("roots/own.pem", own.root.pem());
    assert!(running.reload(&[]).code == Some(0));
    eventually("the new root is trusted", || get() == 200);
    running.wait_for_log(&["roots or client certificate read again"]);
    other.directory.write("roots/root.pem", "torn");
    other.directory.write("roots/own.pem", "torn");
    assert!(running.reload(&[]).code == Some(0));
    running.wait_for_log(&["those in use stay"]);
    assert_eq!(get(), 200);
}

#[test]
fn a_start_without_usable_roots_is_refused_and_so_is_the_check() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf())
        .flag("--upstream", "https://localhost:1")
        .flag("--backend-tls-roots", "/does/not/exist.pem");
    let checked = fullchain([vec!["check".to_owned()], house.arguments()].concat());
    assert_eq!(checked.code, Some(1), "{}", checked.err);
    let ended = house.fail();
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    for said in [checked.err, ended.err] {
        assert!(
            said.contains("the default backend") && said.contains("exist.pem"),
            "{said}"
        );
    }
}

#[test]
fn not_verifying_is_said_loudly() {
    let family = Family::new();
    let running = House::of(&family, &family.leaf())
        .flag("--upstream", "https://localhost:1")
        .switch("--backend-tls-verify=false")
        .start();
    running.wait_for_log(&["WARN", "not verified", "tls_verify = false"]);
}
