//! Staples fetched from responders, and kept on disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fullchain::chain::{Chain, End};
use fullchain::fetch::Client;
use fullchain::fetch::staples::{Link, Stapler};
use fullchain::ocsp::{Staple, request};
use fullchain::tls::signature_algorithms;
use rustls::pki_types::UnixTime;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::rig::family::{Family, leaf};
use crate::rig::ocsp::{Response, in_hours, responder, status, subject, url};
use crate::rig::pki::Entity;
use crate::rig::upstream::Upstream;
use crate::rig::{PATIENCE, eventually};

/// Long enough for what should not happen.
const SILENCE: Duration = Duration::from_millis(200);

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
    let mut stapler = Stapler::new(Client::new(true), cache, signature_algorithms(), UnixTime::now);
    stapler.follow([link.clone()]);
    stapler
}

/// The file in which `cache` keeps the staple of `leaf`.
fn cached(cache: &Path, leaf: &Entity) -> PathBuf {
    fs::create_dir_all(cache.join("staples")).unwrap();
    cache.join(format!("staples/{}.ocsp", leaf.certificate.fingerprint()))
}

/// Waits until `stapler` has something to say.
fn wait(stapler: &mut Stapler) {
    let told = listen(stapler, PATIENCE);
    assert!(told, "the stapler says nothing");
}

thread_local! {
    /// One for each test: what is under way goes on with the next wait.
    static RUNTIME: Runtime = Builder::new_current_thread().enable_all().build().unwrap();
}

/// Whether `stapler` has something to say within `patience`.
fn listen(stapler: &mut Stapler, patience: Duration) -> bool {
    let told = async { tokio::time::timeout(patience, stapler.changed()).await.is_ok() };
    RUNTIME.with(|runtime| runtime.block_on(told))
}

/// Lets `stapler` go on until its files are as they should be.
#[track_caller]
fn eventually_kept(stapler: &mut Stapler, mut condition: impl FnMut() -> bool) {
    eventually("the file is as it should be", || {
        listen(stapler, Duration::from_millis(20));
        condition()
    });
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
    assert!(!listen(&mut stapler, SILENCE));
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
    let link = link(&leaf, &family);
    let mut first = stapler(&link, Some(cache.path()));
    wait(&mut first);
    assert!(staple(&first, &leaf).is_some());
    wait(&mut first);
    assert_is_revoked(&first, &leaf);
    assert_eq!(other.upstream.connections(), 0);

    // A restart knows of it too, though somebody repeats what the responder said before.
    let revocation = late.answer.lock().unwrap().clone();
    eventually_kept(&mut first, || fs::read(&file).unwrap() == revocation);
    late.answers(old.der());
    let mut second = stapler(&link, Some(cache.path()));
    wait(&mut second);
    assert_is_revoked(&second, &leaf);
    listen(&mut second, SILENCE);
    assert_eq!(late.upstream.connections(), 2);
    assert_is_revoked(&second, &leaf);
}

#[track_caller]
fn assert_is_revoked(stapler: &Stapler, leaf: &Entity) {
    assert!(staple(stapler, leaf).is_none());
    assert!(stapler.is_revoked(leaf.certificate.fingerprint()));
    assert!(problem(stapler, leaf).ends_with("reason: superseded"));
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
    let mut before = stapler(&link(&leaf, &family), Some(&cache));
    eventually_kept(&mut before, || cached(&cache, &leaf).exists());
    drop(before);
    let mut again = stapler(&link(&leaf, &family), Some(&cache));
    assert!(staple(&again, &leaf).is_none(), "a start reads nothing");
    wait(&mut again);
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
        wait(&mut stapler);
        assert_eq!(staple(&stapler, &leaf).unwrap().der(), good);
        eventually_kept(&mut stapler, || fs::read(&file).unwrap() == good);
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
    // One certificate in two files is one leaf.
    for links in [vec![link.clone()], vec![link.clone(), link.clone()], vec![link]] {
        stapler.follow(links);
        assert!(staple(&stapler, &leaf).is_some());
    }
    stapler.follow([]);
    assert!(staple(&stapler, &leaf).is_none());
}

#[test]
fn a_leaf_served_twice_keeps_what_is_known_of_it_and_is_asked_for_once() {
    let family = Family::new();
    let late = Late::new();
    let leaf = leaf_of(&family, &[&late.url()]);
    let revoked = Response::good(&leaf, &family.issuing).around_now(24);
    late.answers(revoked.revoked(in_hours(-2), Some(4)).der());
    let link = link(&leaf, &family);
    let mut stapler = stapler(&link, None);
    wait(&mut stapler);
    for _ in 0..3 {
        stapler.follow([link.clone(), link.clone()]);
        assert_is_revoked(&stapler, &leaf);
        assert!(!listen(&mut stapler, SILENCE));
    }
    assert_eq!(late.upstream.connections(), 1);
}

#[test]
fn what_is_kept_on_disk_goes_when_its_leaf_goes() {
    let family = Family::new();
    let late = Late::new();
    let leaf = leaf_of(&family, &[&late.url()]);
    late.answers(Response::good(&leaf, &family.issuing).around_now(24).der());
    let cache = TempDir::new().unwrap();
    let file = cached(cache.path(), &leaf);
    let mut stapler = stapler(&link(&leaf, &family), Some(cache.path()));
    eventually_kept(&mut stapler, || file.exists());
    stapler.follow([]);
    eventually_kept(&mut stapler, || !file.exists());
}

