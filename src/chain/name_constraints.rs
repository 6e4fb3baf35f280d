//! Name constraints: which names a CA may certify (RFC 5280 section 4.2.1.10).

use super::extensions::{GeneralName, NameConstraints};
use super::{Certificate, Name};

/// Comparisons of a name with a constraint for one certificate: what rustls-webpki and Go's crypto/x509 allow for a
/// whole chain (Go since CVE-2025-58187).
const MOST_COMPARISONS: usize = 250_000;

/// The first name of `certificate` that `constraints` do not allow, in words.
pub(super) fn violation(constraints: &NameConstraints, certificate: &Certificate) -> Option<String> {
    let bases = constraints.permitted.len() + constraints.excluded.len();
    if bases.saturating_mul(certificate.subject_alt_names().len() + 1) > MOST_COMPARISONS {
        return Some("so many names as there are".to_owned());
    }
    let subject = (!certificate.subject().is_empty()).then(|| GeneralName::Directory(certificate.subject().clone()));
    certificate
        .subject_alt_names()
        .iter()
        .chain(subject.as_ref())
        .find(|name| !allowed(constraints, name))
        .map(words)
}

/// Whether every constraint in `constraints` is of a form that rustls-webpki can process.
pub(super) fn only_dns_and_ip(constraints: &NameConstraints) -> bool {
    constraints
        .permitted
        .iter()
        .chain(&constraints.excluded)
        .all(|base| matches!(base, GeneralName::Dns(_) | GeneralName::Ip(_)))
}

fn allowed(constraints: &NameConstraints, name: &GeneralName) -> bool {
    let mut of_same_form = constraints
        .permitted
        .iter()
        .filter(|base| same_form(base, name))
        .peekable();
    let permitted = of_same_form.peek().is_none() || of_same_form.any(|base| covers(base, name, true));
    permitted
        && !constraints
            .excluded
            .iter()
            .any(|base| same_form(base, name) && covers(base, name, false))
}

fn same_form(base: &GeneralName, name: &GeneralName) -> bool {
    match (base, name) {
        (GeneralName::Other(base), GeneralName::Other(name)) => base == name,
        _ => std::mem::discriminant(base) == std::mem::discriminant(name),
    }
}

/// Whether `name` lies in the subtree of `base`, both of one form. A form that is not processed gets the answer that
/// refuses: "the application MUST either process the constraint or reject the certificate".
fn covers(base: &GeneralName, name: &GeneralName, permitting: bool) -> bool {
    match (base, name) {
        (GeneralName::Directory(base), GeneralName::Directory(name)) => directory_covers(base, name),
        (GeneralName::Dns(base), GeneralName::Dns(name)) => dns_covers(base, name, permitting),
        (GeneralName::Email(base), GeneralName::Email(name)) => email_covers(base, name),
        (GeneralName::Ip(base), GeneralName::Ip(name)) => ip_covers(base, name).unwrap_or(!permitting),
        (GeneralName::Uri(base), GeneralName::Uri(name)) => {
            host_of(name).map_or(!permitting, |host| host_covers(base, host))
        }
        _ => !permitting,
    }
}

fn directory_covers(base: &Name, name: &Name) -> bool {
    name.is_within(base)
}

/// "Any DNS name that can be constructed by simply adding zero or more labels to the left-hand side of the name
/// satisfies the name constraint." A wildcard is covered only where all it stands for is, and excluded where any is.
fn dns_covers(base: &str, name: &str, permitting: bool) -> bool {
    // A leading dot is not in the RFC; OpenSSL, rustls-webpki and Go take it as "only below".
    let below = base.strip_prefix('.');
    let base_name = below.unwrap_or(base);
    if base_name.is_empty() {
        return true;
    }
    let ends_below = |name: &str| name.strip_suffix(base_name).is_some_and(|labels| labels.ends_with('.'));
    let covered = ends_below(name) || (below.is_none() && name == base_name);
    let wildcard_touches = || {
        // `*.example.com` stands for `host.example.com`, which an exclusion of that one host touches.
        name.strip_prefix("*.").is_some_and(|parent| {
            base_name
                .split_once('.')
                .is_some_and(|(_, base_parent)| base_parent == parent)
        })
    };
    covered || (!permitting && wildcard_touches())
}

fn email_covers(base: &str, name: &str) -> bool {
    let Some((local, host)) = name.rsplit_once('@') else {
        return false;
    };
    match base.rsplit_once('@') {
        Some((base_local, base_host)) => local == base_local && host.eq_ignore_ascii_case(base_host),
        None => host_covers(base, host),
    }
}

/// A host, or with a leading dot every host below it.
fn host_covers(base: &str, host: &str) -> bool {
    let (base, host) = (base.to_ascii_lowercase(), host.to_ascii_lowercase());
    match base.strip_prefix('.') {
        Some(_) => host.ends_with(&base),
        None => host == base,
    }
}

