//! `/metrics` of the real binary. That each number of the proxy moves when its event happens is in `proxying/metrics.rs`.

use std::collections::BTreeSet;
use std::fs;

use fullchain::admin::Metrics;
use fullchain::fetch;
use rustix::process::Signal;

use crate::rig::client::Client;
use crate::rig::eventually;
use crate::rig::family::{Family, NAME, around_today, leaf};
use crate::rig::house::{House, Running};
use crate::rig::ocsp;
use crate::rig::pki::{Entity, ca, server};
use crate::rig::responder::{Responder, Response, dead_url};
use crate::rig::scrape::Scrape;

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const RELOADS: &str = "fullchain_reloads_total";
const FETCHES: &str = "fullchain_fetches_total";
const STATUS: &str = "fullchain_certificate_status";
const CHAIN_END: &str = "fullchain_certificate_chain_not_after_timestamp_seconds";

fn get(house: &Running, count: usize) {
    let mut client = Client::at(house.address, house.client_config(rustls::ALL_VERSIONS));
    for _ in 0..count {
        assert_eq!(client.send(GET).response().status, 200);
    }
}

/// Waits until what is counted is so.
#[track_caller]
fn counted(house: &Running, what: &str, condition: impl Fn(&Scrape) -> bool) {
    eventually(what, || condition(&house.scrape()));
}

#[test]
fn every_metric_is_written_as_it_is_described() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf()).start();
    get(&house, 1);
    let scrape = house.scrape();
    let mut described = Metrics::descriptions();
    for family in scrape.families() {
        let metric = described.next().unwrap();
        assert_eq!(family.name, metric.name);
        assert_eq!((&family.kind, &*family.help), (&metric.kind.to_string(), metric.help));
        let labels: BTreeSet<&str> = metric.labels.iter().copied().collect();
        assert_eq!(
            family.labels().into_iter().collect::<BTreeSet<_>>(),
            labels,
            "{}",
            metric.name
        );
    }
    assert!(described.next().is_none());
}

/// A name of a metric, its kind, its labels.
type Row = (String, String, String);

#[test]
fn every_metric_is_in_the_manual_and_nothing_else_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATIONS.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once("\n## Metrics\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let row = |line: &str| -> Option<Row> {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let mut cell = || cells.next().map(|cell| cell.replace('`', ""));
        Some((cell()?, cell()?, cell()?))
    };
    // The words of labels are in tables of two columns.
    let of_metric = |row: &Row| ["counter", "gauge", "histogram"].contains(&&*row.1);
    let documented: Vec<Row> = section.lines().filter_map(row).filter(of_metric).collect();
    let rows = Metrics::descriptions().map(|metric| {
        let labels = metric.labels.join(", ");
        (metric.name.to_owned(), metric.kind.to_string(), labels)
    });
    assert_eq!(documented, rows.collect::<Vec<_>>());
    for cause in fetch::Error::CAUSES {
        assert!(section.contains(&format!("`{cause}`")), "{cause}");
    }
}

#[test]
fn a_reload_restarts_no_counter() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf()).start();
    let of_route = [("route", "*"), ("status", "2xx"), ("protocol", "HTTP/1.1")];
    get(&house, 3);
    counted(&house, "three", |scrape| {
        scrape.value("fullchain_requests_total", &of_route) == 3.0
    });
    assert_eq!(house.reload(&[]).code, Some(0));
    let renewed = family.leaf();
    house.directory().write("tls.key", renewed.key_pem());
    house.directory().write("tls.crt", renewed.pem());
    house.wait_until_served([&renewed, &family.issuing]);
    get(&house, 2);
    counted(&house, "five", |scrape| {
        scrape.value("fullchain_requests_total", &of_route) == 5.0
    });
    let scrape = house.scrape();
    assert_eq!(scrape.value("fullchain_backend_first_byte_seconds_count", &[]), 5.0);
    assert_eq!(
        scrape.value("fullchain_build_info", &[("version", env!("CARGO_PKG_VERSION"))]),
        1.0
    );
    assert!(scrape.value("process_resident_memory_bytes", &[]) > 1e6);
}

