//! `chain --aia missing` and `check` with `aia = "missing"`.

use serde_json::Value;

use crate::rig::command::{Ended, fullchain};
use crate::rig::directory::Directory;
use crate::rig::family::{Family, NAME, leaf};
use crate::rig::house::House;
use crate::rig::pki::Entity;
use crate::rig::responder::Responder;

/// A leaf on disk whose issuer is only on the responder.
struct Published {
    responder: Responder,
    family: Family,
    leaf: Entity,
    directory: Directory,
}

impl Published {
    fn new() -> Self {
        let (responder, family, directory) = (Responder::new(), Family::new(), Directory::new());
        responder.publish_certificate("/issuing.cer", &family.issuing);
        let leaf = leaf(NAME)
            .published_at(&responder.url("/issuing.cer"))
            .signed_by(&family.issuing);
        directory.write("leaf.pem", leaf.pem());
        directory.write("root.pem", family.root.pem());
        Self {
            responder,
            family,
            leaf,
            directory,
        }
    }

    fn chain(&self, further: &[&str]) -> Ended {
        let (leaf, root) = (self.directory.text("leaf.pem"), self.directory.text("root.pem"));
        fullchain([&["chain", "--leaf", &leaf, "--roots", &root][..], further].concat())
    }

    fn check(&self, further: &[&str]) -> Ended {
        let house = House::of(&self.family, &self.leaf);
        house.directory.remove("store/issuing.pem");
        let arguments = house.arguments();
        let arguments = ["check"].into_iter().chain(arguments.iter().map(String::as_str));
        fullchain(arguments.chain(further.iter().copied()))
    }
}

const MISSING: [&str; 3] = ["--aia", "missing", "--aia-allow-private"];

#[test]
fn chain_prints_the_whole_chain_and_says_where_it_came_from() {
    let published = Published::new();
    let fetched = published.chain(&MISSING);
    assert_eq!(fetched.code, Some(0), "{}", fetched.err);
    assert_eq!(fetched.out, published.leaf.pem() + &published.family.issuing.pem());
    let url = published.responder.url("/issuing.cer");
    assert!(
        fetched.err.contains("fetched: CN=Issuing 1") && fetched.err.contains(&url),
        "{}",
        fetched.err
    );

    let text = published.chain(&[&MISSING[..], &["--format", "text"]].concat());
    assert!(
        text.out.contains("a.test: complete") && text.out.contains(&url),
        "{}",
        text.out
    );
    let json = published.chain(&[&MISSING[..], &["--format", "json"]].concat());
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["fetched"][0]["url"], url);
    assert_eq!(json["fetched"][0]["sha256"], json["chain"]["sent"][1]["sha256"]);
}

#[test]
fn chain_asks_nobody_unless_told_to_and_no_private_address_unless_allowed() {
    let published = Published::new();
    let off = published.chain(&[]);
    assert_eq!((off.code, off.out.as_str()), (Some(3), ""));
    assert!(off.err.contains("fetched from there with --aia missing"), "{}", off.err);
    let refused = published.chain(&["--aia", "missing"]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(3), ""));
    assert!(
        refused.err.contains("127.0.0.1, a loopback address") && refused.err.contains("aia_allow_private"),
        "{}",
        refused.err
    );
    assert!(
        refused.err.contains("be asked with --aia-allow-private"),
        "{}",
        refused.err
    );
    assert!(published.responder.requests().is_empty());
}

#[test]
fn check_shows_the_chain_as_it_will_be_once_the_issuer_is_there() {
    let published = Published::new();
    let incomplete = published.check(&[]);
    assert_eq!(incomplete.code, Some(3), "{}", incomplete.out);
    assert!(
        incomplete.out.contains("fetched from there with --aia missing"),
        "{}",
        incomplete.out
    );
    let complete = published.check(&MISSING);
    assert_eq!(complete.code, Some(0), "{}\n{}", complete.out, complete.err);
    let url = published.responder.url("/issuing.cer");
    for part in ["a.test: complete", "fetched: CN=Issuing 1", &url] {
        assert!(complete.out.contains(part), "{part}\n{}", complete.out);
    }
    assert_eq!(published.responder.requests().len(), 1);
}

#[test]
fn check_says_what_could_not_be_fetched() {
    let published = Published::new();
    let lying = Family::new();
    published.responder.publish_certificate("/issuing.cer", &lying.issuing);
    let checked = published.check(&MISSING);
    assert_eq!(checked.code, Some(3), "{}", checked.out);
    assert!(
        checked.err.contains("its key did not make the signature"),
        "{}",
        checked.err
    );
    assert!(checked.out.contains("a.test: incomplete"), "{}", checked.out);
    let json: Value =
        serde_json::from_str(&published.check(&[&MISSING[..], &["--format", "json"]].concat()).out).unwrap();
    assert_eq!(json["not_fetched"][0]["url"], published.responder.url("/issuing.cer"));
}
