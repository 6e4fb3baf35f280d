//! A request on a connection that is for other hosts.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;

use crate::rig::PATIENCE;
use crate::rig::family::{Family, NAME, leaf};
use crate::rig::house::{House, Running};

/// What its own certificate is for.
const OTHER: &str = "other.test";

fn house() -> Running {
    let family = Family::new();
    let other = leaf(OTHER).signed_by(&family.issuing);
    let house = House::bare(&family).file("--config", "fullchain.toml");
    let mut tables = String::new();
    // The first is for those who name no host.
    for (name, leaf) in [("own.pem", &family.leaf()), ("other.pem", &other)] {
        house.directory.write(name, leaf.pem() + &leaf.key_pem());
        tables += &format!("[[certificate]]\ncert = \"{name}\"\n");
    }
    house.directory.write("fullchain.toml", tables);
    let house = house.start();
    assert!(
        house
            .served_to(&house.client_config(rustls::ALL_VERSIONS), OTHER)
            .is_ok()
    );
    house
}

/// The status of a request for `host` on a connection for `NAME`, or on one that names no host.
fn asked(house: &Running, protocol: &str, sni: bool, host: &str) -> u16 {
    let mut config = (*house.client_config(rustls::ALL_VERSIONS)).clone();
    config.alpn_protocols = vec![protocol.into()];
    config.enable_sni = sni;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let exchange = async {
        let socket = tokio::net::TcpStream::connect(house.address).await.unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        let io = TokioIo::new(connector.connect(name, socket).await.unwrap());
        let body = Full::<Bytes>::default();
        let response = if protocol == "h2" {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            let request = Request::get(format!("https://{host}/")).body(body).unwrap();
            let response = sender.send_request(request).await.unwrap();
            drop(sender);
            response
        } else {
            let (mut sender, connection) = http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            let request = Request::get("/").header("host", host).body(body).unwrap();
            sender.send_request(request).await.unwrap()
        };
        let status = response.status().as_u16();
        response.into_body().collect().await.unwrap();
        status
    };
    runtime
        .block_on(async { tokio::time::timeout(PATIENCE, exchange).await })
        .expect("the exchange ends in time")
}

#[test]
fn a_coalesced_connection_serves_what_its_certificate_is_for() {
    let house = house();
    assert_eq!(asked(&house, "h2", true, NAME), 200);
    assert_eq!(asked(&house, "h2", true, &format!("{NAME}:8443")), 200);
    for host in [OTHER, "unknown.test", "192.0.2.1"] {
        assert_eq!(asked(&house, "h2", true, host), 421, "{host}");
    }
    house.wait_for_log(&["request refused", "421", OTHER]);
}

#[test]
fn whoever_names_another_host_over_http_1_1_or_none_in_the_handshake_is_served() {
    let house = house();
    for host in [NAME, OTHER, "unknown.test", "192.0.2.1", "localhost:8443"] {
        assert_eq!(asked(&house, "http/1.1", true, host), 200, "{host}");
        for protocol in ["h2", "http/1.1"] {
            assert_eq!(asked(&house, protocol, false, host), 200, "{protocol} {host}");
        }
    }
}