#[test]
fn the_instants_of_what_is_served_are_told_and_follow_a_renewal() {
    let root = around_today(ca("Root"), 1000).self_signed();
    let short = around_today(ca("Short"), 30).signed_by(&root);
    let family = Family { root, issuing: short };
    let before = family.leaf();
    let after = around_today(server(NAME), 100).signed_by(&family.issuing);
    let second = leaf("b.test").signed_by(&family.issuing);
    let house = House::bare(&family).file("--config", "fullchain.toml");
    for (name, leaf) in [("a \\ \"1\"", &before), ("b", &second)] {
        house.directory.write(format!("{name}.crt"), leaf.pem());
        house.directory.write(format!("{name}.key"), leaf.key_pem());
    }
    house.directory.write(
        "fullchain.toml",
        "certificate = [{ cert = 'a \\ \"1\".crt', key = 'a \\ \"1\".key' }, { cert = 'b.crt', key = 'b.key' }]\n",
    );
    let house = house.start();
    let file = house.directory().text("a \\ \"1\".crt");
    let labels = [("certificate", file.as_str()), ("name", NAME), ("key", "ECDSA")];
    let is_of = |scrape: &Scrape, leaf: &Entity| {
        let certificate = &leaf.certificate;
        let value = |name| scrape.value(name, &labels);
        let instants = [
            value("fullchain_certificate_not_before_timestamp_seconds"),
            value("fullchain_certificate_not_after_timestamp_seconds"),
        ];
        instants == [certificate.not_before(), certificate.not_after()].map(|instant| instant.as_secs() as f64)
    };
    let scrape = house.scrape();
    assert!(is_of(&scrape, &before), "{scrape:#?}");
    let end = family.issuing.certificate.not_after().as_secs() as f64;
    assert_eq!(scrape.value(CHAIN_END, &labels), end);
    assert_eq!(scrape.value(CHAIN_END, &[("name", "b.test")]), end);
    assert!(!is_of(&scrape, &after));
    house.directory().write("a \\ \"1\".key", after.key_pem());
    house.directory().write("a \\ \"1\".crt", after.pem());
    counted(&house, "the renewed one is told", |scrape| is_of(scrape, &after));
}

#[test]
fn what_a_client_makes_of_a_chain_is_told() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf());
    house.directory.remove("store/issuing.pem");
    let house = house.start();
    let file = house.directory().text("tls.crt");
    let labels = [("certificate", file.as_str()), ("name", NAME), ("key", "ECDSA")];
    let scrape = house.scrape();
    assert_eq!(scrape.named(STATUS, "status"), ["incomplete"]);
    assert_eq!(scrape.sum(STATUS, &labels), 1.0);
    house.directory().write("store/issuing.pem", family.issuing.pem());
    counted(&house, "the chain is complete", |scrape| {
        scrape.named(STATUS, "status") == ["complete"]
    });
}

#[test]
fn reloads_are_counted_by_what_came_of_them() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf()).start();
    let of = |scrape: &Scrape, result| scrape.value(RELOADS, &[("result", result)]);
    let scrape = house.scrape();
    assert_eq!(scrape.value("fullchain_certificate_kept", &[]), 0.0);
    let (attempt, success) = (
        "fullchain_reload_last_attempt_timestamp_seconds",
        "fullchain_reload_last_success_timestamp_seconds",
    );
    let start = scrape.value(success, &[]);
    assert!(start > 1.7e9 && start == scrape.value(attempt, &[]));

    assert_eq!(house.reload(&[]).code, Some(0));
    assert!(of(&house.scrape(), "unchanged") > of(&scrape, "unchanged"));
    house
        .directory()
        .write("store/more.pem", family.another_issuing("More").pem());
    let renewed = family.leaf();
    house.directory().write("tls.key", renewed.key_pem());
    house.directory().write("tls.crt", renewed.pem());
    counted(&house, "it has changed", |scrape| of(scrape, "changed") > 0.0);

    house.directory().write("tls.crt", "torn");
    counted(&house, "it is kept", |scrape| {
        of(scrape, "kept") >= 1.0 && scrape.value("fullchain_certificate_kept", &[]) == 1.0
    });
    // What is kept is looked at again and again; each time is an attempt, and none is a success.
    counted(&house, "it is tried again", |scrape| {
        scrape.value(attempt, &[]) > scrape.value(success, &[])
    });
}

#[test]
fn a_configuration_that_cannot_be_read_is_a_reload_that_was_refused() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf()).file("--config", "fullchain.toml");
    house.directory.write("fullchain.toml", "");
    let house = house.start();
    house.directory().write("fullchain.toml", "nonsense = 1\n");
    house.signal(Signal::HUP);
    counted(&house, "it is counted", |scrape| {
        scrape.value(RELOADS, &[("result", "refused")]) == 1.0
    });
}

#[test]
fn fetches_are_counted_by_what_came_of_them() {
    let family = Family::new();
    let responder = Responder::new();
    responder.publish_certificate("/issuing.cer", &family.issuing);
    let good = |recipe: Entity| {
        let der = ocsp::Response::good(&recipe, &family.issuing).around_now(24).der();
        responder.publish("/", Response::ok(der));
        recipe
    };
    let leaf = good(
        leaf(NAME)
            .published_at(&responder.url("/issuing.cer"))
            .responders_at(&[&dead_url(), &responder.url("/")])
            .signed_by(&family.issuing),
    );
    let house = House::of(&family, &leaf)
        .flag("--aia", "missing")
        .flag("--cache-dir", "off")
        .switch("--aia-allow-private");
    house.directory.remove("store/issuing.pem");
    let house = house.start();
    let of = |scrape: &Scrape, kind, result| scrape.value(FETCHES, &[("kind", kind), ("result", result)]);
    counted(&house, "what was fetched is counted", |scrape| {
        of(scrape, "aia", "ok") == 1.0 && of(scrape, "ocsp", "connect") >= 1.0 && of(scrape, "ocsp", "ok") >= 1.0
    });
}
