//! OpenSSL as a client. Where it is not there, a message says so.

use std::io::Write;
use std::process::Stdio;

use super::command::{Ended, peer, start_where_present, where_present};
use super::house::Running;

/// The PEM blocks in `text`.
pub(crate) fn blocks(text: &str) -> Vec<String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----\n";
    text.split(BEGIN)
        .skip(1)
        .map(|rest| format!("{BEGIN}{}{END}", rest.split_once(END).unwrap().0))
        .collect()
}

/// What `openssl s_client` says of `name`, verified against root.pem.
pub(crate) fn openssl(house: &Running, name: &str, arguments: &[&str]) -> Option<Ended> {
    let (address, root) = (house.address.to_string(), house.directory().text("root.pem"));
    let common = ["s_client", "-showcerts", "-connect", &address, "-CAfile", &root];
    let verify = ["-servername", name, "-verify_hostname", name, "-verify_return_error"];
    // A connection that ends with the input: the program gets none.
    where_present("openssl", &[&common[..], &verify[..], arguments].concat())
}

/// What `openssl s_client` prints when it asks `host` for / and has heard the whole answer; `None` where there is no
/// openssl.
pub(crate) fn ask(house: &Running, host: &str, further: &[&str]) -> Option<String> {
    let (address, root) = (house.address.to_string(), house.directory().text("root.pem"));
    let common = ["s_client", "-connect", &address, "-CAfile", &root];
    let asking = ["-servername", host, "-ign_eof"];
    let mut command = peer("openssl");
    command
        .args([&common[..], &asking, further].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = start_where_present("openssl", &mut command)?;
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    // It may have been refused already.
    let _ = child.stdin.take().unwrap().write_all(request.as_bytes());
    let output = child.wait_with_output().unwrap();
    Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}
