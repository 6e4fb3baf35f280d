//! Where paths start that do not start at the root.

use std::path::{Path, PathBuf};

/// What a path begins with that names a credential of the service, as `systemd:` begins the name of a socket.
const CREDENTIAL: &str = "credential:";

/// Where paths of one place start.
#[derive(Clone, Debug, Default)]
pub(super) struct Base {
    /// Relative ones: the directory of the config file, or the current one.
    pub(super) directory: PathBuf,
    /// Credentials: the directory that the service manager has made for them, if it has.
    pub(super) credentials: Option<PathBuf>,
}

impl Base {
    /// The path that is meant by `path`. A credential without a directory for credentials keeps its name, which then
    /// stands in the message that there is no such file.
    pub(super) fn path(&self, path: PathBuf) -> PathBuf {
        match (
            path.to_str().and_then(|text| text.strip_prefix(CREDENTIAL)),
            &self.credentials,
        ) {
            (Some(name), Some(directory)) if is_name(name) => directory.join(name),
            (Some(_), _) => path,
            (None, _) => self.directory.join(path),
        }
    }
}

/// Whether the service manager takes `name` for a credential (systemd.exec(5), `LoadCredential=`): what a file of one
/// directory may be called.
fn is_name(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|file| file == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_start_at_the_directory_and_credentials_at_theirs() {
        let base = Base {
            directory: "/etc/fullchain".into(),
            credentials: Some("/run/credentials/fullchain.service".into()),
        };
        for (path, meant) in [
            ("tls.key", "/etc/fullchain/tls.key"),
            ("/srv/tls.key", "/srv/tls.key"),
            ("credential:tls.key", "/run/credentials/fullchain.service/tls.key"),
            ("credential:../tls.key", "credential:../tls.key"),
            ("credential:a/b", "credential:a/b"),
            ("credential:", "credential:"),
        ] {
            assert_eq!(base.path(path.into()), PathBuf::from(meant));
        }
        let without = Base::default();
        assert_eq!(without.path("credential:a".into()), PathBuf::from("credential:a"));
    }
}
