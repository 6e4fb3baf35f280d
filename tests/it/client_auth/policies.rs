//! Each host asks what its policy says, and the log says why somebody did not get in.

use super::scene::{BOTH, OFF, OPTIONAL, REQUIRED, Scene, list};
use crate::rig::command::where_present;
use crate::rig::family::around_today;
use crate::rig::pki::{ca, client, server};
use crate::rig::plain::{connect_unix, exchange};
use crate::rig::upstream::Upstream;

#[test]
fn each_host_asks_its_clients_for_what_its_policy_says() {
    let scene = Scene::start();
    let known = scene.client("known");
    for version in BOTH {
        for (host, without) in [(OFF, true), (OPTIONAL, true), (REQUIRED, false)] {
            assert_eq!(scene.ask(host, None, version).is_ok(), without, "{host}");
            assert_eq!(
                scene.ask(host, Some(&known), version).unwrap(),
                "HTTP/1.1 200 OK",
                "{host}"
            );
        }
    }
    scene
        .house
        .wait_for_log(&["no-client-certificate", "requires one for the host", REQUIRED]);
}

/// Host says what the backend is asked for, the name in the handshake what was asked of the client.
#[test]
fn nobody_gets_to_a_host_on_a_connection_to_another_that_asks_for_less() {
    let scene = Scene::start();
    let known = scene.client("known");
    let misdirected = "HTTP/1.1 421 Misdirected Request";
    for version in BOTH {
        for (name, host) in [(OFF, REQUIRED), (OFF, OPTIONAL), (OPTIONAL, REQUIRED), (REQUIRED, OFF)] {
            let asked = scene.ask_on_connection_to(name, host, &[&known], version);
            assert_eq!(asked.unwrap(), misdirected, "{name} {host}");
        }
        for host in ["Required.TEST", "required.test.", "required.test:443"] {
            let asked = scene.ask_on_connection_to(OFF, host, &[], version);
            assert_eq!(asked.unwrap(), misdirected, "{host}");
        }
        // No names, and too long to be found among those with a policy.
        for host in [
            "required.test..",
            ".required.test",
            &format!("{}.required.test", "a".repeat(250)),
        ] {
            let asked = scene.ask_on_connection_to(OFF, host, &[], version);
            assert_eq!(asked.unwrap(), "HTTP/1.1 400 Bad Request", "{host}");
        }
    }
    assert_eq!(scene.upstream.connections(), 0);
    let root = scene.house.directory().text("root.pem");
    let port = scene.house.address.port();
    let (resolve, url) = (format!("{OFF}:{port}:127.0.0.1"), format!("https://{OFF}:{port}/"));
    let common = [
        "-sS",
        "--http2",
        "-o",
        "/dev/null",
        "-w",
        "%{http_version} %{http_code}",
        "--cacert",
        &root,
    ];
    for (host, answer) in [(OFF, "2 200"), (REQUIRED, "2 421")] {
        let field = format!("Host: {host}");
        let asked = ["--resolve", &resolve, "-H", &field, &url];
        let Some(ended) = where_present("curl", &[&common[..], &asked].concat()) else {
            return;
        };
        assert_eq!(ended.out, answer, "{}", ended.err);
    }
    scene.house.wait_for_log(&["request refused", "421", REQUIRED]);
}

/// Without TLS nobody is asked for a certificate: whoever required one would have served everybody by the plain door.
#[test]
fn over_plain_http_a_host_that_requires_a_certificate_is_for_trusted_proxies_alone_that_ended_tls() {
    let door = "[[listener]]\naddress = \"unix:plain.sock\"\nservice = \"http\"";
    for (top, required) in [("", "421"), ("trusted_proxies = [\"unix\"]", "200")] {
        let scene = Scene::below(top, "", door, |_| ());
        for (host, status) in [(OFF, "200"), (OPTIONAL, "200"), (REQUIRED, required)] {
            let socket = connect_unix(&scene.house.directory().path("plain.sock"));
            let by_https = "X-Forwarded-Proto: https\r\nConnection: close\r\n\r\n";
            let answer = exchange(socket, format!("GET / HTTP/1.1\r\nHost: {host}\r\n{by_https}"));
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{top} {host}: {answer}"
            );
        }
        // What came to the proxy by http has shown nobody a certificate.
        let socket = connect_unix(&scene.house.directory().path("plain.sock"));
        let by_http = "X-Forwarded-Proto: http\r\nConnection: close\r\n\r\n";
        let answer = exchange(socket, format!("GET / HTTP/1.1\r\nHost: {REQUIRED}\r\n{by_http}"));
        assert!(answer.starts_with("HTTP/1.1 421 "), "{top}: {answer}");
        if required == "421" {
            scene
                .house
                .wait_for_log(&["request refused", "over plain HTTP", REQUIRED]);
        }
    }
}

