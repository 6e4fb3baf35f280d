//! The config file, the environment and the flags: what is taken and what is said about mistakes.

mod client_limits;
mod delivery;
mod listeners;

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fullchain::certs::Roots;
use fullchain::chain::Policy;
use fullchain::config::{self, Config, Environment, Flags, Machine, keys};
use fullchain::fetch::Aia;
use fullchain::proxy::settings::{
    Balance, Choice, Ejection, HeaderCase, HttpOnly, HttpVersion, Protocol, RequestId, SameSite, Secret, ServerAddress,
    UpstreamHost,
};
use fullchain::proxy::{AccessFormat, AccessLog, Redaction};
use fullchain::tls::Trust;
use fullchain::{admin, telemetry};
use proptest::prelude::*;
use tempfile::TempDir;

const MACHINE: Machine = Machine {
    cores: NonZeroUsize::new(8).unwrap(),
    open_files: 1_000,
};

/// The least that can be served.
const LEAST: &str = "upstream = \"http://backend\"\n[[certificate]]\ncert = \"tls.crt\"\nkey = \"tls.key\"\n";

/// Flags; several values separated by blanks.
fn flags(file: Option<PathBuf>, given: &[(&str, &str)]) -> Flags {
    let mut flags = Flags::new(file);
    for (name, values) in given {
        let key = keys().iter().find(|key| key.flag == *name).unwrap();
        flags.set(key, values.split_whitespace().map(str::to_owned).collect());
    }
    flags
}

fn environment(given: &[(&str, &str)]) -> Environment {
    given.iter().copied().collect()
}

/// Loads `text` as `fullchain.toml` with flags and variables; faults as a user sees them, without the directory.
fn load_with(text: &str, given: &[(&str, &str)], environment: &Environment) -> Result<Config, String> {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("fullchain.toml");
    fs::write(&file, text).unwrap();
    let flags = flags(Some(file), given);
    let prefix = format!("{}/", directory.path().display());
    config::load(&flags, environment, MACHINE).map_err(|error| error.to_string().replace(&prefix, ""))
}

fn load(text: &str) -> Result<Config, String> {
    load_with(text, &[], &Environment::default())
}

fn faults(text: &str) -> String {
    load(text).unwrap_err()
}

fn shipped(name: &str) -> (String, Config) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
    let flags = Flags::new(Some(path.clone()));
    let config = config::load(&flags, &Environment::default(), MACHINE).unwrap_or_else(|error| panic!("{error}"));
    (fs::read_to_string(path).unwrap(), config)
}

#[test]
fn the_shipped_files_are_valid() {
    for name in ["minimal.toml", "fullchain.toml"] {
        let (_, config) = shipped(name);
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        assert_eq!(config.certs.bundles[0].certificate, directory.join("tls.crt"), "{name}");
    }
}

