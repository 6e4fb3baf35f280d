//! Everything that is counted, as `/metrics` shows it.

use std::sync::Arc;

use crate::telemetry::metrics::{Exposition, Metric, Process};
use crate::{proxy, reload};

/// Where the numbers are. Each room counts for itself.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Of the process.
    pub process: Process,
    /// Of connections, requests, handshakes and servers.
    pub proxy: Arc<proxy::Metrics>,
    /// Of reloads, certificates and what is fetched.
    pub reload: Arc<reload::Metrics>,
}

impl Metrics {
    /// The names, kinds and labels of everything, in the order of the text.
    pub fn descriptions() -> impl Iterator<Item = &'static Metric> {
        let process = Process::METRICS.into_iter();
        process
            .chain(proxy::Metrics::descriptions())
            .chain(reload::Metrics::descriptions())
    }

    /// The numbers of this moment, in the text format of Prometheus (0.0.4).
    pub fn text(&self) -> String {
        let mut text = Exposition::default();
        self.process.write(&mut text);
        self.proxy.write(&mut text);
        self.reload.write(&mut text);
        text.into_text()
    }
}
