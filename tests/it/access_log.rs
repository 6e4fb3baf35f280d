//! The access log of the real binary: its file, whoever moves it, and who reads it or does not.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use rustix::process::Signal;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;

use crate::rig::command::{binary, peer, start_where_present};
use crate::rig::family::{Family, NAME};
use crate::rig::handshake::client_config;
use crate::rig::house::{House, Running};
use crate::rig::{PATIENCE, eventually};

/// The response to a request over a connection of its own.
fn answer(address: SocketAddr, config: Arc<ClientConfig>, request: &[u8]) -> String {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let connection = ClientConnection::new(config, ServerName::try_from(NAME).unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(request).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

/// Asks for `path`.
fn ask(house: &Running, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
    let config = house.client_config(rustls::ALL_VERSIONS);
    let response = answer(house.address, config, request.as_bytes());
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
}

fn has_line(file: &Path, part: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.lines().any(|line| line.contains(part)))
}

#[track_caller]
fn wait_for_line(file: &Path, part: &str) {
    eventually(&format!("{part} in {}", file.display()), || has_line(file, part));
}

fn logging(family: &Family, format: &str) -> House {
    let house = House::of(family, &family.leaf()).flag("--log-access-format", format);
    house.file("--log-access-file", "access.log")
}

#[test]
fn sigusr1_opens_the_file_anew_and_each_begins_with_its_fields() {
    let family = Family::new();
    let house = logging(&family, "w3c").start();
    let (file, old) = (
        house.directory().path("access.log"),
        house.directory().path("access.log.1"),
    );
    ask(&house, "/one");
    wait_for_line(&file, " /one ");
    fs::rename(&file, &old).unwrap();
    house.signal(Signal::USR1);
    eventually("the file is opened anew", || file.exists());
    ask(&house, "/two");
    wait_for_line(&file, " /two ");
    assert!(has_line(&old, " /one ") && !has_line(&old, " /two "));
    for file in [file, old] {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.starts_with("#Software: fullchain "), "{text}");
        assert_eq!(text.matches("#Fields: date time s-ip cs-method ").count(), 1, "{text}");
    }
}

#[test]
fn a_file_that_was_renamed_without_a_word_is_missed_too() {
    let family = Family::new();
    let house = logging(&family, "combined").start();
    let (file, old) = (
        house.directory().path("access.log"),
        house.directory().path("access.log.1"),
    );
    ask(&house, "/one");
    wait_for_line(&file, "\"GET /one HTTP/1.1\" 200 2 ");
    fs::rename(&file, &old).unwrap();
    eventually("lines come to a new file", || {
        ask(&house, "/two");
        has_line(&file, "/two")
    });
}

#[test]
fn a_reload_keeps_the_file_and_without_a_file_sigusr1_does_nothing() {
    let family = Family::new();
    let house = logging(&family, "json").start();
    let file = house.directory().path("access.log");
    ask(&house, "/one");
    house.signal(Signal::HUP);
    house.wait_for_log(&["reload"]);
    ask(&house, "/two");
    wait_for_line(&file, "/one");
    wait_for_line(&file, "/two");
    assert!(!house.has_logged(&["fullchain::access"]));
    let without = House::of(&family, &family.leaf()).start();
    without.signal(Signal::USR1);
    ask(&without, "/three");
    without.wait_for_log(&["fullchain::access", "/three"]);
}

#[test]
fn the_last_lines_are_in_the_file_when_the_process_has_ended() {
    let family = Family::new();
    let house = logging(&family, "auto").start();
    let file = fs::File::open(house.directory().path("access.log")).unwrap();
    ask(&house, "/last");
    house.signal(Signal::TERM);
    assert_eq!(house.ended().code, Some(0));
    let lines: Vec<String> = BufReader::new(file).lines().map(Result::unwrap).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(
        (&line["path"], &line["target"]),
        (&"/last".into(), &"fullchain::access".into())
    );
}

#[test]
fn a_full_disk_is_said_once_and_serving_goes_on() {
    let family = Family::new();
    let house = logging(&family, "combined")
        .flag("--log-access-file", "/dev/full")
        .start();
    ask(&house, "/one");
    house.wait_for_log(&["ERROR", "/dev/full", "cannot be written", "No space left"]);
    for _ in 0..5 {
        ask(&house, "/more");
    }
    let said = |line: &&String| line.contains("cannot be written");
    assert_eq!(house.log().iter().filter(said).count(), 1, "{:?}", house.log());
}

#[test]
fn a_file_that_cannot_be_opened_is_fatal_at_start_and_told_where_it_is_named() {
    let family = Family::new();
    let house = logging(&family, "combined").file("--log-access-file", "nowhere/access.log");
    let path = house.directory.text("nowhere/access.log");
    let ended = house.fail();
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    for part in [
        "--log-access-file: ",
        &path,
        "No such file or directory",
        "its directory has to be there",
    ] {
        assert!(ended.err.contains(part), "{part}\n{}", ended.err);
    }
    let house = logging(&family, "combined").file("--log-access-file", "store");
    let ended = house.fail();
    assert!(
        ended.code == Some(1) && ended.err.contains("(name a file in it)"),
        "{}",
        ended.err
    );
}

