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
    /// An earlier certificate of the issuing CA.
    expired: Entity,
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
            expired,
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
fn text_shows_each_refused_candidate_beside_the_certificate_it_might_have_issued() {
    let scene = Scene::new();
    let text = scene.chain("root.pem", &["--format", "text"]);
    assert_eq!((text.code, text.err.as_str()), (Some(0), ""));
    let name = |entity: &Entity| entity.certificate.to_string();
    let (leaf, issuing, upper, root) = (
        name(&scene.leaf),
        name(&scene.issuing),
        name(&scene.upper),
        name(&scene.root),
    );
    let expired = name(&scene.expired);
    // The Certificate message, RFC 8446 section 4.4.2: 8 bytes, and 5 for each certificate.
    let chain = [&scene.leaf, &scene.issuing, &scene.upper];
    let bytes = 8 + chain.iter().map(|sent| 5 + sent.certificate.der().len()).sum::<usize>();
    let other = [&scene.leaf, &scene.expired, &scene.upper];
    let other_bytes = 8 + other.iter().map(|sent| 5 + sent.certificate.der().len()).sum::<usize>();
    let width = leaf.chars().count() + ", EC 256".len();
    // Everything that is sent, and the root, has its end in one column.
    let padded = |name: &str, depth: usize| format!("{name:<0$}", width - depth);
    let (leaf, issuing, upper) = (padded(&(leaf + ", EC 256"), 0), padded(&issuing, 2), padded(&upper, 4));
    let padded_root = padded(&root, 6);
    let (other_leaf, padded_expired) = (&leaf, padded(&expired, 2));
    assert_eq!(
        text.out,
        format!(
            "a.test: complete\n\
             \x20 {leaf}  until 2026-09-09 (100 days)\n\
             \x20 ├ refused: {expired} (store): expired on 2026-05-31T00:00:00Z\n\
             \x20 └ {issuing}  until 2029-02-25 (1000 days)\n\
             \x20   └ {upper}  until 2029-02-25 (1000 days)\n\
             \x20     ├ refused: {root} (store): self-signed: a root is never sent\n\
             \x20     └ {padded_root}  until 2029-02-25 (1000 days) (root, not sent)\n\
             \x20 sent: 3 certificates, {bytes} bytes in the Certificate message of TLS 1.3\n\
             \x20 not chosen: 3 certificates, {other_bytes} bytes, to {root}:\n\
             \x20   leads to a certificate that is not valid now\n\
             \x20     {other_leaf}  until 2026-09-09 (100 days)\n\
             \x20     └ {padded_expired}  expired on 2026-05-31\n\
             \x20       └ {upper}  until 2029-02-25 (1000 days)\n\
             \x20         └ {padded_root}  until 2029-02-25 (1000 days) (root, not sent)\n"
        )
    );
}

#[test]
fn text_says_what_is_missing_and_what_to_do_last() {
    let scene = Scene::new();
    fs::remove_dir_all(scene.directory.path("store")).unwrap();
    scene.directory.write("store/a.pem", scene.upper.pem());
    let text = scene.chain("root.pem", &["--format", "text"]);
    assert_eq!(text.code, Some(3));
    assert!(text.out.starts_with("a.test: incomplete\n"), "{}", text.out);
    assert!(
        text.out.contains("└ ? CN=Issuing: in neither store nor roots\n"),
        "{}",
        text.out
    );
    let last = "    to do: add its certificate to the store (published at http://ca.test/issuing.cer), \
                or have it fetched from there with --aia missing\n";
    assert!(text.out.ends_with(last), "{}", text.out);
}

