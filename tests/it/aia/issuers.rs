//! What is asked for a leaf, and what counts of what comes.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fullchain::chain::{Certificate, Status};
use fullchain::fetch::{Cache, Outcome};
use tokio::sync::mpsc::unbounded_channel;

use super::{SHORT, block_on, completed, find, issuers, reasons};
use crate::rig::pki::{Entity, Scene, assert_served, ca, pem, server};
use crate::rig::responder::{Responder, Response, dead_url, p7c};

/// A leaf below two CAs that are published, and the root.
struct Published {
    responder: Responder,
    root: Entity,
    upper: Entity,
    issuing: Entity,
    leaf: Entity,
}

impl Published {
    fn new() -> Self {
        let responder = Responder::new();
        let root = ca("Root").self_signed();
        let upper = ca("Upper").published_at(&responder.url("/root.cer")).signed_by(&root);
        let issuing = ca("Issuing")
            .published_at(&responder.url("/upper.cer"))
            .signed_by(&upper);
        let leaf = server("a.test")
            .published_at(&responder.url("/issuing.cer"))
            .signed_by(&issuing);
        responder.publish_certificate("/root.cer", &root);
        responder.publish_certificate("/upper.cer", &upper);
        responder.publish_certificate("/issuing.cer", &issuing);
        Self {
            responder,
            root,
            upper,
            issuing,
            leaf,
        }
    }

    fn scene(&self) -> Scene {
        Scene::of(&self.leaf).roots([&self.root])
    }

    /// What comes of the scene where `/issuing.cer` is answered like this.
    fn answered(&self, response: Response) -> (Status, Vec<String>) {
        self.responder.publish("/issuing.cer", response);
        let outcome = find(&issuers(Cache::in_memory()), &self.scene());
        (completed(self.scene(), &outcome).assemble().status, reasons(&outcome))
    }
}

#[test]
fn every_missing_level_is_fetched_and_the_root_is_not() {
    let published = Published::new();
    let outcome = find(&issuers(Cache::in_memory()), &published.scene());
    let assembly = completed(published.scene(), &outcome).assemble();
    assert_eq!(assembly.status, Status::Complete);
    assert_served(&assembly, [&published.leaf, &published.issuing, &published.upper]);
    assert_eq!(published.responder.asked(), ["/issuing.cer", "/upper.cer"]);
    let [issuing, upper] = &outcome.found[..] else {
        panic!("{outcome:?}")
    };
    assert_eq!(issuing.url, published.responder.url("/issuing.cer"));
    assert_eq!(issuing.issuer_of, published.leaf.certificate);
    assert_eq!(upper.issuer_of, published.issuing.certificate);
    assert!(outcome.failures.is_empty() && outcome.retry_at.is_none());
}

#[test]
fn answers_come_as_der_pem_and_pkcs7() {
    let published = Published::new();
    let message = p7c([&published.upper, &published.issuing]);
    for body in [
        published.issuing.certificate.der().to_vec(),
        published.issuing.pem().into_bytes(),
        format!("some text\r\n{}", published.issuing.pem()).into_bytes(),
        pem("PKCS7", &message).into_bytes(),
        message,
    ] {
        let shown = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(
            published.answered(Response::ok(body)),
            (Status::Complete, vec![]),
            "{shown}"
        );
    }
}

#[test]
fn of_an_answer_with_several_certificates_those_that_issued_the_child_count() {
    let published = Published::new();
    let cross = ca("Issuing").key_of(&published.issuing).signed_by(&published.root);
    let impostor = ca("Issuing").signed_by(&published.root);
    let all = [&published.root, &impostor, &cross, &published.upper, &published.issuing];
    published.responder.publish("/issuing.cer", Response::ok(p7c(all)));
    let outcome = find(&issuers(Cache::in_memory()), &published.scene());
    let found: HashSet<_> = outcome
        .found
        .iter()
        .map(|found| found.certificate.fingerprint())
        .collect();
    let expected = [&cross, &published.issuing].map(|entity| entity.certificate.fingerprint());
    assert_eq!(found, HashSet::from(expected));
    let assembly = completed(published.scene(), &outcome).assemble();
    assert_served(&assembly, [&published.leaf, &cross]);
}