#[test]
fn a_format_of_its_own_stands_beside_the_other_lines_on_standard_error() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf())
        .flag("--log-access-format", "combined")
        .start();
    ask(&house, "/one");
    house.wait_for_log(&["127.0.0.1 - - [", "\"GET /one HTTP/1.1\" 200 2 \"-\" \"-\""]);
    assert!(!house.has_logged(&["fullchain::access"]));
}

#[test]
fn whoever_stops_reading_standard_error_costs_lines_and_no_requests() {
    let family = Family::new();
    for format in ["auto", "combined"] {
        let house = House::of(&family, &family.leaf()).flag("--log-access-format", format);
        let mut child = binary()
            .arg("serve")
            .args(house.arguments())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut unread = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert_ne!(unread.read_line(&mut line).unwrap(), 0, "it has ended");
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "serving TLS" {
                break line["address"].as_str().unwrap().parse().unwrap();
            }
        };
        // Three times what a pipe holds.
        let long = "a".repeat(16 * 1024);
        let config = client_config(&family.root, rustls::ALL_VERSIONS);
        for number in 0..12 {
            let request = format!("GET /{number}/{long} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
            let response = answer(address, Arc::clone(&config), request.as_bytes());
            assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // It was stuck: the pipe is full to the brim, and the last lines are not in it.
        let mut rest = String::new();
        unread.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("/0/aaa") && !rest.contains("/11/aaa"), "{}", rest.len());
    }
}

/// Requests with what nginx escapes, and what it leaves as it is.
const ODD: [&[u8]; 5] = [
    b"GET /plain?a=b HTTP/1.1\r\nHost: a.test\r\nReferer: https://b.test/?q=1\r\nUser-Agent: Mozilla/5.0 (X11)\r\n",
    b"GET /%0d%0a?a=%00 HTTP/1.1\r\nHost: a.test\r\nUser-Agent: x\" \"y\\\xff\x85\tz'\r\n",
    b"GET /\"x\"?q='+1 HTTP/1.1\r\nHost: a.test\r\nReferer: https://b.test/?a=\"b\xe2\x80\xae\r\n",
    b"GET /empty HTTP/1.1\r\nHost: a.test\r\nReferer:\r\nUser-Agent:\r\n",
    // alice\r\n[ESC]"\ and a password
    b"GET /user HTTP/1.0\r\nHost: a.test\r\nAuthorization: Basic YWxpY2UNChsiXDp4\r\n",
];

#[test]
fn a_combined_line_is_that_of_nginx_byte_for_byte() {
    let family = Family::new();
    let house = logging(&family, "combined").start();
    let (ours, theirs) = (
        house.directory().path("access.log"),
        house.directory().path("nginx/access.log"),
    );
    house.directory().write("nginx/access.log", "");
    let Some(nginx) = Nginx::start(&house.directory().path("nginx")) else {
        return;
    };
    for request in ODD {
        let request = [request, b"Connection: close\r\n\r\n"].concat();
        let config = house.client_config(rustls::ALL_VERSIONS);
        let response = answer(house.address, config, &request);
        assert_eq!(response.get(8..13), Some(" 200 "), "{response}");
        let mut stream = nginx.connect().unwrap();
        stream.write_all(&request).unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).unwrap();
        assert!(
            response.starts_with(b"HTTP/1.1 200 "),
            "{}",
            String::from_utf8_lossy(&response)
        );
    }
    let fields = |path: &Path| -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(without_address_and_time).collect()
    };
    eventually("every line is written", || {
        fields(&ours).len() == ODD.len() && fields(&theirs).len() == ODD.len()
    });
    assert_eq!(fields(&ours), fields(&theirs));
}

/// What both have to say alike: one is spoken to over TCP and the other over a socket, a moment later.
fn without_address_and_time(line: &str) -> String {
    let (_, rest) = line.split_once(' ').unwrap();
    let (user, rest) = rest.split_once(" [").unwrap();
    let (time, rest) = rest.split_once("] ").unwrap();
    assert_eq!((time.len(), &time[20..]), (26, " +0000"), "{line}");
    format!("{user} {rest}")
}

/// nginx in the foreground, on a socket in a directory of the test, logging as it does by default.
struct Nginx {
    child: std::process::Child,
    socket: std::path::PathBuf,
}

impl Nginx {
    fn start(directory: &Path) -> Option<Self> {
        let socket = directory.join("nginx.sock");
        let paths =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|what| format!("{what}_temp_path {what};"));
        let configuration = format!(
            "daemon off; master_process off; pid nginx.pid; error_log error.log; events {{}}
             http {{ access_log access.log combined; {} server {{ listen unix:{}; return 200 ok; }} }}",
            paths.concat(),
            socket.display()
        );
        fs::write(directory.join("nginx.conf"), configuration).unwrap();
        let prefix = format!("{}/", directory.display());
        let mut command = peer("nginx");
        command
            .args(["-p", &prefix, "-c", "nginx.conf", "-e", "error.log"])
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        let child = start_where_present("nginx", &mut command)?;
        let nginx = Self { child, socket };
        eventually("nginx listens", || nginx.connect().is_ok());
        Some(nginx)
    }

    fn connect(&self) -> std::io::Result<std::os::unix::net::UnixStream> {
        let stream = std::os::unix::net::UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
