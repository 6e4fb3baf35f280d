//! What is accepted on, and from whom.

use fullchain::admin;
use fullchain::config::{self, Flags};
use fullchain::proxy::settings::{Acme, Listener, Service};

use super::{LEAST, environment, faults, load};

#[test]
fn a_listener_may_be_a_path_or_a_name_and_a_relative_path_starts_at_the_file() {
    let text = format!(
        "listen = [\"unix:/run/tls\", \"systemd:web\"]\nredirect_from = \"unix:plain\"\n{LEAST}\
         [[listener]]\naddress = \"unix:other\"\nservice = \"http\"\nunix_mode = \"0600\"\n"
    );
    let listeners = load(&text).unwrap().proxy.listeners;
    let addresses: Vec<_> = listeners.iter().map(|listener| listener.address.to_string()).collect();
    assert_eq!(addresses[..2], ["unix:/run/tls", "systemd:web"]);
    for (address, name) in addresses[2..].iter().zip(["/plain", "/other"]) {
        assert!(address.starts_with("unix:/") && address.ends_with(name), "{address}");
    }
    assert_eq!(listeners[3].service, Service::Http);
    let modes: Vec<_> = listeners.iter().map(|listener| listener.unix_mode).collect();
    assert_eq!(
        modes,
        [Listener::UNIX_MODE, Listener::UNIX_MODE, Listener::UNIX_MODE, 0o600]
    );
}

#[test]
fn a_listener_has_the_balancers_of_all_or_its_own() {
    let text = format!(
        "proxy_protocol_from = [\"10.0.0.0/8\", \"unix\"]\n{LEAST}[[listener]]\naddress = \"127.0.0.1:1\"\n\
         [[listener]]\naddress = \"127.0.0.1:2\"\nproxy_protocol_from = \"192.0.2.1\"\n\
         [[listener]]\naddress = \"127.0.0.1:3\"\nproxy_protocol_from = []\n"
    );
    let listeners = load(&text).unwrap().proxy.listeners;
    let balancers: Vec<_> = listeners
        .iter()
        .map(|listener| {
            let networks = listener.balancers.networks.iter();
            (
                networks.map(ToString::to_string).collect::<Vec<_>>().join(","),
                listener.balancers.unix,
            )
        })
        .collect();
    assert_eq!(
        balancers,
        [
            ("10.0.0.0/8".to_owned(), true),
            ("192.0.2.1/32".to_owned(), false),
            (String::new(), false)
        ]
    );
}

