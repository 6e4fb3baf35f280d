//! Apache as a backend: WebDAV, which compares the scheme of two URLs, and HTTP/1.0.

use super::in_front_of;
use crate::rig::curl::{Curl, Reply};
use crate::rig::house::Running;
use crate::rig::plain;
use crate::rig::web_server::apache;

#[test]
fn webdav_moves_and_copies_though_the_destination_says_https() {
    let Some(peer) = apache("") else { return };
    let proxy = in_front_of(&peer, |house| house);
    for curl in Curl::of(&proxy) {
        let version = curl.version();
        let status = |path: &str, arguments: &[&str]| curl.ask(path, arguments).status;
        let destination = |path: &str| format!("Destination: {}", curl.url(path));
        // The second version finds what the first left.
        assert!(
            matches!(status("/a.txt", &["-X", "PUT", "-d", "text"]), 201 | 204),
            "{version}"
        );
        let copied = status("/a.txt", &["-X", "COPY", "-H", &destination("/b.txt")]);
        assert!(matches!(copied, 201 | 204), "{version}: {copied}");
        let moved = status("/a.txt", &["-X", "MOVE", "-H", &destination("/c%20d.txt")]);
        assert!(matches!(moved, 201 | 204), "{version}: {moved}");
        assert_eq!(status("/a.txt", &[]), 404);
        assert_eq!(curl.ask("/c%20d.txt", &[]).body, "text");
        let found = curl.ask("/", &["-X", "PROPFIND", "-H", "Depth: 1"]);
        assert!(found.status == 207 && found.body.contains("/b.txt"), "{found:?}");
        // A destination elsewhere is the backend's to refuse.
        assert_eq!(
            status(
                "/b.txt",
                &["-X", "COPY", "-H", "Destination: https://elsewhere.test/b.txt"]
            ),
            502
        );
    }
}

#[test]
fn webdav_locks_are_given_back_under_the_url_that_the_client_knows() {
    const LOCK: &str = r#"<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>"#;
    let Some(peer) = apache("") else { return };
    let proxy = in_front_of(&peer, |house| house);
    for curl in Curl::of(&proxy) {
        let locked = curl.ask(
            "/locked.txt",
            &["-X", "LOCK", "-H", "Content-Type: text/xml", "-d", LOCK],
        );
        assert!(matches!(locked.status, 200 | 201), "{locked:?}");
        let token = locked
            .head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .starts_with("lock-token: ")
                    .then(|| line[12..].to_owned())
            })
            .unwrap();
        let tagged = format!("If: <{}> ({token})", curl.url("/locked.txt"));
        assert_eq!(curl.ask("/locked.txt", &["-X", "PUT", "-d", "x"]).status, 423);
        let written = curl.ask("/locked.txt", &["-X", "PUT", "-H", &tagged, "-d", "x"]).status;
        assert!(matches!(written, 201 | 204), "{written}");
        let unlock = format!("Lock-Token: {token}");
        assert_eq!(curl.ask("/locked.txt", &["-X", "UNLOCK", "-H", &unlock]).status, 204);
        assert_eq!(curl.ask("/locked.txt", &["-X", "DELETE"]).status, 204);
    }
}

/// Has a response say in which version of HTTP the request came.
const SAY_THE_VERSION: &str = "Header always set X-Protocol \"expr=%{SERVER_PROTOCOL}\"";

#[test]
fn a_backend_that_answers_in_http_1_0_and_closes_is_one_like_others_to_clients() {
    let downgraded = format!("SetEnvIf Request_URI . downgrade-1.0 force-response-1.0 nokeepalive\n{SAY_THE_VERSION}");
    let Some(peer) = apache(&downgraded) else { return };
    let unaltered = plain::exchange(plain::connect(peer.address), plain::get("/index.html"));
    assert!(unaltered.starts_with("HTTP/1.0 200 "), "{unaltered}");
    let proxy = in_front_of(&peer, |house| house);
    assert_page_and_uploads_pass(&proxy, "HTTP/1.1");
    proxy.wait_for_log(&["the backend is sent bodies with their length", "it speaks HTTP/1.0"]);
}

#[test]
fn a_backend_that_is_to_be_asked_in_http_1_0_is_and_takes_uploads_without_a_length() {
    let Some(peer) = apache(SAY_THE_VERSION) else { return };
    let proxy = in_front_of(&peer, |house| house.flag("--backend-http", "1.0"));
    assert_page_and_uploads_pass(&proxy, "HTTP/1.0");
}

/// Fetches a page, and uploads bodies with and without a length, which come back as they went, each time from a backend
/// that is asked in `version`.
#[track_caller]
fn assert_page_and_uploads_pass(proxy: &Running, version: &str) {
    let body: String = (0..10_000).map(|line| format!("line {line}\n")).collect();
    let file = proxy.directory().write("body", &body);
    let file = file.to_str().unwrap();
    let asked_in = |reply: &Reply| {
        let mut lines = reply.head.lines();
        lines
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("x-protocol: ")
                    .map(str::to_uppercase)
            })
            .unwrap()
    };
    for curl in Curl::of(proxy) {
        let page = curl.ask("/index.html", &[]);
        assert_eq!((page.status, page.body.as_str()), (200, "hello\n"));
        assert_eq!(asked_in(&page), version);
        assert_eq!(curl.ask("/index.html", &["-I"]).body, "");
        // From a pipe curl sends chunks, or DATA frames of no announced length.
        for arguments in [["-T", file], ["-T", "-"]] {
            let uploaded = curl.fed(file, "/up.txt", &arguments);
            assert!(matches!(uploaded.status, 201 | 204), "{uploaded:?}");
            assert_eq!(asked_in(&uploaded), version);
            assert!(
                curl.ask("/up.txt", &[]).body == body,
                "{} {arguments:?}",
                curl.version()
            );
            assert_eq!(curl.ask("/up.txt", &["-X", "DELETE"]).status, 204);
        }
    }
}
