//! What is logged, and where what is fetched is kept.

use std::time::Duration;

use fullchain::fetch::Aia;
use fullchain::proxy::{AccessFormat, AccessLog, Redaction};
use fullchain::telemetry;

use super::{LEAST, environment, faults, load, load_with};

#[test]
fn switches_and_log_reach_their_rooms() {
    let text = format!(
        "strict = true\nstrict_sni = true\nsend_intermediate_anchor = false\ntakeover = true\n{LEAST}allow_ca_leaf = true\n[reload]\nwatch = false\nallow_worse = true\n\
         [log]\nformat = \"json\"\naccess = false\n[drain]\ndelay = \"5s\"\n"
    );
    let config = load(&text).unwrap();
    assert!(config.reload.strict && config.tls.strict_sni && config.proxy.takeover && config.reload.allow_worse);
    assert!(config.certs.bundles[0].allow_ca_leaf);
    assert!(!config.reload.watch && !config.reload.send_intermediate_anchor && !config.proxy.access_log.wanted);
    assert_eq!(config.log.format, telemetry::log::Format::Json);
    assert_eq!(config.drain.delay, Duration::from_secs(5));
}

#[test]
fn the_access_log_is_configured_by_its_keys_and_knows_where_its_file_is_named() {
    let config = load(LEAST).unwrap();
    assert_eq!(
        (config.proxy.access_log, config.access_file),
        (AccessLog::default(), None)
    );
    let text = format!(
        "{LEAST}[log]\naccess_format = \"w3c\"\naccess_file = \"access.log\"\nredact_query = [\"Token\", \"*\"]\n"
    );
    let config = load(&text).unwrap();
    let AccessLog {
        format,
        file,
        redaction,
        ..
    } = config.proxy.access_log;
    assert_eq!((format, redaction), (AccessFormat::W3c, Redaction::of(["token", "*"])));
    assert!(file.unwrap().is_absolute());
    let place = config.access_file.unwrap().to_string();
    assert!(place.ends_with("fullchain.toml:7:15: log.access_file"), "{place}");
    // None at all is another thing than none named.
    let config = load(&format!("{LEAST}[log]\nredact_query = []\n")).unwrap();
    assert_eq!(config.proxy.access_log.redaction, Redaction::of([""; 0]));
}

#[test]
fn faults_of_the_access_log_are_told_with_what_to_write() {
    let told = faults(&format!(
        "{LEAST}[log]\naccess_format = \"common\"\naccess_file = \"\"\nredact_query = [\"tok*\"]\n"
    ));
    assert_eq!(
        told,
        "fullchain.toml:6:17: log.access_format: expected \"auto\", \"json\", \"combined\" or \"w3c\", found \"common\"\n\
         fullchain.toml:7:15: log.access_file: expected a path, found \"\"\n\
         fullchain.toml:8:17: log.redact_query: expected the name of a parameter, such as \"token\", or \"*\" for the whole query, found \"tok*\""
    );
}

#[test]
fn what_is_fetched_is_kept_where_the_operator_says_or_where_the_environment_has_such_things() {
    let directory = |text: &str, variables: &[(&str, &str)]| {
        let config = load_with(&format!("{text}{LEAST}"), &[], &environment(variables)).unwrap();
        assert_eq!((config.fetch.aia, config.fetch.allow_private), (Aia::Off, false));
        config.fetch.cache_directory
    };
    let home = &[("HOME", "/home/a")][..];
    assert_eq!(directory("", home), Some("/home/a/.cache/fullchain".into()));
    assert_eq!(directory("cache_dir = \"auto\"\n", home), directory("", home));
    assert_eq!(directory("cache_dir = \"off\"\n", home), None);
    assert_eq!(directory("cache_dir = \"/cache\"\n", home), Some("/cache".into()));
    assert_eq!(directory("", &[]), None);
    // A relative path starts at the file, which lies in a directory of its own.
    assert!(directory("cache_dir = \"cache\"\n", home).unwrap().is_absolute());
}

#[test]
fn a_container_says_by_variables_that_missing_issuers_are_fetched_and_where_they_are_kept() {
    let variables = [
        ("FULLCHAIN_AIA", "missing"),
        ("FULLCHAIN_AIA_ALLOW_PRIVATE", "true"),
        ("FULLCHAIN_CACHE_DIR", "/cache"),
        ("HOME", "/root"),
    ];
    let fetch = load_with(LEAST, &[], &environment(&variables)).unwrap().fetch;
    assert_eq!((fetch.aia, fetch.allow_private), (Aia::Missing, true));
    assert_eq!(fetch.cache_directory, Some("/cache".into()));
    let error = load(&format!("aia = \"on\"\n{LEAST}")).unwrap_err();
    assert!(
        error.contains("expected \"off\" or \"missing\", found \"on\""),
        "{error}"
    );
}
