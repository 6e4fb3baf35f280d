//! What is printed as JSON has exactly the fields of `docs/JSON.md`, of the types it says.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use fullchain::admin::client;
use fullchain::chain::Sha256;
use serde_json::Value;

use crate::rig::PATIENCE;
use crate::rig::command::fullchain;
use crate::rig::estate::{AT, Estate};
use crate::rig::family::{Family, NAME, leaf, today};
use crate::rig::house::House;
use crate::rig::pki::{Entity, ca, crl, server};

/// The tables of the page: for each heading its fields with their types.
struct Page(HashMap<String, BTreeMap<String, String>>);

impl Page {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/JSON.md");
        let text = fs::read_to_string(path).unwrap();
        let mut tables: HashMap<String, BTreeMap<String, String>> = HashMap::new();
        let mut base = HashMap::new();
        let mut heading = String::new();
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("### ") {
                heading = title.to_owned();
            } else if let Some(rest) = line.strip_prefix("Everything of [") {
                base.insert(heading.clone(), rest.split(']').next().unwrap().to_owned());
            } else if let Some(row) = line.strip_prefix("| `") {
                let mut cells = row.split('|').map(|cell| cell.trim_matches([' ', '`']).to_owned());
                let (field, of) = (cells.next().unwrap(), cells.next().unwrap());
                tables.entry(heading.clone()).or_default().insert(field, of);
            }
        }
        for (heading, base) in base {
            let inherited = tables[&base].clone();
            tables.get_mut(&heading).unwrap().extend(inherited);
        }
        Self(tables)
    }

    /// Fails unless `value` is what the page says of `heading`; `place` names it in the message.
    fn describes(&self, value: &Value, heading: &str, place: &str) {
        let fields = &self.0[heading];
        let object = value.as_object().unwrap_or_else(|| panic!("{place}: {value}"));
        let found: BTreeSet<_> = object.keys().collect();
        assert_eq!(
            found,
            fields.keys().collect::<BTreeSet<_>>(),
            "{place} is not {heading} of docs/JSON.md"
        );
        for (field, of) in fields {
            self.describes_field(&value[field], of, &format!("{place}.{field}"));
        }
    }

    fn describes_field(&self, value: &Value, of: &str, place: &str) {
        if let Some(of) = of.strip_suffix(" or null") {
            if !value.is_null() {
                self.describes_field(value, of, place);
            }
        } else if let Some(of) = of.strip_prefix("list of ") {
            let list = value.as_array().unwrap_or_else(|| panic!("{place}: {value}"));
            list.iter()
                .for_each(|item| self.describes_field(item, of, &format!("{place}[]")));
        } else {
            let fits = match of {
                "boolean" => value.is_boolean(),
                "number" => value.is_u64(),
                "text" => value.is_string(),
                "digest" => value.as_str().is_some_and(|text| text.parse::<Sha256>().is_ok()),
                "time" => value
                    .as_str()
                    .is_some_and(|text| text.len() == 20 && text.ends_with('Z')),
                heading => return self.describes(value, heading, place),
            };
            assert!(fits, "{place} is not {of}: {value}");
        }
    }
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Two ways from a leaf, one of them through a cross-certificate, and an expired one besides.
fn crossing() -> (Entity, [Entity; 3], [Entity; 2]) {
    let old = ca("Old").valid(-3000, 800).self_signed();
    let root = ca("New").valid(-300, 3000).self_signed();
    let cross = ca("New").key_of(&root).valid(-200, 400).signed_by(&old);
    let issuing = ca("Issuing").signed_by(&root);
    let expired = ca("Issuing").key_of(&issuing).valid(-900, -1).signed_by(&root);
    let leaf = server("a.test").signed_by(&issuing);
    (leaf, [issuing, cross, expired], [old, root])
}

#[test]
fn chain_prints_what_is_documented() {
    let page = Page::read();
    let (leaf, store, roots) = crossing();
    let estate = Estate::new(&store, &roots);
    estate.directory.write("leaf.pem", leaf.pem());
    let path = |name: &str| estate.directory.text(name);
    let (leaf, store, roots) = (path("leaf.pem"), path("store.pem"), path("roots.pem"));
    let common = ["chain", "--leaf", &leaf, "--at", AT, "--format", "json"];
    let complete = fullchain([&common[..], &["--intermediates", &store, "--roots", &roots]].concat());
    let complete = read(&complete.out);
    page.describes(&complete, "chain --format json", "chain");
    assert_eq!(complete["version"], 1);
    assert_eq!(complete["at"], "2026-06-01T00:00:00Z");
    assert_eq!(complete["alternatives"][0]["criterion"], "policy");
    assert!(complete["alternatives"][0]["bytes"].as_u64() > complete["chain"]["bytes"].as_u64());
    // The leaf ends on day 100, and its last second is part of its life.
    assert_eq!(complete["holds_until"], "2026-09-09T00:00:01Z");
    let missing = read(&fullchain([&common[..], &["--roots", &roots]].concat()).out);
    page.describes(&missing, "chain --format json", "chain");
    assert_eq!(missing["wanted"]["subject"], "CN=Issuing");
}

