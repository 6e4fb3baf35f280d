//! The host that a file is named after.

use std::fmt;

use crate::chain::Certificate;

/// A host, or with `*.` every host one label below a domain; in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostName(Box<str>);

impl HostName {
    /// The host that the stem of a file name says: `www.example.com`, or `_.example.com` for `*.example.com`, since
    /// Windows allows no asterisk in a file name. `None` where it is no host name; IDNA names are taken in the form
    /// that certificates have them in, which is ASCII.
    pub(super) fn of_stem(stem: &str) -> Option<Self> {
        let name = stem.to_ascii_lowercase();
        let (wildcard, domain) = match name.strip_prefix("_.").or_else(|| name.strip_prefix("*.")) {
            Some(domain) => ("*.", domain),
            None => ("", name.as_str()),
        };
        // RFC 1035 section 2.3.4, without the octets for the root and the first length.
        let is_name = domain.len() <= 253 && domain.split('.').all(is_label);
        is_name.then(|| Self(format!("{wildcard}{domain}").into()))
    }

    /// As text: `www.example.com` or `*.example.com`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `leaf` is good for this host: by its own name, or by a wildcard for its domain (RFC 9525 section 6.3).
    pub fn is_covered_by(&self, leaf: &Certificate) -> bool {
        let parent = self.0.split_once('.').map(|(_, parent)| parent);
        let covers = |name: &str| {
            let name = name.strip_suffix('.').unwrap_or(name);
            let wildcard = name.strip_prefix("*.").zip(parent);
            name.eq_ignore_ascii_case(&self.0)
                || wildcard.is_some_and(|(domain, parent)| domain.eq_ignore_ascii_case(parent))
        };
        leaf.dns_names().any(covers) || leaf.ip_addresses().any(|address| address.to_string() == *self.0)
    }

    /// Whether it has a domain. A file may be called `tls` or `default` without meaning a host of that name.
    pub(super) fn has_domain(&self) -> bool {
        self.0.contains('.')
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Letters, digits, hyphens (RFC 952), and the underscore that is found in names all the same.
fn is_label(label: &str) -> bool {
    let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len()) && label.bytes().all(is_inside)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn host(stem: &str) -> Option<String> {
        HostName::of_stem(stem).map(|host| host.to_string())
    }

    #[test]
    fn a_stem_is_a_host_a_wildcard_or_neither() {
        for (stem, expected) in [
            ("www.example.com", Some("www.example.com")),
            ("WWW.Example.COM", Some("www.example.com")),
            ("_.example.com", Some("*.example.com")),
            ("*.example.com", Some("*.example.com")),
            ("_dmarc.example.com", Some("_dmarc.example.com")),
            ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
            ("localhost", Some("localhost")),
            ("bücher.example", None),
            ("my site", None),
            ("a..b", None),
            ("_.", None),
            ("", None),
        ] {
            assert_eq!(host(stem).as_deref(), expected, "{stem}");
        }
        assert_eq!(host(&"a.".repeat(200)), None);
        assert_eq!(host(&"a".repeat(64)), None);
    }

    #[test]
    fn a_leaf_covers_a_host_by_name_and_by_wildcard_in_any_case() {
        let params = CertificateParams::new(["A.test", "*.B.test", "192.0.2.1"].map(str::to_owned)).unwrap();
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
        let leaf = Certificate::from_der(der).unwrap();
        for (stem, expected) in [
            ("a.test", true),
            ("x.b.test", true),
            ("_.b.test", true),
            ("192.0.2.1", true),
            ("b.test", false),
            ("x.y.b.test", false),
            ("_.a.test", false),
            ("test", false),
        ] {
            let host = HostName::of_stem(stem).unwrap();
            assert_eq!(host.is_covered_by(&leaf), expected, "{stem}");
        }
    }
}
