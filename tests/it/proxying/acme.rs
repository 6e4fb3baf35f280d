//! ACME's http-01 let through.

use std::fs;
use std::path::Path;

use fullchain::proxy::settings::{Acme, Listener, Service};

use crate::rig::client::Client;
use crate::rig::plain::{connect, exchange, get};
use crate::rig::proxy::{Proxy, backend};
use crate::rig::upstream::Upstream;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const TOKEN: &str = "/.well-known/acme-challenge/evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA";

#[test]
fn a_token_of_the_directory_is_served_on_every_listener() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join(Path::new(TOKEN).file_name().unwrap()),
        "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA.key",
    )
    .unwrap();
    let upstream = Upstream::answering(OK);
    let proxy = with_directory(&upstream, directory.path());
    for address in [proxy.redirect, proxy.listener(2)] {
        let answer = exchange(connect(address), get(TOKEN));
        assert!(
            answer.starts_with("HTTP/1.1 200 ")
                && answer.ends_with("\r\n\r\nevaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA.key"),
            "{answer}"
        );
        assert!(answer.contains("content-type: text/plain\r\n"), "{answer}");
    }
    let response = Client::of(&proxy).send(get(TOKEN)).response();
    assert_eq!(
        (response.status, response.text()),
        (200, "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA.key".to_owned())
    );
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_token_that_is_not_there_is_a_404() {
    let directory = tempfile::tempdir().unwrap();
    let upstream = Upstream::answering(OK);
    let proxy = with_directory(&upstream, directory.path());
    assert!(exchange(connect(proxy.redirect), get(TOKEN)).starts_with("HTTP/1.1 404 "));
    assert_eq!(Client::of(&proxy).send(get(TOKEN)).response().status, 404);
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn nothing_but_tokens_comes_from_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let tokens = directory.path().join("tokens");
    fs::create_dir(&tokens).unwrap();
    for place in [directory.path(), &tokens] {
        fs::write(place.join("secret"), "SECRET").unwrap();
        fs::write(place.join("secret.txt"), "SECRET").unwrap();
    }
    fs::remove_file(tokens.join("secret")).unwrap();
    std::os::unix::fs::symlink(directory.path().join("secret"), tokens.join("link")).unwrap();
    let upstream = Upstream::answering(OK);
    let proxy = with_directory(&upstream, &tokens);
    for name in [
        "../secret",
        "..%2fsecret",
        "%2e%2e/secret",
        "..\\secret",
        "./secret.txt",
        "secret.txt",
        "secret%00",
        "link",
        "",
        ".",
        "..",
        "/secret",
    ] {
        let answer = exchange(
            connect(proxy.redirect),
            get(&format!("/.well-known/acme-challenge/{name}")),
        );
        assert!(!answer.contains("SECRET"), "{name}: {answer}");
        assert!(
            ["HTTP/1.1 308", "HTTP/1.1 404", "HTTP/1.1 400"].contains(&&answer[..12]),
            "{name}: {answer}"
        );
    }
}

#[test]
fn another_method_or_path_is_a_request_like_any_other() {
    let directory = tempfile::tempdir().unwrap();
    let proxy = with_directory(&Upstream::answering(OK), directory.path());
    let post = format!("POST {TOKEN} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert!(exchange(connect(proxy.redirect), post).starts_with("HTTP/1.1 308 "));
    assert!(exchange(connect(proxy.redirect), get("/.well-known/other")).starts_with("HTTP/1.1 308 "));
}

#[test]
fn a_backend_answers_where_one_is_named() {
    let (site, acme) = (Upstream::answering(OK), Upstream::answering(OK));
    let proxy = Proxy::with(&[site.address], |settings| {
        settings.backends.push(backend("acme", &[acme.address]));
        settings.acme = Acme::to_backend(1);
    });
    assert!(exchange(connect(proxy.redirect), get(TOKEN)).ends_with("ok"));
    assert!(acme.first_head()[0].contains(TOKEN));
    assert!(acme.was_told("x-forwarded-proto: http"));
    assert!(exchange(connect(proxy.redirect), get("/")).starts_with("HTTP/1.1 308 "));
    assert_eq!(site.connections(), 0);
}

/// A proxy that takes tokens from `directory`; its third listener is a plain one.
fn with_directory(upstream: &Upstream, directory: &Path) -> Proxy {
    Proxy::with(&[upstream.address], |settings| {
        settings.acme = Acme::Directory(directory.into());
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        settings.listeners.push(Listener::new(any, Service::Http));
    })
}