#[test]
fn check_prints_what_is_documented() {
    let page = Page::read();
    let (leaf, store, roots) = crossing();
    let estate = Estate::new(&store, &roots).with(&leaf, "policy = \"compat\"");
    let checked = estate.check(&["--format", "json", "--within", "365d"]);
    assert_eq!(checked.code, Some(3), "{}", checked.err);
    let shown = read(&checked.out);
    page.describes(&shown, "check --format json", "check");
    assert_eq!(shown["certificates"][0]["policy"], "compat");
    assert_eq!(shown["outlook"]["breaks"], 1);
    assert_eq!(shown["outlook"]["events"][0]["effect"], "breaks");
    assert_eq!(shown["outlook"]["events"][0]["days"], 100);
    assert_eq!(shown["outlook"]["events"][0]["causes"][0]["place"], "leaf");
    assert_eq!(shown["summary"]["complete"], 1);

    let broken = estate.with(&server("b.test").signed_by(&store[0]), "key = \"nowhere.key\"");
    let checked = broken.check(&["--format", "json"]);
    assert_eq!(checked.code, Some(1), "{}", checked.err);
    let shown = read(&checked.out);
    page.describes(&shown, "check --format json", "check");
    assert!(shown["unusable"][0]["error"].as_str().unwrap().contains("nowhere.key"));
    assert_eq!(
        (&shown["summary"]["unusable"], &shown["outlook"]),
        (&Value::from(1), &Value::Null)
    );
}

#[test]
fn the_admin_listener_shows_what_is_documented() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf());
    house.directory.write("clients.pem", family.root.pem());
    house
        .directory
        .write("clients.crl", crl(&family.root, [], today()..today() + 30));
    let house = house
        .file("--client-auth-ca", "clients.pem")
        .file("--client-auth-crl", "clients.crl")
        .flag("--client-auth-mode", "optional")
        .start();
    let answer = client::get(house.admin(), "/certificates", PATIENCE).unwrap();
    let shown = read(&answer.body);
    Page::read().describes(&shown, "GET /certificates", "/certificates");
    assert_eq!(shown["client_auth"][0]["mode"], "optional");
    assert_eq!(shown["client_auth"][0]["crls"][0]["issuer"], "CN=Root");

    house.directory().replace("tls.crt", "torn");
    house.reload(&[]);
    let answer = client::get(house.admin(), "/status", PATIENCE).unwrap();
    let shown = read(&answer.body);
    Page::read().describes(&shown, "GET /status", "/status");
    assert_eq!(shown["reloads"][0]["outcome"], "kept");
    assert_eq!(shown["troubles"][0]["severity"], "warning");
    assert_eq!(shown["backends"][0]["servers"][0]["state"], "up");
}

#[test]
fn inspect_prints_what_is_documented() {
    let page = Page::read();
    let family = Family::new();
    let leaf = leaf(NAME)
        .published_at("http://127.0.0.1:1/issuing.cer")
        .signed_by(&family.issuing);
    let house = House::of(&family, &leaf).start();
    let (address, root) = (house.address.to_string(), house.directory().text("root.pem"));
    let common = ["inspect", &address, "--sni", NAME, "--roots", &root, "--format", "json"];
    let well = read(&fullchain(common).out);
    page.describes(&well, "inspect --format json", "inspect");
    assert_eq!((&well["version"], &well["well"]), (&Value::from(1), &Value::Bool(true)));
    assert_eq!(well["chains"][0]["handshakes"][0]["key_accepted"], "any");

    house.directory().remove("store/issuing.pem");
    assert_eq!(house.reload(&["--force"]).code, Some(0));
    let known = house.directory().write("known.pem", family.issuing.pem());
    let fetching = [
        "--aia",
        "missing",
        "--within",
        "100d",
        "--intermediates",
        known.to_str().unwrap(),
    ];
    let broken = read(&fullchain([&common[..], &fetching].concat()).out);
    page.describes(&broken, "inspect --format json", "inspect");
    assert_eq!(broken["chains"][0]["add"][0]["from"], known.to_str().unwrap());
    let unknown = read(&fullchain([&common[..], &fetching[..2]].concat()).out);
    page.describes(&unknown, "inspect --format json", "inspect");
    assert_eq!(unknown["chains"][0]["findings"][0]["kind"], "incomplete");
    assert_eq!(unknown["not_fetched"].as_array().unwrap().len(), 1);
}

#[test]
fn check_of_a_directory_prints_what_is_documented() {
    let page = Page::read();
    let family = Family::new();
    let house = House::bare(&family);
    let rsa = leaf(NAME).rsa().signed_by(&family.issuing);
    house
        .directory
        .write("certificates/a.test.pem", rsa.pem() + &rsa.key_pem());
    house.directory.write("empty/.keep", "");
    house.directory.remove("empty/.keep");
    let (full, empty) = (house.directory.text("certificates"), house.directory.text("empty"));
    house.directory.write("clients.pem", family.root.pem());
    let house = house
        .file("--client-auth-ca", "clients.pem")
        .flag("--certificate-directory", &full)
        .switch(&format!("--certificate-directory={empty}"));
    let arguments = [
        vec!["check".to_owned(), "--format".to_owned(), "json".to_owned()],
        house.arguments(),
    ]
    .concat();
    let checked = fullchain(arguments);
    let shown = read(&checked.out);
    page.describes(&shown, "check --format json", "check");
    assert_eq!(shown["certificates"][0]["host"], NAME, "{}", checked.err);
    let listings = shown["directories"].as_array().unwrap().iter();
    let listings: Vec<_> = listings
        .map(|directory| directory["listing"].as_str().unwrap())
        .collect();
    assert_eq!(listings, ["read", "empty"]);
    assert_eq!(shown["out_of_reach_of_old_windows"][0], NAME);
}
