//! `serve` with `aia = "missing"`: what is served at once, what it becomes in the background, and that no responder is
//! in anybody's way.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;

use crate::rig::directory::Directory;
use crate::rig::family::{Family, NAME, der, leaf};
use crate::rig::handshake::{Trickle, client_config};
use crate::rig::house::{House, Running};
use crate::rig::pki::{Entity, ca};
use crate::rig::responder::{Request, Responder, Response, dead_url, p7c};
use crate::rig::{PATIENCE, eventually, eventually_within};

/// Less than a request to a responder that says nothing takes.
const WITHOUT_WAITING: Duration = Duration::from_secs(6);

/// A leaf for `a.test` and one for `b.test`, each below a CA of its own that is in no file.
struct Scene {
    responder: Responder,
    a: Family,
    leaf_a: Entity,
    issuing_b: Entity,
    leaf_b: Entity,
    cache: Directory,
}

impl Scene {
    /// The issuer of the first is asked for at `url`.
    fn of(responder: Responder, url: &str) -> Self {
        let a = Family::new();
        let issuing_b = a.another_issuing("Issuing 2");
        let leaf_a = leaf(NAME).published_at(url).signed_by(&a.issuing);
        let leaf_b = leaf("b.test")
            .published_at(&responder.url("/b.cer"))
            .signed_by(&issuing_b);
        responder.publish_certificate("/b.cer", &issuing_b);
        Self {
            responder,
            a,
            leaf_a,
            issuing_b,
            leaf_b,
            cache: Directory::new(),
        }
    }

    fn new() -> Self {
        let responder = Responder::new();
        let url = responder.url("/a.cer");
        Self::of(responder, &url)
    }

    fn publish(&self) {
        self.responder.publish_certificate("/a.cer", &self.a.issuing);
    }

    /// With `text` in the configuration.
    fn house(&self, text: &str) -> House {
        let house = House::bare(&self.a).file("--config", "fullchain.toml");
        house.directory.remove("store/issuing.pem");
        for (name, leaf) in [("a", &self.leaf_a), ("b", &self.leaf_b)] {
            house.directory.write(format!("{name}.crt"), leaf.pem());
            house.directory.write(format!("{name}.key"), leaf.key_pem());
        }
        house.directory.write("fullchain.toml", text);
        house
    }

    fn start(&self, certificates: &str) -> Running {
        self.house(&format!("{FETCHING}{certificates}")).start()
    }

    /// What comes when `name` is asked for, from a server that sends `issuing` or not.
    fn served(&self, house: &Running, name: &str) -> Vec<CertificateDer<'static>> {
        let issuing = if name == NAME { &self.a.issuing } else { &self.issuing_b };
        let trusting = client_config(issuing, rustls::ALL_VERSIONS);
        house.served_to(&trusting, name).unwrap()
    }

    fn serves_a(&self, house: &Running, chain: &[&Entity]) -> bool {
        self.served(house, NAME) == der(chain.iter().copied())
    }

    /// Waits until the first chain is whole.
    #[track_caller]
    fn wait_until_repaired(&self, house: &Running) {
        eventually_within(WITHOUT_WAITING, "the chain is repaired", || {
            self.serves_a(house, &[&self.leaf_a, &self.a.issuing])
        });
    }

    fn serves_b(&self, house: &Running, chain: &[&Entity]) -> bool {
        self.served(house, "b.test") == der(chain.iter().copied())
    }
}

const FETCHING: &str = "aia = \"missing\"\naia_allow_private = true\nocsp = \"off\"\ncache_dir = \"off\"\n";
const A: &str = "[[certificate]]\ncert = \"a.crt\"\nkey = \"a.key\"\n";
const BOTH: &str =
    "[[certificate]]\ncert = \"a.crt\"\nkey = \"a.key\"\n[[certificate]]\ncert = \"b.crt\"\nkey = \"b.key\"\n";

/// Lets nobody through until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let is_closed = |open: &mut bool| !*open;
        let (open, opened) = &*self.0;
        drop(
            opened
                .wait_timeout_while(open.lock().unwrap(), PATIENCE, is_closed)
                .unwrap(),
        );
    }
}