#[test]
fn a_lying_responder_gives_nothing_and_it_is_said_why() {
    let published = Published::new();
    let der = |entity: &Entity| Response::ok(entity.certificate.der().to_vec());
    let another_key = ca("Issuing").signed_by(&published.upper);
    let another_name = ca("Other").key_of(&published.issuing).signed_by(&published.upper);
    let self_signed = ca("Issuing").self_signed();
    let expired = ca("Issuing")
        .key_of(&published.issuing)
        .valid(-900, -1)
        .signed_by(&published.upper);
    let root = ca("Issuing").key_of(&published.issuing).self_signed();
    for (response, reason) in [
        (der(&another_key), "its key did not make the signature"),
        (der(&self_signed), "its key did not make the signature"),
        (der(&another_name), "is of another name"),
        (der(&published.leaf), "is of another name"),
        (der(&expired), "is valid only from"),
        (der(&root), "is a root, which is never sent"),
        (Response::ok("<html>moved</html>"), "found 18 bytes that are neither"),
        (Response::ok(""), "found an empty file"),
        (Response::ok(published.issuing.key_pem()), "found 1 private key"),
        (
            Response::ok(&published.issuing.certificate.der()[..200]),
            "found DER that ends after 200 of",
        ),
        (Response::status(404), "expected status 200, found 404"),
        (Response::redirect(302, "/issuing.cer"), "redirected more than 3 times"),
    ] {
        let (status, reasons) = published.answered(response);
        assert_eq!(status, Status::Incomplete, "{reason}");
        assert!(
            reasons.len() == 1 && reasons[0].contains(reason),
            "{reason}: {reasons:?}"
        );
    }
}

#[test]
fn a_certificate_on_the_disallow_list_does_not_count() {
    let published = Published::new();
    let scene = published
        .scene()
        .disallow(published.issuing.certificate.key_fingerprint());
    let outcome = find(&issuers(Cache::in_memory()), &scene);
    assert!(outcome.found.is_empty());
    assert!(reasons(&outcome)[0].contains("disallow list"), "{outcome:?}");
}

#[test]
fn slow_silent_and_huge_responders_cost_a_deadline_and_nothing_else() {
    let published = Published::new();
    for response in [Response::Drip, Response::Silence, Response::Endless] {
        let start = Instant::now();
        let (status, reasons) = published.answered(response);
        assert_eq!((status, reasons.len()), (Status::Incomplete, 1));
        assert!(start.elapsed() < SHORT.whole + Duration::from_secs(3));
    }
}

#[test]
fn the_next_url_is_asked_where_one_gives_nothing() {
    let published = Published::new();
    let responder = &published.responder;
    let leaf = server("a.test")
        .published_at("ldap:///CN=Issuing?cACertificate")
        .published_at(&dead_url())
        .published_at(&responder.url("/missing.cer"))
        .published_at(&responder.url("/issuing.cer"))
        .signed_by(&published.issuing);
    let scene = || Scene::of(&leaf).roots([&published.root]);
    let outcome = find(&issuers(Cache::in_memory()), &scene());
    assert_eq!(completed(scene(), &outcome).assemble().status, Status::Complete);
    assert_eq!(outcome.failures.len(), 2);
    assert_eq!(responder.asked(), ["/missing.cer", "/issuing.cer", "/upper.cer"]);
}

#[test]
fn of_many_urls_four_are_asked() {
    let published = Published::new();
    let responder = &published.responder;
    let mut leaf = server("a.test");
    for number in 0..10 {
        leaf = leaf.published_at(&responder.url(&format!("/{number}")));
    }
    let leaf = leaf.signed_by(&published.issuing);
    find(&issuers(Cache::in_memory()), &Scene::of(&leaf).roots([&published.root]));
    assert_eq!(responder.asked(), ["/0", "/1", "/2", "/3"]);
}