#[test]
fn an_older_response_takes_the_place_of_a_newer_one_neither_in_memory_nor_on_disk() {
    let family = Family::new();
    let late = Late::new();
    let leaf = leaf_of(&family, &[&late.url()]);
    let response = Response::good(&leaf, &family.issuing);
    // Past its half, so that the responder is asked.
    let newer = response.clone().from(in_hours(-30)).until(Some(in_hours(5))).der();
    late.answers(response.from(in_hours(-40)).until(Some(in_hours(20))).der());
    let cache = TempDir::new().unwrap();
    let file = cached(cache.path(), &leaf);
    fs::write(&file, &newer).unwrap();
    let mut stapler = stapler(&link(&leaf, &family), Some(cache.path()));
    wait(&mut stapler);
    listen(&mut stapler, SILENCE);
    assert_eq!(late.upstream.connections(), 1);
    assert_eq!(staple(&stapler, &leaf).unwrap().der(), newer);
    assert_eq!(fs::read(&file).unwrap(), newer);
}

#[test]
fn responders_that_hang_do_not_delay_the_others() {
    let family = Family::new();
    let hanging: Vec<Upstream> = (0..6)
        .map(|_| Upstream::scripted(|connection| drop(connection.rest())))
        .collect();
    let hung = hanging.iter().flat_map(|upstream| {
        let url = url(upstream);
        (0..5).map(move |_| url.clone())
    });
    let mut leaves: Vec<Entity> = hung.map(|url| leaf_of(&family, &[&url])).collect();
    let late = Late::new();
    let healthy = leaf_of(&family, &[&late.url()]);
    late.answers(Response::good(&healthy, &family.issuing).around_now(24).der());
    leaves.push(healthy.clone());
    let mut stapler = stapler(&link(&healthy, &family), None);
    stapler.follow(leaves.iter().map(|leaf| link(leaf, &family)));
    // None of the others has come to its deadline by then.
    let begin = Instant::now();
    wait(&mut stapler);
    assert!(staple(&stapler, &healthy).is_some());
    assert!(begin.elapsed() < Duration::from_secs(9), "{:?}", begin.elapsed());
    let asked: Vec<usize> = hanging.iter().map(Upstream::connections).collect();
    assert_eq!(asked, [1; 6], "one round at each");
}

#[test]
fn a_host_that_is_down_is_asked_by_one_and_told_of_by_all() {
    let family = Family::new();
    let down = Upstream::answering("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    let leaves: Vec<Entity> = (0..5).map(|_| leaf_of(&family, &[&url(&down)])).collect();
    let mut stapler = stapler(&link(&leaves[0], &family), None);
    stapler.follow(leaves.iter().map(|leaf| link(leaf, &family)));
    wait(&mut stapler);
    listen(&mut stapler, SILENCE);
    assert_eq!(down.connections(), 1);
    for leaf in &leaves {
        let expected = format!("{}: expected status 200, found 503", url(&down));
        assert_eq!(problem(&stapler, leaf), expected);
    }
}

#[test]
fn a_disk_that_hangs_delays_neither_the_responder_nor_the_staple() {
    let family = Family::new();
    let late = Late::new();
    let leaf = leaf_of(&family, &[&late.url()]);
    let der = Response::good(&leaf, &family.issuing).around_now(24).der();
    late.answers(der.clone());
    let cache = TempDir::new().unwrap();
    let mut stapler = stapler(&link(&leaf, &family), Some(cache.path()));
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    // The only thread that may wait for a disk waits.
    let (ended, wait) = std::sync::mpsc::channel::<()>();
    let told = runtime.block_on(async {
        tokio::task::spawn_blocking(move || wait.recv());
        let told = tokio::time::timeout(2 * PATIENCE, stapler.changed()).await;
        told.map(|()| staple(&stapler, &leaf).map(|staple| staple.der().to_vec()))
    });
    assert_eq!(told.unwrap(), Some(der));
    drop(ended);
}

#[test]
fn another_client_and_another_directory_lose_nothing() {
    let family = Family::new();
    let (late, refused) = (Late::new(), Late::new());
    let leaf = leaf_of(&family, &[&late.url()]);
    let other = leaf_of(&family, &[&refused.url()]);
    let der = Response::good(&leaf, &family.issuing).around_now(24).der();
    late.answers(der.clone());
    refused.answers(Response::good(&other, &family.issuing).around_now(24).der());
    let mut stapler = stapler(&link(&leaf, &family), None);
    wait(&mut stapler);

    stapler.ask_through(Client::new(false));
    stapler.follow([link(&leaf, &family), link(&other, &family)]);
    wait(&mut stapler);
    assert!(problem(&stapler, &other).contains("aia_allow_private"));
    assert!(staple(&stapler, &leaf).is_some());

    let cache = TempDir::new().unwrap();
    let file = cached(cache.path(), &leaf);
    stapler.keep_in(Some(cache.path()));
    stapler.ask_through(Client::new(true));
    wait(&mut stapler);
    assert!(staple(&stapler, &other).is_some(), "it is asked again at once");
    assert!(staple(&stapler, &leaf).is_some());
    eventually_kept(&mut stapler, || file.exists());
    assert_eq!(fs::read(&file).unwrap(), der);
    assert_eq!(late.upstream.connections(), 1);
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
    stapler.follow(leaves.iter().map(|leaf| link(leaf, &family)));
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
