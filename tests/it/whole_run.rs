//! The binary from start to end, and everything it says meanwhile.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use fullchain::admin::client;
use rustix::process::{Pid, Signal, kill_process};

use crate::rig::PATIENCE;
use crate::rig::command::{binary, fullchain};
use crate::rig::family::Family;
use crate::rig::house::House;

#[test]
fn healthcheck_tells_a_running_house_from_a_stopped_one() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf()).start();
    let admin = house.admin().to_string();
    let healthy = fullchain(["healthcheck", "--admin", &admin]);
    assert_eq!(
        (healthy.code, healthy.out.as_str()),
        (Some(0), "ready\n"),
        "{}",
        healthy.err
    );
    house.signal(Signal::TERM);
    assert_eq!(house.ended().code, Some(0));
    let stopped = fullchain(["healthcheck", "--admin", &admin]);
    assert_eq!((stopped.code, stopped.out.as_str()), (Some(1), ""));
    assert!(stopped.err.contains(&admin), "{}", stopped.err);
}

#[test]
fn one_round_of_the_demo_ends_with_0_and_prints_a_line_to_paste() {
    let demo = fullchain(["demo", "--once"]);
    assert_eq!(demo.code, Some(0), "{}\n{}", demo.out, demo.err);
    assert!(
        demo.out.contains("\n  curl --cacert ") && demo.out.contains("requests failed: 0"),
        "{}",
        demo.out
    );
    assert!(demo.err.is_empty(), "{}", demo.err);
}

#[test]
fn ctrl_c_in_the_midst_of_the_demo_ends_it_with_0_and_no_request_has_failed() {
    let mut demo = binary()
        .args(["demo", "--every", "100ms"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(demo.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("\nrenewed after ") {
        assert_ne!(out.read_line(&mut text).unwrap(), 0, "{text}");
    }
    kill_process(Pid::from_child(&demo), Signal::INT).unwrap();
    out.read_to_string(&mut text).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(0), "{text}");
    assert!(text.contains("requests failed: 0"), "{text}");
}

#[test]
fn no_output_of_a_whole_run_holds_a_key_or_a_password() {
    const PASSWORD: &str = "correct horse battery staple";
    let family = Family::new();
    let (before, after) = (family.leaf(), family.leaf());
    let house = House::of(&family, &before)
        .file("--password-file", "password")
        .flag("--log-level", "trace");
    house.directory.write("password", format!("{PASSWORD}\n"));
    let arguments = house.arguments();
    let checked = fullchain([vec!["check".to_owned()], arguments].concat());
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    let house = house.start();
    assert!(house.served().is_ok());
    // A key where a certificate should be, a torn key, then all is well again.
    for (name, contents) in [
        ("tls.crt", after.key_pem()),
        ("tls.key", after.key_pem()[..100].to_owned()),
        ("store/key.pem", after.key_pem()),
        ("tls.key", after.key_pem()),
        ("tls.crt", after.pem()),
    ] {
        house.directory().write(name, contents);
        house.reload(&[]);
    }
    house.wait_until_served([&after, &family.issuing]);
    let certificates = client::get(house.admin(), "/certificates", PATIENCE).unwrap();
    house.signal(Signal::TERM);
    let ended = house.ended();
    assert_eq!(ended.code, Some(0));
    let output = [checked.out, checked.err, certificates.body, ended.out, ended.err].concat();
    assert!(output.contains("certificate replaced"));
    let mut secrets = vec![PASSWORD.to_owned()];
    for leaf in [&before, &after] {
        let pem = leaf.key_pem();
        secrets.extend(pem.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned));
        let der = leaf.key.serialize_der();
        // As lists of numbers, as hexadecimal digits, and as Debug shows them. The middle of the key is the secret.
        let middle = &der[40..56];
        secrets.push(middle.iter().map(|byte| format!("{byte:02x}")).collect());
        secrets.push(format!("{middle:?}").trim_matches(['[', ']']).to_owned());
    }
    for secret in secrets {
        assert!(!output.contains(&secret), "{secret}");
    }
}