#[test]
fn the_start_waits_for_nobody_and_the_chain_is_completed_in_the_background() {
    let scene = Scene::new();
    let (gate, issuing) = (Gate::default(), scene.a.issuing.certificate.der().to_vec());
    let closed = gate.clone();
    scene.responder.answer("/a.cer", move |_: &Request| {
        closed.pass();
        Response::ok(issuing.clone())
    });
    let house = scene.start(A);
    assert!(scene.serves_a(&house, &[&scene.leaf_a]));
    eventually("the issuer is asked for", || scene.responder.asked() == ["/a.cer"]);
    assert!(scene.serves_a(&house, &[&scene.leaf_a]));
    gate.open();
    scene.wait_until_repaired(&house);
    house.wait_for_log(&["INFO", "a missing issuer was found", &scene.responder.url("/a.cer")]);
}

/// `a.test` cannot be repaired, whatever comes from `url`. Nobody else is to notice.
#[track_caller]
fn is_in_nobodys_way(scene: &Scene) {
    let start = Instant::now();
    let house = scene.start(BOTH);
    assert!(start.elapsed() < WITHOUT_WAITING, "{:?}", start.elapsed());
    let trickle = Trickle::start(house.address, client_config(&scene.a.issuing, rustls::ALL_VERSIONS));
    eventually_within(WITHOUT_WAITING, "the other chain is repaired", || {
        scene.serves_b(&house, &[&scene.leaf_b, &scene.issuing_b])
    });
    assert!(scene.serves_a(&house, &[&scene.leaf_a]));
    trickle.assert_none_failed();
    assert!(scene.serves_a(&house, &[&scene.leaf_a]));
}

fn answered(response: Response) -> Scene {
    let scene = Scene::new();
    scene.responder.publish("/a.cer", response);
    scene
}

#[test]
fn a_silent_responder_is_in_nobodys_way() {
    is_in_nobodys_way(&answered(Response::Silence));
}

#[test]
fn a_slow_responder_is_in_nobodys_way() {
    is_in_nobodys_way(&answered(Response::Drip));
}

#[test]
fn a_responder_with_an_endless_answer_is_in_nobodys_way() {
    is_in_nobodys_way(&answered(Response::Endless));
}

#[test]
fn a_responder_with_endless_headers_is_in_nobodys_way() {
    is_in_nobodys_way(&answered(Response::Raw(
        b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000_000),
    )));
}

#[test]
fn a_responder_that_redirects_in_a_circle_is_in_nobodys_way() {
    is_in_nobodys_way(&answered(Response::redirect(302, "/a.cer")));
}

#[test]
fn a_responder_that_redirects_elsewhere_is_in_nobodys_way() {
    is_in_nobodys_way(&answered(Response::redirect(301, "file:///etc/passwd")));
}

#[test]
fn a_lying_responder_is_in_nobodys_way() {
    let impostors = Family::new();
    is_in_nobodys_way(&answered(Response::ok(p7c([&impostors.issuing, &impostors.root]))));
}

#[test]
fn a_dead_responder_is_in_nobodys_way() {
    is_in_nobodys_way(&Scene::of(Responder::new(), &dead_url()));
}

#[test]
fn two_cas_that_point_at_each_other_are_in_nobodys_way() {
    let scene = Scene::new();
    let url = scene.responder.url("/a.cer");
    let other = ca("Other").self_signed();
    let by_other = ca("Issuing 1").key_of(&scene.a.issuing).published_at(&url);
    let other_by_it = ca("Other").key_of(&other).published_at(&url);
    let by_other = by_other.signed_by(&other);
    let answer = p7c([&by_other, &other_by_it.signed_by(&scene.a.issuing)]);
    scene.responder.publish("/a.cer", Response::ok(answer));
    let house = scene.start(BOTH);
    eventually_within(WITHOUT_WAITING, "the other chain is repaired", || {
        scene.serves_b(&house, &[&scene.leaf_b, &scene.issuing_b])
    });
    assert_eq!(scene.served(&house, NAME)[0], *scene.leaf_a.certificate.der());
    assert_eq!(
        scene.responder.asked().iter().filter(|path| **path == "/a.cer").count(),
        1
    );
}

