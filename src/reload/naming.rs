//! Which configured certificate is which, from one reading to the next.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::guard::key_type;
use super::served::Served;
use super::survey::Survey;
use crate::certs::{BundleSettings, HostName};

/// What tells one configured certificate from another. In a directory the file with the certificate alone does: a key
/// may be put beside one that had it in the same file.
pub(super) fn name(source: &BundleSettings) -> (&Path, Option<&Path>) {
    let key = source.key.as_deref().filter(|_| source.directory().is_none());
    (&source.certificate, key)
}

/// What is served for each host of a certificate directory and each kind of key.
pub(super) fn by_host<'p>(served: &'p [Arc<Served>]) -> HashMap<(&'p HostName, &'static str), &'p Arc<Served>> {
    let entry = |served: &'p Arc<Served>| {
        let key_type = key_type(served.bundle.leaf.key_algorithm());
        served.source.host().map(|host| ((host, key_type), served))
    };
    served.iter().filter_map(entry).collect()
}

/// What is served, by its name.
pub(super) fn by_name(served: &[Arc<Served>]) -> HashMap<(&Path, Option<&Path>), &Arc<Served>> {
    served.iter().map(|served| (name(&served.source), served)).collect()
}

/// What is served and no longer configured, with its place.
pub(super) fn vanished<'p>(survey: &Survey, previous: &'p [Arc<Served>]) -> Vec<(usize, &'p Arc<Served>)> {
    let prospects = &survey.prospects;
    let stays = |(source, served): (&Arc<BundleSettings>, &Arc<Served>)| Arc::ptr_eq(source, &served.source);
    let sources = prospects.iter().map(|(source, _)| source);
    if prospects.len() == previous.len() && sources.zip(previous).all(stays) {
        return Vec::new();
    }
    let configured: HashSet<_> = prospects.iter().map(|(source, _)| name(source)).collect();
    let is_gone = |(_, served): &(usize, &Arc<Served>)| !configured.contains(&name(&served.source));
    previous.iter().enumerate().filter(is_gone).collect()
}
