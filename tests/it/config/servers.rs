//! How servers are spoken to.

use std::time::Duration;

use fullchain::certs::Roots;
use fullchain::proxy::settings::{HeaderCase, HttpVersion, Protocol};
use fullchain::tls::Trust;

use super::{LEAST, faults, load};

#[test]
fn how_servers_are_spoken_to_is_read_and_a_profile_sets_defaults_alone() {
    let protocol = |keys: &str| {
        let text = format!("{LEAST}[[backend]]\nurl = \"https://backend\"\n{keys}");
        let config = load(&text).unwrap_or_else(|error| panic!("{error}"));
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
            "backend.url: h2c:// is not spoken to servers\n  hint: write \"http://a\" and http = \"2\"",
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
fn how_servers_are_known_means_nothing_where_none_is_spoken_to_over_tls() {
    for server in ["url = \"http://10.0.0.5:443\"", "url = \"unix:/run/app\"", ""] {
        for (key, value) in [
            ("tls_roots", "\"ca.pem\""),
            ("tls_verify", "false"),
            ("tls_name", "\"b.test\""),
            ("tls_cert", "\"client.crt\""),
            ("tls_key", "\"client.key\""),
            ("tls_password_file", "\"client.password\""),
        ] {
            let faults = faults(&format!("{LEAST}[[backend]]\n{server}\n{key} = {value}\n"));
            let told = format!(
                "fullchain.toml:7:{}: backend.{key}: no server of this backend is spoken to over TLS\n  \
                 hint: write https:// where its servers are named",
                key.len() + " = ".len() + 1
            );
            assert!(faults.contains(&told), "{told}\n{faults}");
        }
        let defaults = "tls_roots = \"system\"\ntls_verify = true\n";
        load(&format!("{LEAST}[[backend]]\n{server}\n{defaults}")).unwrap();
    }
}

#[test]
fn one_server_over_tls_is_enough_and_one_that_cannot_be_read_may_be_that() {
    let mixed = "[[backend]]\nurl = [\"http://a\", \"https://b\"]\ntls_roots = \"ca.pem\"\n";
    load(&format!("{LEAST}{mixed}")).unwrap();
    let of_url = format!("{LEAST}{}", mixed.replace("https://b", "https:b"));
    let of_upstream = format!("{LEAST}[[backend]]\ntls_roots = \"ca.pem\"\n").replacen(
        "\"http://backend\"",
        "[\"http://a\", \"https:b\"]",
        1,
    );
    for text in [of_url, of_upstream] {
        let told = faults(&text);
        assert!(told.contains("https:b") && !told.contains("over TLS"), "{told}");
    }
}
