//! `fullchain chain`: the chain on standard output, the reason on standard error, the exit code for scripts.

use std::fs;

use serde_json::Value;

use crate::rig::command::{Ended, fullchain};
use crate::rig::directory::Directory;
use crate::rig::pki::{Entity, ca, server};

/// The day on which the certificates of the rig are valid.
const AT: &str = "2026-06-01T00:00:00Z";

/// Three levels of CAs, a leaf with a decoy beside it, and everything in a store.
struct Scene {
    directory: Directory,
    root: Entity,
    upper: Entity,
    issuing: Entity,
    leaf: Entity,
}

impl Scene {
    fn new() -> Self {
        let root = ca("Root").self_signed();
        let upper = ca("Upper").signed_by(&root);
        let issuing = ca("Issuing")
            .published_at("http://ca.test/issuing.cer")
            .signed_by(&upper);
        let leaf = server("a.test")
            .published_at("http://ca.test/issuing.cer")
            .signed_by(&issuing);
        let directory = Directory::new();
        directory.write("leaf.pem", leaf.pem());
        directory.write("root.pem", root.pem());
        directory.write("store/a.pem", upper.pem() + &root.pem());
        directory.write("store/b.pem", issuing.pem());
        let expired = ca("Issuing").key_of(&issuing).valid(-900, -1).signed_by(&upper);
        directory.write("store/expired.pem", expired.pem());
        Self {
            directory,
            root,
            upper,
            issuing,
            leaf,
        }
    }

    fn chain(&self, roots: &str, further: &[&str]) -> Ended {
        let leaf = self.directory.text("leaf.pem");
        let store = self.directory.text("store");
        let roots = match roots {
            "none" => roots.to_owned(),
            file => self.directory.text(file),
        };
        let common = ["chain", "--leaf", &leaf, "--intermediates", &store, "--roots", &roots];
        let at: &[&str] = if further.contains(&"--at") { &[] } else { &["--at", AT] };
        fullchain([&common[..], at, further].concat())
    }

    fn pem(&self) -> String {
        self.leaf.pem() + &self.issuing.pem() + &self.upper.pem()
    }
}

#[test]
fn pem_is_leaf_first_without_the_root_and_nothing_else() {
    let scene = Scene::new();
    let complete = scene.chain("root.pem", &[]);
    assert_eq!((complete.code, complete.err.as_str()), (Some(0), ""));
    assert_eq!(complete.out, scene.pem());
}

#[test]
fn without_roots_an_unanchored_chain_is_what_was_asked_for() {
    let scene = Scene::new();
    let unanchored = scene.chain("none", &[]);
    assert_eq!((unanchored.code, unanchored.err.as_str()), (Some(0), ""));
    assert_eq!(unanchored.out, scene.pem());
}

#[test]
fn a_chain_to_no_trusted_root_ends_with_3() {
    let scene = Scene::new();
    scene.directory.write("other.pem", ca("Other").self_signed().pem());
    let untrusted = scene.chain("other.pem", &[]);
    assert_eq!((untrusted.code, untrusted.out.as_str()), (Some(3), ""));
    assert!(untrusted.err.contains("unanchored"), "{}", untrusted.err);
}

#[test]
fn a_missing_issuer_ends_with_3_and_is_named_with_key_id_and_address() {
    let scene = Scene::new();
    fs::remove_dir_all(scene.directory.path("store")).unwrap();
    scene.directory.write("store/a.pem", scene.upper.pem());
    let missing = scene.chain("root.pem", &[]);
    assert_eq!((missing.code, missing.out.as_str()), (Some(3), ""));
    let key_id = scene.issuing.certificate.subject_key_id().unwrap();
    let key_id: String = key_id.iter().map(|byte| format!("{byte:02x}")).collect();
    for part in [
        "CN=a.test",
        "incomplete",
        "CN=Issuing",
        &key_id,
        "http://ca.test/issuing.cer",
    ] {
        assert!(missing.err.contains(part), "{part}\n{}", missing.err);
    }
}

#[test]
fn the_time_is_what_at_says() {
    let scene = Scene::new();
    let later = scene.chain("root.pem", &["--at", "2027-06-01T00:00:00Z"]);
    assert_eq!((later.code, later.out.as_str()), (Some(3), ""));
    assert!(
        later.err.contains("invalid") && later.err.contains("expired"),
        "{}",
        later.err
    );
    // Then the twin was valid, and the leaf was not.
    let before = scene.chain("root.pem", &["--at", "2025-01-01T00:00:00Z", "--format", "text"]);
    assert_eq!(before.code, Some(3));
    assert!(before.out.contains("not valid before"), "{}", before.out);
}