/// The host of a URI; `None` where there is none or it is an address, which the section refuses.
fn host_of(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host_port = authority.rsplit('@').next()?;
    let host = host_port.split(':').next()?;
    let is_address = host_port.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok();
    (!host.is_empty() && !is_address).then_some(host)
}

/// `base` is address and mask in one; `None` where the lengths are not those of one address family.
fn ip_covers(base: &[u8], name: &[u8]) -> Option<bool> {
    let known = matches!((base.len(), name.len()), (8 | 32, 4 | 16));
    if !known {
        return None;
    }
    let (network, mask) = base.split_at(base.len() / 2);
    let inside = |((network, mask), octet): ((&u8, &u8), &u8)| network & mask == octet & mask;
    Some(network.len() == name.len() && network.iter().zip(mask).zip(name).all(inside))
}

fn words(name: &GeneralName) -> String {
    match name {
        GeneralName::Directory(name) => name.to_string(),
        GeneralName::Dns(name) | GeneralName::Email(name) | GeneralName::Uri(name) => name.escape_default().to_string(),
        GeneralName::Ip(octets) => match &octets[..] {
            [a, b, c, d] => std::net::Ipv4Addr::new(*a, *b, *c, *d).to_string(),
            octets => <[u8; 16]>::try_from(octets).map_or_else(
                |_| "an IP address".to_owned(),
                |octets| std::net::Ipv6Addr::from(octets).to_string(),
            ),
        },
        GeneralName::Other(_) => "a name of an unprocessed form".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As read from a certificate: in lower case.
    fn dns(name: &str) -> GeneralName {
        GeneralName::Dns(name.into())
    }

    fn permits(base: GeneralName, name: GeneralName) -> bool {
        let constraints = NameConstraints {
            permitted: [base].into(),
            excluded: [].into(),
        };
        allowed(&constraints, &name)
    }

    fn excludes(base: GeneralName, name: GeneralName) -> bool {
        let constraints = NameConstraints {
            permitted: [].into(),
            excluded: [base].into(),
        };
        !allowed(&constraints, &name)
    }

    #[test]
    fn a_dns_constraint_covers_the_name_and_everything_below_it() {
        for name in ["example.com", "www.example.com", "*.example.com"] {
            assert!(permits(dns("example.com"), dns(name)), "{name}");
        }
        for name in ["example.org", "badexample.com", "com"] {
            assert!(!permits(dns("example.com"), dns(name)), "{name}");
        }
        assert!(!permits(dns(".example.com"), dns("example.com")));
        assert!(permits(dns(""), dns("anything.test")));
    }

    #[test]
    fn an_excluded_host_excludes_the_wildcard_that_stands_for_it() {
        assert!(excludes(dns("www.example.com"), dns("*.example.com")));
        assert!(!excludes(dns("a.b.example.com"), dns("*.example.com")));
        assert!(!permits(dns("www.example.com"), dns("*.example.com")));
    }

    #[test]
    fn an_address_constraint_covers_its_network_of_its_own_family() {
        let network = GeneralName::Ip([10, 0, 0, 0, 255, 0, 0, 0].into());
        assert!(permits(network.clone(), GeneralName::Ip([10, 1, 2, 3].into())));
        assert!(!permits(network.clone(), GeneralName::Ip([11, 1, 2, 3].into())));
        assert!(!permits(network.clone(), GeneralName::Ip([0; 16].into())));
        assert!(!permits(
            GeneralName::Ip([10, 0].into()),
            GeneralName::Ip([10, 0, 0, 1].into())
        ));
        assert!(excludes(
            GeneralName::Ip([10, 0].into()),
            GeneralName::Ip([10, 0, 0, 1].into())
        ));
    }

    #[test]
    fn a_form_that_is_not_processed_is_refused_and_another_form_is_left_alone() {
        assert!(!permits(GeneralName::Other(8), GeneralName::Other(8)));
        assert!(excludes(GeneralName::Other(0), GeneralName::Other(0)));
        assert!(permits(GeneralName::Other(0), dns("example.com")));
    }

    #[test]
    fn mail_and_uri_constraints_compare_hosts() {
        let email = |text: &str| GeneralName::Email(text.into());
        let uri = |text: &str| GeneralName::Uri(text.into());
        assert!(permits(email("example.com"), email("a@EXAMPLE.com")));
        assert!(!permits(email("example.com"), email("a@www.example.com")));
        assert!(permits(email(".example.com"), email("a@www.example.com")));
        assert!(permits(uri(".example.com"), uri("https://u@www.example.com:8443/x")));
        assert!(!permits(uri("example.com"), uri("https://[::1]/")));
    }
}
