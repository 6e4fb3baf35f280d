//! Header -> bytes, for servers that want to know the client.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::{Endpoints, SIGNATURE, field};

/// The longest value of a field; a longer one is left out. Host names end at 255 bytes, common names at 64 (RFC 5280
/// appendix A.1), and all fields together must stay below 64 KiB.
const LONGEST_VALUE: usize = 1024;

/// What is known of the TLS between client and proxy.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::proxy) struct Tls<'a> {
    /// As OpenSSL names it: `TLSv1.3`.
    pub(in crate::proxy) version: Option<&'a str>,
    /// The cipher suite.
    pub(in crate::proxy) cipher: Option<&'a str>,
    /// The name that the client asked for.
    pub(in crate::proxy) server_name: Option<&'a str>,
    /// What ALPN chose.
    pub(in crate::proxy) alpn: Option<&'a [u8]>,
    /// The certificate that the client showed, where it did.
    pub(in crate::proxy) client: Option<ClientCertificate<'a>>,
}

/// A client certificate that was verified; others do not get as far as a request.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::proxy) struct ClientCertificate<'a> {
    /// The common name of its subject.
    pub(in crate::proxy) common_name: Option<&'a str>,
    /// Whether it was shown on this connection, and not on the one whose session this one resumes.
    pub(in crate::proxy) on_this_connection: bool,
}

/// The line of version 1; `None` for a client without addresses, on a Unix socket.
pub(in crate::proxy) fn version_1(endpoints: Option<Endpoints>) -> Vec<u8> {
    let Some(endpoints) = endpoints else {
        return b"PROXY UNKNOWN\r\n".to_vec();
    };
    let (source, destination) = of_one_family(endpoints);
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    format!(
        "PROXY {family} {} {} {} {}\r\n",
        source.ip(),
        destination.ip(),
        source.port(),
        destination.port()
    )
    .into_bytes()
}

/// The block of version 2; `tls` where the client came over TLS.
pub(in crate::proxy) fn version_2(endpoints: Option<Endpoints>, tls: Option<&Tls<'_>>) -> Vec<u8> {
    let mut block = Vec::with_capacity(128);
    let family = match endpoints.map(of_one_family) {
        Some((SocketAddr::V4(source), SocketAddr::V4(destination))) => {
            block.extend_from_slice(&source.ip().octets());
            block.extend_from_slice(&destination.ip().octets());
            push_ports(&mut block, source.port(), destination.port());
            0x11
        }
        Some((source, destination)) => {
            block.extend_from_slice(&six(source.ip()).octets());
            block.extend_from_slice(&six(destination.ip()).octets());
            push_ports(&mut block, source.port(), destination.port());
            0x21
        }
        None => 0x00,
    };
    if let Some(tls) = tls {
        push_known(&mut block, field::ALPN, tls.alpn);
        push_known(&mut block, field::AUTHORITY, tls.server_name.map(str::as_bytes));
        push(&mut block, field::TLS, &tls_field(tls));
    }
    header(0x21, family, &block)
}

/// The block of version 2 for a connection of our own, such as a health check: it speaks for nobody else.
pub(in crate::proxy) fn local() -> Vec<u8> {
    header(0x20, 0x00, &[])
}

fn header(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    // Addresses and the fields there are, each within its limit, take less than 6 KiB.
    let length = u16::try_from(block.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&SIGNATURE, &[command, family][..], &length, block].concat()
}

/// The field PP2_TYPE_SSL with the fields in it (section 2.2.6).
fn tls_field(tls: &Tls<'_>) -> Vec<u8> {
    /// PP2_CLIENT_SSL, PP2_CLIENT_CERT_CONN and PP2_CLIENT_CERT_SESS.
    const OVER_TLS: u8 = 0x01;
    const CERTIFICATE_ON_CONNECTION: u8 = 0x02;
    const CERTIFICATE_IN_SESSION: u8 = 0x04;
    let flags = match tls.client {
        None => OVER_TLS,
        Some(ClientCertificate {
            on_this_connection: false,
            ..
        }) => OVER_TLS | CERTIFICATE_IN_SESSION,
        Some(_) => OVER_TLS | CERTIFICATE_IN_SESSION | CERTIFICATE_ON_CONNECTION,
    };
    let mut value = vec![flags];
    // Zero says that a certificate was shown and is good.
    let verified = u32::from(tls.client.is_none());
    value.extend_from_slice(&verified.to_be_bytes());
    push_known(&mut value, field::TLS_VERSION, tls.version.map(str::as_bytes));
    push_known(&mut value, field::TLS_CIPHER, tls.cipher.map(str::as_bytes));
    let common_name = tls.client.and_then(|client| client.common_name);
    push_known(&mut value, field::TLS_COMMON_NAME, common_name.map(str::as_bytes));
    value
}

