//! Staples fetched from responders, and kept on disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fullchain::chain::{Chain, End};
use fullchain::fetch::Client;
use fullchain::fetch::staples::{Link, Stapler};
use fullchain::ocsp::{Staple, request};
use fullchain::tls::signature_algorithms;
use rustls::pki_types::UnixTime;
use tempfile::TempDir;

use crate::rig::PATIENCE;
use crate::rig::family::{Family, leaf};
use crate::rig::ocsp::{Response, in_hours, responder, status, subject, url};
use crate::rig::pki::Entity;
use crate::rig::upstream::Upstream;

/// A leaf whose responders answer at `urls`.
fn leaf_of(family: &Family, urls: &[&str]) -> Entity {
    leaf("a.test").responders_at(urls).signed_by(&family.issuing)
}

fn link(leaf: &Entity, family: &Family) -> Link {
    Link {
        leaf: leaf.certificate.clone(),
        issuer: family.issuing.certificate.clone(),
    }
}

/// A stapler that follows one leaf.
fn stapler(link: &Link, cache: Option<&Path>) -> Stapler {
    let mut stapler = Stapler::new(Client::new(true), cache, signature_algorithms());
    stapler.follow([link.clone()], UnixTime::now());
    stapler
}

/// The file in which `cache` keeps the staple of `leaf`.
fn cached(cache: &Path, leaf: &Entity) -> PathBuf {
    fs::create_dir_all(cache.join("staples")).unwrap();
    cache.join(format!("staples/{}.ocsp", leaf.certificate.fingerprint()))
}

/// Waits until `stapler` has something to say.
fn wait(stapler: &mut Stapler) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let told = runtime.block_on(async { tokio::time::timeout(PATIENCE, stapler.changed()).await });
    told.expect("the stapler says something");
}

fn staple(stapler: &Stapler, leaf: &Entity) -> Option<Arc<Staple>> {
    stapler.staple(leaf.certificate.fingerprint(), UnixTime::now()).cloned()
}

fn problem(stapler: &Stapler, leaf: &Entity) -> String {
    stapler
        .problem(leaf.certificate.fingerprint())
        .unwrap_or_default()
        .to_owned()
}

/// A responder that learns what to answer once the leaf is there, which names its address.
struct Late {
    upstream: Upstream,
    answer: Arc<Mutex<Vec<u8>>>,
}

impl Late {
    fn new() -> Self {
        let answer = Arc::<Mutex<Vec<u8>>>::default();
        let given = answer.clone();
        let upstream = Upstream::scripted(move |connection| {
            if connection.request().is_some() {
                let der = given.lock().unwrap().clone();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", der.len());
                connection.send([head.as_bytes(), &der].concat());
            }
        });
        Self { upstream, answer }
    }

    fn url(&self) -> String {
        url(&self.upstream)
    }

    fn answers(&self, der: Vec<u8>) {
        *self.answer.lock().unwrap() = der;
    }
}

#[test]
fn a_staple_is_fetched_from_the_responder_that_the_leaf_names() {
    let family = Family::new();
    let late = Late::new();
    let leaf = leaf_of(&family, &[&late.url()]);
    let der = Response::good(&leaf, &family.issuing).around_now(24).der();
    late.answers(der.clone());
    let mut stapler = stapler(&link(&leaf, &family), None);
    assert!(staple(&stapler, &leaf).is_none(), "nothing is asked before `changed`");
    wait(&mut stapler);
    assert_eq!(staple(&stapler, &leaf).unwrap().der(), der);
    assert_eq!(problem(&stapler, &leaf), "");
    let asked = late.upstream.received(0);
    assert!(asked.starts_with("POST / HTTP/1.1\r\n"), "{asked}");
    assert!(
        asked
            .to_lowercase()
            .contains("content-type: application/ocsp-request\r\n"),
        "{asked}"
    );
    let request = request(&subject(&leaf, &family.issuing));
    assert!(asked.ends_with(&*String::from_utf8_lossy(&request)), "{asked}");
}

