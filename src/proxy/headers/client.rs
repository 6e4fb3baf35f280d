//! Who the client is, where trusted proxies stand between it and us.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};

use super::downstream::Address;
use crate::proxy::settings::Peers;

/// The field in which each proxy notes whom it was connected to by.
pub(super) const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client of a request that `peer` sends.
pub(in crate::proxy) fn of(peer: &Address, trusted: &Peers, headers: &HeaderMap) -> Address {
    match address(peer.ip, trusted, headers) {
        Some(client) if peer.ip != Some(client) => Address::of(client),
        _ => peer.clone(),
    }
}

/// The address of the client: the last one of X-Forwarded-For that no trusted proxy has, `peer` where it is not
/// trusted itself.
///
/// Each trusted proxy vouches for the address that it put at the end, and for nothing before it unless that is a
/// trusted one too. What cannot be read ends the search at the last address that somebody vouched for. `Forwarded` is
/// not asked: a proxy that knows only one of the two passes on the other as it came from anyone.
fn address(peer: Option<IpAddr>, trusted: &Peers, headers: &HeaderMap) -> Option<IpAddr> {
    let mut client = peer;
    let values = headers.get_all(FOR).iter().rev();
    let hops = values.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops.map(<[u8]>::trim_ascii).filter(|hop| !hop.is_empty()) {
        if !trusted.include(client) {
            break;
        }
        let Some(address) = read(hop) else { break };
        client = Some(address);
    }
    client
}

/// An address as proxies write it: alone, with a port (Azure, IIS), or an IPv6 address in brackets.
fn read(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?;
    let address = text.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    address
        .or_else(with_port)
        .or_else(in_brackets)
        .map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_client_is_the_last_address_that_no_trusted_proxy_has() {
        for (fields, client) in [
            (&[][..], "10.0.0.1"),
            (&["192.0.2.1"], "192.0.2.1"),
            (&["6.6.6.6, 192.0.2.1"], "192.0.2.1"),
            (&["6.6.6.6, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            (&["6.6.6.6", "192.0.2.1,10.0.0.2", "10.0.0.3"], "192.0.2.1"),
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (&["192.0.2.1,", " ,"], "192.0.2.1"),
            (&["192.0.2.1:4711"], "192.0.2.1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["::ffff:192.0.2.1"], "192.0.2.1"),
        ] {
            assert_eq!(found("10.0.0.1", fields), client, "{fields:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_ends_the_search() {
        for (fields, client) in [
            (&["192.0.2.1, unknown"][..], "10.0.0.1"),
            (&["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2"),
            (&["192.0.2.1, _hidden"], "10.0.0.1"),
            (&["192.0.2.1, 192.0.2.1:port"], "10.0.0.1"),
            (&["192.0.2.1, \"192.0.2.2\""], "10.0.0.1"),
            (&["192.0.2.1 192.0.2.2"], "10.0.0.1"),
            (&["\u{fc}"], "10.0.0.1"),
        ] {
            assert_eq!(found("10.0.0.1", fields), client, "{fields:?}");
        }
    }

    #[test]
    fn nobody_else_is_believed() {
        assert_eq!(found("192.0.2.9", &["10.0.0.2"]), "192.0.2.9");
        assert_eq!(found("::ffff:10.0.0.1", &["192.0.2.1"]), "192.0.2.1");
    }

    fn found(peer: &str, fields: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(FOR, HeaderValue::from_bytes(field.as_bytes()).unwrap());
        }
        let trusted = vec!["10.0.0.0/8".parse().unwrap()].into();
        let peer = peer.parse().unwrap();
        address(Some(peer), &trusted, &headers).unwrap().to_string()
    }
}
