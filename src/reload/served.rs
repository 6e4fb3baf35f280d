//! What is served for each configured certificate, and since when.

use std::fmt;

use rustls::pki_types::UnixTime;

use super::Stapled;
use crate::certs::BundleSettings;
use crate::chain::{Assembly, Certificate};
use crate::tls;

/// One certificate as it is served.
#[derive(Clone, Debug)]
pub struct Served {
    /// Where it is configured.
    pub source: BundleSettings,
    /// Its chain, what the chain is worth, and why it is this one.
    pub assembly: Assembly,
    /// What handshakes use.
    pub identity: tls::Identity,
    /// The OCSP response that goes with it.
    pub stapled: Stapled,
    /// When it was first served.
    pub since: UnixTime,
    /// Why what lies on disk by now is not served instead.
    pub kept_because: Option<String>,
}

/// Everything that is served, and what is wrong around it.
#[derive(Clone, Debug)]
pub struct Generation {
    /// One entry for each configured certificate, in their order.
    pub served: Vec<Served>,
    /// What is broken in the store or the roots and was skipped.
    pub problems: Vec<String>,
    /// When the files were last read.
    pub read_at: UnixTime,
}

/// A certificate as every log line names it.
pub(super) struct LogName<'a>(pub(super) &'a Certificate);

impl fmt::Display for LogName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = super::guard::names(self.0).into_iter().collect();
        if names.is_empty() {
            write!(f, "{}", self.0.subject())
        } else {
            f.write_str(&names.join(","))
        }
    }
}