#[test]
fn the_full_file_says_nothing_but_the_defaults_of_the_code() {
    let (_, mut full) = shipped("fullchain.toml");
    let (_, mut minimal) = shipped("minimal.toml");
    // The one difference there should be: an address that is given must be bound.
    let admin::Settings::Default(address) = minimal.admin else {
        panic!("{:?}", minimal.admin)
    };
    assert_eq!(full.admin, admin::Settings::Asked(address));
    minimal.admin = full.admin;
    // The store is a sample in the minimal file.
    full.certs.intermediates.clear();
    minimal.certs.intermediates.clear();
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
fullchain.toml:2:13: upstream: ftp:// is not spoken to upstreams
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

#[test]
fn a_flag_goes_before_a_variable_and_a_variable_before_the_file() {
    let text = format!(
        "workers = 1\npolicy = \"compat\"\n{LEAST}[timeouts]\nheader = \"1s\"\nidle = \"1s\"\nconnect = \"1s\"\n"
    );
    let flags = [("timeouts-header", "3s")];
    let environment = environment(&[
        ("FULLCHAIN_TIMEOUTS_HEADER", "2s"),
        ("FULLCHAIN_TIMEOUTS_IDLE", "2s"),
        ("FULLCHAIN_WORKERS", "2"),
    ]);
    let config = load_with(&text, &flags, &environment).unwrap();
    assert_eq!(config.proxy.timeouts.header, Duration::from_secs(3));
    assert_eq!(config.proxy.timeouts.idle, Duration::from_secs(2));
    assert_eq!(config.proxy.backends[0].timeouts.connect, Duration::from_secs(1));
    assert_eq!(config.workers.get(), 2);
    assert_eq!(config.reload.policy, Policy::Compat);
}

#[test]
fn every_key_can_be_set_by_its_variable() {
    for key in keys().iter().filter(|key| key.table.as_deref() != Some("certificate")) {
        // Nonsense to most types: whoever reads it complains under the name of the variable.
        let told = load_with(LEAST, &[], &environment(&[(&key.variable, "\u{0}")]));
        match told {
            Err(told) => assert!(told.starts_with(&key.variable), "{told}"),
            // A path may be called anything.
            Ok(_) => assert!(key.value_name.contains("PATH"), "{}", key.variable),
        }
    }
}

#[test]
fn several_values_in_a_variable_are_separated_by_commas() {
    let environment = environment(&[
        ("FULLCHAIN_UPSTREAM", "http://a:1, http://b:2,"),
        ("FULLCHAIN_INTERMEDIATES", "one.pem,two"),
        ("FULLCHAIN_ROOTS", "none"),
        ("FULLCHAIN_CERT", "a,b.crt"),
        ("FULLCHAIN_LOG_LEVEL", "info,fullchain::reload=debug"),
    ]);
    let config = config::load(&Flags::default(), &environment, MACHINE).unwrap();
    let upstreams = &config.proxy.backends[0].servers;
    assert_eq!(*upstreams, [ServerAddress::http("a", 1), ServerAddress::http("b", 2)]);
    assert_eq!(config.certs.intermediates, [Path::new("one.pem"), Path::new("two")]);
    assert_eq!(config.certs.roots, Roots::None);
    // What takes one value is not taken apart.
    assert_eq!(config.certs.bundles[0].certificate, Path::new("a,b.crt"));
    assert_eq!(config.log.level.to_string(), "info,fullchain::reload=debug");
}

#[test]
fn header_fields_in_a_variable_are_separated_by_line_breaks() {
    let environment = environment(&[
        ("FULLCHAIN_UPSTREAM", "http://a"),
        ("FULLCHAIN_CERT", "a.crt"),
        (
            "FULLCHAIN_ROUTE_SET_RESPONSE_HEADER",
            "Cache-Control: no-cache, no-store\nX-Env: prod\n",
        ),
    ]);
    let config = config::load(&Flags::default(), &environment, MACHINE).unwrap();
    let file = load(&format!(
        "{LEAST}[[route]]\nset_response_header = [\"Cache-Control: no-cache, no-store\", \"X-Env: prod\"]"
    ))
    .unwrap();
    assert_eq!(config.proxy.routes, file.proxy.routes);
}

#[test]
fn a_fault_of_a_flag_or_variable_is_told_under_its_name() {
    let told = load_with(
        LEAST,
        &[("listen", "nonsense")],
        &environment(&[("FULLCHAIN_WORKERS", "many"), ("FULLCHAIN_UPSTREAMS", "http://a")]),
    );
    assert_eq!(
        told.unwrap_err(),
        "--listen: expected an address such as \"0.0.0.0:8443\" or \"[::]:8443\", \"unix:/path\" or \"systemd:name\", found \"nonsense\"\n\
         FULLCHAIN_UPSTREAMS: no such variable\n  hint: did you mean FULLCHAIN_UPSTREAM?\n\
         FULLCHAIN_WORKERS: expected a number from 1 or \"auto\", found \"many\""
    );
}

#[test]
fn variables_that_others_set_and_empty_ones_are_no_faults() {
    let environment = environment(&[
        ("FULLCHAIN_SERVICE_HOST", "10.0.0.1"),
        ("FULLCHAIN_PORT", "tcp://10.0.0.1:443"),
        ("FULLCHAIN_PORT_443_TCP", "tcp://10.0.0.1:443"),
        ("FULLCHAIN_VERSION", "1"),
        ("FULLCHAIN_LISTEN", ""),
        ("PATH", "/bin"),
    ]);
    let config = load_with(LEAST, &[], &environment).unwrap();
    assert_eq!(config.proxy, load(LEAST).unwrap().proxy);
}

#[test]
fn a_certificate_on_the_command_line_takes_the_place_of_those_in_the_file() {
    let flags = [("pfx", "site.pfx"), ("password-file", "site.password")];
    let config = load_with(
        LEAST,
        &flags,
        &environment(&[("FULLCHAIN_CERT", "a.crt"), ("FULLCHAIN_KEY", "a.key")]),
    )
    .unwrap();
    let [bundle] = config.certs.bundles.as_slice() else {
        panic!("{:?}", config.certs.bundles)
    };
    assert_eq!(bundle.certificate, Path::new("site.pfx"));
    assert_eq!(bundle.key, None);
    assert_eq!(bundle.password_file.as_deref(), Some(Path::new("site.password")));
}

#[test]
fn a_certificate_has_its_own_policy_or_none() {
    let text = format!("policy = \"short\"\n{LEAST}policy = \"compat\"\n[[certificate]]\ncert = \"b.crt\"\n");
    let config = load(&text).unwrap();
    let policies: Vec<_> = config.certs.bundles.iter().map(|bundle| bundle.policy).collect();
    assert_eq!(policies, [Some(Policy::Compat), None]);
    assert_eq!(config.reload.policy, Policy::Short);
    // As flags, one is for all and the other for the certificate that flags describe.
    let flags = [("cert", "c.crt"), ("policy", "compat"), ("certificate-policy", "short")];
    let config = load_with(&text, &flags, &Environment::default()).unwrap();
    assert_eq!(config.certs.bundles[0].policy, Some(Policy::Short));
    assert_eq!(config.reload.policy, Policy::Compat);
    let told = faults(&format!("{LEAST}policy = \"long\"\n"));
    assert!(
        told.contains("certificate.policy: expected \"short\" or \"compat\""),
        "{told}"
    );
}

#[test]
fn flags_and_variables_describe_one_certificate_together() {
    let environment = environment(&[
        ("FULLCHAIN_PASSWORD_FILE", "secret"),
        ("FULLCHAIN_UPSTREAM", "http://a"),
    ]);
    let config = config::load(&flags(None, &[("pfx", "site.pfx")]), &environment, MACHINE).unwrap();
    assert_eq!(
        config.certs.bundles[0].password_file.as_deref(),
        Some(Path::new("secret"))
    );
}

#[test]
fn a_password_for_no_certificate_is_a_fault() {
    let told = load_with(LEAST, &[("password-file", "secret")], &Environment::default()).unwrap_err();
    assert_eq!(
        told,
        "--password-file: no certificate file is given\n  hint: give cert and key, or pfx and password_file"
    );
}

#[test]
fn a_certificate_directory_does_without_any_other_certificate() {
    let said = environment(&[
        ("FULLCHAIN_CERTIFICATE_DIRECTORY", "/certs,more"),
        ("FULLCHAIN_CERTIFICATE_DIRECTORY_PASSWORD_FILE", "/run/secrets/pfx"),
        ("FULLCHAIN_UPSTREAM", "http://a"),
    ]);
    let config = config::load(&Flags::default(), &said, MACHINE).unwrap();
    assert!(config.certs.bundles.is_empty());
    assert_eq!(config.certs.directories, [Path::new("/certs"), Path::new("more")]);
    assert_eq!(
        config.certs.directory_password_file.as_deref(),
        Some(Path::new("/run/secrets/pfx"))
    );
    let file = "upstream = \"http://a\"\ncertificate_directory = \"certs\"\n";
    assert!(load(file).unwrap().certs.directories[0].ends_with("certs"));
    let both = load(&format!("certificate_directory = \"certs\"\n{LEAST}")).unwrap();
    assert_eq!((both.certs.bundles.len(), both.certs.directories.len()), (1, 1));
    assert!(faults("upstream = \"http://a\"\ncertificate_directory = []\n").contains("no certificate is given"));
}

#[test]
fn a_password_without_its_directory_is_a_fault() {
    assert_eq!(
        faults(&format!("certificate_directory_password_file = \"secret\"\n{LEAST}")),
        "fullchain.toml:1:39: certificate_directory_password_file: a password without a certificate_directory\n  \
         hint: give the directory with it"
    );
}

#[test]
fn a_relative_path_starts_at_the_file_that_says_it_or_at_the_current_directory() {
    let text = "upstream = \"http://a\"\nintermediates = [\"store\", \"/etc/store\"]\nroots = \"root.pem\"\n[[certificate]]\ncert = \"tls.crt\"\n";
    let config = load(text).unwrap();
    let directory = config.certs.bundles[0].certificate.parent().unwrap().to_owned();
    assert!(directory.is_absolute());
    assert_eq!(
        config.certs.intermediates,
        [directory.join("store"), "/etc/store".into()]
    );
    assert_eq!(config.certs.roots, Roots::Files(vec![directory.join("root.pem")]));
    let config = load_with(text, &[("intermediates", "here")], &Environment::default()).unwrap();
    assert_eq!(config.certs.intermediates, [Path::new("here")]);
}

#[test]
fn the_machine_decides_where_the_operator_does_not() {
    let config = load(LEAST).unwrap();
    assert_eq!((config.workers.get(), config.proxy.limits.connections), (8, 450));
    let config = load(&format!("workers = 2\n{LEAST}[limits]\nconnections = 5\n")).unwrap();
    assert_eq!((config.workers.get(), config.proxy.limits.connections), (2, 5));
    assert_eq!(load(&format!("workers = 0\n{LEAST}")).unwrap().workers.get(), 8);
}

#[test]
fn two_listeners_on_one_address_are_a_fault_whichever_they_are() {
    let told = faults(&format!(
        "redirect_from = \"0.0.0.0:8443\"\nadmin = \"127.0.0.1:1\"\n{LEAST}"
    ));
    assert_eq!(
        told,
        "fullchain.toml:1:17: redirect_from: 0.0.0.0:8443 is taken already, by listen"
    );
    assert!(load(&format!("listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\n{LEAST}")).is_ok());
}

#[test]
fn the_admin_listener_is_default_asked_for_or_off() {
    assert!(matches!(load(LEAST).unwrap().admin, admin::Settings::Default(_)));
    let at = |text: &str| load(&format!("admin = {text}\n{LEAST}"));
    assert_eq!(
        at("\"[::1]:1\"").unwrap().admin,
        admin::Settings::Asked("[::1]:1".parse().unwrap())
    );
    assert_eq!(at("\"off\"").unwrap().admin, admin::Settings::Off);
    assert!(at("false").unwrap_err().contains("write \"off\""));
}

#[test]
fn the_admin_address_alone_needs_neither_certificate_nor_upstream() {
    let environment = environment(&[("FULLCHAIN_ADMIN", "127.0.0.1:7")]);
    let admin = config::load_admin(&Flags::default(), &environment).unwrap();
    assert_eq!(admin, admin::Settings::Asked("127.0.0.1:7".parse().unwrap()));
}

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
         fullchain.toml:7:15: log.access_file: expected the path of a file, such as \"/var/log/fullchain/access.log\", found \"\"\n\
         fullchain.toml:8:17: log.redact_query: expected the name of a parameter, such as \"token\", or \"*\" for the whole query, found \"tok*\""
    );
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

