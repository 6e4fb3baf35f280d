//! Which addresses may be asked: those of the public Internet.
//!
//! Where to ask stands in certificates, and a certificate may be anybody's. Without this rule, whoever gets one into
//! the store could have this machine send requests to its own neighbours: an admin interface on loopback, the
//! metadata service of a cloud. The rule judges addresses and not names, since a name may resolve to anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of addresses and what it is for.
type Block<A> = (A, u32, &'static str);

/// Everything that the IANA IPv4 Special-Purpose Address Registry (RFC 6890) does not call globally reachable,
/// multicast, and what clouds keep for themselves.
const IPV4: &[Block<Ipv4Addr>] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, "an address of this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "a private address"),
    (
        Ipv4Addr::new(100, 64, 0, 0),
        10,
        "an address shared behind a carrier's NAT",
    ),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "a loopback address"),
    // 169.254.169.254 and .253, .170.2: the metadata services of most clouds.
    (
        Ipv4Addr::new(169, 254, 0, 0),
        16,
        "a link-local or cloud metadata address",
    ),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "a private address"),
    // 192.0.0.192 is the metadata service of Oracle's cloud.
    (Ipv4Addr::new(192, 0, 0, 0), 24, "an address for protocol assignments"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "an address for documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a 6to4 relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "a private address"),
    // Public by number; inside Azure it is the host's own agent.
    (Ipv4Addr::new(168, 63, 129, 16), 32, "a cloud metadata address"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "an address for benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "an address for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "an address for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "a multicast address"),
    // With the broadcast address.
    (Ipv4Addr::new(240, 0, 0, 0), 4, "a reserved address"),
];

/// What lies outside the global unicast addresses by a name people know it under, and the exceptions inside.
const IPV6: &[Block<Ipv6Addr>] = &[
    (Ipv6Addr::UNSPECIFIED, 128, "the unspecified address"),
    (Ipv6Addr::LOCALHOST, 128, "a loopback address"),
    // RFC 8215: a translator of this site's own.
    (
        Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0),
        48,
        "a local translator's address",
    ),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, "a discard address"),
    // RFC 2928, with Teredo, ORCHID and the addresses for benchmarks.
    (
        Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0),
        23,
        "an address for protocol assignments",
    ),
    (
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        32,
        "an address for documentation",
    ),
    // RFC 9637.
    (
        Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0),
        20,
        "an address for documentation",
    ),
    // fd00:ec2::254 and fd20:ce::254 are metadata services of Amazon's and Google's clouds.
    (
        Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0),
        7,
        "a unique-local or cloud metadata address",
    ),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "a link-local address"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "a site-local address"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "a multicast address"),
];

/// The only block from which addresses of the public Internet are given out (RFC 4291 section 2.4, IANA).
const GLOBAL_UNICAST: Block<Ipv6Addr> = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3, "");

/// Why `address` is not asked; `None` for one of the public Internet.
pub(super) fn refusal(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => refusal_of_ipv4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => refusal_of_ipv4(inner),
            None => refusal_of_ipv6(address),
        },
    }
}

fn refusal_of_ipv4(address: Ipv4Addr) -> Option<&'static str> {
    let within = |(block, length, _): &&Block<Ipv4Addr>| {
        let shift = 32 - length;
        address.to_bits() >> shift == block.to_bits() >> shift
    };
    IPV4.iter().find(within).map(|(_, _, what)| *what)
}

fn refusal_of_ipv6(address: Ipv6Addr) -> Option<&'static str> {
    let within = |(block, length, _): &&Block<Ipv6Addr>| {
        let shift = 128 - length;
        address.to_bits() >> shift == block.to_bits() >> shift
    };
    let special = IPV6.iter().find(within).map(|(_, _, what)| *what);
    special.or_else(|| (!within(&&GLOBAL_UNICAST)).then_some("no global unicast address"))
}

/// The IPv4 address that a packet for `address` ends at, where it is mapped (RFC 4291 section 2.5.5.2), translated
/// (NAT64, RFC 6052: in a network without IPv4 every IPv4 host has such an address) or tunnelled (6to4, RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let last = || Ipv4Addr::from_bits(address.to_bits() as u32);
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(last()),
        [0x2002, high, low, ..] => Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_asked() {
        let refused = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.255.255",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for text in refused {
            assert!(refusal(text.parse().unwrap()).is_some(), "{text}");
        }
        let asked = [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "168.63.129.17",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2002:808:808::1",
            "2606:4700::1111",
            "2a00:1450::1",
        ];
        for text in asked {
            assert_eq!(refusal(text.parse().unwrap()), None, "{text}");
        }
    }
}
