//! The status page as people see it, in Chromium.

use std::net::SocketAddr;

use crate::rig::chromium::{Chromium, DESKTOP, PHONE};
use crate::rig::family::{Family, around_today, leaf, today};
use crate::rig::house::{House, Running};
use crate::rig::pki::{Entity, ca, server};

const SHOP: &str = "shop.example.com";

/// A house that serves these, each from a file of its name in certs/.
fn house(family: &Family, leaves: &[(&str, &Entity)]) -> House {
    let house = House::bare(family)
        .file("--certificate-directory", "certs")
        .flag("--ocsp", "off");
    for (name, leaf) in leaves {
        house.directory.write(format!("certs/{name}.pem"), whole(leaf));
    }
    house
}

fn whole(leaf: &Entity) -> String {
    leaf.pem() + &leaf.key_pem()
}

/// Three that are well.
fn healthy(family: &Family) -> Running {
    let names = [SHOP, "www.example.com", "mail.example.com"];
    let days = [89, 61, 45];
    let leaves = names
        .iter()
        .zip(days)
        .map(|(name, days)| (*name, around_today(server(name), days).signed_by(&family.issuing)));
    let leaves: Vec<_> = leaves.collect();
    let leaves: Vec<_> = leaves.iter().map(|(name, leaf)| (*name, leaf)).collect();
    house(family, &leaves).start()
}

/// One whose intermediate is nowhere, beside one that is well.
fn incomplete(family: &Family) -> Running {
    let nowhere = family.another_issuing("Issuing 2");
    let shop = leaf(SHOP)
        .published_at("http://ca.example.com/2.crt")
        .signed_by(&nowhere);
    let www = leaf("www.example.com").signed_by(&family.issuing);
    house(family, &[(SHOP, &shop), ("www.example.com", &www)]).start()
}

fn url(admin: SocketAddr) -> String {
    format!("http://{admin}/")
}

/// Keeps what is seen: on a desktop and on a phone, in both schemes. Nothing may overflow, and the browser says nothing.
#[track_caller]
fn keep(browser: &Chromium, name: &str) {
    for (device, size) in [("desktop", DESKTOP), ("phone", PHONE)] {
        browser.window(size);
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            browser.assert_nothing_overflows();
            browser.screenshot(&format!("{name}-{device}-{scheme}"));
        }
    }
    browser.window(DESKTOP);
    browser.assert_console_is_silent();
}

#[test]
fn all_well_is_said_in_a_sentence() {
    let Some(browser) = Chromium::start() else { return };
    let house = healthy(&Family::new());
    browser.open(&url(house.admin()));
    let sentence = browser.text("h1");
    assert!(
        sentence.starts_with("All 3 certificates are served with a complete chain; "),
        "{sentence}"
    );
    assert_eq!(browser.evaluate("return document.querySelectorAll('.card').length"), 0);
    assert_eq!(
        browser.evaluate("return document.querySelectorAll('.certificate').length"),
        3
    );
    // What ends first comes first, and its chain and its trail are a click away.
    assert!(
        browser
            .text(".certificate:first-of-type .name")
            .starts_with("mail.example.com")
    );
    browser.evaluate("for (const details of document.querySelectorAll('details')) details.open = true");
    let chain = browser.text(".certificate .chain");
    for part in [
        "Leaf",
        "mail.example.com",
        "Issuing 1",
        "Root",
        "not sent: clients have it",
    ] {
        assert!(chain.contains(part), "{chain}");
    }
    assert!(browser.text(".certificate .trail").contains("chosen"));
    keep(&browser, "healthy");
}

#[test]
fn a_missing_intermediate_is_seen_first_with_its_remedy() {
    let Some(browser) = Chromium::start() else { return };
    let house = incomplete(&Family::new());
    browser.open(&url(house.admin()));
    assert_eq!(
        browser.text("h1"),
        "shop.example.com is served without its intermediate Issuing 2."
    );
    assert!(
        browser
            .text(".verdict .remedy")
            .contains("published at http://ca.example.com/2.crt")
    );
    assert_eq!(browser.text(".card h3"), SHOP);
    assert!(browser.text(".card .missing").contains("Issuing 2"));
    keep(&browser, "incomplete");
}