#[test]
fn routes_lead_to_backends_by_name_and_the_rest_to_the_default_backend() {
    let text = format!(
        "{LEAST}[[route]]\nhost = [\"www.example.com\", \"*.example.net\"]\npath = \"/app\"\nbackend = \"app\"\n\
         [[backend]]\nname = \"app\"\nurl = [\"http://10.0.0.1:8080\", \"http://10.0.0.2:8080\"]\nfirst_byte_timeout = \"5m\"\n"
    );
    let proxy = load(&text).unwrap().proxy;
    let names: Vec<_> = proxy.backends.iter().map(|backend| &*backend.name).collect();
    assert_eq!(names, ["", "app"]);
    assert_eq!(proxy.backends[1].timeouts.first_byte, Duration::from_secs(300));
    assert_eq!(proxy.backends[1].timeouts.connect, proxy.backends[0].timeouts.connect);
    let routes: Vec<_> = proxy
        .routes
        .iter()
        .map(|route| (route.is_default(), route.backend))
        .collect();
    assert_eq!(routes, [(false, 1), (true, 0)]);
}

#[test]
fn flags_and_variables_speak_of_the_default_route_and_the_default_backend() {
    let text = format!("{LEAST}[[route]]\nstrip_prefix = true\n[[backend]]\nidle_timeout = \"1s\"\n");
    let variables = environment(&[
        ("FULLCHAIN_ROUTE_ADD_PREFIX", "/new"),
        ("FULLCHAIN_BACKEND_IDLE_TIMEOUT", "2s"),
    ]);
    let proxy = load_with(&text, &[("backend-connect-timeout", "1s")], &variables)
        .unwrap()
        .proxy;
    let route = &proxy.routes[0];
    assert_eq!((proxy.routes.len(), route.strip_prefix), (1, true));
    assert_eq!(
        route.add_prefix.as_ref().map(ToString::to_string).as_deref(),
        Some("/new")
    );
    let backend = &proxy.backends[0];
    assert_eq!((proxy.backends.len(), backend.servers.len()), (1, 1));
    assert_eq!(backend.timeouts.idle, Duration::from_secs(2));
    assert_eq!(backend.timeouts.connect, Duration::from_secs(1));
}

