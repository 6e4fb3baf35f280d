//! Who may ask.

use fullchain::admin::Token;
use fullchain::admin::client::{self, Target};

use crate::rig::PATIENCE;
use crate::rig::command::fullchain;
use crate::rig::family::Family;
use crate::rig::house::{House, Running};

const TOKEN: &str = "0123456789abcdef-one";
const OTHER: &str = "0123456789abcdef-two";

fn house(family: &Family) -> House {
    let house = House::of(family, &family.leaf());
    house.directory.write("token", TOKEN);
    house.file("--admin-token-file", "token")
}

fn status(house: &Running, path: &str, token: Option<&str>) -> u16 {
    let target = Target {
        token: token.map(|token| Token::first_line(token.as_bytes()).unwrap()),
        ..house.admin().into()
    };
    client::get(target, path, PATIENCE).unwrap().status
}

#[test]
fn whoever_has_the_token_is_answered_and_probes_need_none() {
    let house = house(&Family::new()).start();
    for path in ["/livez", "/readyz"] {
        assert_eq!(status(&house, path, None), 200, "{path}");
    }
    for path in ["/", "/certificates", "/config", "/status"] {
        assert_eq!(status(&house, path, None), 401, "{path}");
        assert_eq!(status(&house, path, Some(OTHER)), 401, "{path}");
        assert_eq!(status(&house, path, Some(TOKEN)), 200, "{path}");
    }
}

#[test]
fn the_commands_show_the_token() {
    let house = house(&Family::new()).start();
    let (admin, token) = (house.admin().to_string(), house.directory().text("token"));
    let without = fullchain(["reload", "--admin", &admin]);
    assert_eq!(without.code, Some(1));
    assert!(without.err.contains("401"), "{}", without.err);
    let with = ["--admin", &admin, "--admin-token-file", &token];
    for command in ["reload", "healthcheck"] {
        let run = fullchain([&[command], &with[..]].concat());
        assert_eq!(run.code, Some(0), "{command}: {}", run.err);
    }
}

#[test]
fn a_reload_takes_another_token_and_none_that_is_no_good() {
    let house = house(&Family::new()).start();
    let token = house.directory().text("token");
    let admin = house.admin().to_string();
    // The command reads the token that is in force to be allowed to ask for the next one.
    let old = house.directory().write("old", TOKEN);
    let reload = |file: &str| fullchain(["reload", "--admin", &admin, "--admin-token-file", file]);
    house.directory().write("token", "short");
    let refused = reload(old.to_str().unwrap());
    assert!(refused.err.contains("at least 16 characters"), "{}", refused.err);
    assert_eq!(status(&house, "/status", Some(TOKEN)), 200);

    house.directory().write("token", OTHER);
    assert_eq!(reload(old.to_str().unwrap()).code, Some(0));
    assert_eq!(status(&house, "/status", Some(TOKEN)), 401);
    assert_eq!(reload(&token).code, Some(0));
}

#[test]
fn where_neither_address_nor_token_protects_it_a_warning_says_so() {
    const WARNING: &str = "can be asked from other machines and takes no token";
    let family = Family::new();
    let open = House::of(&family, &family.leaf()).flag("--admin", "0.0.0.0:0").start();
    open.wait_for_log(&["WARN", WARNING]);
    let guarded = house(&family).flag("--admin", "0.0.0.0:0").start();
    guarded.admin();
    assert!(!guarded.has_logged(&[WARNING]));
}
