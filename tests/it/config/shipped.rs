//! The files that are shipped are what they say.

use std::path::Path;

use fullchain::admin;
use fullchain::config::{self, keys};

use super::{load, shipped};

#[test]
fn the_shipped_files_are_valid() {
    for name in ["minimal.toml", "fullchain.toml"] {
        let (_, config) = shipped(name);
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        assert_eq!(config.certs.bundles[0].certificate, directory.join("tls.crt"), "{name}");
    }
}

#[test]
fn the_example_of_the_page_about_iis_is_valid() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/MIGRATING-FROM-IIS.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, example) = page.split_once("```toml\n").unwrap();
    let config = load(example.split("```").next().unwrap()).unwrap();
    assert_eq!((config.proxy.routes.len(), config.proxy.backends.len()), (2, 2));
}

#[test]
fn the_full_file_says_nothing_but_the_defaults_of_the_code() {
    let (_, mut full) = shipped("fullchain.toml");
    let (_, mut minimal) = shipped("minimal.toml");
    // The one difference there should be: an address that is given must be bound.
    let admin::Address::Default(address) = minimal.admin.address else {
        panic!("{:?}", minimal.admin)
    };
    assert_eq!(full.admin.address, admin::Address::Asked(address));
    minimal.admin.address = full.admin.address;
    // They say the same in other words.
    minimal.said = full.said.clone();
    // The store is a sample in the minimal file.
    full.certs.intermediates.clear();
    minimal.certs.intermediates.clear();
    // Each is its own.
    minimal.files = full.files.clone();
    assert_eq!(full, minimal);
}

#[test]
fn the_full_file_has_every_key_in_its_table_with_the_default_of_the_manual_and_a_comment() {
    let (text, _) = shipped("fullchain.toml");
    let mut table = "";
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        // A table that there is none of by default stands there as a comment, header and all.
        if line.trim_start_matches("# ").starts_with('[') && line.ends_with(']') {
            table = line.trim_start_matches("# ").trim_matches(['[', ']']);
        } else if let Some((key, value)) = line.trim_start_matches("# ").split_once(" = ") {
            let dotted = if table.is_empty() {
                key.to_owned()
            } else {
                format!("{table}.{key}")
            };
            assert!(lines[index - 1].starts_with("# "), "{dotted} has no comment");
            found.push((
                dotted,
                value.trim_matches(['[', ']']).replace('"', "").replace(", ", ","),
            ));
        }
    }
    let known: Vec<_> = keys().iter().map(config::Key::dotted).collect();
    assert_eq!(
        found.iter().map(|(dotted, _)| dotted.clone()).collect::<Vec<_>>(),
        known
    );
    for (key, (dotted, value)) in keys().iter().zip(&found) {
        if let Some(default) = &key.default {
            assert_eq!(value, default, "{dotted}");
        }
    }
}

#[test]
fn something_can_be_turned_off_in_the_full_file_without_a_look_at_what_belongs_to_it() {
    let (mut text, _) = shipped("fullchain.toml");
    for (on, off) in [
        ("\neject_after = 3\n", "\neject_after = 0\n"),
        ("\nretry = \"safe\"\n", "\nretry = \"off\"\n"),
        ("\nrequest_buffering = \"auto\"\n", "\nrequest_buffering = \"off\"\n"),
    ] {
        assert_eq!(text.matches(on).count(), 1, "{on}");
        text = text.replacen(on, off, 1);
    }
    load(&text).unwrap_or_else(|faults| panic!("{faults}"));
}