#[test]
fn what_is_wrong_with_routes_and_backends_is_told_with_what_to_write() {
    let text = format!(
        r#"{LEAST}[[route]]
host = "https://www.example.com/"
path = ["app", "/app/*"]
backend = "ap"
[[route]]
host = "a.test"
[[route]]
host = ["a.test"]
[[backend]]
name = "app"
url = "http://b"
[[backend]]
name = "app"
[[listener]]
redirect_port = 443
"#
    );
    assert_eq!(
        faults(&text),
        r#"fullchain.toml:6:8: route.host: expected a host such as "www.example.com" or "*.example.com", found "https://www.example.com/"
  hint: write "www.example.com"
fullchain.toml:7:9: route.path: expected a path such as "/app", found "app"
  hint: write "/app"
fullchain.toml:7:16: route.path: expected a path such as "/app", found "/app/*"
  hint: a path takes what is below it without a star: "/app/"
fullchain.toml:8:11: route.backend: there is no [[backend]] with the name "ap"
  hint: did you mean "app"?
fullchain.toml:11:1: route: a.test with / is taken already, by fullchain.toml:9:1: route
fullchain.toml:17:8: backend.name: the name is taken already, by fullchain.toml:14:8: backend.name
fullchain.toml:19:17: listener.redirect_port: this listener redirects nobody
  hint: it needs service = "redirect""#
    );
}

