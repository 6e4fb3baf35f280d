//! What to do about what is wrong with a chain: on the command line and on the page.

use crate::chain::{Certificate, End, Flaw, Refusal, Status, Wanted, Warning};

/// On an issuer that is not there; `hint` is another way to get it.
pub fn on_missing(wanted: &Wanted, status: Status, hint: Option<&str>) -> String {
    let published = match wanted.ca_issuers.first() {
        Some(url) => format!(" (published at {})", url.escape_default()),
        None => String::new(),
    };
    let otherwise = hint.map_or_else(String::new, |hint| format!(", {hint}"));
    match status {
        // An intermediate is there already: what is missing may be the root alone.
        Status::Unanchored => {
            format!("name its certificate in `roots` if it is a root, else add it to the store{published}{otherwise}")
        }
        _ => format!("add its certificate to the store{published}{otherwise}"),
    }
}

/// On what makes a chain invalid.
pub fn on_flaw(flaw: &Flaw, leaf: &Certificate) -> Option<String> {
    let Flaw::Certificate { certificate, refusal } = flaw else {
        return Some("have the leaf issued anew: clients refuse it as it is".to_owned());
    };
    let is_leaf = **certificate == *leaf;
    Some(match refusal {
        Refusal::Expired(_) if is_leaf => "renew the leaf".to_owned(),
        Refusal::Expired(_) => {
            "add its renewal to the store, or have the leaf issued by a CA that is still valid".to_owned()
        }
        Refusal::NotYetValid(_) => "check the clock of this machine; if it is right, wait until then".to_owned(),
        Refusal::LeafIsCa => {
            "serve a certificate for a server; `allow_ca_leaf` serves this one all the same".to_owned()
        }
        Refusal::WeakKey(_) | Refusal::WeakSignature(_) if is_leaf => {
            "have the leaf issued anew, with a strong key".to_owned()
        }
        _ if is_leaf => "have the leaf issued anew without that".to_owned(),
        _ => "add another certificate of that CA to the store, or have the leaf issued by another CA".to_owned(),
    })
}

/// On what some clients stumble over in a chain that ends so.
pub fn on_warning(warning: &Warning, end: &End) -> Option<String> {
    let advice = match warning {
        Warning::AnchorExpired { .. } => {
            "have the leaf issued below a root that is valid, or add a cross-certificate to one"
        }
        Warning::AnchorPathLength { .. } => "have the leaf issued by a CA closer to that root",
        Warning::ExpiresBeforeLeaf { certificate, .. } if *end == End::Anchor(certificate.clone()) => {
            "before then, have the leaf issued below a root that lasts longer, or add a cross-certificate to one"
        }
        Warning::ExpiresBeforeLeaf { .. } => "add its renewal to the store before then",
        Warning::KeyIdConflict { .. } => "ask the CA for the certificate of the issuer that has the key id named",
        Warning::NamesEncodedDifferently { .. } => "ask the CA for certificates with one encoding of its name",
        Warning::StricterThanRfc5280 { .. } => return None,
    };
    Some(advice.to_owned())
}
