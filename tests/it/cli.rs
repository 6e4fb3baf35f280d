//! The command line as a user meets it: the binary, its output, its exit codes.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Output;
use std::thread;

use tempfile::TempDir;

use crate::rig::command::binary;

/// Runs the binary without any `FULLCHAIN_*` of this process in its environment.
fn fullchain(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    binary()
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A listener that reads one request head and answers it; the thread returns the first line of the request.
fn answering(status: &str, body: &str) -> (SocketAddr, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            assert_eq!(stream.read(&mut byte).unwrap(), 1);
            request.extend(byte);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(request).unwrap().lines().next().unwrap().to_owned()
    });
    (address, thread)
}

#[test]
fn help_and_version_end_well() {
    let help = fullchain(&["--help"], &[]);
    assert_eq!(help.status.code(), Some(0));
    for subcommand in [
        "serve",
        "check",
        "chain",
        "inspect",
        "demo",
        "healthcheck",
        "reload",
        "completions",
        "man",
        "schema",
    ] {
        assert!(out(&help).contains(&format!("\n  {subcommand} ")), "{subcommand}");
        let help = fullchain(&[subcommand, "--help"], &[]);
        assert_eq!(help.status.code(), Some(0), "{subcommand}");
    }
    let version = fullchain(&["--version"], &[]);
    assert_eq!(out(&version), format!("fullchain {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_help_of_serve_names_flag_variable_and_default_and_is_shorter_with_h() {
    let long = out(&fullchain(&["serve", "--help"], &[]));
    for part in [
        "--listen <ADDRESS>",
        "[default: 0.0.0.0:8443]",
        "[env: FULLCHAIN_LISTEN]",
        "--timeouts-first-byte <DURATION>",
    ] {
        assert!(long.contains(part), "{part}\n{long}");
    }
    let short = out(&fullchain(&["serve", "-h"], &[]));
    assert!(
        short.contains("--listen") && !short.contains("--timeouts-first-byte"),
        "{short}"
    );
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &[][..],
        &["sing"],
        &["serve", "--no-such-flag"],
        &["chain"],
        &["completions", "csh"],
        &["chain", "--leaf", "a", "--at", "noon"],
    ] {
        let output = fullchain(arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(out(&output), "", "{arguments:?}");
    }
}

#[test]
fn bad_configuration_ends_with_1_and_every_fault_on_standard_error() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("fullchain.toml");
    fs::write(&file, "upstream = \"ftp://a\"\nlisen = 1\n").unwrap();
    let file = file.to_str().unwrap();
    for subcommand in ["serve", "check"] {
        let output = fullchain(
            &[subcommand, "-c", file, "--workers", "many"],
            &[("FULLCHAIN_POLICY", "x")],
        );
        assert_eq!(output.status.code(), Some(1), "{subcommand}");
        assert_eq!(out(&output), "", "{subcommand}");
        let told = err(&output);
        for part in [
            "fullchain.toml:1:12: upstream",
            "fullchain.toml:2:1: lisen",
            "--workers: ",
            "FULLCHAIN_POLICY: ",
            "certificate: ",
        ] {
            assert!(told.contains(part), "{part}\n{told}");
        }
    }
}

#[test]
fn the_config_file_can_be_named_by_a_variable() {
    let output = fullchain(&["serve"], &[("FULLCHAIN_CONFIG", "/nonexistent/a.toml")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).starts_with("/nonexistent/a.toml: cannot read the config file: No such file"),
        "{}",
        err(&output)
    );
}

#[test]
fn healthcheck_says_ready_or_why_not() {
    let (address, thread) = answering("200 OK", "ok\n");
    let output = fullchain(&["healthcheck", "--admin", &address.to_string()], &[]);
    assert_eq!(
        (output.status.code(), out(&output).as_str()),
        (Some(0), "ready\n"),
        "{}",
        err(&output)
    );
    assert_eq!(thread.join().unwrap(), "GET /readyz HTTP/1.1");

    let (address, thread) = answering("503 Service Unavailable", "draining\n");
    let output = fullchain(&["healthcheck"], &[("FULLCHAIN_ADMIN", &address.to_string())]);
    assert_eq!(
        (output.status.code(), err(&output).as_str()),
        (Some(1), "not ready: draining (503)\n")
    );
    thread.join().unwrap();
}

#[test]
fn healthcheck_of_nobody_and_of_an_admin_listener_that_is_off_fails() {
    let unbound = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = fullchain(
        &["healthcheck", "--admin", &unbound.to_string(), "--timeout", "1s"],
        &[],
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(err(&output).lines().count(), 1, "{}", err(&output));

    let directory = TempDir::new().unwrap();
    let file = directory.path().join("fullchain.toml");
    fs::write(&file, "admin = \"off\"\n").unwrap();
    let output = fullchain(&["healthcheck", "-c", file.to_str().unwrap()], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("off"), "{}", err(&output));
}

#[test]
fn reload_tells_the_outcome() {
    let (address, thread) = answering("200 OK", r#"{"outcome":"changed","details":["a.test: fresh"]}"#);
    let output = fullchain(&["reload", "--admin", &address.to_string()], &[]);
    assert_eq!(thread.join().unwrap(), "POST /reload HTTP/1.1");
    assert_eq!(
        (output.status.code(), out(&output).as_str()),
        (Some(0), "changed:\n  a.test: fresh\n"),
        "{}",
        err(&output)
    );

    let (address, thread) = answering("409 Conflict", r#"{"outcome":"kept","details":["a.test: torn"]}"#);
    let output = fullchain(&["reload", "--force", "--admin", &address.to_string()], &[]);
    assert_eq!(thread.join().unwrap(), "POST /reload?force=1 HTTP/1.1");
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("a.test: torn"), "{}", err(&output));
}

#[test]
fn completions_manual_and_schema_go_to_standard_output() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = fullchain(&["completions", shell], &[]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(out(&output).contains("redirect-from"), "{shell}");
    }
    let manual = out(&fullchain(&["man"], &[]));
    for part in [
        ".TH fullchain 1",
        ".TH fullchain-serve 1",
        ".TH fullchain-healthcheck 1",
    ] {
        assert!(manual.contains(part), "{part}");
    }
    let schema: serde_json::Value = serde_json::from_str(&out(&fullchain(&["schema"], &[]))).unwrap();
    let header = &schema["properties"]["timeouts"]["properties"]["header"];
    assert_eq!(header["default"], "10s");
    assert_eq!(schema["additionalProperties"], false);
    assert!(header["description"].as_str().unwrap().contains("header"));
}