#[test]
fn text_shows_the_tree_and_every_candidate() {
    let scene = Scene::new();
    let text = scene.chain("root.pem", &["--format", "text"]);
    assert_eq!((text.code, text.err.as_str()), (Some(0), ""));
    for part in [
        "a.test: complete",
        "CN=Root",
        "(root, not sent)",
        "trail",
        "chosen",
        "refused: expired",
    ] {
        assert!(text.out.contains(part), "{part}\n{}", text.out);
    }
}

#[test]
fn json_is_one_object_with_chain_trail_and_reasons() {
    let scene = Scene::new();
    let json = scene.chain("root.pem", &["--format", "json"]);
    assert_eq!((json.code, json.err.as_str()), (Some(0), ""));
    let shown: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(shown["status"], "complete");
    assert_eq!(shown["names"][0], "a.test");
    assert_eq!(shown["chain"]["end"], "anchor");
    let sent: Vec<&Value> = shown["chain"]["sent"].as_array().unwrap().iter().collect();
    let expected = [&scene.leaf, &scene.issuing, &scene.upper];
    assert_eq!(sent.len(), expected.len());
    for (sent, expected) in sent.into_iter().zip(expected) {
        assert_eq!(sent["sha256"], expected.certificate.fingerprint().to_string());
        assert_eq!(sent["serial"], expected.certificate.serial_text());
    }
    assert_eq!(
        shown["chain"]["root"]["sha256"],
        scene.root.certificate.fingerprint().to_string()
    );
    let verdicts: Vec<&str> = shown["trail"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["verdict"].as_str().unwrap())
        .collect();
    assert!(
        verdicts.contains(&"chosen") && verdicts.contains(&"refused"),
        "{verdicts:?}"
    );
    assert!(shown["wanted"].is_null());
}

#[test]
fn json_of_an_incomplete_chain_names_what_is_wanted_and_ends_with_3() {
    let scene = Scene::new();
    fs::remove_file(scene.directory.path("store/b.pem")).unwrap();
    fs::remove_file(scene.directory.path("store/expired.pem")).unwrap();
    let json = scene.chain("root.pem", &["--format", "json"]);
    assert_eq!(json.code, Some(3));
    let shown: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(shown["status"], "incomplete");
    assert_eq!(shown["wanted"]["subject"], "CN=Issuing");
    assert_eq!(shown["wanted"]["published_at"][0], "http://ca.test/issuing.cer");
}

#[test]
fn unreadable_input_ends_with_1_and_names_the_file() {
    let scene = Scene::new();
    for contents in [None, Some("nothing of use"), Some(&scene.leaf.pem()[..300])] {
        match contents {
            Some(contents) => drop(scene.directory.write("leaf.pem", contents)),
            None => scene.directory.remove("leaf.pem"),
        }
        let unreadable = scene.chain("root.pem", &[]);
        assert_eq!(
            (unreadable.code, unreadable.out.as_str()),
            (Some(1), ""),
            "{contents:?}"
        );
        assert!(unreadable.err.contains("leaf.pem"), "{}", unreadable.err);
    }
}

#[test]
fn what_is_broken_in_the_store_is_named_and_skipped() {
    let scene = Scene::new();
    scene.directory.write("store/torn.pem", &scene.issuing.pem()[..300]);
    let complete = scene.chain("root.pem", &[]);
    assert_eq!((complete.code, complete.out), (Some(0), scene.pem()));
    assert!(
        complete.err.contains("torn.pem") && complete.err.contains("skipped"),
        "{}",
        complete.err
    );
}

#[test]
fn roots_or_a_store_that_cannot_be_read_are_an_error() {
    let scene = Scene::new();
    let roots = scene.chain("missing.pem", &[]);
    assert_eq!((roots.code, roots.out.as_str()), (Some(1), ""), "{}", roots.err);
    assert!(roots.err.contains("missing.pem"), "{}", roots.err);
    let store = scene.directory.text("nowhere");
    let store = scene.chain("root.pem", &["--intermediates", &store]);
    assert_eq!((store.code, store.out.as_str()), (Some(1), ""), "{}", store.err);
    assert!(store.err.contains("nowhere"), "{}", store.err);
}
