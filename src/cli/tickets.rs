//! What `check` says of session tickets: which keys replicas share, and what is wrong with them.

use std::fmt::{self, Write};

use rustls_pki_types::UnixTime;
use serde_json::{Value, json};

use crate::admin;
use crate::certs::LoadedTicketMaterial;
use crate::reload::TicketKeys;

/// The keys of session tickets, or why they cannot be used.
pub(super) struct TicketReport(Result<TicketKeys, Vec<String>>);

impl TicketReport {
    /// What was `loaded`, if anything is to be shared.
    pub(super) fn of(loaded: Option<&LoadedTicketMaterial>, at: UnixTime) -> Self {
        Self(TicketKeys::of(loaded, at))
    }

    /// Whether `serve` starts with them.
    pub(super) fn is_well(&self) -> bool {
        self.0.is_ok()
    }

    /// Says on standard error what is broken.
    pub(super) fn complain(&self) {
        for fault in self.faults() {
            eprintln!("{fault}");
        }
    }

    pub(super) fn write(&self, text: &mut String) -> fmt::Result {
        match &self.0 {
            Ok(TicketKeys::OfProcess) => return Ok(()),
            // Standard error says why.
            Err(_) => writeln!(text, "session tickets: unusable")?,
            Ok(TicketKeys::OfSecret(key)) => {
                writeln!(
                    text,
                    "session tickets: derived from {} ({})",
                    key.path.display(),
                    key.id
                )?;
            }
            Ok(TicketKeys::OfFiles(keys)) => {
                writeln!(text, "session tickets:")?;
                for (place, key) in keys.iter().enumerate() {
                    let does = if place == 0 { "seals and opens" } else { "opens" };
                    writeln!(text, "  {} ({}): {does}", key.path.display(), key.id)?;
                }
            }
        }
        text.push('\n');
        Ok(())
    }

    pub(super) fn json(&self) -> Value {
        let mut value = match &self.0 {
            Ok(keys) => admin::tickets(keys),
            Err(_) => json!({ "source": null, "keys": [] }),
        };
        value["faults"] = json!(self.faults());
        value
    }

    fn faults(&self) -> &[String] {
        self.0.as_ref().err().map_or(&[], Vec::as_slice)
    }
}