#[test]
fn a_chain_not_chosen_is_shown_with_its_bytes_and_the_reason() {
    let old = ca("Old").valid(-3000, 3000).self_signed();
    let root = ca("New").valid(-300, 3000).self_signed();
    let cross = ca("New").key_of(&root).valid(-200, 900).signed_by(&old);
    let issuing = ca("Issuing").signed_by(&root);
    let leaf = server("a.test").signed_by(&issuing);
    let directory = Directory::new();
    let leaf_file = directory.write("leaf.pem", leaf.pem());
    let store = directory.write("store.pem", issuing.pem() + &cross.pem());
    let roots = directory.write("roots.pem", old.pem() + &root.pem());
    let [leaf_file, store, roots] = [&leaf_file, &store, &roots].map(|path| path.to_str().unwrap());
    let text = |policy| {
        let arguments = [
            "chain",
            "--leaf",
            leaf_file,
            "--intermediates",
            store,
            "--roots",
            roots,
            "--at",
            AT,
        ];
        fullchain([&arguments[..], &["--policy", policy, "--format", "text"]].concat()).out
    };
    let size = |chain: &[&Entity]| 8 + chain.iter().map(|sent| 5 + sent.certificate.der().len()).sum::<usize>();
    let (short, long) = (size(&[&leaf, &issuing]), size(&[&leaf, &issuing, &cross]));
    let (root, old) = (&root.certificate, &old.certificate);
    for (policy, chosen, other) in [
        (
            "short",
            format!("sent: 2 certificates, {short} bytes"),
            format!(
                "not chosen: 3 certificates, {long} bytes, to {old}:\n    policy short prefers fewer certificates\n"
            ),
        ),
        (
            "compat",
            format!("sent: 3 certificates, {long} bytes"),
            format!(
                "not chosen: 2 certificates, {short} bytes, to {root}:\n    policy compat prefers the oldest root, then fewer certificates\n"
            ),
        ),
    ] {
        let shown = text(policy);
        assert!(shown.contains(&chosen) && shown.contains(&other), "{shown}\n{other}");
    }
}

#[test]
fn a_long_name_breaks_the_line_and_not_the_tree() {
    let long = "A Certification Authority whose common name goes on, as those of public authorities do: No 7";
    let root = ca("Root").self_signed();
    let issuing = ca(long).signed_by(&root);
    let expired = ca(long).key_of(&issuing).valid(-900, -1).signed_by(&root);
    let leaf = server("a.test").signed_by(&issuing);
    let directory = Directory::new();
    let leaf = directory.write("leaf.pem", leaf.pem());
    let store = directory.write("store.pem", issuing.pem() + &expired.pem());
    let root = directory.write("root.pem", root.pem());
    let [leaf, store, root] = [&leaf, &store, &root].map(|path| path.to_str().unwrap());
    let arguments = [
        "chain",
        "--leaf",
        leaf,
        "--intermediates",
        store,
        "--roots",
        root,
        "--at",
        AT,
    ];
    let text = fullchain([&arguments[..], &["--format", "text"]].concat()).out;
    let lines: Vec<&str> = text.lines().collect();
    let place = |part: &str| lines.iter().position(|line| line.contains(part)).unwrap();
    let refused = place("├ refused: CN=A Certification");
    assert_eq!(
        lines[refused + 1].trim_start(),
        "│     expired on 2026-05-31T00:00:00Z",
        "{text}"
    );
    let chosen = place("└ CN=A Certification");
    assert_eq!(lines[chosen + 1].trim_start(), "until 2029-02-25 (1000 days)", "{text}");
}

#[test]
fn a_date_is_midnight_utc() {
    let scene = Scene::new();
    let by_date = scene.chain("root.pem", &["--at", "2026-09-09"]);
    assert_eq!((by_date.code, by_date.err.as_str()), (Some(0), ""));
    // The rig's leaf ends at that very second, which is part of its life.
    assert_eq!(scene.chain("root.pem", &["--at", "2026-09-09T00:00:01Z"]).code, Some(3));
    assert_eq!(scene.chain("root.pem", &["--at", "2026-09-31"]).code, Some(2));
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

#[test]
fn a_root_that_ends_before_the_leaf_is_not_to_be_renewed_in_the_store() {
    let root = ca("Root").valid(-900, 20).self_signed();
    let leaf = server("a.test").signed_by(&root);
    let directory = Directory::new();
    let leaf = directory.write("leaf.pem", leaf.pem());
    let root = directory.write("root.pem", root.pem());
    let [leaf, root] = [&leaf, &root].map(|path| path.to_str().unwrap());
    let shown = fullchain(["chain", "--leaf", leaf, "--roots", root, "--at", AT, "--format", "text"]);
    assert!(shown.out.contains(", before the leaf\n"), "{}", shown.out);
    let advice = "to do: before then, have the leaf issued below a root that lasts longer";
    assert!(shown.out.contains(advice), "{}", shown.out);
}
