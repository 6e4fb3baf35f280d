//! From what could be served to what is, and why it is not where it is not enough.

use std::fmt::Display;
use std::sync::Arc;

use rustls::pki_types::UnixTime;

use super::Settings;
use super::guard::names;
use super::served::Served;
use super::survey::Prospect;
use crate::certs::BundleSettings;
use crate::chain::{Assembly, Chain, Status};
use crate::tls;

/// What handshakes and people get of `prospect`, from the instant `at` on.
///
/// # Errors
///
/// Where rustls refuses the chain or its key.
pub(super) fn serve(source: Arc<BundleSettings>, prospect: Prospect, at: UnixTime) -> Result<Served, tls::Error> {
    let Prospect {
        bundle,
        assembly,
        stapled,
    } = prospect;
    let names = names(&bundle.leaf).into_iter().map(Into::into).collect();
    let others = assembly.to_other_anchors.iter().map(Chain::to_der).collect();
    let identity = tls::Identity::new(assembly.chain.to_der(), bundle.key.der(), names)?.with_other_chains(others)?;
    let identity = match source.host().filter(|host| host.is_covered_by(&bundle.leaf)) {
        Some(host) => identity.made_for(host.as_str()),
        None => identity,
    };
    let identity = match stapled.der() {
        Some(staple) => identity.with_staple(Some(staple)),
        None => identity,
    };
    Ok(Served {
        source,
        bundle,
        assembly,
        identity,
        stapled,
        since: at,
        kept_because: None,
    })
}

/// What is `served`, with the chains of `prospect`, which are for the same leaf.
pub(super) fn with_chains(
    served: &Served,
    source: Arc<BundleSettings>,
    prospect: &Prospect,
    at: UnixTime,
) -> Result<Served, tls::Error> {
    let sent = |assembly: &Assembly| assembly.chains().map(Chain::to_der).collect::<Vec<_>>();
    let is_stapled_alike = source.staple.is_none() || prospect.stapled == served.stapled;
    if source == served.source && is_stapled_alike && sent(&prospect.assembly) == sent(&served.assembly) {
        return Ok(Served {
            assembly: Arc::clone(&prospect.assembly),
            kept_because: None,
            ..served.clone()
        });
    }
    let fresh = serve(source, prospect.clone(), at)?;
    let is_same = fresh.identity.chain() == served.identity.chain();
    Ok(Served {
        since: if is_same { served.since } else { at },
        ..fresh
    })
}

/// Whether `strict` lets the chain pass. Where no roots are wanted, no chain can be more than unanchored.
pub(super) fn is_enough(prospect: &Prospect, settings: &Settings, wants_anchor: bool) -> bool {
    match prospect.assembly.status {
        _ if !settings.strict => true,
        Status::Complete => true,
        Status::Unanchored => !wants_anchor,
        _ => false,
    }
}

/// What the chain lacks, in a sentence.
pub(super) fn lack(prospect: &Prospect) -> String {
    let assembly = &prospect.assembly;
    let shortcomings = shortcomings(assembly);
    format!(
        "the chain of {} is {}{shortcomings}",
        assembly.chain.leaf(),
        assembly.status
    )
}

/// What is wrong with the chain and which issuer it lacks, each after a semicolon.
pub(super) fn shortcomings(assembly: &Assembly) -> String {
    let mut text = String::new();
    for flaw in &assembly.flaws {
        text.push_str(&format!("; {flaw}"));
    }
    if let Some(wanted) = &assembly.wanted {
        text.push_str(&format!("; wanted: {wanted}"));
    }
    text
}

/// Why there is nothing to serve from `source`, with its file.
pub(super) fn cannot_be_served(source: &BundleSettings, reason: &dyn Display) -> String {
    let (file, reason) = (source.certificate.display().to_string(), reason.to_string());
    match reason.starts_with(&file) {
        true => reason,
        false => format!("{file} cannot be served: {reason}"),
    }
}
