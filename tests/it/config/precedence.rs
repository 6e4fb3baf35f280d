//! What the file, the environment and the flags say, and which of them goes before.

use std::path::Path;
use std::time::Duration;

use fullchain::certs::Roots;
use fullchain::chain::Policy;
use fullchain::config::{self, Environment, Flags, keys};
use fullchain::proxy::settings::ServerAddress;

use super::{LEAST, MACHINE, environment, load, load_with};

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
        // Nonsense to every type: whoever reads it complains under the name of the variable.
        let told = load_with(LEAST, &[], &environment(&[(&key.variable, "\u{0}")])).unwrap_err();
        assert!(told.starts_with(&key.variable), "{told}");
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
    let servers = &config.proxy.backends[0].servers;
    assert_eq!(*servers, [ServerAddress::http("a", 1), ServerAddress::http("b", 2)]);
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