#[test]
fn what_does_not_fit_a_listener_is_told_where_it_stands() {
    let text = format!(
        "listen = \"/run/tls\"\nproxy_protocol_from = \"10.0.0.1/8\"\n{LEAST}\
         [[listener]]\naddress = \"127.0.0.1:1\"\nunix_mode = \"0600\"\n\
         [[listener]]\naddress = \"unix:/a\"\nunix_mode = 600\nservice = \"https\"\n\
         [[listener]]\naddress = \"unix:/b\"\n\
         [[listener]]\naddress = \"unix:/b\"\nservice = \"http\"\nredirect_port = 1\n"
    );
    let told = faults(&text);
    for part in [
        "fullchain.toml:1:10: listen: expected an address",
        "hint: write \"unix:/run/tls\"",
        "fullchain.toml:2:23: proxy_protocol_from: ",
        "hint: write \"10.0.0.0/8\" for the range",
        "fullchain.toml:9:13: listener.unix_mode: this listener has no file",
        "fullchain.toml:12:13: listener.unix_mode: expected a mode such as \"0660\", found the number 600",
        "fullchain.toml:13:11: listener.service: expected \"tls\", \"redirect\" or \"http\", found \"https\"",
        "fullchain.toml:17:11: listener.address: unix:/b is taken already, by fullchain.toml:15:11: listener.address",
        "fullchain.toml:19:17: listener.redirect_port: this listener redirects nobody",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
}

#[test]
fn a_wildcard_and_an_address_that_it_covers_are_a_fault() {
    for (listen, told) in [
        (
            "\"0.0.0.0:8443\", \"127.0.0.1:8443\"",
            "fullchain.toml:1:27: listen: 127.0.0.1:8443 overlaps with 0.0.0.0:8443, by fullchain.toml:1:11: listen",
        ),
        (
            "\"127.0.0.1:8443\", \"0.0.0.0:8443\"",
            "listen: 0.0.0.0:8443 overlaps with 127.0.0.1:8443, by",
        ),
        (
            "\"[::]:8443\", \"10.0.0.1:8443\"",
            "listen: 10.0.0.1:8443 overlaps with [::]:8443, by",
        ),
        (
            "\"[::]:8443\", \"[::1]:8443\"",
            "listen: [::1]:8443 overlaps with [::]:8443, by",
        ),
        (
            "\"[::]:8443\", \"0.0.0.0:8443\", \"10.0.0.1:8443\"",
            "listen: 10.0.0.1:8443 overlaps with 0.0.0.0:8443, by",
        ),
        (
            "\"0.0.0.0:9180\"",
            "admin: 127.0.0.1:9180 overlaps with 0.0.0.0:9180, by fullchain.toml:1:11: listen",
        ),
        ("\"[::]:9180\"", "admin: 127.0.0.1:9180 overlaps with [::]:9180, by"),
    ] {
        let faults = faults(&format!("listen = [{listen}]\n{LEAST}"));
        assert!(faults.contains(told), "{told}\n{faults}");
        assert_eq!(faults.matches("overlaps").count(), 1, "{faults}");
    }
}

#[test]
fn addresses_that_go_together_are_none() {
    for listen in [
        "\"0.0.0.0:8443\", \"[::]:8443\"",
        "\"[::]:8443\", \"0.0.0.0:8443\"",
        "\"0.0.0.0:8443\", \"[::1]:8443\"",
        "\"0.0.0.0:8443\", \"127.0.0.1:8444\"",
        "\"0.0.0.0:0\", \"127.0.0.1:0\"",
        "\"10.0.0.1:8443\", \"10.0.0.2:8443\"",
    ] {
        load(&format!("listen = [{listen}]\n{LEAST}")).unwrap_or_else(|faults| panic!("{listen}\n{faults}"));
    }
    // Whoever lets another process in lets itself in. The admin listener lets nobody in.
    let both = |port| format!("takeover = true\nlisten = [\"0.0.0.0:{port}\", \"127.0.0.2:{port}\"]\n{LEAST}");
    load(&both(8443)).unwrap();
    assert!(faults(&both(9180)).starts_with("admin: 127.0.0.1:9180 overlaps with 0.0.0.0:9180"));
}

#[test]
fn a_path_that_no_socket_can_have_is_told_before_the_start() {
    let listen = |path: &str| format!("listen = \"unix:{path}\"\n{LEAST}");
    let of_bytes = |bytes: usize| format!("/{}/socket.sock", "d".repeat(bytes - "//socket.sock".len()));
    load(&listen(&of_bytes(107))).unwrap();
    let long = of_bytes(108);
    assert_eq!(
        faults(&listen(&long)),
        format!(
            "fullchain.toml:1:10: listen: the path {long} has 108 bytes, and a Unix socket can have 107 there\n  \
             hint: take a directory with a shorter path, such as /run/fullchain"
        )
    );
    // The name beside it that it is made under needs room too.
    let short = |bytes: usize| format!("/{}/s", "d".repeat(bytes - "//s".len()));
    load(&listen(&short(100))).unwrap();
    assert!(faults(&listen(&short(101))).contains("has 101 bytes, and a Unix socket can have 100 there"));
    // It counts from the root, and in tables too.
    let relative = format!("{LEAST}[[listener]]\naddress = \"unix:{}\"\n", "r".repeat(106));
    assert!(faults(&relative).contains("fullchain.toml:6:11: listener.address: the path "));
}

#[test]
fn http_01_is_answered_from_a_directory_or_by_a_backend() {
    assert_eq!(load(LEAST).unwrap().proxy.acme, Acme::Off);
    let Acme::Directory(directory) = load(&format!("acme_directory = \"acme\"\n{LEAST}")).unwrap().proxy.acme else {
        panic!("no directory");
    };
    assert!(directory.is_absolute() && directory.ends_with("acme"));
    let text = format!("acme_backend = \"acme\"\n{LEAST}[[backend]]\nname = \"acme\"\nurl = \"http://127.0.0.1:1\"\n");
    let settings = load(&text).unwrap().proxy;
    let position = settings.backends.iter().position(|backend| &*backend.name == "acme");
    assert_eq!(settings.acme, Acme::to_backend(position.unwrap()));
}

#[test]
fn http_01_has_one_answer() {
    let text = format!("acme_backend = \"amce\"\n{LEAST}[[backend]]\nname = \"acme\"\nurl = \"http://127.0.0.1:1\"\n");
    assert_eq!(
        faults(&text),
        "fullchain.toml:1:16: acme_backend: there is no [[backend]] with the name \"amce\"\n  \
         hint: did you mean \"acme\"?"
    );
    let text = format!("acme_directory = \"a\"\nacme_backend = \"b\"\n{LEAST}");
    assert_eq!(
        faults(&text),
        "fullchain.toml:2:16: acme_backend: an acme_directory is given too\n  hint: one of the two answers; leave one out"
    );
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
    assert!(matches!(load(LEAST).unwrap().admin.address, admin::Address::Default(_)));
    let at = |text: &str| load(&format!("admin = {text}\n{LEAST}"));
    assert_eq!(
        at("\"[::1]:1\"").unwrap().admin.address,
        admin::Address::Asked("[::1]:1".parse().unwrap())
    );
    assert_eq!(at("\"off\"").unwrap().admin.address, admin::Address::Off);
    assert!(at("false").unwrap_err().contains("write \"off\""));
}

#[test]
fn the_admin_address_alone_needs_neither_certificate_nor_upstream() {
    let environment = environment(&[("FULLCHAIN_ADMIN", "127.0.0.1:7")]);
    let admin = config::load_admin(&Flags::default(), &environment).unwrap();
    assert_eq!(admin.address, admin::Address::Asked("127.0.0.1:7".parse().unwrap()));
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
