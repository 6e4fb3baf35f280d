//! What of the configuration is worth a warning each time that it is read.

use std::env;

use super::Reconfigure;
use super::sandbox::Sandbox;
use crate::config::Config;

/// `reconfigure`, with warnings of what is dangerous, and of what `sandbox` keeps out of reach.
pub(super) fn remarking(mut reconfigure: Reconfigure, sandbox: Option<Sandbox>) -> Reconfigure {
    Box::new(move || {
        let config = reconfigure()?;
        warn_of_key_log(&config);
        let lacking = sandbox.iter().flat_map(|sandbox| sandbox.lacks(&config));
        for path in lacking {
            tracing::warn!(path = %path.display(), "out of reach of the sandbox: a restart takes it in, or `sandbox = false`");
        }
        Ok(config)
    })
}

/// Says loudly that traffic can be read by others.
pub(super) fn warn_of_key_log(config: &Config) {
    if !config.tls.key_log {
        return;
    }
    match env::var_os("SSLKEYLOGFILE") {
        Some(file) => tracing::warn!(
            file = %file.display(),
            "THE SECRETS OF EVERY CONNECTION ARE WRITTEN TO A FILE: whoever has it can read all traffic (`key_log`)"
        ),
        None => tracing::warn!("`key_log` does nothing: SSLKEYLOGFILE names no file"),
    }
}
