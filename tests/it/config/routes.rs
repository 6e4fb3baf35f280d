//! Which requests go to which backend.

use std::time::Duration;

use super::{LEAST, environment, faults, load, load_with};

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
    let text = format!("{LEAST}[[route]]\nrpc_over_http = true\n[[backend]]\nidle_timeout = \"1s\"\n");
    let variables = environment(&[
        ("FULLCHAIN_ROUTE_ADD_PREFIX", "/new"),
        ("FULLCHAIN_BACKEND_IDLE_TIMEOUT", "2s"),
    ]);
    let proxy = load_with(&text, &[("backend-connect-timeout", "1s")], &variables)
        .unwrap()
        .proxy;
    let route = &proxy.routes[0];
    assert_eq!((proxy.routes.len(), route.rpc_over_http), (1, true));
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
fn nothing_is_taken_off_where_a_route_has_no_path() {
    assert_eq!(
        faults(&format!("{LEAST}[[route]]\nhost = \"a.test\"\nstrip_prefix = true\n")),
        "fullchain.toml:7:16: route.strip_prefix: this route is found by no path that could be taken off\n  \
         hint: say which it begins with: path = \"/app\""
    );
    for route in ["strip_prefix = false\n", "path = \"/app\"\nstrip_prefix = true\n"] {
        load(&format!("{LEAST}[[route]]\n{route}")).unwrap();
    }
    let unreadable = faults(&format!("{LEAST}[[route]]\npath = \"app\"\nstrip_prefix = true\n"));
    assert!(!unreadable.contains("strip_prefix"), "{unreadable}");
}
