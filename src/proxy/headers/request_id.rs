//! `X-Request-Id`: one name for a request in everybody's log.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The field.
pub(in crate::proxy) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest one that is kept: four times a UUID. It goes into logs.
const LONGEST: usize = 144;

/// Who is told the name of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestId {
    /// Nobody: the field is passed on as it comes.
    #[default]
    Off,
    /// The backend.
    Upstream,
    /// The backend, and the client in the response.
    Both,
}

/// Makes the names of one worker's requests.
///
/// They are numbers, enciphered: SipHash with keys that std takes from the operating system. So none comes twice in
/// practice, and none can be guessed from others, without asking the system for randomness on a request's path. They
/// are names, not secrets.
#[derive(Debug, Default)]
pub(in crate::proxy) struct RequestIds {
    keys: [RandomState; 2],
    count: Cell<u64>,
}

impl RequestIds {
    /// The next name: 32 hexadecimal digits.
    pub(in crate::proxy) fn next(&self) -> HeaderValue {
        let number = self.count.get();
        self.count.set(number.wrapping_add(1));
        let digits = self.keys.iter().flat_map(|keys| hexadecimal(keys.hash_one(number)));
        let mut text = [b'0'; 32];
        for (place, digit) in text.iter_mut().zip(digits) {
            *place = digit;
        }
        // Hexadecimal digits are a field value.
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("-"))
    }
}

fn hexadecimal(number: u64) -> impl Iterator<Item = u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let nibbles = (0..16_u32).rev().map(move |at| number >> (4 * at) & 0xf);
    nibbles.filter_map(|nibble| DIGITS.get(usize::try_from(nibble).ok()?).copied())
}

/// The name that a trusted proxy before us gave the request, where it is one that logs can hold.
pub(super) fn given(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut values = headers.get_all(REQUEST_ID).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    let sound = (1..=LONGEST).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
    sound.then(|| value.clone())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_requests_of_any_worker_have_one_name() {
        let workers = [RequestIds::default(), RequestIds::default()];
        let names: HashSet<_> = (0..1000).flat_map(|_| workers.iter().map(RequestIds::next)).collect();
        assert_eq!(names.len(), 2000);
        for name in names {
            assert!(
                name.len() == 32 && name.as_bytes().iter().all(u8::is_ascii_hexdigit),
                "{name:?}"
            );
        }
    }

    #[test]
    fn one_name_that_logs_can_hold_is_kept() {
        let kept = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(REQUEST_ID, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            given(&headers).is_some()
        };
        assert!(kept(&["7b44e8a4-4f0f-4b3e-9d39-5d1c8a9f0e11"]));
        assert!(kept(&[&"x".repeat(144)]));
        for odd in [&[][..], &[""], &["a", "b"], &["a b"], &["\u{fc}"], &[&"x".repeat(145)]] {
            assert!(!kept(odd), "{odd:?}");
        }
    }
}
