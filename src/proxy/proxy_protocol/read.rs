//! Bytes -> header. Strict: whoever is trusted to send headers sends good ones, and anything else is an attack or a
//! mistake.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Endpoints, SIGNATURE};

/// The longest line of version 1, with its end (section 2.1).
const LONGEST_LINE: usize = 107;

/// The fixed part of version 2: signature, command, family, length.
const FIXED: usize = 16;

/// The most that may follow the fixed part. The length field would allow 64 KiB; HAProxy, which sends the longest
/// (client certificates), has to fit its own into a buffer of 16 KiB.
const LONGEST_BLOCK: usize = 16 << 10;

/// Bytes that hold any header that [`parse`] accepts.
pub(super) const LONGEST: usize = FIXED + LONGEST_BLOCK;

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Header {
    /// Who is connected with whom. `None` where the sender speaks for itself (LOCAL: a health check), does not know
    /// (UNKNOWN, AF_UNSPEC), or names what is no TCP connection: then the socket's own addresses count.
    pub(in crate::proxy) endpoints: Option<Endpoints>,
    /// Bytes of the header; what follows is the client's.
    pub(in crate::proxy) length: usize,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::proxy) enum Malformed {
    /// They begin with something else.
    #[error("no PROXY header")]
    Absent,
    /// Version 1 without an end of line in time.
    #[error("the line is longer than {LONGEST_LINE} bytes")]
    Line,
    /// A line of version 1 that does not have the fields it should.
    #[error("the line is not as it should be")]
    Fields,
    /// Neither version 1 nor 2, or a command that is not known.
    #[error("an unknown version or command")]
    Command,
    /// A family or protocol that version 2 does not define.
    #[error("an unknown address family or protocol")]
    Family,
    /// The length is less than the addresses take, or more than anybody needs.
    #[error("the length {0} cannot be right")]
    Length(usize),
    /// A field ends beyond the header.
    #[error("a field ends beyond the header")]
    Field,
}

/// Reads the header that `bytes` begin with; `None` where more bytes are needed to tell.
pub(in crate::proxy) fn parse(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    const LINE: &[u8] = b"PROXY ";
    if bytes.starts_with(&SIGNATURE) {
        return block(bytes);
    }
    if bytes.starts_with(LINE) {
        return line(bytes);
    }
    match SIGNATURE.starts_with(bytes) || LINE.starts_with(bytes) {
        true => Ok(None),
        false => Err(Malformed::Absent),
    }
}

/// Version 1: `PROXY TCP4 192.0.2.1 192.0.2.2 4711 443` and CRLF.
fn line(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let within = bytes.get(..LONGEST_LINE).unwrap_or(bytes);
    let Some(end) = within.windows(2).position(|pair| pair == b"\r\n") else {
        return match within.len() {
            LONGEST_LINE => Err(Malformed::Line),
            _ => Ok(None),
        };
    };
    let text = within.get(..end).unwrap_or_default();
    let text = std::str::from_utf8(text).map_err(|_| Malformed::Fields)?;
    let mut fields = text.split(' ').skip(1);
    let endpoints = match fields.next() {
        // Whatever follows is to be ignored.
        Some("UNKNOWN") => None,
        Some("TCP4") => Some(endpoints_of_line::<Ipv4Addr>(fields).ok_or(Malformed::Fields)?),
        Some("TCP6") => Some(endpoints_of_line::<Ipv6Addr>(fields).ok_or(Malformed::Fields)?),
        _ => return Err(Malformed::Fields),
    };
    Ok(Some(Header {
        endpoints,
        length: end + 2,
    }))
}

