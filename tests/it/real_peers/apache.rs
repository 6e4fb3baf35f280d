//! Apache as a backend: WebDAV, which compares the scheme of two URLs, and HTTP/1.0.

use super::in_front_of;
use crate::rig::curl::Curl;
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

#[test]
fn a_backend_that_answers_in_http_1_0_and_closes_is_one_like_others_to_clients() {
    let Some(peer) = apache("SetEnvIf Request_URI . downgrade-1.0 force-response-1.0 nokeepalive") else {
        return;
    };
    let proxy = in_front_of(&peer, |house| house);
    for curl in Curl::of(&proxy) {
        let reply = curl.ask("/index.html", &[]);
        assert_eq!((reply.status, reply.body.as_str()), (200, "hello\n"));
        assert!(
            reply.head.starts_with("HTTP/1.1 200") || reply.head.starts_with("HTTP/2 200"),
            "{reply:?}"
        );
        assert!(matches!(curl.ask("/up.txt", &["-T", "/dev/null"]).status, 201 | 204));
        assert_eq!(curl.ask("/index.html", &["-I"]).body, "");
    }
}
