//! What the documents say of keys is so.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fullchain::config::keys;
use fullchain::tls::{HandshakeError, RefusedBecause, RefusedCertificate};

use crate::rig::access::documented;

#[test]
fn every_key_that_the_pages_for_operators_name_is_one() {
    for page in ["LEGACY.md", "MIGRATING-FROM-IIS.md"] {
        assert_keys_are_known(page);
    }
}

fn assert_keys_are_known(page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = fs::read_to_string(path).unwrap();
    let (intro, _) = text.split_once("\n## ").unwrap();
    let is_known = |name: &str| {
        keys().iter().any(|key| match key.table.as_deref() {
            Some("route" | "backend") => key.name == name,
            // It says which keys stand at the top of the file.
            None => key.name == name && intro.contains(&format!("`{name}`")),
            Some(_) => key.dotted() == name,
        })
    };
    let in_backticks = text.split('`').skip(1).step_by(2);
    // A key is of lower case letters, with an underscore or a value; other words in backticks are what is searched for.
    let named: Vec<&str> = in_backticks
        .filter_map(|code| {
            let (name, value) = code
                .split_once(" = ")
                .map_or((code, None), |(name, value)| (name, Some(value)));
            let is_name = name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.'));
            (is_name && (value.is_some() || name.contains(['_', '.']))).then_some(name)
        })
        .filter(|name| !matches!(*name, "close_notify"))
        // Names of files.
        .filter(|name| ![".pfx", ".crt", ".key"].iter().any(|end| name.ends_with(end)))
        .collect();
    assert!(named.len() > 60, "{named:?}");
    let unknown: Vec<_> = named.iter().filter(|name| !is_known(name)).collect();
    assert!(unknown.is_empty(), "{page}: {unknown:?}");
}

#[test]
fn every_cause_of_a_failed_handshake_is_documented() {
    let known: BTreeSet<String> = documented("Handshakes").into_iter().collect();
    assert_eq!(known, HandshakeError::CAUSES.map(str::to_owned).into());
    let refused = |because| {
        HandshakeError::ClientCertificate(RefusedCertificate {
            certificate: "".into(),
            because,
        })
    };
    for error in [
        HandshakeError::NoServerName,
        HandshakeError::UnknownName,
        HandshakeError::NoClientCertificate,
        HandshakeError::Refused(rustls::AlertDescription::UnknownCA),
        HandshakeError::Protocol(rustls::Error::DecryptError),
        HandshakeError::PlainHttp,
        HandshakeError::TimedOut(std::time::Duration::ZERO),
        HandshakeError::Closed(std::io::ErrorKind::UnexpectedEof.into()),
        refused(RefusedBecause::UnknownIssuer),
        refused(RefusedBecause::Expired),
        refused(RefusedBecause::NotYetValid),
        refused(RefusedBecause::Revoked),
        refused(RefusedBecause::NoRevocationList),
        refused(RefusedBecause::RevocationListExpired),
        refused(RefusedBecause::RevocationListNotSigned),
        refused(RefusedBecause::Purpose),
    ] {
        assert!(known.contains(error.cause()), "{}", error.cause());
    }
}