#[test]
fn the_next_responder_is_asked_where_one_is_of_no_use() {
    let family = Family::new();
    for useless in [
        "ldap://ocsp.test/".to_owned(),
        "http://127.0.0.1:1/".to_owned(),
        url(&Upstream::answering(
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        )),
        url(&responder(&status(3))),
        url(&responder(b"<html>")),
    ] {
        let late = Late::new();
        let leaf = leaf_of(&family, &[&useless, &late.url()]);
        late.answers(Response::good(&leaf, &family.issuing).around_now(24).der());
        let mut stapler = stapler(&link(&leaf, &family), None);
        wait(&mut stapler);
        assert!(
            staple(&stapler, &leaf).is_some(),
            "{useless}: {}",
            problem(&stapler, &leaf)
        );
    }
}

#[test]
fn a_responder_that_fails_is_told_with_its_url_and_asked_again_later() {
    let family = Family::new();
    let slow = responder(&status(3));
    let leaf = leaf_of(&family, &[&url(&slow)]);
    let mut stapler = stapler(&link(&leaf, &family), None);
    wait(&mut stapler);
    assert_eq!(
        problem(&stapler, &leaf),
        format!("{}: the responder answers: tryLater", url(&slow))
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let silence = Duration::from_millis(200);
    let told = runtime.block_on(async { tokio::time::timeout(silence, stapler.changed()).await });
    assert!(told.is_err());
    assert_eq!(slow.connections(), 1);
}

#[test]
fn a_revoked_leaf_has_no_staple_and_nobody_else_is_asked() {
    let family = Family::new();
    let (late, other) = (Late::new(), Late::new());
    let leaf = leaf_of(&family, &[&late.url(), &other.url()]);
    let good = Response::good(&leaf, &family.issuing).around_now(24);
    late.answers(good.clone().revoked(in_hours(-2), Some(4)).der());
    other.answers(good.der());
    let cache = TempDir::new().unwrap();
    let file = cached(cache.path(), &leaf);
    // The last staple is past its half, so that it is not waited with.
    let old = Response::good(&leaf, &family.issuing)
        .from(in_hours(-30))
        .until(Some(in_hours(5)));
    fs::write(&file, old.der()).unwrap();
    let mut stapler = stapler(&link(&leaf, &family), Some(cache.path()));
    assert!(staple(&stapler, &leaf).is_some());
    wait(&mut stapler);
    assert!(staple(&stapler, &leaf).is_none());
    assert!(stapler.is_revoked(leaf.certificate.fingerprint()));
    assert!(problem(&stapler, &leaf).ends_with("reason: superseded"));
    assert_eq!(other.upstream.connections(), 0);
    assert!(!file.exists(), "no restart brings it back");
}

#[test]
fn a_restart_has_the_staple_that_was_fetched_before_without_asking() {
    let family = Family::new();
    let late = Late::new();
    let leaf = leaf_of(&family, &[&late.url()]);
    let der = Response::good(&leaf, &family.issuing).around_now(24).der();
    late.answers(der.clone());
    let directory = TempDir::new().unwrap();
    // It need not be there yet.
    let cache = directory.path().join("fullchain");
    wait(&mut stapler(&link(&leaf, &family), Some(&cache)));
    let again = stapler(&link(&leaf, &family), Some(&cache));
    assert_eq!(staple(&again, &leaf).unwrap().der(), der);
    assert_eq!(late.upstream.connections(), 1);
}

#[test]
fn a_cached_file_that_is_damaged_or_of_another_leaf_is_not_stapled_but_replaced() {
    let family = Family::new();
    let late = Late::new();
    let leaf = leaf_of(&family, &[&late.url()]);
    let other = leaf_of(&family, &[]);
    let good = Response::good(&leaf, &family.issuing).around_now(24).der();
    late.answers(good.clone());
    let of_another = Response::good(&other, &family.issuing).around_now(24).der();
    let expired = Response::good(&leaf, &family.issuing)
        .from(in_hours(-3))
        .until(Some(in_hours(-1)))
        .der();
    for useless in [&b""[..], &good[1..], &of_another, &expired, &[0x30; 100_000]] {
        let directory = TempDir::new().unwrap();
        let file = cached(directory.path(), &leaf);
        fs::write(&file, useless).unwrap();
        let mut stapler = stapler(&link(&leaf, &family), Some(directory.path()));
        assert!(staple(&stapler, &leaf).is_none());
        wait(&mut stapler);
        assert!(staple(&stapler, &leaf).is_some());
        assert_eq!(fs::read(&file).unwrap(), good);
    }
}

#[test]
fn a_cache_that_cannot_be_written_costs_nothing_but_the_cache() {
    let family = Family::new();
    let late = Late::new();
    let leaf = leaf_of(&family, &[&late.url()]);
    late.answers(Response::good(&leaf, &family.issuing).around_now(24).der());
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut stapler = stapler(&link(&leaf, &family), Some(&file.path().join("below")));
    wait(&mut stapler);
    assert!(staple(&stapler, &leaf).is_some());
}

#[test]
fn what_is_followed_no_more_is_forgotten_and_what_is_still_followed_is_kept() {
    let family = Family::new();
    let late = Late::new();
    let leaf = leaf_of(&family, &[&late.url()]);
    late.answers(Response::good(&leaf, &family.issuing).around_now(24).der());
    let link = link(&leaf, &family);
    let mut stapler = stapler(&link, None);
    wait(&mut stapler);
    stapler.follow([link], UnixTime::now());
    assert!(staple(&stapler, &leaf).is_some());
    stapler.follow([], UnixTime::now());
    assert!(staple(&stapler, &leaf).is_none());
}

#[test]
fn many_leaves_are_asked_for_a_few_at_a_time_and_told_of_together() {
    let family = Family::new();
    let slow = Arc::new(Mutex::new((0, 0)));
    let busy = slow.clone();
    let upstream = Upstream::scripted(move |connection| {
        {
            let mut busy = busy.lock().unwrap();
            busy.0 += 1;
            busy.1 = busy.0.max(busy.1);
        }
        connection.request();
        let der = status(2);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", der.len());
        busy.lock().unwrap().0 -= 1;
        connection.send([head.as_bytes(), &der].concat());
    });
    let url = url(&upstream);
    let leaves: Vec<Entity> = (0..40).map(|_| leaf_of(&family, &[&url])).collect();
    let mut stapler = stapler(&link(&leaves[0], &family), None);
    stapler.follow(leaves.iter().map(|leaf| link(leaf, &family)), UnixTime::now());
    let mut told = 0;
    while leaves.iter().any(|leaf| problem(&stapler, leaf).is_empty()) {
        wait(&mut stapler);
        told += 1;
    }
    assert!(told <= 5, "told {told} times");
    assert_eq!(upstream.connections(), 40);
    assert!(slow.lock().unwrap().1 <= 8, "{:?}", slow.lock().unwrap());
}

#[test]
fn a_leaf_without_responder_or_without_issuer_is_not_followed() {
    let family = Family::new();
    let chain = |leaf: &Entity, above: &[&Entity], end: End| Chain {
        certificates: [leaf]
            .iter()
            .chain(above)
            .map(|entity| entity.certificate.clone())
            .collect(),
        end,
    };
    let plain = family.leaf();
    let named = leaf_of(&family, &["http://ocsp.test/"]);
    assert_eq!(Link::of(&chain(&plain, &[&family.issuing], End::Open)), None);
    assert_eq!(Link::of(&chain(&named, &[], End::Open)), None);
    let sent = Link::of(&chain(&named, &[&family.issuing], End::Open));
    assert_eq!(sent, Some(link(&named, &family)));
    // The root itself issued the leaf, and is not sent.
    let root = End::Anchor(family.issuing.certificate.clone());
    assert_eq!(Link::of(&chain(&named, &[], root)), Some(link(&named, &family)));
}
