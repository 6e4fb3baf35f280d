//! What is wrong is told, with its place and what to write.

use fullchain::config::{self, Environment, Flags, keys};
use proptest::prelude::*;
use tempfile::TempDir;

use super::{LEAST, MACHINE, environment, faults, load, load_with, shipped};

#[test]
fn an_unknown_key_is_told_with_its_place_and_the_nearest_known_one() {
    let text = format!("{LEAST}[timeouts]\n  headr = \"10s\"\n");
    assert_eq!(
        faults(&text),
        "fullchain.toml:6:3: timeouts.headr: no such key\n  hint: did you mean `header`?"
    );
}

#[test]
fn a_key_in_the_wrong_table_is_told_where_it_belongs() {
    let text = "header = \"10s\"\ncert = \"tls.crt\"\nupstream = \"http://a\"\n[[certificate]]\npfx = \"a.pfx\"\nlisten = []\n";
    assert_eq!(
        faults(text),
        "fullchain.toml:1:1: header: no such key\n  hint: `header` belongs in [timeouts]\n\
         fullchain.toml:2:1: cert: no such key\n  hint: `cert` belongs in [[certificate]]\n\
         fullchain.toml:6:1: certificate.listen: no such key\n  \
         hint: `listen` is in no table: write it above the first [table]"
    );
}

#[test]
fn every_fault_is_told_at_once_in_the_order_of_the_file() {
    let text = r#"listen = ["8443", "127.0.0.1:1", "127.0.0.1:1"]
upstream = ["ftp://backend", "http://backend/path"]
workers = "many"
upstreem = "http://backend"
roots = ["system", "roots.pem"]
disallow = "abc"
policy = "shortest"

[[certificate]]
cert = "a.crt"
pfx = "a.pfx"

[[certificate]]
key = "b.key"

[[certificate]]

[timeouts]
header = 10
idle = "0s"

[limits]
header_bytes = "4KiB"
header_fields = 0

[reload]
watch = "yes"
poll_interval = "1ms"

[log]
level = "inof"
"#;
    let expected = r#"fullchain.toml:1:11: listen: expected an address such as "0.0.0.0:8443" or "[::]:8443", "unix:/path" or "systemd:name", found "8443"
  hint: write "0.0.0.0:8443", or "[::]:8443" for IPv6 too
fullchain.toml:1:34: listen: 127.0.0.1:1 is taken already, by fullchain.toml:1:19: listen
fullchain.toml:2:13: upstream: ftp:// is not spoken to servers
  hint: http://, https:// and unix: are
fullchain.toml:2:30: upstream: "http://backend/path" has a path; requests keep theirs
  hint: write "http://backend"; add_prefix of a route puts one before
fullchain.toml:3:11: workers: expected a number from 1 or "auto", found "many"
fullchain.toml:4:1: upstreem: no such key
  hint: did you mean `upstream`?
fullchain.toml:5:10: roots: "system" and "none" stand alone
  hint: to trust files besides the system's roots, name the system's bundle as a file too
fullchain.toml:6:12: disallow: expected a SHA-256 digest: 64 hexadecimal digits, with or without colons, found "abc"
fullchain.toml:7:10: policy: expected "short" or "compat", found "shortest"
fullchain.toml:11:7: certificate.pfx: a certificate is either cert or pfx, not both
  hint: a PKCS#12 file holds the certificate and its key
fullchain.toml:14:7: certificate.key: a key without its certificate
  hint: give cert with it
fullchain.toml:16:1: certificate: no certificate file is given
  hint: give cert and key, or pfx and password_file
fullchain.toml:19:10: timeouts.header: 10 of what?
  hint: write "10s" for seconds; the units are ms, s, m, h, d
fullchain.toml:20:8: timeouts.idle: must be at least 1ms
fullchain.toml:23:16: limits.header_bytes: is not within 8KiB and 16MiB
fullchain.toml:24:17: limits.header_fields: is not within 1 and 24576
fullchain.toml:27:9: reload.watch: expected true or false, found "yes"
fullchain.toml:28:17: reload.poll_interval: must be at least 100ms
fullchain.toml:31:9: log.level: expected one of off, error, warn, info, debug, trace, or a filter such as "info,fullchain::reload=debug", found "inof""#;
    assert_eq!(faults(text), expected);
}