/// A CA has no certificate to show when it comes for http-01: renewal would fail for every host that requires one.
#[test]
fn a_challenge_of_acme_passes_where_a_certificate_is_required() {
    let acme = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\ntoken");
    let tables = format!(
        "[[listener]]\naddress = \"unix:plain.sock\"\nservice = \"redirect\"\n[[backend]]\nname = \"acme\"\nurl = \"http://{}\"",
        acme.address
    );
    let scene = Scene::below("acme_backend = \"acme\"", "", &tables, |_| ());
    let ask = |path: &str| {
        let socket = connect_unix(&scene.house.directory().path("plain.sock"));
        let request = format!("GET {path} HTTP/1.1\r\nHost: {REQUIRED}\r\nConnection: close\r\n\r\n");
        exchange(socket, request)
    };
    assert!(ask("/.well-known/acme-challenge/abc").ends_with("token"));
    assert!(ask("/").starts_with("HTTP/1.1 308 "));
}

#[test]
fn whoever_is_refused_is_told_by_alert_and_the_log_says_why() {
    let revoked = around_today(client("revoked"), 90);
    let mut gone = None;
    let scene = Scene::with("crl = \"clients.crl\"", |setting| {
        let revoked = revoked.signed_by(setting.clients);
        setting
            .house
            .directory
            .write("clients.crl", list(setting.clients, [&revoked], true));
        gone = Some(revoked);
    });
    let stranger = around_today(ca("Stranger"), 500).self_signed();
    let below = around_today(ca("Below"), 500).signed_by(&scene.clients);
    let refused = [
        (
            around_today(client("stranger"), 90).signed_by(&stranger),
            "client-certificate-unknown-ca",
            "UnknownCA",
        ),
        // Its intermediate is not sent.
        (
            around_today(client("lone"), 90).signed_by(&below),
            "client-certificate-unknown-ca",
            "UnknownCA",
        ),
        (
            client("old").valid(-900, -800).signed_by(&scene.clients),
            "client-certificate-expired",
            "CertificateExpired",
        ),
        (gone.unwrap(), "client-certificate-revoked", "CertificateRevoked"),
        (
            around_today(server("server.test"), 90).signed_by(&scene.clients),
            "client-certificate-purpose",
            "UnsupportedCertificate",
        ),
    ];
    for (client, kind, alert) in &refused {
        for version in BOTH {
            for host in [OPTIONAL, REQUIRED] {
                let told = scene.ask(host, Some(client), version).unwrap_err();
                assert!(told.contains(alert), "{kind}: {told}");
            }
            assert!(scene.ask(OFF, Some(client), version).is_ok());
        }
        let name = client.certificate.subject().to_string();
        scene.house.wait_for_log(&["handshake failed", kind, &name, REQUIRED]);
    }
    assert!(scene.admits(&scene.client("known")));
}

#[test]
fn where_the_crl_is_out_of_date_the_policy_decides() {
    for (policy, admits) in [("strict", false), ("stale", true), ("lenient", true)] {
        let lines = format!("crl = \"clients.crl\"\ncrl_policy = \"{policy}\"");
        let scene = Scene::with(&lines, |setting| {
            setting
                .house
                .directory
                .write("clients.crl", list(setting.clients, [], false));
        });
        scene.house.wait_for_log(&["a CRL is out of date", "CN=Clients"]);
        assert_eq!(scene.admits(&scene.client("known")), admits, "{policy}");
        if !admits {
            scene
                .house
                .wait_for_log(&["client-certificate-crl-expired", "out of date"]);
        }
    }
}
