//! What a reload says: one log line for each certificate that changed or did not, and the same as sentences for
//! whoever asked.

use std::sync::Arc;

use super::guard::{is_of_other_type, names};
use super::prepare::Event;
use super::served::{LogName, Served};
use crate::certs::BundleSettings;
use crate::chain::{Certificate, Status, rfc3339};
use crate::tls::OutOfReach;

/// Logs `event` and returns it as a sentence.
pub(super) fn report(event: &Event, served: &[Arc<Served>]) -> String {
    match event {
        Event::Added(place) => log(&served[*place], "certificate loaded", None),
        Event::Replaced { place, because } => log(&served[*place], "certificate replaced", Some(because)),
        Event::Judged { place, because } => log(
            &served[*place],
            "the same chain is judged otherwise than before",
            Some(because),
        ),
        Event::Kept(place) => kept(&served[*place]),
        Event::Stapled(place) => stapled(&served[*place]),
        Event::StapleKept(place) => staple_kept(&served[*place]),
        Event::Restored(place) => log(&served[*place], "what lies on disk is what is served again", None),
        Event::Removed { leaf, source } => removed(leaf, source),
    }
}

/// Says which hosts old Windows cannot reach now, though it could before or they were not there.
pub(super) fn report_out_of_reach(before: &[Arc<Served>], now: &[Arc<Served>]) {
    let leaf = |served: &Arc<Served>| Arc::clone(served.assembly.chain.leaf());
    let is_alike = |(before, now): (&Arc<Served>, &Arc<Served>)| {
        let (before, now) = (leaf(before), leaf(now));
        before == now || !is_of_other_type(&before, &now) && names(&before) == names(&now)
    };
    // Mostly only leaves were renewed, and there may be thousands.
    if before.len() == now.len() && before.iter().zip(now).all(is_alike) {
        return;
    }
    let out_of_reach =
        |served: &[Arc<Served>]| OutOfReach::of(served.iter().map(|served| &**served.assembly.chain.leaf()));
    let news = out_of_reach(now).without(&out_of_reach(before));
    if !news.is_empty() {
        tracing::warn!("{news}");
    }
}

fn log(served: &Served, what: &str, because: Option<&str>) -> String {
    let assembly = &served.assembly;
    let leaf = assembly.chain.leaf();
    let chain: Vec<_> = assembly
        .chain
        .certificates
        .iter()
        .map(|certificate| certificate.to_string())
        .collect();
    let (names, chain) = (LogName(leaf), chain.join(" <- "));
    let message = match assembly.status {
        Status::Complete | Status::SelfSigned | Status::Unanchored => what.to_owned(),
        status @ (Status::Incomplete | Status::Invalid) => {
            format!("{what}, but its chain is {status}: most clients will refuse it")
        }
    };
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                %names,
                serial = leaf.serial_text(),
                sha256 = %leaf.fingerprint(),
                status = %assembly.status,
                not_after = rfc3339(leaf.not_after()),
                %chain,
                because,
                file = %served.source.certificate.display(),
                "{message}"
            )
        };
    }
    match assembly.status {
        Status::Complete | Status::SelfSigned | Status::Unanchored => line!(info),
        Status::Incomplete => line!(error),
        Status::Invalid => line!(error),
    }
    remark(served);
    let because = because.map(|because| format!(": {because}")).unwrap_or_default();
    format!(
        "{what}: {names} until {}, chain {}{because}",
        rfc3339(leaf.not_after()),
        assembly.status
    )
}

/// What is worth knowing about a chain that is served.
fn remark(served: &Served) {
    let assembly = &served.assembly;
    let leaf = assembly.chain.leaf();
    let (names, serial, sha256) = (LogName(leaf), leaf.serial_text(), leaf.fingerprint());
    if let Some(host) = served.source.misses(leaf) {
        tracing::warn!(
            %names, serial, %sha256, %host, file = %served.source.certificate.display(),
            "the certificate is not for the host that its file is named after: it is served for its own names"
        );
    }
    if let Some(exposure) = &served.bundle.exposure {
        let file = served.source.key.as_ref().unwrap_or(&served.source.certificate);
        tracing::warn!(%names, file = %file.display(), %exposure, "the file with the private key is not private");
    }
    if let Some(wanted) = &assembly.wanted {
        tracing::warn!(
            %names, serial, %sha256, %wanted,
            "the issuer of {} is neither in the store nor among the roots", wanted.issuer_of
        );
    }
    remark_staple(served);
    for flaw in &assembly.flaws {
        tracing::error!(%names, serial, %sha256, %flaw, "clients will refuse this certificate");
    }
    for warning in &assembly.warnings {
        tracing::warn!(%names, serial, %sha256, %warning, "some clients will refuse this certificate, or will before it expires");
    }
}

/// That another staple goes with a chain that stays as it was, or none any more.
fn stapled(served: &Served) -> String {
    let leaf = served.assembly.chain.leaf();
    let (names, serial, sha256) = (LogName(leaf), leaf.serial_text(), leaf.fingerprint());
    match &served.stapled.staple {
        Some(staple) => {
            let good_until = rfc3339(staple.good_until());
            tracing::info!(%names, serial, %sha256, good_until, "OCSP staple replaced");
            format!("OCSP staple replaced: {names}, good until {good_until}")
        }
        None => {
            remark_staple(served);
            let problem = served.stapled.problem.as_deref().unwrap_or("no file any more");
            format!("no OCSP staple: {names}: {problem}")
        }
    }
}

/// That the staple stays though its file is of no use.
fn staple_kept(served: &Served) -> String {
    remark_staple(served);
    served.staple_kept_because().unwrap_or_default()
}

fn remark_staple(served: &Served) {
    let leaf = served.assembly.chain.leaf();
    let (names, serial, sha256) = (LogName(leaf), leaf.serial_text(), leaf.fingerprint());
    match &served.stapled.problem {
        Some(problem) if served.stapled.is_revoked => {
            tracing::error!(%names, serial, %sha256, %problem, "the certificate is revoked: replace it");
        }
        Some(problem) if served.stapled.is_kept() => {
            tracing::warn!(%names, serial, %sha256, %problem, "OCSP staple not replaced: the last good one stays until its end");
        }
        Some(problem) => tracing::warn!(%names, serial, %sha256, %problem, "no OCSP staple"),
        None => {}
    }
}

fn removed(leaf: &Certificate, source: &BundleSettings) -> String {
    let (names, file) = (LogName(leaf), source.certificate.display());
    let what = match source.directory() {
        Some(_) => "no longer in its directory",
        None => "no longer configured",
    };
    tracing::warn!(
        %names,
        serial = leaf.serial_text(),
        sha256 = %leaf.fingerprint(),
        %file,
        "certificate {what}: it is served no more"
    );
    format!("{what}: {names} ({file})")
}

fn kept(served: &Served) -> String {
    let leaf = served.assembly.chain.leaf();
    let names = LogName(leaf);
    let reason = served
        .kept_because
        .as_deref()
        .unwrap_or("the files do not say otherwise");
    tracing::error!(
        %names,
        serial = leaf.serial_text(),
        sha256 = %leaf.fingerprint(),
        not_after = rfc3339(leaf.not_after()),
        file = %served.source.certificate.display(),
        reason,
        "certificate not replaced: the last good one stays"
    );
    format!("kept {names} until {}: {reason}", rfc3339(leaf.not_after()))
}
