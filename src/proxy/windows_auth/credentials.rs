//! What a request brings to authenticate itself with.

use http::header::{AUTHORIZATION, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::is_windows;

/// Credentials that authenticate the connection they come on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Credentials {
    /// They stand for themselves or begin a handshake, whatever the connection.
    Opening,
    /// They go on with what began on this very connection, or nobody can tell.
    Continuing,
}

const FIELDS: [HeaderName; 2] = [AUTHORIZATION, PROXY_AUTHORIZATION];

/// The signature and the type of an NTLM NEGOTIATE_MESSAGE ([MS-NLMP] section 2.2.1.1), `NTLMSSP\0` and 1, in base64:
/// nine bytes make twelve characters of their own.
const NTLM_NEGOTIATE: &[u8] = b"TlRMTVNTUAAB";

/// The first byte of a GSS-API InitialContextToken (RFC 2743 section 3.1) is 0x60, which begins with this character in
/// base64. So do SPNEGO's NegTokenInit and a bare Kerberos token; SPNEGO's NegTokenResp is 0xa1.
const GSS_INITIAL: u8 = b'Y';

impl Credentials {
    /// Those of a request, if it has any; the least movable of several.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let values = FIELDS.iter().flat_map(|name| headers.get_all(name));
        values.filter_map(Self::of_value).max()
    }

    fn of_value(value: &HeaderValue) -> Option<Self> {
        let text = value.as_bytes().trim_ascii();
        if !is_windows(text) {
            return None;
        }
        let scheme = text.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let token = text.get(scheme..).unwrap_or_default().trim_ascii();
        let opens = token.is_empty() || token.starts_with(NTLM_NEGOTIATE) || token.first() == Some(&GSS_INITIAL);
        Some(if opens { Self::Opening } else { Self::Continuing })
    }

    /// Takes them off a request; whether there were any. Others stay.
    pub(super) fn remove(headers: &mut HeaderMap) -> bool {
        if Self::of(headers).is_none() {
            return false;
        }
        for name in FIELDS {
            let others: Vec<HeaderValue> = headers
                .get_all(&name)
                .iter()
                .filter(|value| Self::of_value(value).is_none())
                .cloned()
                .collect();
            headers.remove(&name);
            for value in others {
                headers.append(&name, value);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A NEGOTIATE_MESSAGE and an AUTHENTICATE_MESSAGE as they begin, a NegTokenInit, a bare Kerberos token and a
    /// NegTokenResp.
    const NTLM_1: &str = "TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAKAGFKAAAADw==";
    const NTLM_3: &str = "TlRMTVNTUAADAAAAGAAYAHgAAAAmASYBkAAAAA==";
    const SPNEGO_INIT: &str = "YIIHKgYGKwYBBQUCoIIHHjCCBxqgMDAuBgkqhkiC9xIBAgI=";
    const KERBEROS: &str = "YIIGhgYJKoZIhvcSAQICAQBuggZ1MIIGcaADAgEFoQMCAQ4=";
    const SPNEGO_RESPONSE: &str = "oYIBBzCCAQOiggEEBIIBAE5UTE1TU1AAAwAAAA==";

    #[test]
    fn what_begins_a_handshake_is_told_from_what_goes_on_with_one() {
        for (value, expected) in [
            (format!("NTLM {NTLM_1}"), Some(Credentials::Opening)),
            (format!("Negotiate {NTLM_1}"), Some(Credentials::Opening)),
            (format!("Negotiate {SPNEGO_INIT}"), Some(Credentials::Opening)),
            (format!("negotiate   {KERBEROS}"), Some(Credentials::Opening)),
            (format!("Kerberos {KERBEROS}"), Some(Credentials::Opening)),
            ("Negotiate".to_owned(), Some(Credentials::Opening)),
            (format!("ntlm {NTLM_3}"), Some(Credentials::Continuing)),
            (format!("NTLM\t{NTLM_3}"), Some(Credentials::Continuing)),
            (format!("Negotiate {SPNEGO_RESPONSE}"), Some(Credentials::Continuing)),
            ("NTLM ?".to_owned(), Some(Credentials::Continuing)),
            ("CredSSP TlRM".to_owned(), Some(Credentials::Continuing)),
            ("Basic TlRMTVNTUAAB".to_owned(), None),
            ("Bearer Negotiate".to_owned(), None),
            ("NT".to_owned(), None),
            (String::new(), None),
        ] {
            let headers = fields(&[("authorization", &value)]);
            assert_eq!(Credentials::of(&headers), expected, "{value}");
            let headers = fields(&[("proxy-authorization", &value)]);
            assert_eq!(Credentials::of(&headers), expected, "Proxy-Authorization: {value}");
        }
    }

    #[test]
    fn no_second_field_and_no_odd_separator_hides_them() {
        let of = |list: &[(&'static str, &str)]| Credentials::of(&fields(list));
        let basic = ("authorization", "Basic eDp5");
        let ntlm = format!("NTLM {NTLM_3}");
        assert_eq!(of(&[basic, ("authorization", &ntlm)]), Some(Credentials::Continuing));
        assert_eq!(
            of(&[("authorization", "Negotiate"), ("proxy-authorization", &ntlm)]),
            Some(Credentials::Continuing)
        );
        for odd in ["NTLM,x", "NTLMv2 x", "Negotiate=x", "nEgOtIaTe/x", "Nego2 x"] {
            assert!(of(&[("authorization", odd)]).is_some(), "{odd}");
        }
    }

    #[test]
    fn they_are_removed_and_others_stay() {
        let mut headers = fields(&[
            ("authorization", "NTLM x"),
            ("authorization", "Basic eDp5"),
            ("proxy-authorization", "Negotiate x"),
        ]);
        assert!(Credentials::remove(&mut headers));
        assert_eq!(headers, fields(&[("authorization", "Basic eDp5")]));
        assert!(!Credentials::remove(&mut headers));
    }

    fn fields(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }
}
