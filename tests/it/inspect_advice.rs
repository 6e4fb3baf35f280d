//! What `fullchain inspect` advises where a server sends more than one chain, or more than one needs.

use std::net::SocketAddr;

use serde_json::Value;

use crate::rig::command::{Ended, fullchain};
use crate::rig::directory::Directory;
use crate::rig::family::{Family, NAME, around_today, leaf};
use crate::rig::peer::Peer;
use crate::rig::pki::{Entity, ca};

/// Looks at the server at `address` with `roots`, knowing `store`.
fn look(address: SocketAddr, roots: &[&Entity], store: &[&Entity], further: &[&str]) -> Ended {
    let files = Directory::new();
    let pem = |entities: &[&Entity]| entities.iter().map(|entity| entity.pem()).collect::<String>();
    files.write("roots.pem", pem(roots));
    let (address, roots, known) = (address.to_string(), files.text("roots.pem"), files.text("store.pem"));
    let mut arguments = vec!["inspect", &address, "--sni", NAME, "--roots", &roots];
    if !store.is_empty() {
        files.write("store.pem", pem(store));
        arguments.extend(["--intermediates", &known]);
    }
    fullchain([&arguments, further].concat())
}

/// Found by hand: the first list was printed, which needed nothing, and the advice on the second said that all of it was
/// done there.
#[test]
fn of_two_lists_the_one_to_be_mended_is_what_pem_prints() {
    let family = Family::new();
    let (ecdsa, rsa) = (family.leaf(), leaf(NAME).rsa().signed_by(&family.issuing));
    let (issuing, root) = (&family.issuing, &family.root);
    let chains: [&[&Entity]; 2] = [&[&ecdsa, issuing], &[&rsa]];
    let Some(peer) = Peer::nginx_with(&chains) else { return };
    let pem = look(peer.address, &[root], &[issuing], &["--format", "pem"]);
    assert_eq!(
        (pem.code, &pem.out),
        (Some(0), &(rsa.pem() + &issuing.pem())),
        "{}",
        pem.err
    );
    let text = look(peer.address, &[root], &[issuing], &[]);
    let sentence = "all of that is done in what --format pem prints";
    assert_eq!(text.out.matches(sentence).count(), 1, "{}", text.out);

    // Where both are broken, it is said of the one that is printed alone.
    let chains: [&[&Entity]; 2] = [&[&ecdsa], &[&rsa]];
    let Some(peer) = Peer::nginx_with(&chains) else { return };
    let pem = look(peer.address, &[root], &[issuing], &["--format", "pem"]);
    assert_eq!(pem.out, ecdsa.pem() + &issuing.pem(), "{}", pem.err);
    let text = look(peer.address, &[root], &[issuing], &[]);
    let (first, second) = text.out.split_once("to clients of RSA alone\n").unwrap();
    assert_eq!(
        (first.matches(sentence).count(), second.matches(sentence).count()),
        (1, 0),
        "{}",
        text.out
    );
}

/// Found by hand: the tree below said `sent: 2 certificates` of a server that sends three.
#[test]
fn a_cross_certificate_that_is_sent_too_is_counted_and_said_to_be_left_out() {
    let family = Family::new();
    let old = around_today(ca("Old"), 900).self_signed();
    let cross = around_today(ca("Root").key_of(&family.root), 400).signed_by(&old);
    let leaf = family.leaf();
    let sent = [&leaf, &family.issuing, &cross];
    let Some(peer) = Peer::nginx(&sent) else { return };
    let seen = look(peer.address, &[&family.root, &old], &[], &[]);
    assert_eq!(seen.code, Some(0), "{}", seen.out);
    let bytes = |sent: &[&Entity]| 8 + sent.iter().map(|sent| 5 + sent.certificate.der().len()).sum::<usize>();
    let message = "in the Certificate message of TLS 1.3\n";
    let (all, needed) = (bytes(&sent), bytes(&sent[..2]));
    for part in [
        format!("  3 certificates, {all} bytes {message}"),
        "\nwhat a client makes of it\n".to_owned(),
        format!("  needed: 2 certificates, {needed} bytes {message}"),
        "--format pem leaves it out".to_owned(),
    ] {
        assert!(seen.out.contains(&part), "{part}\n{}", seen.out);
    }
    assert!(!seen.out.contains("  sent: "), "{}", seen.out);
    let pem = look(peer.address, &[&family.root, &old], &[], &["--format", "pem"]);
    assert!(
        pem.err
            .contains(&format!("left out, though it does no harm: {}", cross.certificate)),
        "{}",
        pem.err
    );
    let json = look(peer.address, &[&family.root, &old], &[], &["--format", "json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["chains"][0]["bytes"], all);
    assert_eq!(json["chains"][0]["sent"][2]["purpose"], "other root");
}

#[test]
fn an_issuer_that_is_published_may_be_fetched() {
    let family = Family::new();
    let leaf = leaf(NAME)
        .published_at("http://127.0.0.1:1/issuing.cer")
        .signed_by(&family.issuing);
    let Some(peer) = Peer::nginx(&[&leaf]) else { return };
    let seen = look(peer.address, &[&family.root], &[], &[]);
    assert!(
        seen.out
            .contains(", or have it fetched from there with --aia missing\n"),
        "{}",
        seen.out
    );
    let seen = look(peer.address, &[&family.root], &[], &["--aia", "missing"]);
    assert!(
        seen.out
            .contains(", or let that address be asked with --aia-allow-private\n"),
        "{}",
        seen.out
    );
    // It is allowed and nobody is there: asking once more would not help.
    let seen = look(
        peer.address,
        &[&family.root],
        &[],
        &["--aia", "missing", "--aia-allow-private"],
    );
    assert!(!seen.out.contains("--aia"), "{}", seen.out);
    let seen = look(
        peer.address,
        &[&family.root],
        &[],
        &["--aia", "missing", "--format", "json"],
    );
    let json: Value = serde_json::from_str(&seen.out).unwrap();
    assert_eq!(json["not_fetched"][0]["url"], "http://127.0.0.1:1/issuing.cer");
}
