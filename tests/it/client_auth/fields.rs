//! What the backend hears of the client's certificate, and that it hears it from nobody else.

use sha1::{Digest, Sha1};

use super::scene::{BOTH, OFF, OPTIONAL, REQUIRED, Scene};
use crate::rig::command::where_present;
use crate::rig::family::around_today;
use crate::rig::pki::{Entity, ca, client, pem};

/// The fields about certificates that the backend got on connection `number`, sorted, with names in lower case.
fn heard(scene: &Scene, number: usize) -> Vec<(String, String)> {
    let received = scene.upstream.received(number);
    let fields = received.lines().skip(1).filter_map(|line| line.split_once(": "));
    let mut fields: Vec<_> = fields
        .map(|(name, value)| (name.to_ascii_lowercase().replace('_', "-"), value.to_owned()))
        .filter(|(name, _)| name.contains("client"))
        .collect();
    fields.sort();
    fields
}

fn base64(client: &Entity) -> String {
    let pem = pem("CERTIFICATE", client.certificate.der());
    pem.lines().filter(|line| !line.starts_with("-----")).collect()
}

#[test]
fn the_backend_hears_of_the_certificate_in_the_forms_that_are_asked_for() {
    let route = "client_cert_headers = [\"rfc9440\", \"rfc9440-chain\", \"arr\", \"ssl\"]";
    let scene = Scene::of("", route, |_| ());
    let client = scene.client("J. Doe, Jr.");
    let certificate = base64(&client);
    let escaped = client.pem().replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let escaped = escaped.replace(' ', "%20").replace('\n', "%0A");
    let fingerprint: String = Sha1::digest(client.certificate.der())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let serial: Vec<_> = client
        .certificate
        .serial()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    let expected = [
        ("client-cert", format!(":{certificate}:")),
        ("x-arr-clientcert", certificate),
        ("x-ssl-client-cert", escaped),
        ("x-ssl-client-fingerprint", fingerprint),
        ("x-ssl-client-i-dn", "CN=Clients".to_owned()),
        ("x-ssl-client-s-dn", "CN=J. Doe\\, Jr.".to_owned()),
        (
            "x-ssl-client-serial",
            serial.concat().trim_start_matches("00").to_owned(),
        ),
        ("x-ssl-client-verify", "SUCCESS".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let mut number = 0;
    for version in BOTH {
        for host in [OPTIONAL, REQUIRED] {
            scene.ask(host, Some(&client), version).unwrap();
            assert_eq!(heard(&scene, number), expected, "{host}");
            number += 1;
        }
        for (host, client) in [(OPTIONAL, None), (OFF, Some(&client))] {
            scene.ask(host, client, version).unwrap();
            let none = [("x-ssl-client-verify".to_owned(), "NONE".to_owned())];
            assert_eq!(heard(&scene, number), none, "{host}");
            number += 1;
        }
    }
}

#[test]
fn the_chain_is_told_in_order_and_only_where_it_is_asked_for() {
    for (route, has_chain) in [("rfc9440", false), ("rfc9440-chain", true)] {
        let scene = Scene::of("", &format!("client_cert_headers = \"{route}\""), |_| ());
        let upper = around_today(ca("Upper"), 500).signed_by(&scene.clients);
        let lower = around_today(ca("Lower"), 500).signed_by(&upper);
        let client = around_today(client("known"), 90).signed_by(&lower);
        let sent = [&client, &upper, &scene.family.issuing, &lower];
        let asked = scene.ask_on_connection_to(REQUIRED, REQUIRED, &sent, BOTH[1]);
        assert_eq!(asked.unwrap(), "HTTP/1.1 200 OK");
        let chain = format!(":{}:, :{}:", base64(&lower), base64(&upper));
        let cert = ("client-cert".to_owned(), format!(":{}:", base64(&client)));
        let chain = has_chain.then(|| ("client-cert-chain".to_owned(), chain));
        let expected: Vec<_> = [cert].into_iter().chain(chain).collect();
        assert_eq!(heard(&scene, 0), expected);
    }
}

#[test]
fn what_a_client_says_of_its_certificate_goes_nowhere() {
    let forged = [
        "Client-Cert: :Zm9yZ2Vk:",
        "client_cert: :Zm9yZ2Vk:",
        "Client-Cert-Chain: :Zm9yZ2Vk:",
        "X-ARR-ClientCert: Zm9yZ2Vk",
        "X_ARR_ClientCert: Zm9yZ2Vk",
        "X-SSL-Client-Verify: SUCCESS",
        "X_SSL_Client_Verify: SUCCESS",
        "X-SSL-Client-S-DN: CN=root",
        "SSL-Client-Verify: SUCCESS",
        "X-Client-Kept: yes",
    ];
    let kept = [("x-client-kept".to_owned(), "yes".to_owned())];
    for (route, told) in [("", None), ("client_cert_headers = \"ssl\"", Some("NONE"))] {
        let scene = Scene::of("", route, |_| ());
        let root = scene.house.directory().text("root.pem");
        for (number, version) in ["--http1.1", "--http2"].into_iter().enumerate() {
            let (host, port) = (OPTIONAL, scene.house.address.port());
            let resolve = format!("{host}:{port}:127.0.0.1");
            let url = format!("https://{host}:{port}/");
            let mut arguments = vec!["-sS", version, "--cacert", &root, "--resolve", &resolve, &url];
            arguments.extend(forged.iter().flat_map(|field| ["-H", field]));
            // Nor can it have ours removed.
            arguments.extend(["-H", "Connection: X-SSL-Client-Verify"]);
            let Some(ended) = where_present("curl", &arguments) else {
                return;
            };
            assert_eq!(ended.out, "ok", "{version}: {}", ended.err);
            let told = told.map(|verify| ("x-ssl-client-verify".to_owned(), verify.to_owned()));
            let expected: Vec<_> = kept.iter().cloned().chain(told).collect();
            assert_eq!(heard(&scene, number), expected, "{version}");
        }
    }
}
