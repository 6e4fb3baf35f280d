//! nginx as a backend: early refusals, connections that end by themselves, big bodies.

use super::in_front_of;
use crate::rig::curl::Curl;
use crate::rig::web_server::nginx;

#[test]
fn an_early_413_reaches_the_client_that_is_still_sending() {
    let Some(peer) = nginx("client_max_body_size 1k; location / { return 200 ok; }") else {
        return;
    };
    let proxy = in_front_of(&peer, |house| house);
    let body = proxy.directory().write("big", vec![b'x'; 4 << 20]);
    let body = body.to_str().unwrap();
    for curl in Curl::of(&proxy) {
        let reply = curl.ask(
            "/",
            &["-X", "POST", "--data-binary", &format!("@{body}"), "-H", "Expect:"],
        );
        assert_eq!(reply.status, 413, "{}", curl.version());
        // And to one that asks first.
        let reply = curl.ask(
            "/",
            &[
                "-X",
                "POST",
                "--data-binary",
                &format!("@{body}"),
                "-H",
                "Expect: 100-continue",
            ],
        );
        assert_eq!(reply.status, 413, "{}", curl.version());
    }
}

#[test]
fn bodies_arrive_as_they_left() {
    let Some(peer) = nginx("location / {}") else { return };
    let text: String = (0..200_000).map(|line| format!("line {line}\n")).collect();
    peer.directory().write("htdocs/big.txt", &text);
    let proxy = in_front_of(&peer, |house| house);
    for curl in Curl::of(&proxy) {
        assert!(curl.ask("/big.txt", &[]).body == text, "{}", curl.version());
        let part = curl.ask("/big.txt", &["-r", "0-5"]);
        assert_eq!((part.status, part.body.as_str()), (206, "line 0"));
    }
}
