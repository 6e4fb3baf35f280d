//! How servers are chosen.

use std::fs;
use std::num::NonZeroUsize;
use std::time::Duration;

use fullchain::proxy::settings::{Balance, Choice, Ejection, Secret};
use tempfile::TempDir;

use super::{LEAST, faults, load};

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

#[test]
fn what_belongs_to_something_that_is_off_is_told() {
    let told = faults(&format!(
        "{LEAST}[[backend]]\neject_after = 0\neject_for = \"30s\"\neject_5xx = true\nretry = \"off\"\nretries = 5\n"
    ));
    assert_eq!(
        told,
        r#"fullchain.toml:7:13: backend.eject_for: no server is left alone with eject_after = 0
  hint: leave it out, or say after how many failures: eject_after = 3
fullchain.toml:8:13: backend.eject_5xx: no server is left alone with eject_after = 0
  hint: leave it out, or say after how many failures: eject_after = 3
fullchain.toml:10:11: backend.retries: nothing is tried again with retry = "off"
  hint: leave out one of the two"#
    );
}
