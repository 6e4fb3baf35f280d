//! What tells one client from another.

use std::net::IpAddr;

/// What tells one client from another: an IPv4 address, or the network of an IPv6 address.
///
/// The network and not the address: whoever is connected by IPv6 gets a /64 at least, and has every address in it
/// (RFC 6177 section 2, RFC 7421).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ClientAddress {
    Four([u8; 4]),
    Six([u8; 8]),
}

impl ClientAddress {
    /// The client at `address`.
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::Four(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::Six([a, b, c, d, e, f, g, h])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_one_ipv4_address_but_a_whole_ipv6_network() {
        let of = |text: &str| ClientAddress::of(text.parse().unwrap());
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:0:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }
}