/// Two addresses and two ports, and nothing else.
fn endpoints_of_line<'a, A>(mut fields: impl Iterator<Item = &'a str>) -> Option<Endpoints>
where
    A: std::str::FromStr + Into<IpAddr>,
{
    let mut address = || fields.next()?.parse::<A>().ok().map(Into::into);
    let (source, destination): (IpAddr, IpAddr) = (address()?, address()?);
    let mut port = || fields.next().and_then(port);
    let endpoints = Endpoints {
        source: endpoint(source, port()?),
        destination: endpoint(destination, port()?),
    };
    fields.next().is_none().then_some(endpoints)
}

/// A port as the specification writes it: digits, none of them a leading zero.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

/// Version 2: the signature, a command, a family, a length, addresses and fields.
fn block(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else {
        return Ok(None);
    };
    let [.., command, family, high, low] = *fixed;
    let block_length = usize::from(u16::from_be_bytes([high, low]));
    if block_length > LONGEST_BLOCK {
        return Err(Malformed::Length(block_length));
    }
    let length = FIXED + block_length;
    let known = match command {
        // LOCAL: the family and what follows are to be ignored.
        0x20 => {
            return Ok(rest.get(..block_length).map(|_| Header {
                endpoints: None,
                length,
            }));
        }
        0x21 => Family::of(family)?,
        _ => return Err(Malformed::Command),
    };
    if block_length < known.address_bytes() {
        return Err(Malformed::Length(block_length));
    }
    let Some(block) = rest.get(..block_length) else {
        return Ok(None);
    };
    let (addresses, fields) = block.split_at(known.address_bytes());
    if known != Family::Unspecified {
        check_fields(fields)?;
    }
    Ok(Some(Header {
        endpoints: known.endpoints(family, addresses),
        length,
    }))
}

/// Of what kind the addresses of version 2 are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Unspecified,
    Four,
    Six,
    Unix,
}

/// What the low half of the byte of the family says for TCP.
const STREAM: u8 = 1;

impl Family {
    fn of(byte: u8) -> Result<Self, Malformed> {
        match byte {
            0x00 => Ok(Self::Unspecified),
            0x11 | 0x12 => Ok(Self::Four),
            0x21 | 0x22 => Ok(Self::Six),
            0x31 | 0x32 => Ok(Self::Unix),
            _ => Err(Malformed::Family),
        }
    }

    fn address_bytes(self) -> usize {
        match self {
            Self::Unspecified => 0,
            Self::Four => 12,
            Self::Six => 36,
            Self::Unix => 216,
        }
    }

    /// The addresses of a TCP connection; paths and datagrams say nothing about one.
    fn endpoints(self, byte: u8, addresses: &[u8]) -> Option<Endpoints> {
        if byte & 0x0f != STREAM {
            return None;
        }
        match self {
            Self::Four => endpoints_of_block(addresses, Ipv4Addr::from),
            Self::Six => endpoints_of_block(addresses, Ipv6Addr::from),
            Self::Unspecified | Self::Unix => None,
        }
    }
}

fn endpoints_of_block<const N: usize, A: Into<IpAddr>>(bytes: &[u8], read: fn([u8; N]) -> A) -> Option<Endpoints> {
    let (source, rest) = bytes.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (source_port, rest) = rest.split_first_chunk::<2>()?;
    let destination_port = rest.first_chunk::<2>()?;
    Some(Endpoints {
        source: endpoint(read(*source).into(), u16::from_be_bytes(*source_port)),
        destination: endpoint(read(*destination).into(), u16::from_be_bytes(*destination_port)),
    })
}

/// IPv4 as IPv4, also where a dual-stack balancer writes it as IPv6: limits and logs know one form.
fn endpoint(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.to_canonical(), port)
}