#[test]
fn what_ends_soon_is_ordered_by_its_end_and_the_intermediate_is_named() {
    let Some(browser) = Chromium::start() else { return };
    let family = Family::new();
    let short = ca("Issuing old")
        .valid(today() - 300, today() + 12)
        .signed_by(&family.root);
    let leaves = [
        ("mail.example.com", leaf("mail.example.com").signed_by(&short)),
        (
            "api.example.com",
            server("api.example.com")
                .valid(today() - 88, today() + 2)
                .signed_by(&family.issuing),
        ),
        ("www.example.com", leaf("www.example.com").signed_by(&family.issuing)),
    ];
    let leaves: Vec<_> = leaves.iter().map(|(name, leaf)| (*name, leaf)).collect();
    let house = house(&family, &leaves);
    house.directory.write("store/old.pem", short.pem());
    let house = house.start();
    browser.open(&url(house.admin()));
    let sentence = browser.text("h1");
    assert!(sentence.starts_with("api.example.com ends in "), "{sentence}");
    let cards = browser.evaluate("return [...document.querySelectorAll('.card h3')].map(title => title.innerText)");
    assert_eq!(cards, serde_json::json!(["api.example.com", "mail.example.com"]));
    let label = browser.evaluate("return document.querySelectorAll('.card .bar')[1].getAttribute('aria-label')");
    let label = label.as_str().unwrap();
    assert!(label.contains("until the intermediate Issuing old ends"), "{label}");
    keep(&browser, "expiring");
}

#[test]
fn a_refused_renewal_appears_by_itself_and_goes_when_it_is_put_right() {
    let Some(browser) = Chromium::start() else { return };
    let family = Family::new();
    let house = healthy(&family);
    browser.open(&url(house.admin()));
    let name = format!("certs/{SHOP}.pem");
    house.directory().replace(&name, "torn");
    browser.wait_until(
        "the renewal is refused",
        "return document.querySelector('h1').innerText.includes('is served as it was: what lies on disk by now is refused')",
    );
    assert_eq!(browser.text(".card h3"), SHOP);
    assert!(browser.text("#reloads").contains("kept"));
    assert!(
        browser
            .text(".card .reason")
            .contains("expected a certificate, found 4 bytes")
    );
    assert!(browser.text(".card .remedy").contains("fullchain reload --force"));
    keep(&browser, "failed-reload");

    house
        .directory()
        .replace(&name, whole(&leaf(SHOP).signed_by(&family.issuing)));
    browser.wait_until(
        "all is well again",
        "return document.querySelectorAll('.card').length === 0",
    );
    assert_eq!(browser.evaluate("return document.title"), "fullchain: all well");
}

#[test]
fn what_is_open_stays_open_and_a_server_that_is_gone_is_said() {
    let Some(browser) = Chromium::start() else { return };
    let house = healthy(&Family::new());
    browser.open(&url(house.admin()));
    browser.evaluate(
        "document.querySelector('.certificate').open = true; window.before = document.querySelector('.certificate')",
    );
    house.directory().remove("certs/www.example.com.pem");
    browser.wait_until(
        "one has gone",
        "return document.querySelectorAll('.certificate').length === 2",
    );
    assert_eq!(
        browser.evaluate("return document.querySelector('.certificate').open"),
        true
    );
    assert_eq!(
        browser.evaluate("return document.querySelector('.certificate') === window.before"),
        false
    );
    browser.assert_console_is_silent();
    drop(house);
    browser.wait_until("it is stale", "return document.body.classList.contains('stale')");
    assert!(browser.text("#freshness").starts_with("No answer since "));
}

#[test]
fn without_scripts_everything_is_there() {
    let Some(browser) = Chromium::start() else { return };
    let house = incomplete(&Family::new());
    browser.without_scripts();
    browser.open(&url(house.admin()));
    let names: Vec<String> = browser.accessible().into_iter().map(|(_, name)| name).collect();
    let all = names.join("\n");
    for part in [
        "shop.example.com is served without its intermediate Issuing 2.",
        "Needs attention",
        "www.example.com",
        "Reloads",
        "Backends",
    ] {
        assert!(all.contains(part), "no {part}: {all}");
    }
    browser.screenshot("without-scripts");
}