#[test]
fn what_is_missing_is_told_with_what_to_write() {
    assert_eq!(
        faults("listen = []\n"),
        "certificate: no certificate is given\n  \
         hint: write a [[certificate]] with cert and key, or pfx and password_file, or give --cert and --key, or a certificate_directory\n\
         listen: the list is empty\n  hint: give at least one address, such as \"0.0.0.0:8443\"\n\
         upstream: no upstream is given\n  \
         hint: say where requests go: upstream = \"http://127.0.0.1:8080\", --upstream or FULLCHAIN_UPSTREAM"
    );
}

#[test]
fn a_table_written_as_a_value_and_the_reverse_are_told() {
    let text = "timeouts = 5\ncertificate = \"tls.crt\"\nupstream = \"http://a\"\n[listen]\na = 1\n";
    let told = faults(text);
    assert!(
        told.contains("fullchain.toml:1:12: timeouts: expected a table\n  hint: write [timeouts]"),
        "{told}"
    );
    assert!(
        told.contains("fullchain.toml:2:15: certificate: expected a table\n  hint: write [[certificate]]"),
        "{told}"
    );
    assert!(
        told.contains("fullchain.toml:4:1: listen: expected an address"),
        "{told}"
    );
    assert!(faults("[certificate]\ncert = \"a\"\n").contains("write [[certificate]]"));
}

#[test]
fn a_file_that_is_not_toml_is_told_with_its_place() {
    let told = faults("upstream = \"http://a\"\nlisten = [\n");
    assert!(told.starts_with("fullchain.toml:"), "{told}");
    assert!(!told.contains("no certificate"), "{told}");
    assert!(
        faults("a = 1\na = 2\n").contains("fullchain.toml:2:1: duplicate key"),
        "{}",
        faults("a = 1\na = 2\n")
    );
}

#[test]
fn a_number_beyond_every_type_is_told_with_its_place() {
    let told = faults(&format!("workers = {}\n{LEAST}", "9".repeat(60)));
    assert!(told.starts_with("fullchain.toml:1:11: "), "{told}");
}

#[test]
fn columns_count_characters_and_lines_may_end_like_on_windows() {
    let text = LEAST.replace('\n', "\r\n") + "\"ключ\" = 1\r\n";
    assert_eq!(
        faults(&text).lines().next().unwrap(),
        "fullchain.toml:5:1: certificate.ключ: no such key"
    );
    let text = format!("log = {{ format = \"ü\", levl = 1 }}\n{LEAST}");
    assert!(
        faults(&text).contains("fullchain.toml:1:23: log.levl: no such key"),
        "{}",
        faults(&text)
    );
}

#[test]
fn a_file_that_is_none_is_an_error_that_names_it() {
    let flags = Flags::new(Some("/nonexistent/fullchain.toml".into()));
    let error = config::load(&flags, &Environment::default(), MACHINE).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/nonexistent/fullchain.toml: cannot read the config file"
    );
    let directory = TempDir::new().unwrap();
    let flags = Flags::new(Some(directory.path().to_owned()));
    assert!(matches!(
        config::load(&flags, &Environment::default(), MACHINE),
        Err(config::Error::Unreadable { .. })
    ));
}

proptest! {
    /// Whatever stands in the file, the worst that comes of it is a fault.
    #[test]
    fn no_file_makes_it_panic(text in "\\PC*", at in any::<prop::sample::Index>(), length in 0..40_usize) {
        let _ = load(&text);
        let (full, _) = shipped("fullchain.toml");
        let start = at.index(full.len());
        let end = full.len().min(start + length);
        let _ = load(&format!("{}{text}{}", &full[..start], &full[end..]));
    }

    #[test]
    fn no_value_makes_it_panic(text in "\\PC*", key in prop::sample::select(keys())) {
        let _ = load_with(LEAST, &[], &environment(&[(&key.variable, &text)]));
    }
}