/// Whether each field (type, length, value) ends where the next begins, and the last where the header ends.
fn check_fields(mut fields: &[u8]) -> Result<(), Malformed> {
    while let [_, rest @ ..] = fields {
        let (length, rest) = rest.split_first_chunk::<2>().ok_or(Malformed::Field)?;
        let length = usize::from(u16::from_be_bytes(*length));
        fields = rest.get(length..).ok_or(Malformed::Field)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::write;
    use super::*;

    #[test]
    fn a_line_names_both_ends() {
        let header = whole(b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\r\nGET /");
        assert_eq!(
            (header.endpoints, header.length),
            (ends("192.0.2.1:4711", "198.51.100.2:443"), 44)
        );
        let header = whole(b"PROXY TCP6 2001:db8::1 ::ffff:198.51.100.2 0 65535\r\n");
        assert_eq!(header.endpoints, ends("[2001:db8::1]:0", "198.51.100.2:65535"));
    }

    #[test]
    fn a_line_of_unknown_leaves_the_addresses_of_the_socket() {
        for line in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff::1 what ever 1 2 3\r\n"] {
            assert_eq!(
                whole(line.as_bytes()),
                Header {
                    endpoints: None,
                    length: line.len()
                }
            );
        }
    }

    #[test]
    fn a_line_that_is_not_exactly_as_it_should_be_is_refused() {
        for line in [
            "PROXY TCP4 192.0.2.1 198.51.100.2 4711\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 4711 443 1\r\n",
            "PROXY TCP4 192.0.2.1  198.51.100.2 4711 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 4711 443 \r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 4711 65536\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 4711 +443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 4711 0443\r\n",
            "PROXY TCP4 192.0.2.01 198.51.100.2 4711 443\r\n",
            "PROXY TCP4 ::1 ::1 4711 443\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.2 4711 443\r\n",
            "PROXY TCP5 192.0.2.1 198.51.100.2 4711 443\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY \r\n",
        ] {
            assert_eq!(parse(line.as_bytes()), Err(Malformed::Fields), "{line}");
        }
        assert_eq!(
            parse(b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\n\n")
                .and_then(|_| parse(&[b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat())),
            Err(Malformed::Line)
        );
    }

    #[test]
    fn a_line_ends_within_107_bytes() {
        let of_length = |length: usize| format!("{:<1$}\r\n", "PROXY UNKNOWN ", length - 2);
        assert_eq!(whole(of_length(107).as_bytes()).length, 107);
        assert_eq!(parse(of_length(108).as_bytes()), Err(Malformed::Line));
    }

    #[test]
    fn whatever_begins_otherwise_is_no_header() {
        for bytes in [
            b"GET / HTTP/1.1".as_slice(),
            b"\x16\x03\x01",
            b"PROXYTCP4",
            b"\r\n\r\n\0\r\nQUIX",
        ] {
            assert_eq!(parse(bytes), Err(Malformed::Absent));
        }
    }

    #[test]
    fn a_block_says_no_more_than_its_command_and_family() {
        for (command, family, addresses, expected) in [
            (0x20, 0xff, 0, Ok(())),
            (0x20, 0x11, 3, Ok(())),
            (0x21, 0x00, 0, Ok(())),
            (0x21, 0x00, 3, Ok(())),
            (0x21, 0x31, 216, Ok(())),
            (0x21, 0x12, 12, Ok(())),
            (0x22, 0x11, 12, Err(Malformed::Command)),
            (0x11, 0x11, 12, Err(Malformed::Command)),
            (0x21, 0x41, 12, Err(Malformed::Family)),
            (0x21, 0x13, 12, Err(Malformed::Family)),
            (0x21, 0x01, 12, Err(Malformed::Family)),
            (0x21, 0x11, 11, Err(Malformed::Length(11))),
            (0x21, 0x21, 35, Err(Malformed::Length(35))),
            (0x21, 0x31, 215, Err(Malformed::Length(215))),
        ] {
            let outcome = parse(&written(command, family, &vec![0; addresses]));
            let endpoints = outcome.map(|header| assert_eq!(header.unwrap().endpoints, None));
            assert_eq!(endpoints, expected, "{command:x} {family:x} {addresses}");
        }
    }

    #[test]
    fn a_length_beyond_what_anybody_needs_is_refused_before_it_has_come() {
        let mut header = written(0x21, 0x11, &[]);
        header[14..].copy_from_slice(&[0x40, 0x01]);
        assert_eq!(parse(&header), Err(Malformed::Length(16 * 1024 + 1)));
        header[14..].copy_from_slice(&[0x40, 0x00]);
        assert_eq!(parse(&header), Ok(None));
    }

    #[test]
    fn a_field_that_ends_beyond_the_header_is_refused() {
        for fields in [&[4][..], &[4, 0], &[4, 0, 1], &[4, 0, 2, 0], &[4, 0, 0, 4, 0xff, 0xff]] {
            let block = [&[0; 12], fields].concat();
            assert_eq!(parse(&written(0x21, 0x11, &block)), Err(Malformed::Field), "{fields:?}");
        }
        let block = [&[0; 12][..], &[4, 0, 0, 4, 0, 1, 9]].concat();
        assert_eq!(whole(&written(0x21, 0x11, &block)).length, 16 + 12 + 7);
    }

    fn whole(bytes: &[u8]) -> Header {
        parse(bytes).unwrap().unwrap()
    }

    fn ends(source: &str, destination: &str) -> Option<Endpoints> {
        Some(Endpoints {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        })
    }

    fn written(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [&SIGNATURE, &[command, family][..], &length, block].concat()
    }

    fn any_endpoints() -> impl Strategy<Value = Endpoints> {
        let four = any::<([u8; 4], [u8; 4])>().prop_map(|(one, two)| (IpAddr::from(one), IpAddr::from(two)));
        let six = any::<([u8; 16], [u8; 16])>().prop_map(|(one, two)| (IpAddr::from(one), IpAddr::from(two)));
        let unmapped = |(one, two): &(IpAddr, IpAddr)| one.to_canonical() == *one && two.to_canonical() == *two;
        (
            prop_oneof![four, six.prop_filter("not IPv4 in disguise", unmapped)],
            any::<(u16, u16)>(),
        )
            .prop_map(|((source, destination), ports)| Endpoints {
                source: SocketAddr::new(source, ports.0),
                destination: SocketAddr::new(destination, ports.1),
            })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(endpoints in any_endpoints(), name in "[a-z.]{0,80}", rest in any::<Vec<u8>>()) {
            let tls = write::Tls { server_name: Some(&name), ..write::Tls::default() };
            for header in [write::version_1(Some(endpoints)), write::version_2(Some(endpoints), Some(&tls))] {
                let bytes = [header.as_slice(), &rest].concat();
                let expected = Header { endpoints: Some(endpoints), length: header.len() };
                prop_assert_eq!(parse(&bytes), Ok(Some(expected)));
                for end in 0..header.len() {
                    prop_assert_eq!(parse(&bytes[..end]), Ok(None));
                }
            }
        }

        #[test]
        fn a_damaged_header_never_reaches_beyond_the_bytes(
            endpoints in any_endpoints(),
            at in any::<prop::sample::Index>(),
            damage in any::<u8>(),
            rest in any::<Vec<u8>>(),
        ) {
            let tls = write::Tls { server_name: Some("a.test"), ..write::Tls::default() };
            for header in [write::version_1(Some(endpoints)), write::version_2(Some(endpoints), Some(&tls))] {
                let mut bytes = [header.as_slice(), &rest].concat();
                let at = at.index(header.len());
                bytes[at] = damage;
                if let Ok(Some(header)) = parse(&bytes) {
                    prop_assert!(header.length <= bytes.len());
                    // Whatever follows changes nothing.
                    prop_assert_eq!(parse(&bytes[..header.length]), Ok(Some(header)));
                }
            }
        }

        #[test]
        fn anything_is_read_or_refused(bytes in any::<Vec<u8>>()) {
            for start in [&b""[..], b"PROXY ", &SIGNATURE, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10"] {
                let _ = parse(&[start, &bytes].concat());
            }
        }
    }
}