#[test]
fn a_listener_of_its_own_table_takes_the_place_of_the_default_one() {
    let text = format!(
        "{LEAST}[[listener]]\naddress = \"127.0.0.1:1\"\n[[listener]]\naddress = \"127.0.0.1:2\"\nservice = \"redirect\"\nredirect_status = 301\n"
    );
    let proxy = load(&text).unwrap().proxy;
    let addresses: Vec<_> = proxy
        .listeners
        .iter()
        .map(|listener| listener.address.to_string())
        .collect();
    assert_eq!(addresses, ["127.0.0.1:1", "127.0.0.1:2"]);
    let text = format!("{LEAST}[[listener]]\naddress = \"0.0.0.0:8443\"\n").replacen(
        "upstream",
        "listen = \"0.0.0.0:8443\"\nupstream",
        1,
    );
    assert_eq!(
        faults(&text),
        "fullchain.toml:7:11: listener.address: 0.0.0.0:8443 is taken already, by fullchain.toml:1:10: listen"
    );
}

#[test]
fn what_a_route_says_about_fields_reaches_the_proxy() {
    let text = format!(
        r#"trusted_proxies = ["10.0.0.0/8", "::1", "unix"]
default_host = "www.example.com"
{LEAST}[[route]]
upstream_host = "intranet.local"
forwarded = true
via = "edge"
request_id = "both"
rewrite_redirects = "off"
redirect_map = "http://internal:8080/ https://www.example.com/"
cookie_secure = true
cookie_http_only = ["sid"]
cookie_same_site = "none"
cookie_domain = "internal.local example.com"
cookie_path = ["/app /"]
upgrade_insecure_requests = true
hsts = "31536000; includeSubDomains; preload"
set_request_header = ["X-Env: prod", "X-Client: {{client_ip}}"]
add_response_header = "Vary: Cookie"
remove_response_header = ["Server"]
"#
    );
    let proxy = load(&text).unwrap().proxy;
    assert_eq!(
        (proxy.trusted_proxies.networks.len(), proxy.trusted_proxies.unix),
        (2, true)
    );
    assert_eq!(proxy.default_host, "www.example.com".parse().ok());
    let rules = &proxy.routes[0].headers;
    assert_eq!(
        rules.upstream_host,
        "intranet.local".parse().map(UpstreamHost::Literal).unwrap()
    );
    assert!(rules.forwarding.forwarded && rules.forwarding.via == "edge".parse().ok());
    assert_eq!(rules.forwarding.request_id, RequestId::Both);
    assert_eq!((rules.redirects.automatic, rules.redirects.pairs.len()), (false, 1));
    assert!(rules.cookies.secure && rules.cookies.same_site == Some(SameSite::None));
    assert_eq!(rules.cookies.http_only, HttpOnly::Named(vec!["sid".into()]));
    assert_eq!(
        (&*rules.cookies.domains[0].to, &*rules.cookies.paths[0].from),
        ("example.com", "/app")
    );
    assert!(rules.upgrade_insecure_requests && rules.hsts.is_some());
    assert_eq!((rules.request.set.len(), rules.request.add.len()), (2, 0));
    assert_eq!((rules.response.add.len(), rules.response.remove.len()), (1, 1));
}

