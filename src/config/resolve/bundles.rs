//! The certificates to serve: those of the file, or the one that flags and variables describe.

use std::path::PathBuf;

use crate::certs::{BundleSettings, Origin};
use crate::config::error::{Fault, Place, Problem};
use crate::config::layer::{Given, Layer};
use crate::config::precedence::Layers;
use crate::config::raw::Certificate;
use crate::config::setting::Setting;
use crate::config::tables::Table;

/// The configured certificates. At least one is wanted, or a directory with certificates.
pub(super) fn bundles(layers: &mut Layers) -> Vec<BundleSettings> {
    let (bundles, faults) = read(layers);
    layers.faults.extend(faults);
    bundles
}

fn read(layers: &Layers) -> (Vec<BundleSettings>, Vec<Fault>) {
    let flags = first_table(&layers.flags);
    let mut variables = first_table(&layers.environment);
    if let (Some((flags, _)), Some((variables, _))) = (&flags, &mut variables) {
        // A flag that says what the certificate is goes before the variables that say it differently.
        if flags.cert.read().is_some() {
            variables.pfx = Setting::default();
        }
        if flags.pfx.read().is_some() {
            (variables.cert, variables.key) = Default::default();
        }
    }
    let descriptions = match Table::of_parts([flags, variables]) {
        Some(described) => vec![described],
        None => Table::of_file(layers, |raw| &raw.certificate),
    };
    if descriptions.is_empty() && layers.name_directory() {
        return Default::default();
    }
    if descriptions.is_empty() {
        let hint = "write a [[certificate]] with cert and key, or pfx and password_file, or give --cert and --key, \
                    or a certificate_directory";
        return (
            Vec::new(),
            vec![
                Problem::new("no certificate is given")
                    .hint(hint)
                    .at(Place::Missing("certificate")),
            ],
        );
    }
    let mut faults = Vec::new();
    let bundles = descriptions
        .iter()
        .filter_map(|table| bundle(table, &mut faults))
        .collect();
    (bundles, faults)
}

/// The one certificate that flags, or variables, describe.
fn first_table(layer: &Layer) -> Option<(Certificate, &Layer)> {
    layer
        .raw
        .certificate
        .first()
        .map(|table| (table.get_ref().clone(), layer))
}

fn bundle(table: &Table<'_, Certificate>, faults: &mut Vec<Fault>) -> Option<BundleSettings> {
    let before = faults.len();
    let certificate = table.one(|part| &part.cert, faults);
    let key = table.one(|part| &part.key, faults);
    let pfx = table.one(|part| &part.pfx, faults);
    let password_file = table.one(|part| &part.password_file, faults);
    let staple = table.one(|part| &part.staple, faults);
    let allow_ca_leaf = table.one(|part| &part.allow_ca_leaf, faults);
    let policy = table.one(|part| &part.policy, faults);
    if faults.len() > before {
        return None;
    }
    let place = |given: &Option<Given<PathBuf>>| given.as_ref().map(|given| given.place.clone());
    let switch = allow_ca_leaf.as_ref().map(|given| given.place.clone());
    let choice = policy.as_ref().map(|given| given.place.clone());
    let fault = match (place(&certificate), place(&pfx), place(&key)) {
        (Some(_), None, _) | (None, Some(_), None) => None,
        (Some(_), Some(pfx), _) => {
            let problem = Problem::new("a certificate is either cert or pfx, not both");
            Some(problem.hint("a PKCS#12 file holds the certificate and its key").at(pfx))
        }
        (None, Some(_), Some(key)) => {
            let problem = Problem::new("a pfx holds its own key");
            Some(problem.hint("leave the key out, or give cert instead of pfx").at(key))
        }
        (None, None, Some(key)) => Some(
            Problem::new("a key without its certificate")
                .hint("give cert with it")
                .at(key),
        ),
        (None, None, None) => {
            let place = table
                .place()
                .cloned()
                .or_else(|| place(&password_file))
                .or_else(|| place(&staple))
                .or(switch)
                .or(choice);
            let problem = Problem::new("no certificate file is given");
            let problem = problem.hint("give cert and key, or pfx and password_file");
            Some(problem.at(place.unwrap_or(Place::Missing("certificate"))))
        }
    };
    faults.extend(fault);
    Some(BundleSettings {
        origin: Origin::Configuration,
        certificate: certificate.or(pfx)?.path(),
        key: key.map(Given::path),
        password_file: password_file.map(Given::path),
        staple: staple.map(Given::path),
        allow_ca_leaf: allow_ca_leaf.is_some_and(|given| given.value),
        policy: policy.map(|given| given.value),
    })
}
