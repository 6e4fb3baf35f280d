//! Where the URL in a `Refresh` field is: `5; url=http://a.test/`.

use std::ops::Range;

/// The place of the URL, read as browsers do (HTML, "shared declarative refresh steps").
pub(super) fn url(value: &[u8]) -> Option<Range<usize>> {
    let at = skip(value, 0, u8::is_ascii_whitespace);
    let after_time = skip(value, at, |byte| byte.is_ascii_digit() || *byte == b'.');
    if after_time == at {
        return None;
    }
    let mut at = skip(value, after_time, u8::is_ascii_whitespace);
    let separated = matches!(value.get(at), Some(b';' | b','));
    if separated {
        at = skip(value, at + 1, u8::is_ascii_whitespace);
    } else if at == after_time {
        return None;
    }
    let is_word = value
        .get(at..at + 3)
        .is_some_and(|word| word.eq_ignore_ascii_case(b"url"));
    if is_word {
        let equals = skip(value, at + 3, u8::is_ascii_whitespace);
        // Without it, a relative URL that happens to begin with these letters.
        if value.get(equals) == Some(&b'=') {
            at = skip(value, equals + 1, u8::is_ascii_whitespace);
        }
    }
    let end = match value.get(at) {
        Some(quote @ (b'"' | b'\'')) => {
            at += 1;
            let length = value.get(at..)?.iter().position(|byte| byte == quote);
            length.map_or(value.len(), |length| at + length)
        }
        Some(_) => value.len(),
        None => return None,
    };
    Some(at..end)
}

/// The place of the first byte from `from` on that is not `wanted`.
fn skip(value: &[u8], from: usize, wanted: impl Fn(&u8) -> bool) -> usize {
    let rest = value.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| wanted(byte)).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_url_is_found_where_browsers_find_it() {
        for (value, expected) in [
            ("5; url=http://a/", Some("http://a/")),
            ("0;URL=http://a/", Some("http://a/")),
            (" 1.5 , Url = \"http://a/\" x", Some("http://a/")),
            ("5;url='http://a/", Some("http://a/")),
            ("5;url=''", Some("")),
            ("5; http://a/", Some("http://a/")),
            ("5 http://a/", Some("http://a/")),
            ("5; urls", Some("urls")),
            ("5;url=http://a/;b", Some("http://a/;b")),
            ("5;url=\u{e4}", Some("\u{e4}")),
            ("5", None),
            ("5;", None),
            ("5; url=", None),
            ("5; url=\"", Some("")),
            ("", None),
            ("; url=http://a/", None),
            ("x; url=http://a/", None),
            ("5x", None),
        ] {
            let found = url(value.as_bytes()).map(|range| std::str::from_utf8(&value.as_bytes()[range]).unwrap());
            assert_eq!(found, expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_found_is_a_part_of_the_value(value in "[0-9.]{0,2}[;, ]{0,2}(url|URL)?[ =\"'a-z:/]{0,20}") {
            if let Some(range) = url(value.as_bytes()) {
                prop_assert!(value.get(range).is_some());
            }
        }
    }
}