#[test]
fn a_route_that_nobody_writes_has_the_defaults_of_one_that_says_nothing() {
    let unwritten = load(LEAST).unwrap().proxy.routes;
    let silent = load(&format!("{LEAST}[[route]]\n")).unwrap().proxy.routes;
    assert_eq!(unwritten, silent);
    assert!(unwritten[0].headers.redirects.automatic);
    assert_eq!(unwritten[0].headers.forwarding.request_id, RequestId::Upstream);
}

#[test]
fn a_preset_has_defaults_and_what_is_written_goes_before_them() {
    for app in ["exchange", "sharepoint", "aspnet"] {
        let secure = |more: &str| {
            let text = format!("{LEAST}[[route]]\napp = {app:?}\n{more}");
            load(&text).unwrap().proxy.routes[0].headers.cookies.secure
        };
        assert!(secure("") && !secure("cookie_secure = false\n"), "{app}");
    }
}

#[test]
fn what_is_wrong_with_fields_is_told_with_what_to_write() {
    let text = format!(
        r#"trusted_proxies = ["10.0.0.1/8", "proxy"]
{LEAST}[[route]]
via = true
hsts = "1 year"
cookie_same_site = "none"
set_request_header = ["X-Ip: {{client_pi}}", "Host: x", "Transfer-Encoding: chunked"]
remove_response_header = ["Server: x"]
"#
    );
    assert_eq!(
        faults(&text),
        r#"fullchain.toml:1:20: trusted_proxies: "10.0.0.1/8": the address has bits behind the prefix
  hint: write "10.0.0.0/8" for the range, or the address alone without "/"
fullchain.toml:1:34: trusted_proxies: expected an address, a range such as "10.0.0.0/8", or "unix", found "proxy"
fullchain.toml:7:7: route.via: expected a name such as "edge", or a host with a port, found true
  hint: write a name: via = "edge"
fullchain.toml:8:8: route.hsts: expected seconds such as "31536000" or "31536000; includeSubDomains", found "1 year"
  hint: it begins with a number of seconds, such as 31536000 for a year
fullchain.toml:9:20: route.cookie_same_site: browsers refuse cookies with SameSite=None that are not Secure
  hint: write cookie_secure = true with it
fullchain.toml:10:23: route.set_request_header: "X-Ip: {client_pi}": there is no variable {client_pi}
  hint: did you mean {client_ip}?
fullchain.toml:10:44: route.set_request_header: Host says which site is asked for
  hint: write upstream_host = "..." for the route
fullchain.toml:10:55: route.set_request_header: transfer-encoding is computed anew for each connection and cannot be changed
fullchain.toml:11:27: route.remove_response_header: expected the name of a field, such as "X-Powered-By", found "Server: x"
  hint: write the name alone: "Server""#
    );
}