#[test]
fn where_only_ldap_is_named_it_is_said_that_it_is_not_asked() {
    let published = Published::new();
    let leaf = server("a.test")
        .published_at("ldap:///CN=Issuing?cACertificate")
        .signed_by(&published.issuing);
    let outcome = find(&issuers(Cache::in_memory()), &Scene::of(&leaf).roots([&published.root]));
    let [reason] = &reasons(&outcome)[..] else {
        panic!("{outcome:?}")
    };
    assert!(
        reason.contains("ldap:///CN=Issuing") && reason.contains("only plain http"),
        "{reason}"
    );
}

#[test]
fn two_cas_that_point_at_each_other_come_to_an_end() {
    let responder = Responder::new();
    let (first, second) = (ca("First").self_signed(), ca("Second").self_signed());
    let first_by_second = ca("First")
        .key_of(&first)
        .published_at(&responder.url("/second.cer"))
        .signed_by(&second);
    let second_by_first = ca("Second")
        .key_of(&second)
        .published_at(&responder.url("/first.cer"))
        .signed_by(&first);
    responder.publish_certificate("/first.cer", &first_by_second);
    responder.publish_certificate("/second.cer", &second_by_first);
    let leaf = server("a.test")
        .published_at(&responder.url("/first.cer"))
        .signed_by(&first);
    let scene = Scene::of(&leaf).roots([&ca("Root").self_signed()]);
    let outcome = find(&issuers(Cache::in_memory()), &scene);
    assert_eq!(outcome.found.len(), 2);
    assert_eq!(responder.asked(), ["/first.cer", "/second.cer"]);
}

#[test]
fn a_tower_of_cas_is_climbed_eight_steps_and_no_further() {
    let responder = Responder::new();
    let mut issuer = ca("CA 20").self_signed();
    for number in (0..20).rev() {
        let path = format!("/{}.cer", number + 1);
        let below = ca(&format!("CA {number}"))
            .published_at(&responder.url(&path))
            .signed_by(&issuer);
        responder.publish_certificate(&path, &issuer);
        issuer = below;
    }
    responder.publish_certificate("/0.cer", &issuer);
    let leaf = server("a.test")
        .published_at(&responder.url("/0.cer"))
        .signed_by(&issuer);
    let outcome = find(
        &issuers(Cache::in_memory()),
        &Scene::of(&leaf).roots([&ca("Root").self_signed()]),
    );
    assert_eq!(outcome.found.len(), 8);
    assert_eq!(responder.asked().len(), 8);
}

#[test]
fn an_intermediate_of_an_unknown_issuer_is_followed_where_there_are_roots() {
    let published = Published::new();
    let scene = || published.scene().store([&published.issuing]);
    let outcome = find(&issuers(Cache::in_memory()), &scene());
    assert_eq!(completed(scene(), &outcome).assemble().status, Status::Complete);
    assert_eq!(published.responder.asked(), ["/upper.cer"]);
}

#[test]
fn without_roots_what_the_operator_gave_is_the_end_and_what_was_fetched_is_followed() {
    let published = Published::new();
    let given = Scene::of(&published.leaf).store([&published.issuing]);
    let outcome = find(&issuers(Cache::in_memory()), &given);
    assert!(outcome.found.is_empty() && published.responder.asked().is_empty());

    let bare = || Scene::of(&published.leaf);
    let outcome = find(&issuers(Cache::in_memory()), &bare());
    let assembly = completed(bare(), &outcome).assemble();
    assert_served(&assembly, [&published.leaf, &published.issuing, &published.upper]);
    assert_eq!(assembly.status, Status::Unanchored);
    // That the last one is a root is known only once it is there; it is not sent and not kept.
    assert_eq!(published.responder.asked(), ["/issuing.cer", "/upper.cer", "/root.cer"]);
    assert!(reasons(&outcome)[0].contains("is a root"), "{outcome:?}");
}

#[test]
fn a_complete_chain_asks_nobody() {
    let published = Published::new();
    let scene = published.scene().store([&published.issuing, &published.upper]);
    let outcome = find(&issuers(Cache::in_memory()), &scene);
    assert!(outcome.found.is_empty() && published.responder.requests().is_empty());
}

