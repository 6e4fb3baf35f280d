//! OpenSSL as a client. Where it is not there, a message says so.

use super::command::{Ended, where_present};
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