#[test]
fn everything_has_a_name_for_those_who_do_not_see_it() {
    let Some(browser) = Chromium::start() else { return };
    let house = incomplete(&Family::new());
    browser.open(&url(house.admin()));
    let nodes = browser.accessible();
    let of_role = |role: &str| -> Vec<&str> {
        let nodes = nodes.iter().filter(|(other, _)| other == role);
        nodes.map(|(_, name)| name.as_str()).collect()
    };
    for (role, least) in [
        ("heading", 6),
        ("image", 3),
        ("article", 1),
        ("region", 5),
        ("button", 1),
        ("searchbox", 1),
        ("link", 3),
    ] {
        let names = of_role(role);
        assert!(names.len() >= least, "{role}: {names:?} of {nodes:?}");
        assert!(names.iter().all(|name| !name.is_empty()), "{role}: {names:?}");
    }
    for landmark in ["main", "banner", "contentinfo", "navigation", "search"] {
        assert_eq!(of_role(landmark).len(), 1, "{landmark}");
    }
    assert!(
        of_role("columnheader").contains(&"State"),
        "{:?}",
        of_role("columnheader")
    );
    let bar = of_role("image")[0];
    assert!(bar.contains("left, until 20"), "{bar}");
}

#[test]
fn names_from_certificates_and_questions_are_text_and_nothing_else() {
    const EVIL: &str = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>";
    let Some(browser) = Chromium::start() else { return };
    let family = Family::new();
    let evil = around_today(ca(EVIL), 500).signed_by(&family.root);
    let leaf = around_today(server("\"><script>document.title='owned'</script>"), 89).signed_by(&evil);
    let house = house(&family, &[("evil", &leaf)]).start();
    browser.open(&format!(
        "{}?q=%22%3E%3Cscript%3Edocument.title%3D%27owned%27%3C%2Fscript%3E",
        url(house.admin())
    ));
    assert!(
        browser.text(".card .missing").replace('\\', "").contains(EVIL),
        "{}",
        browser.text(".card")
    );
    assert_eq!(
        browser.evaluate("return document.querySelector('#q').value"),
        "\"><script>document.title='owned'</script>"
    );
    assert_eq!(
        browser.evaluate("return document.querySelectorAll('main img, main script').length"),
        0
    );
    assert_eq!(
        browser.evaluate("return document.title"),
        "(1) fullchain needs attention"
    );
    keep(&browser, "evil");
}

#[test]
fn a_name_is_found_among_many_and_the_page_stays_short() {
    let Some(browser) = Chromium::start() else { return };
    let family = Family::new();
    let names: Vec<String> = (0..230).map(|number| format!("host-{number}.example.com")).collect();
    let leaves: Vec<_> = names.iter().map(|name| leaf(name).signed_by(&family.issuing)).collect();
    let leaves: Vec<_> = names.iter().map(String::as_str).zip(&leaves).collect();
    let house = house(&family, &leaves).start();
    browser.open(&url(house.admin()));
    assert_eq!(
        browser.evaluate("return document.querySelectorAll('.certificate').length"),
        200
    );
    browser.evaluate("document.querySelector('#q').value = 'HOST-22'; document.querySelector('form').requestSubmit()");
    browser.wait_until(
        "they are found",
        "return document.querySelectorAll('.certificate').length === 11",
    );
    assert!(browser.text("#certificates").contains("11 of 230"));
    keep(&browser, "many");
}

#[test]
fn a_browser_asks_for_the_token_and_follows_with_it() {
    let Some(browser) = Chromium::start() else { return };
    let family = Family::new();
    let www = leaf("www.example.com").signed_by(&family.issuing);
    let house = house(&family, &[("www.example.com", &www)]);
    house.directory.write("token", "0123456789abcdef");
    let house = house.file("--admin-token-file", "token").start();
    browser.open(&format!("http://anybody:0123456789abcdef@{}/", house.admin()));
    assert!(browser.text("h1").starts_with("www.example.com is served"));
    let other = leaf("other.example.com").signed_by(&family.issuing);
    house.directory().write("certs/other.example.com.pem", whole(&other));
    browser.wait_until(
        "it is followed",
        "return document.querySelectorAll('.certificate').length === 2",
    );
    browser.assert_console_is_silent();
}
