//! What of the certificates is asked for.

/// What stands behind the `?` of the page's URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// A part of a name or of a file's path, in lower case; empty for all.
    pub(super) part: String,
}

impl Query {
    /// Reads `q` as forms write it (application/x-www-form-urlencoded). Anything else is nobody's.
    pub(super) fn parse(query: &str) -> Self {
        let mut values = query.split('&').filter_map(|pair| pair.strip_prefix("q="));
        let part = values.next_back().map(decoded).unwrap_or_default();
        Self {
            part: part.trim().to_lowercase(),
        }
    }

    /// Whether `text` is asked for.
    pub(super) fn takes(&self, text: &str) -> bool {
        self.part.is_empty() || text.to_lowercase().contains(&self.part)
    }
}

fn decoded(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let hexadecimal = || {
            let digits = str::from_utf8(behind.get(..2)?).ok()?;
            u8::from_str_radix(digits, 16).ok()
        };
        match (byte, hexadecimal()) {
            (b'%', Some(decoded)) => {
                bytes.push(decoded);
                rest = behind.get(2..).unwrap_or_default();
            }
            (byte, _) => {
                bytes.push(if *byte == b'+' { b' ' } else { *byte });
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_form_sends_is_understood() {
        for (query, part) in [
            ("", ""),
            ("q=", ""),
            ("q=Shop.Example", "shop.example"),
            ("x=1&q=a+b%2Fc%C3%BC", "a b/c\u{fc}"),
            ("q=100%", "100%"),
            ("q=%zz%+", "%zz%"),
            ("q=%ff", "\u{fffd}"),
        ] {
            assert_eq!(Query::parse(query).part, part, "{query}");
        }
    }

    #[test]
    fn upper_and_lower_case_are_the_same_to_who_looks_for_a_name() {
        assert!(Query::parse("q=EXAMPLE").takes("www.Example.com"));
        assert!(!Query::parse("q=b").takes("a"));
        assert!(Query::default().takes(""));
    }
}
