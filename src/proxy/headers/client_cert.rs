//! What the backend is told about the client's certificate, by us alone.
//!
//! RFC 9440 has two fields for it; backends that were written for IIS or nginx read others. `identity` removes a client's
//! own first, whether anything takes their place or not.

use std::cell::OnceCell;

use base64ct::{Base64, Encoding};
use http::{HeaderMap, HeaderName, HeaderValue};
use pkcs8::LineEnding;
use rustls::pki_types::CertificateDer;
use sha1::{Digest, Sha1};

use crate::chain::{Certificate, Name, hexadecimal};
use crate::tls::ClientCertificates;

/// Which fields tell the backend about the client's certificate; none unless asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCertFields {
    /// `Client-Cert` (RFC 9440 section 2.2).
    pub rfc9440: bool,
    /// `Client-Cert-Chain` too (RFC 9440 section 2.3). Apart, since section 3.2 warns of its size.
    pub rfc9440_chain: bool,
    /// `X-ARR-ClientCert`, as Application Request Routing of IIS has it.
    pub arr: bool,
    /// `X-SSL-Client-Verify` and its like, as nginx is commonly configured.
    pub ssl: bool,
}

const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");
const ARR: HeaderName = HeaderName::from_static("x-arr-clientcert");
const SSL_VERIFY: HeaderName = HeaderName::from_static("x-ssl-client-verify");
const SSL_CERT: HeaderName = HeaderName::from_static("x-ssl-client-cert");
const SSL_SUBJECT: HeaderName = HeaderName::from_static("x-ssl-client-s-dn");
const SSL_ISSUER: HeaderName = HeaderName::from_static("x-ssl-client-i-dn");
const SSL_SERIAL: HeaderName = HeaderName::from_static("x-ssl-client-serial");
const SSL_FINGERPRINT: HeaderName = HeaderName::from_static("x-ssl-client-fingerprint");

/// The values for one connection, made when they are first needed.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Values(OnceCell<Told>);

#[derive(Debug)]
struct Told {
    /// The byte sequence of RFC 9440.
    cert: HeaderValue,
    chain: Option<HeaderValue>,
    /// The same base64 without colons.
    arr: HeaderValue,
    ssl: [(HeaderName, HeaderValue); 5],
}

/// Says what was verified of the client's certificate, as far as `fields` ask for it. `client` is `None` where the client
/// showed none. What the client says itself is gone by now (`identity`).
pub(in crate::proxy) fn set(
    headers: &mut HeaderMap,
    fields: ClientCertFields,
    values: &Values,
    client: Option<&ClientCertificates>,
) {
    if fields == ClientCertFields::default() {
        return;
    }
    let told = client.map(|client| values.0.get_or_init(|| Told::of(client)));
    if let Some(told) = told.filter(|_| fields.rfc9440 || fields.rfc9440_chain) {
        headers.insert(CLIENT_CERT, told.cert.clone());
    }
    // RFC 9440 section 2.3: not without certificates between that of the client and the CA.
    if let Some(chain) = told
        .and_then(|told| told.chain.as_ref())
        .filter(|_| fields.rfc9440_chain)
    {
        headers.insert(CLIENT_CERT_CHAIN, chain.clone());
    }
    if let Some(told) = told.filter(|_| fields.arr) {
        headers.insert(ARR, told.arr.clone());
    }
    if fields.ssl {
        let verify = if told.is_some() { "SUCCESS" } else { "NONE" };
        headers.insert(SSL_VERIFY, HeaderValue::from_static(verify));
        for (name, value) in told.into_iter().flat_map(|told| &told.ssl) {
            headers.insert(name, value.clone());
        }
    }
}

impl Told {
    fn of(client: &ClientCertificates) -> Self {
        let leaf = client.leaf();
        let base64 = Base64::encode_string(leaf);
        let chain: Vec<String> = client.intermediates().iter().map(|one| byte_sequence(one)).collect();
        // It was verified, so it can be read.
        let certificate = Certificate::from_der(leaf.clone()).ok();
        let name =
            |pick: fn(&Certificate) -> &Name| certificate.as_ref().map(|certificate| distinguished(pick(certificate)));
        let serial = certificate.as_ref().map(|certificate| serial(certificate.serial()));
        let ssl = [
            (SSL_CERT, Some(escaped_pem(leaf))),
            (SSL_SUBJECT, name(Certificate::subject)),
            (SSL_ISSUER, name(Certificate::issuer)),
            (SSL_SERIAL, serial),
            // nginx' $ssl_client_fingerprint is SHA-1 too. It names a certificate that was verified, no more.
            (SSL_FINGERPRINT, Some(hexadecimal(&Sha1::digest(leaf)))),
        ];
        Self {
            cert: value(byte_sequence(leaf)),
            chain: (!chain.is_empty()).then(|| value(chain.join(", "))),
            arr: value(base64),
            ssl: ssl.map(|(name, text)| (name, value(text.unwrap_or_default()))),
        }
    }
}

/// A byte sequence (RFC 9651 section 3.3.5).
fn byte_sequence(der: &CertificateDer<'_>) -> String {
    format!(":{}:", Base64::encode_string(der))
}

/// As nginx' `$ssl_client_escaped_cert`: PEM, with everything but the unreserved characters of RFC 3986 section 2.3 as
/// percent and two digits.
fn escaped_pem(der: &CertificateDer<'_>) -> String {
    let pem = pkcs8::der::pem::encode_string("CERTIFICATE", LineEnding::LF, der).unwrap_or_default();
    let mut escaped = String::with_capacity(pem.len() + pem.len() / 4);
    for byte in pem.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(byte.into()),
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

/// RFC 4514, as nginx' `$ssl_client_s_dn`. A certificate need not have a subject.
fn distinguished(name: &Name) -> String {
    match name.is_empty() {
        true => String::new(),
        false => name.to_string(),
    }
}

/// As nginx' `$ssl_client_serial`: without the octet that only says that the number is positive.
fn serial(bytes: &[u8]) -> String {
    let digits = match bytes {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    hexadecimal(digits).to_uppercase()
}

/// Names are escaped so far that every character may stand in a field; anything else here is ASCII.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text.into_bytes()).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(headers: &HeaderMap) -> Vec<(&str, &str)> {
        let mut left: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        left.sort_unstable();
        left
    }

    #[test]
    fn a_client_without_a_certificate_is_said_to_have_none_where_there_is_a_field_for_it() {
        let mut headers = HeaderMap::new();
        let fields = ClientCertFields {
            ssl: true,
            ..ClientCertFields::default()
        };
        set(&mut headers, fields, &Values::default(), None);
        assert_eq!(left(&headers), [("x-ssl-client-verify", "NONE")]);
    }

    #[test]
    fn a_serial_number_is_written_as_nginx_does() {
        assert_eq!(serial(&[0, 0xab, 1]), "AB01");
        assert_eq!(serial(&[0x0a]), "0A");
        assert_eq!(serial(&[0]), "00");
    }

    #[test]
    fn pem_is_escaped_as_nginx_does() {
        let escaped = escaped_pem(&CertificateDer::from(vec![0xfb, 0xff, 0xfe, 0xff]));
        assert_eq!(
            escaped,
            "-----BEGIN%20CERTIFICATE-----%0A%2B%2F%2F%2B%2Fw%3D%3D%0A-----END%20CERTIFICATE-----%0A"
        );
    }
}