#[test]
fn how_servers_are_spoken_to_is_read_and_a_profile_sets_defaults_alone() {
    let protocol = |keys: &str| {
        let config = load(&format!("{LEAST}[[backend]]\n{keys}")).unwrap_or_else(|error| panic!("{error}"));
        config.proxy.backends[0].protocol.clone()
    };
    assert_eq!(protocol(""), Protocol::default());
    let legacy = protocol("profile = \"legacy\"\n");
    assert!(legacy.legacy_response_parser && legacy.http09_responses);
    let less = protocol("profile = \"legacy\"\nhttp09_responses = false\n");
    assert!(less.legacy_response_parser && !less.http09_responses);
    let other = protocol(
        "http = \"2\"\nheader_case = \"lower\"\nheader_spelling = \"SOAPAction\"\nresolve_interval = \"5s\"\n\
         tls_roots = \"ca.pem\"\ntls_name = \"b.test\"\ntls_cert = \"client.pem\"\n",
    );
    assert_eq!((other.http, other.header_case), (HttpVersion::Http2, HeaderCase::Lower));
    assert_eq!(other.header_spelling[0].as_str(), "SOAPAction");
    assert_eq!(other.resolve_interval, Duration::from_secs(5));
    let Trust::Roots(Roots::Files(roots)) = other.tls.trust else {
        panic!("{:?}", other.tls.trust);
    };
    // A path starts at the file that it stands in.
    assert!(roots[0].is_absolute() && roots[0].ends_with("ca.pem"), "{roots:?}");
    assert_eq!(other.tls.name, Some("b.test".try_into().unwrap()));
    assert!(other.tls.identity.unwrap().certificate.ends_with("client.pem"));
    assert_eq!(protocol("tls_verify = false\n").tls.trust, Trust::Anyone);
}

#[test]
fn what_cannot_be_meant_of_servers_is_told() {
    for (keys, told) in [
        (
            "tls_verify = false\ntls_roots = \"ca.pem\"\n",
            "backend.tls_verify: nothing is verified, but tls_roots says by what\n  \
             hint: leave out one of the two; with tls_roots alone it is verified",
        ),
        (
            "tls_roots = \"none\"\n",
            "backend.tls_roots: without roots no certificate is accepted\n  hint: tls_verify = false accepts any",
        ),
        (
            "tls_roots = [\"system\", \"ca.pem\"]\n",
            "backend.tls_roots: \"system\" stands alone",
        ),
        (
            "tls_key = \"client.key\"\n",
            "backend.tls_key: a key without its certificate\n  hint: give tls_cert with it",
        ),
        (
            "url = \"https://no~name\"\n",
            "backend.url: \"no~name\" is no name that a certificate could be for\n  hint: say with tls_name",
        ),
        (
            "proxy_protocol = \"v2\"\nhttp = \"2\"\n",
            "backend.proxy_protocol: the PROXY protocol names one client for a connection, and HTTP/2 has many on one",
        ),
        (
            "url = \"h2c://a\"\n",
            "backend.url: h2c:// is not spoken to upstreams\n  hint: write \"http://a\" and http = \"2\"",
        ),
        (
            "resolve_interval = \"0s\"\n",
            "backend.resolve_interval: must be at least 1ms",
        ),
    ] {
        let faults = faults(&format!("{LEAST}[[backend]]\n{keys}"));
        assert!(faults.contains(told), "{faults}");
    }
}

#[test]
fn a_backend_says_how_its_servers_are_chosen() {
    let directory = TempDir::new().unwrap();
    let secret = directory.path().join("secret");
    fs::write(&secret, "a secret of all replicas\n").unwrap();
    let text = format!(
        r#"{LEAST}[[backend]]
url = ["http://a", "http://b"]
balance = "weighted"
weight = [3, 1]
sticky = "cookie"
sticky_cookie = "__Host-server"
sticky_secret_file = {secret:?}
sticky_for = "1d"
health_path = "/healthz?full"
health_status = 204
health_body = "ok"
health_host = "www.example.com"
health_interval = "1s"
health_rise = 1
eject_after = 5
eject_5xx = true
connections = 8
queue = 0
requests_per_connection = 100
retry = "off"
connect_retry_for = "10s"
"#
    );
    let choice = load(&text).unwrap().proxy.backends.remove(0).choice;
    let Balance::Weighted(weights) = choice.balance else {
        panic!("{:?}", choice.balance)
    };
    assert_eq!(weights.iter().map(|weight| weight.get()).collect::<Vec<_>>(), [3, 1]);
    let sticky = choice.sticky.unwrap();
    assert_eq!((&*sticky.cookie, sticky.lifetime.as_secs()), ("__Host-server", 86_400));
    assert_eq!(sticky.secret, Secret::new(b"a secret of all replicas"));
    let health = choice.health.unwrap();
    assert_eq!(
        (health.path.as_str(), health.body.as_deref()),
        ("/healthz?full", Some("ok"))
    );
    assert_eq!(
        (health.status, health.rise.get(), health.fall.get()),
        ("204".parse().unwrap(), 1, 3)
    );
    assert_eq!(
        (health.host.unwrap(), health.interval),
        ("www.example.com".parse().unwrap(), Duration::from_secs(1))
    );
    let ejection = choice.ejection.unwrap();
    assert_eq!((ejection.after.get(), ejection.counts_5xx), (5, true));
    let limit = choice.limit.unwrap();
    assert_eq!((limit.connections.get(), limit.queue), (8, 0));
    assert_eq!(choice.requests_per_connection, NonZeroUsize::new(100));
    assert_eq!(
        (choice.retries.most, choice.retries.connect_for),
        (0, Duration::from_secs(10))
    );
}