#[test]
fn many_leaves_ask_each_url_once() {
    let published = Published::new();
    let leaf = |number: usize| {
        let url = match number % 2 {
            0 => "/issuing.cer",
            _ => "/missing.cer",
        };
        let name = format!("{number}.test");
        server(&name)
            .published_at(&published.responder.url(url))
            .signed_by(&published.issuing)
    };
    let leaves: Vec<_> = (0..30).map(|number| leaf(number).certificate).collect();
    let issuers = issuers(Cache::in_memory());
    // As a task of its own would.
    let outcome = published
        .scene()
        .with(|_, store, context| block_on(issuers.find(&leaves, store.clone(), context)));
    let mut asked = published.responder.asked();
    asked.sort();
    assert_eq!(asked, ["/issuing.cer", "/missing.cer", "/upper.cer"]);
    assert_eq!((outcome.found.len(), outcome.failures.len()), (2, 1));
}

#[test]
fn of_many_certificates_with_the_name_of_the_issuer_the_ones_that_fit_are_looked_at() {
    let published = Published::new();
    let impostors: Vec<_> = (0..40).map(|_| ca("Issuing").signed_by(&published.root)).collect();
    let last = p7c(impostors.iter().chain([&published.issuing]));
    assert_eq!(published.answered(Response::ok(last)), (Status::Complete, vec![]));
    // The key of a CA is no secret: anybody can put it into certificates.
    let made_up: Vec<_> = (0..40)
        .map(|_| ca("Issuing").key_of(&published.issuing).signed_by(&impostors[0]))
        .collect();
    published.responder.publish("/issuing.cer", Response::ok(p7c(&made_up)));
    let outcome = find(&issuers(Cache::in_memory()), &published.scene());
    assert_eq!(outcome.found.len(), 8);
}

/// Leaves of other CAs that are to be had from `responder` one by one, which says nothing.
fn waiting_in_vain(responder: &Responder, count: usize) -> Vec<Arc<Certificate>> {
    let leaf = |number: usize| {
        let path = format!("/{number}");
        responder.publish(&path, Response::Silence);
        let leaf = server(&format!("{number}.test")).published_at(&responder.url(&path));
        leaf.signed_by(&ca("Another").self_signed()).certificate
    };
    (0..count).map(leaf).collect()
}

#[test]
fn a_server_that_says_nothing_is_not_asked_for_everything_else_that_it_publishes() {
    let (published, silent) = (Published::new(), Responder::new());
    let leaves = waiting_in_vain(&silent, 20);
    let issuers = issuers(Cache::in_memory());
    let start = Instant::now();
    let outcome = published
        .scene()
        .with(|_, store, context| block_on(issuers.find(&leaves, store.clone(), context)));
    assert!(start.elapsed() < 2 * SHORT.whole, "{:?}", start.elapsed());
    assert_eq!(silent.requests().len(), 2);
    assert_eq!(outcome.failures.len(), 20);
    let reasons = reasons(&outcome);
    let unasked = reasons
        .iter()
        .filter(|reason| reason.contains("is not asked this time"));
    assert_eq!(unasked.count(), 18);
}

#[test]
fn what_is_found_is_handed_over_while_a_server_with_many_urls_says_nothing() {
    let published = Published::new();
    let silent = Responder::new();
    let mut leaves = waiting_in_vain(&silent, 20);
    leaves.push(published.leaf.certificate.clone());
    let issuers = issuers(Cache::in_memory());
    let (sender, mut parts) = unbounded_channel();
    let first_two = async {
        let (first, second) = (parts.recv().await.unwrap(), parts.recv().await.unwrap());
        drop(parts);
        [first, second].map(|part: Outcome| part.found[0].certificate.clone())
    };
    let start = Instant::now();
    let found = published.scene().with(|_, store, context| {
        let search = issuers.find_in_parts(&leaves, store.clone(), context, sender);
        // Nobody wants the rest: the search ends.
        block_on(async { tokio::join!(search, first_two).1 })
    });
    let expected = [&published.issuing, &published.upper].map(|entity| entity.certificate.clone());
    assert_eq!(found, expected);
    assert!(start.elapsed() < SHORT.whole, "{:?}", start.elapsed());
    assert!(silent.requests().len() <= 2);
}
