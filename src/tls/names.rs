//! Which identities answer for a host name.
//!
//! A name is found exactly before it is found by wildcard. A wildcard stands for one whole leftmost label and nothing
//! else (RFC 9525 section 6.3): `*.example.com` answers for `a.example.com`, not for `example.com`, `a.b.example.com`.
//! Each lookup costs two hash lookups and no allocation, however many names there are.

use std::collections::HashMap;
use std::net::IpAddr;

/// Identities, as positions in the list of them, by name.
#[derive(Debug, Default)]
pub(super) struct Names {
    exact: HashMap<Box<str>, Vec<usize>>,
    /// By what follows `*.`.
    wildcard: HashMap<Box<str>, Vec<usize>>,
}

impl Names {
    /// The index of `identities`, in the order in which they are preferred: for each its names, and the one for which it
    /// goes before all others, if there is one.
    ///
    /// IP addresses are left out: a client never sends one as server name (RFC 6066 section 3). So are wildcards of
    /// any other form.
    pub(super) fn new<'a>(identities: impl Iterator<Item = (&'a [Box<str>], Option<&'a str>)> + Clone) -> Self {
        let mut names = Self::default();
        for (identity, (_, preferred)) in identities.clone().enumerate() {
            if let Some(name) = preferred {
                names.insert(name, identity);
            }
        }
        for (identity, (all, preferred)) in identities.enumerate() {
            let others = all.iter().filter(|name| preferred != Some(&***name));
            for name in others {
                names.insert(name, identity);
            }
        }
        names
    }

    /// The identities that answer for `server_name`: exact ones first, in the order of preference each.
    pub(super) fn find<'a>(&'a self, server_name: &str) -> impl Iterator<Item = usize> + Clone + use<'a> {
        let mut buffer = [0; MAX_NAME_BYTES];
        let (exact, wildcard) = match lower_case(server_name, &mut buffer) {
            Some(name) => (
                self.exact.get(name),
                name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent)),
            ),
            None => (None, None),
        };
        exact.into_iter().chain(wildcard).flatten().copied()
    }

    fn insert(&mut self, name: &str, identity: usize) {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let (index, key) = match name.strip_prefix("*.") {
            Some(parent) => (&mut self.wildcard, parent),
            None => (&mut self.exact, &*name),
        };
        if key.is_empty() || key.contains('*') || key.parse::<IpAddr>().is_ok() {
            return;
        }
        let identities = index.entry(key.into()).or_default();
        // A leaf may carry one name twice.
        if identities.last() != Some(&identity) {
            identities.push(identity);
        }
    }
}

/// Whether one of `names`, in lower case, stands for `host`: a name, or an IP address with or without brackets.
pub(super) fn cover(names: &[Box<str>], host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(host).parse::<IpAddr>() {
        return names.iter().any(|name| name.parse() == Ok(address));
    }
    let mut buffer = [0; MAX_NAME_BYTES];
    let Some(host) = lower_case(host, &mut buffer) else {
        return false;
    };
    let parent = host.split_once('.').map(|(_, parent)| parent);
    let is_it = |name: &str| match name.strip_prefix("*.") {
        Some(wildcard) => parent == Some(wildcard),
        None => host == name,
    };
    names.iter().any(|name| is_it(name.strip_suffix('.').unwrap_or(name)))
}

/// RFC 1035 section 2.3.4: a name has at most 255 octets.
pub(super) const MAX_NAME_BYTES: usize = 255;

/// `name` in lower case and without the dot that may end it; `None` where it is too long to be a name.
pub(super) fn lower_case<'b>(name: &str, buffer: &'b mut [u8; MAX_NAME_BYTES]) -> Option<&'b str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let lower = buffer.get_mut(..name.len())?;
    lower.copy_from_slice(name.as_bytes());
    lower.make_ascii_lowercase();
    str::from_utf8(lower).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_name_goes_before_a_wildcard() {
        let names = names(&[&["*.example.com"], &["a.example.com"]]);
        assert_eq!(found(&names, "a.example.com"), [1, 0]);
        assert_eq!(found(&names, "b.example.com"), [0]);
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let names = names(&[&["*.example.com"]]);
        assert_eq!(found(&names, "a.example.com"), [0]);
        for other in ["example.com", "a.b.example.com", "aexample.com", "com", ""] {
            assert!(found(&names, other).is_empty(), "{other}");
        }
    }

    #[test]
    fn a_wildcard_within_a_label_or_alone_answers_for_nothing() {
        let names = names(&[&["f*.example.com", "*", "*.*.example.com", "a.*.example.com", "*."]]);
        for name in [
            "foo.example.com",
            "localhost",
            "a.b.example.com",
            "f*.example.com",
            "*",
            "a.",
        ] {
            assert!(found(&names, name).is_empty(), "{name}");
        }
    }

    #[test]
    fn case_and_a_trailing_dot_make_no_difference() {
        let names = names(&[&["WWW.example.com."], &["*.Example.org"]]);
        assert_eq!(found(&names, "www.EXAMPLE.com"), [0]);
        assert_eq!(found(&names, "www.example.com."), [0]);
        assert_eq!(found(&names, "a.EXAMPLE.org."), [1]);
    }

    #[test]
    fn several_identities_of_one_name_keep_their_order() {
        let names = names(&[&["a.test", "a.test"], &["b.test"], &["a.test"]]);
        assert_eq!(found(&names, "a.test"), [0, 2]);
    }

    #[test]
    fn a_name_is_answered_for_first_by_whoever_was_made_for_it() {
        let name = |name: &str| Box::<str>::from(name);
        let both = [name("a.test"), name("b.test")];
        let wildcard = [name("*.test")];
        let names = Names::new(
            [
                (&both[..], None),
                (&both[..], Some("b.test")),
                (&both[..], Some("a.test")),
                (&wildcard[..], Some("a.test")),
                (&wildcard[..], Some("*.test")),
            ]
            .into_iter(),
        );
        assert_eq!(found(&names, "a.test"), [2, 3, 0, 1, 4, 3]);
        assert_eq!(found(&names, "b.test"), [1, 0, 2, 4, 3]);
        assert_eq!(found(&names, "c.test"), [4, 3]);
    }

    #[test]
    fn addresses_and_overlong_names_are_never_found() {
        let names = names(&[&["192.0.2.1", "2001:db8::1"]]);
        assert!(found(&names, "192.0.2.1").is_empty());
        assert!(found(&names, &"a".repeat(256)).is_empty());
        assert!(found(&names, &"a.".repeat(4000)).is_empty());
    }

    #[test]
    fn names_cover_a_host_as_they_answer_for_it() {
        let names = ["a.test", "*.example.com", "192.0.2.1", "2001:db8::1"].map(Box::from);
        for host in [
            "a.test",
            "A.TEST.",
            "b.example.com",
            "192.0.2.1",
            "[2001:db8::1]",
            "2001:DB8:0::1",
        ] {
            assert!(cover(&names, host), "{host}");
        }
        for host in [
            "b.test",
            "example.com",
            "a.b.example.com",
            "192.0.2.2",
            "*.example.com.org",
            "",
            ".",
        ] {
            assert!(!cover(&names, host), "{host}");
        }
    }

    fn names(identities: &[&[&str]]) -> Names {
        let identities: Vec<Vec<Box<str>>> = identities
            .iter()
            .map(|names| names.iter().map(|name| Box::from(*name)).collect())
            .collect();
        Names::new(identities.iter().map(|names| (names.as_slice(), None)))
    }

    fn found(names: &Names, server_name: &str) -> Vec<usize> {
        names.find(server_name).collect()
    }
}