#[test]
fn of_a_backend_that_says_nothing_failing_servers_are_left_alone_and_nothing_else() {
    let choice = load(LEAST).unwrap().proxy.backends.remove(0).choice;
    let expected = Choice {
        ejection: Some(Ejection::after(3.try_into().unwrap())),
        ..Choice::default()
    };
    assert_eq!(choice, expected);
    let off = load(&format!("{LEAST}[[backend]]\neject_after = 0\n")).unwrap();
    assert_eq!(off.proxy.backends[0].choice, Choice::default());
}

#[test]
fn what_is_wrong_with_the_choice_of_servers_is_told_with_what_to_write() {
    let directory = TempDir::new().unwrap();
    let short = directory.path().join("short");
    fs::write(&short, "too short\n").unwrap();
    let short = short.to_str().unwrap();
    let text = format!(
        r#"{LEAST}[[backend]]
weight = 3
sticky_cookie = "server"
health_body = "ok"
queue = 5
retries = 101
[[backend]]
name = "app"
url = ["http://a", "http://b"]
balance = "weighted"
weight = [3]
sticky = "cookie"
sticky_secret_file = {short:?}
sticky_for = "1ms"
health_path = "healthz"
health_status = "2xx"
health_interval = "1ms"
health_fall = 0
connections = 0
eject_for = "0s"
[[backend]]
name = "other"
url = "http://c"
balance = "fair"
weight = 0
sticky = "cookie"
sticky_secret_file = "missing"
"#
    );
    let told = faults(&text);
    let expected = format!(
        r#"fullchain.toml:6:10: backend.weight: weights are for balance = "weighted" alone
  hint: write balance = "weighted"
fullchain.toml:7:17: backend.sticky_cookie: nobody is sticky
  hint: it needs sticky = "cookie"
fullchain.toml:8:15: backend.health_body: no health is checked
  hint: say what to ask for: health_path = "/"
fullchain.toml:9:9: backend.queue: nothing is waited for
  hint: say how much a server takes: connections = 10
fullchain.toml:10:11: backend.retries: must be at most 100
fullchain.toml:15:11: backend.weight: the number of servers is 2, that of weights 1
  hint: one for each server, in the order of `url`: weight = [3, 1]
fullchain.toml:17:22: backend.sticky_secret_file: {short} has less than 16 bytes in it
  hint: make one with: openssl rand -hex 32
fullchain.toml:18:14: backend.sticky_for: must be at least 1s
fullchain.toml:19:15: backend.health_path: expected a path such as "/healthz", found "healthz"
fullchain.toml:20:17: backend.health_status: expected statuses such as "200-399" or "200,401", found "2xx"
fullchain.toml:22:15: backend.health_fall: expected a number from 1, found 0
fullchain.toml:23:15: backend.connections: expected a number from 1, found 0
fullchain.toml:24:13: backend.eject_for: must be at least 1ms
fullchain.toml:28:11: backend.balance: expected "round-robin", "weighted", "least-connections" or "random-two", found "fair"
fullchain.toml:29:10: backend.weight: expected a weight from 1 to 1000, found 0
fullchain.toml:31:22: backend.sticky_secret_file: missing cannot be read: No such file or directory (os error 2)"#
    );
    assert_eq!(told, expected);
}
