//! A range of IP addresses, as operators write it: `10.0.0.0/8`, or one address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A range of IP addresses: those that begin with the same bits.
///
/// An IPv4 address that comes in the form of an IPv6 address (`::ffff:192.0.2.1`, as on a dual-stack socket) is the
/// IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

/// Why a text is no [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Neither an address nor an address with a prefix length.
    #[error("neither an address nor an address, a slash and a number of bits")]
    Malformed,
    /// The prefix is longer than the address.
    #[error("an address has only {0} bits")]
    TooLong(u8),
    /// The address goes on behind the prefix, so that one of the two is a slip.
    #[error("the address has bits behind the prefix")]
    BitsBehindPrefix(Network),
}

impl Network {
    /// Whether `address` is in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                masked(u128::from(first.to_bits()), 32, self.prefix)
                    == masked(u128::from(address.to_bits()), 32, self.prefix)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                masked(first.to_bits(), 128, self.prefix) == masked(address.to_bits(), 128, self.prefix)
            }
            _ => false,
        }
    }

    /// The range of `prefix` bits that `address` is in.
    fn around(address: IpAddr, prefix: u8) -> Self {
        let first = match address {
            IpAddr::V4(address) => {
                let bits = masked(u128::from(address.to_bits()), 32, prefix);
                // What came from 32 bits and lost some still fits.
                IpAddr::V4(u32::try_from(bits).unwrap_or_default().into())
            }
            IpAddr::V6(address) => IpAddr::V6(masked(address.to_bits(), 128, prefix).into()),
        };
        Self { first, prefix }
    }

    /// `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
    fn canonical(self) -> Self {
        const MAPPED: u8 = 96;
        match (self.first, self.first.to_canonical()) {
            (IpAddr::V6(_), first @ IpAddr::V4(_)) if self.prefix >= MAPPED => Self {
                first,
                prefix: self.prefix - MAPPED,
            },
            _ => self,
        }
    }
}

/// The first `prefix` of `length` bits, zeroes behind them.
fn masked(bits: u128, length: u8, prefix: u8) -> u128 {
    let behind = u32::from(length.saturating_sub(prefix));
    let shifted = bits.checked_shr(behind).unwrap_or(0);
    shifted.checked_shl(behind).unwrap_or(0)
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        Self { first: address, prefix }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let Some((address, prefix)) = text.split_once('/') else {
            let address: IpAddr = text.parse().map_err(|_| NetworkError::Malformed)?;
            return Ok(address.into());
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Malformed)?;
        // `parse` alone would take a sign.
        let digits = !prefix.is_empty() && prefix.len() <= 3 && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix: u16 = prefix.parse().ok().filter(|_| digits).ok_or(NetworkError::Malformed)?;
        let length = if address.is_ipv4() { 32 } else { 128 };
        let prefix = u8::try_from(prefix)
            .ok()
            .filter(|prefix| *prefix <= length)
            .ok_or(NetworkError::TooLong(length))?;
        let network = Self::around(address, prefix);
        if network.first != address {
            return Err(NetworkError::BitsBehindPrefix(network));
        }
        Ok(network.canonical())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_the_ranges_that_begin_with_its_bits() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::10.0.0.1"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.7/32", "192.0.2.7", "192.0.2.8"),
            ("192.0.2.128/25", "192.0.2.255", "192.0.2.127"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "::2"),
            ("fe80::/10", "febf::1", "fec0::1"),
        ] {
            let network: Network = range.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{inside} in {range}");
            assert!(!network.contains(outside.parse().unwrap()), "{outside} not in {range}");
        }
    }

    #[test]
    fn a_range_reads_back_from_its_own_text() {
        for (text, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ] {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.to_string(), shown);
            assert_eq!(shown.parse(), Ok(network));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "/",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/ 8",
            "10/8",
            "10.0.0.0/8/8",
            "a.test",
            "10.0.0.0/0008",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Malformed), "{text}");
        }
        assert_eq!("10.0.0.0/33".parse::<Network>(), Err(NetworkError::TooLong(32)));
        assert_eq!("::/129".parse::<Network>(), Err(NetworkError::TooLong(128)));
        assert_eq!("::/256".parse::<Network>(), Err(NetworkError::TooLong(128)));
        assert_eq!(
            "10.0.0.1/8".parse::<Network>(),
            Err(NetworkError::BitsBehindPrefix("10.0.0.0/8".parse().unwrap()))
        );
    }
}
