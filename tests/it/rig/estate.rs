//! Several certificates in one configuration, for `check`: nothing is served, so the day is an argument.

use std::fmt::Write;

use super::command::{Ended, fullchain};
use super::directory::Directory;
use super::pki::Entity;

/// The day on which the certificates of the rig are valid.
pub(crate) const AT: &str = "2026-06-01";

/// A configuration with its files.
pub(crate) struct Estate {
    pub(crate) directory: Directory,
    config: String,
}

impl Estate {
    /// A store and roots, and no certificate yet.
    pub(crate) fn new<'e>(
        store: impl IntoIterator<Item = &'e Entity>,
        roots: impl IntoIterator<Item = &'e Entity>,
    ) -> Self {
        let directory = Directory::new();
        let pem = |entities: &mut dyn Iterator<Item = &'e Entity>| entities.map(Entity::pem).collect::<String>();
        directory.write("store.pem", pem(&mut store.into_iter()));
        directory.write("roots.pem", pem(&mut roots.into_iter()));
        let config = "upstream = \"http://127.0.0.1:1\"\nintermediates = \"store.pem\"\nroots = \"roots.pem\"\n";
        Self {
            directory,
            config: config.to_owned(),
        }
    }

    /// One more certificate, with further keys of its table.
    pub(crate) fn with(mut self, leaf: &Entity, further: &str) -> Self {
        let name = format!("{}.pem", leaf.certificate.serial_text());
        self.directory.write(&name, leaf.pem() + &leaf.key_pem());
        writeln!(self.config, "[[certificate]]\ncert = \"{name}\"\n{further}").unwrap();
        self
    }

    /// Checks it, on the day of the rig unless told otherwise.
    pub(crate) fn check(&self, further: &[&str]) -> Ended {
        let config = self.directory.write("fullchain.toml", &self.config);
        let at: &[&str] = if further.contains(&"--at") { &[] } else { &["--at", AT] };
        fullchain([&["check", "-c", config.to_str().unwrap()], at, further].concat())
    }
}