#[test]
fn a_certificate_that_comes_while_a_search_runs_is_looked_for_after_it() {
    let scene = Scene::new();
    let gate = Gate::default();
    let closed = gate.clone();
    scene.responder.answer("/a.cer", move |_: &Request| {
        closed.pass();
        Response::status(404)
    });
    let house = scene.start(A);
    eventually("the first issuer is asked for", || scene.responder.asked().len() == 1);
    house.directory().replace("fullchain.toml", format!("{FETCHING}{BOTH}"));
    assert_eq!(house.reload(&[]).code, Some(0));
    assert!(scene.serves_b(&house, &[&scene.leaf_b]));
    gate.open();
    eventually_within(WITHOUT_WAITING, "the second chain is repaired", || {
        scene.serves_b(&house, &[&scene.leaf_b, &scene.issuing_b])
    });
}

#[test]
fn what_was_mended_is_asked_for_again_on_reload() {
    let scene = Scene::new();
    let house = scene.start(A);
    house.wait_for_log(&[
        "WARN",
        "a missing issuer was not found",
        "expected status 200, found 404",
    ]);
    scene.publish();
    assert_eq!(house.reload(&[]).code, Some(0));
    scene.wait_until_repaired(&house);
}

#[test]
fn what_was_fetched_is_there_after_a_restart_though_the_responder_is_not() {
    let scene = Scene::new();
    scene.publish();
    let text = FETCHING.replace("\"off\"\ncache_dir = \"off\"", "\"off\"");
    let start = || {
        let house = scene.house(&format!("{text}{A}"));
        house.flag("--cache-dir", &scene.cache.text("cache")).start()
    };
    scene.wait_until_repaired(&start());
    scene.responder.publish("/a.cer", Response::Silence);
    scene.wait_until_repaired(&start());
    assert_eq!(scene.responder.asked(), ["/a.cer"]);
}

#[test]
fn private_addresses_are_not_asked_unless_that_is_allowed() {
    let scene = Scene::new();
    scene.publish();
    let text = FETCHING.replace("aia_allow_private = true\n", "");
    let house = scene.house(&format!("{text}{A}")).start();
    house.wait_for_log(&[
        "WARN",
        "a missing issuer was not found",
        "127.0.0.1, a loopback address",
    ]);
    assert!(scene.responder.requests().is_empty());
    assert!(scene.serves_a(&house, &[&scene.leaf_a]));
}

#[test]
fn switched_off_by_a_reload_what_was_fetched_is_used_no_more() {
    let scene = Scene::new();
    scene.publish();
    let house = scene.start(A);
    scene.wait_until_repaired(&house);
    let off = FETCHING.replace("\"missing\"", "\"off\"");
    house.directory().replace("fullchain.toml", format!("{off}{A}"));
    let kept = house.reload(&[]);
    assert!(
        kept.out.contains("incomplete") || kept.err.contains("incomplete"),
        "{kept:?}"
    );
    house.reload(&["--force"]);
    assert!(scene.serves_a(&house, &[&scene.leaf_a]));
}

#[test]
fn why_a_fetched_certificate_is_dropped_is_said_of_it_and_not_of_its_root() {
    let scene = Scene::new();
    scene.publish();
    let house = scene.start(A);
    scene.wait_until_repaired(&house);
    let disallow = format!("disallow = [\"{}\"]\n", scene.a.issuing.certificate.fingerprint());
    house
        .directory()
        .replace("fullchain.toml", format!("{FETCHING}{disallow}{A}"));
    house.reload(&["--force"]);
    assert!(scene.serves_a(&house, &[&scene.leaf_a]));
    house.wait_for_log(&["CN=Issuing 1", "is refused: on the disallow list"]);
    assert!(!house.has_logged(&["no longer there"]), "{:?}", house.log());
}
