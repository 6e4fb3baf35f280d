//! The user name that a request brings along.

use http::HeaderMap;
use http::header::AUTHORIZATION;

/// The user-id of Basic credentials (RFC 7617 section 2), as it came: what the client says, not what anybody checked.
///
/// Negotiate and NTLM name the user in a token that only the backend can read.
pub(super) fn user(headers: &HeaderMap) -> Option<Box<[u8]>> {
    let credentials = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = credentials.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let name = up_to_colon(token.trim_ascii())?;
    (!name.is_empty()).then(|| name.into())
}

/// What stands before the first colon in Base64 (RFC 4648 section 4). Nothing behind it, which is the password, is
/// decoded beyond the group that the colon is in, and that is not kept.
fn up_to_colon(token: &[u8]) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    for group in token.chunks(4) {
        let digits = group.iter().map_while(|digit| value(*digit));
        let (bits, count) = digits.fold((0_u32, 0_usize), |(bits, count), digit| (bits << 6 | digit, count + 1));
        let bytes: [u8; 4] = (bits << (6 * (4 - count))).to_be_bytes();
        // Two digits make a byte, three make two, four make three.
        for byte in bytes.into_iter().skip(1).take(count.max(1) - 1) {
            if byte == b':' {
                return Some(name);
            }
            name.push(byte);
        }
        if count < group.len() {
            return None;
        }
    }
    None
}

fn value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_name_of_basic_credentials_is_told_without_the_password() {
        for (credentials, name) in [
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", &b"Aladdin"[..]),
            ("basic  YTo=", b"a"),
            ("BASIC YWI6Yw==", b"ab"),
            ("Basic YWJjOmQ6ZQ==", b"abc"),
            ("Basic w6Q6eA==", "ä".as_bytes()),
            ("Basic DQobOng=", b"\r\n\x1b"),
        ] {
            assert_eq!(of(credentials).as_deref(), Some(name), "{credentials}");
        }
    }

    #[test]
    fn other_credentials_and_broken_ones_name_nobody() {
        for credentials in [
            "Negotiate YIIJvwYGKwYBBQUCoIIJszCCCa+gMDAuBgkqhkiC9xIBAgIGCSqGSIb3",
            "NTLM TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAKAO5CAAAADw==",
            "Bearer YTpi",
            "Basic",
            "Basic ",
            "Basic OnBhc3N3b3Jk",
            "Basic YWJj",
            "Basic Y",
            "Basic YW%6Yw==",
            "Basic =YTo=",
            "",
        ] {
            assert_eq!(of(credentials), None, "{credentials}");
        }
        assert_eq!(user(&HeaderMap::new()), None);
    }

    fn of(credentials: &str) -> Option<Box<[u8]>> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(credentials).unwrap());
        user(&headers)
    }
}
