//! What a route says about header fields and cookies.

use fullchain::proxy::settings::{HttpOnly, RequestId, SameSite, UpstreamHost};

use super::{LEAST, faults, load};

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
