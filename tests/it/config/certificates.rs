//! Which certificates are served.

use std::path::Path;

use fullchain::certs::TicketSettings;
use fullchain::chain::Policy;
use fullchain::config::{self, Environment, Flags};

use super::{LEAST, MACHINE, environment, faults, flags, load, load_with};

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
fn session_tickets_are_under_keys_or_under_a_secret() {
    assert_eq!(load(LEAST).unwrap().certs.tickets, None);
    let Some(TicketSettings::Keys(keys)) = load(&format!("ticket_keys = \"keys\"\n{LEAST}")).unwrap().certs.tickets
    else {
        panic!("no keys")
    };
    assert!(keys.is_absolute() && keys.ends_with("keys"), "{keys:?}");
    let said = environment(&[("FULLCHAIN_TICKET_SECRET_FILE", "/run/secrets/tickets")]);
    let config = load_with(LEAST, &[], &said).unwrap();
    assert_eq!(
        config.certs.tickets,
        Some(TicketSettings::Secret("/run/secrets/tickets".into()))
    );
    assert_eq!(
        faults(&format!(
            "ticket_keys = \"keys\"\nticket_secret_file = \"secret\"\n{LEAST}"
        )),
        "fullchain.toml:2:22: ticket_secret_file: keys of session tickets are either read or derived, not both\n  \
         hint: leave out ticket_keys or ticket_secret_file"
    );
}