/// Appends a field whose value is known and not too long.
fn push_known(block: &mut Vec<u8>, kind: u8, value: Option<&[u8]>) {
    if let Some(value) = value.filter(|value| value.len() <= LONGEST_VALUE) {
        push(block, kind, value);
    }
}

fn push(block: &mut Vec<u8>, kind: u8, value: &[u8]) {
    let Ok(length) = u16::try_from(value.len()) else { return };
    block.push(kind);
    block.extend_from_slice(&length.to_be_bytes());
    block.extend_from_slice(value);
}

fn push_ports(block: &mut Vec<u8>, source: u16, destination: u16) {
    block.extend_from_slice(&source.to_be_bytes());
    block.extend_from_slice(&destination.to_be_bytes());
}

/// Source and destination; both as IPv6 where one of them is.
fn of_one_family(endpoints: Endpoints) -> (SocketAddr, SocketAddr) {
    let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    match (canonical(endpoints.source), canonical(endpoints.destination)) {
        (source @ SocketAddr::V4(_), destination @ SocketAddr::V4(_)) => (source, destination),
        (source, destination) => (
            SocketAddr::new(six(source.ip()).into(), source.port()),
            SocketAddr::new(six(destination.ip()).into(), destination.port()),
        ),
    }
}

fn six(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_both_addresses_before_both_ports() {
        assert_eq!(
            version_1(between("192.0.2.1:4711", "198.51.100.2:443")),
            b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\r\n"
        );
        assert_eq!(version_1(None), b"PROXY UNKNOWN\r\n");
    }

    #[test]
    fn addresses_of_two_families_are_written_as_the_larger_one() {
        assert_eq!(
            version_1(between("[2001:db8::1]:1", "198.51.100.2:2")),
            b"PROXY TCP6 2001:db8::1 ::ffff:198.51.100.2 1 2\r\n"
        );
        assert_eq!(
            version_1(between("[::ffff:192.0.2.1]:1", "198.51.100.2:2")),
            b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n"
        );
    }

    #[test]
    fn a_block_is_written_byte_for_byte_as_specified() {
        let header = version_2(between("192.0.2.1:4711", "198.51.100.2:443"), None);
        assert_eq!(
            header,
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\x12\x67\x01\xbb"
        );
        assert_eq!(version_2(None, None), b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0");
        assert_eq!(local(), b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
        let header = version_2(between("[::1]:1", "[::2]:2"), None);
        assert_eq!(header[12..16], [0x21, 0x21, 0, 36]);
        assert_eq!((header[31], header[47], &header[48..]), (1, 2, &[0, 1, 0, 2][..]));
    }

    #[test]
    fn the_fields_tell_what_was_agreed_in_the_handshake() {
        let tls = Tls {
            version: Some("TLSv1.3"),
            cipher: Some("TLS_AES_128_GCM_SHA256"),
            server_name: Some("a.test"),
            alpn: Some(b"h2"),
            client: Some(ClientCertificate {
                common_name: Some("me"),
                on_this_connection: true,
            }),
        };
        let header = version_2(None, Some(&tls));
        assert_eq!(
            header[16..],
            *b"\x01\0\x02h2\x02\0\x06a.test\x20\0\x2d\x07\0\0\0\0\x21\0\x07TLSv1.3\x23\0\x16TLS_AES_128_GCM_SHA256\x22\0\x02me"
        );
        let header = version_2(None, Some(&Tls::default()));
        assert_eq!(header[16..], *b"\x20\0\x05\x01\0\0\0\x01");
    }

    #[test]
    fn a_value_that_is_too_long_is_left_out() {
        let name = "a".repeat(1025);
        let tls = Tls {
            server_name: Some(&name),
            ..Tls::default()
        };
        assert_eq!(version_2(None, Some(&tls)), version_2(None, Some(&Tls::default())));
    }

    fn between(source: &str, destination: &str) -> Option<Endpoints> {
        Some(Endpoints {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        })
    }
}
