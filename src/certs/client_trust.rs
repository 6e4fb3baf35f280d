//! What client certificates are checked against: the CAs that may have issued them, and what those have revoked.
//!
//! Here whatever is broken counts as all of it: half a list of CAs turns clients away, half a CRL lets some in.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::certificates::Certificates;
use super::contents::{Contents, ContentsError};
use super::files::Files;
use super::format::FormatError;
use super::revocation_list::RevocationList;
use super::{ClientTrustSettings, Error};
use crate::chain::{Certificate, Sha256};

/// What client certificates are checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTrust {
    /// The CAs that may have issued them, each once.
    pub authorities: Vec<Arc<Certificate>>,
    /// What CAs have revoked, each list once.
    pub revocation_lists: Vec<Arc<RevocationList>>,
}

/// What came of reading it: everything that is wrong, if anything is.
pub type LoadedClientTrust = Result<Arc<ClientTrust>, Vec<Error>>;

/// The CRLs read so far, by file.
#[derive(Debug, Default)]
pub(super) struct RevocationLists {
    files: HashMap<PathBuf, Parsed>,
}

#[derive(Debug)]
struct Parsed {
    /// Of the file's bytes; `None` where it cannot be read.
    digest: Option<Sha256>,
    lists: Result<Vec<Arc<RevocationList>>, Error>,
    is_in_use: bool,
}

impl ClientTrust {
    /// Reads what `settings` name. Files in a directory that are of no format known here are skipped as `problems`.
    pub(super) fn load(
        settings: &ClientTrustSettings,
        files: &Files,
        certificates: &mut Certificates,
        revocation_lists: &mut RevocationLists,
        problems: &mut Vec<Error>,
    ) -> LoadedClientTrust {
        let mut faults = Vec::new();
        let authorities = authorities(&settings.authorities, files, certificates, &mut faults);
        let mut lists = Vec::new();
        for path in &settings.revocation_lists {
            lists.extend(revocation_lists.below(path, files, &mut faults));
        }
        let is_configured = |file: &Path| {
            settings
                .authorities
                .iter()
                .chain(&settings.revocation_lists)
                .any(|path| path == file)
        };
        let (strangers, faults): (Vec<_>, Vec<_>) =
            faults.into_iter().partition(|fault| is_stranger(fault, is_configured));
        problems.extend(strangers);
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut seen = HashSet::new();
        Ok(Arc::new(Self {
            authorities: authorities
                .into_iter()
                .filter(|one| seen.insert(one.fingerprint()))
                .collect(),
            revocation_lists: each_once(lists),
        }))
    }
}

impl ClientTrust {
    /// The CAs whose certificates nobody says anything about: there is no CRL of their name, or another key signed it. One
    /// that issues nothing but CAs, each with a CRL of its own, is among them where it publishes none.
    pub fn authorities_without_list(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        let is_of = |list: &RevocationList, authority: &Certificate| {
            let keys = (list.key_id(), authority.subject_key_id());
            let is_other_key = matches!(keys, (Some(one), Some(other)) if one != other);
            list.issuer() == authority.subject() && !is_other_key
        };
        self.authorities
            .iter()
            .filter(move |authority| !self.revocation_lists.iter().any(|list| is_of(list, authority)))
    }
}

/// Whether `fault` is a file that merely lies in a directory, such as a README.
fn is_stranger(fault: &Error, is_configured: impl Fn(&Path) -> bool) -> bool {
    let is_unknown = |source: &ContentsError| matches!(source, ContentsError::Format(FormatError::Unknown(_)));
    matches!(fault, Error::Contents { path, source, .. } if is_unknown(source) && !is_configured(path))
}

fn authorities(
    paths: &[PathBuf],
    files: &Files,
    certificates: &mut Certificates,
    faults: &mut Vec<Error>,
) -> Vec<Arc<Certificate>> {
    let mut authorities = Vec::new();
    for path in paths {
        let before = faults.len();
        let found = certificates.below(path, files, faults);
        let no_authority = |found: String| Error::NoAuthority {
            path: path.clone(),
            found,
        };
        // openssl makes roots of version 1 where nobody asks for extensions; nginx takes these too.
        let may_issue = |certificate: &Certificate| certificate.is_ca() || certificate.is_version_1_root();
        match found.iter().find(|certificate| !may_issue(certificate)) {
            Some(leaf) => faults.push(no_authority(leaf.to_string())),
            None if found.is_empty() && faults.len() == before => faults.push(no_authority("none".to_owned())),
            None => {}
        }
        authorities.extend(found);
    }
    authorities
}

impl RevocationLists {
    fn below(&mut self, path: &Path, files: &Files, faults: &mut Vec<Error>) -> Vec<Arc<RevocationList>> {
        let mut lists = Vec::new();
        let before = faults.len();
        for file in files.below(path) {
            match &self.of_file(file, files).lists {
                Ok(found) => lists.extend(found.iter().cloned()),
                Err(error) => faults.push(error.clone()),
            }
        }
        // Of a directory that somebody has emptied nothing would be left to say what is revoked.
        let is_broken = faults
            .iter()
            .skip(before)
            .any(|fault| !is_stranger(fault, |file| file == path));
        if lists.is_empty() && !is_broken {
            faults.push(Error::NoRevocationList { path: path.to_owned() });
        }
        lists
    }

    fn of_file(&mut self, file: &Path, files: &Files) -> &Parsed {
        let digest = files.digest(file);
        let is_known = |parsed: &Parsed| digest.is_some() && parsed.digest == digest && !is_unread(parsed);
        let known = self.files.remove(file).filter(is_known);
        let parsed = known.unwrap_or_else(|| Parsed {
            digest,
            lists: read(file, files),
            is_in_use: true,
        });
        let parsed = self.files.entry(file.to_owned()).or_insert(parsed);
        parsed.is_in_use = true;
        parsed
    }

    /// Forgets files that were not asked for since the last call.
    pub(super) fn forget_unused(&mut self) {
        self.files
            .retain(|_, parsed| std::mem::replace(&mut parsed.is_in_use, false));
    }
}

fn is_unread(parsed: &Parsed) -> bool {
    matches!(parsed.lists, Err(Error::Read { .. }))
}

fn read(file: &Path, files: &Files) -> Result<Vec<Arc<RevocationList>>, Error> {
    let bytes = files.bytes(file)?;
    let found = Contents::revocation_lists(&bytes).map_err(|source| Error::Contents {
        path: file.to_owned(),
        expected: "CRLs as PEM or DER",
        source,
    })?;
    let lists = found.iter().enumerate().map(|(index, der)| {
        let list = RevocationList::from_der(der).map_err(|source| Error::RevocationList {
            path: file.to_owned(),
            position: index + 1,
            source,
        })?;
        Ok(Arc::new(list))
    });
    lists.collect()
}

fn each_once(lists: Vec<Arc<RevocationList>>) -> Vec<Arc<RevocationList>> {
    let mut once: Vec<Arc<RevocationList>> = Vec::with_capacity(lists.len());
    for list in lists {
        if !once.contains(&list) {
            once.push(list);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::KeyPair;

    use super::*;
    use crate::certs::testing::Ca;
    use crate::certs::{Inventory, Look, Roots, Settings};

    struct Scene {
        directory: tempfile::TempDir,
        ca: Ca,
    }

    impl Scene {
        fn new() -> Self {
            let scene = Self {
                directory: tempfile::tempdir().unwrap(),
                ca: Ca::new("clients"),
            };
            scene.write("ca.pem", scene.ca.pem().as_bytes());
            scene.write("list.crl", &scene.ca.crl(&[1], 2026));
            scene
        }

        fn write(&self, name: &str, contents: &[u8]) {
            let path = self.directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }

        fn settings(&self, authorities: &[&str], lists: &[&str]) -> Settings {
            let paths = |names: &[&str]| names.iter().map(|name| self.directory.path().join(name)).collect();
            Settings {
                client_trust: vec![ClientTrustSettings {
                    authorities: paths(authorities),
                    revocation_lists: paths(lists),
                }],
                roots: Roots::None,
                ..Settings::default()
            }
        }

        fn load(&self, authorities: &[&str], lists: &[&str]) -> (LoadedClientTrust, usize) {
            let settings = self.settings(authorities, lists);
            let inventory = Inventory::read(&settings, &Files::read(&settings), &|_| None);
            (inventory.client_trust[0].1.clone(), inventory.problems.len())
        }

        /// What is wrong.
        fn faults(&self, authorities: &[&str], lists: &[&str]) -> Vec<String> {
            let faults = self.load(authorities, lists).0.unwrap_err();
            faults.iter().map(ToString::to_string).collect()
        }
    }

    #[test]
    fn lists_are_read_as_pem_and_as_der_and_each_counts_once() {
        let scene = Scene::new();
        let list = scene.ca.crl(&[1, 2], 2026);
        let pem = rustls_pemfile_crl(&list);
        scene.write("crls/one.pem", format!("text\n{pem}{}", scene.ca.pem()).as_bytes());
        scene.write("crls/one.crl", &list);
        scene.write("crls/README", b"not a list");
        let (loaded, problems) = scene.load(&["ca.pem", "ca.pem"], &["crls", "list.crl"]);
        let loaded = loaded.unwrap();
        assert_eq!((loaded.authorities.len(), loaded.revocation_lists.len()), (1, 2));
        assert_eq!(problems, 1, "the README");
    }

    #[test]
    fn whatever_is_broken_counts_as_all_of_it() {
        let scene = Scene::new();
        scene.write("torn.crl", &scene.ca.crl(&[1], 2026)[..100]);
        scene.write("torn.pem", &scene.ca.pem().as_bytes()[..100]);
        scene.write("cas/good.pem", scene.ca.pem().as_bytes());
        scene.write("cas/torn.pem", &scene.ca.pem().as_bytes()[..100]);
        fs::create_dir(scene.directory.path().join("empty")).unwrap();
        scene.write("strangers/README", b"no list");
        for (authorities, lists, expected) in [
            (["torn.pem"], &[][..], "torn.pem: expected certificates"),
            (["cas"], &[], "torn.pem: expected certificates"),
            (["missing.pem"], &[], "missing.pem: cannot be read"),
            (["list.crl"], &[], "list.crl: expected an X.509 certificate"),
            (["ca.pem"], &["torn.crl"], "torn.crl: expected CRLs as PEM or DER"),
            (["ca.pem"], &["ca.pem"], "ca.pem: expected a CRL, found none"),
            (["ca.pem"], &["missing.crl"], "missing.crl: cannot be read"),
            (["ca.pem"], &["empty"], "empty: expected a CRL, found none"),
            (["ca.pem"], &["strangers"], "strangers: expected a CRL, found none"),
        ] {
            let faults = scene.faults(&authorities, lists);
            assert!(matches!(&faults[..], [fault] if fault.contains(expected)), "{faults:?}");
        }
    }

    #[test]
    fn only_a_ca_is_an_authority() {
        let scene = Scene::new();
        let leaf = scene.ca.leaf("a.test", &KeyPair::generate().unwrap(), 2026);
        scene.write("leaf.pem", leaf.as_bytes());
        fs::create_dir(scene.directory.path().join("empty")).unwrap();
        let faults = scene.faults(&["leaf.pem"], &[]);
        assert!(
            faults[0].contains("leaf.pem: expected CA certificates, found CN=a.test"),
            "{faults:?}"
        );
        let faults = scene.faults(&["empty"], &[]);
        assert!(
            faults[0].ends_with("empty: expected CA certificates, found none"),
            "{faults:?}"
        );
    }

    #[test]
    fn what_has_changed_is_read_and_the_rest_is_remembered() {
        let scene = Scene::new();
        let settings = scene.settings(&["ca.pem"], &["list.crl"]);
        let mut files = Files::read(&settings);
        let mut inventory = Inventory::read(&settings, &files, &|_| None);
        let lists = |inventory: &Inventory| inventory.client_trust[0].1.clone().unwrap().revocation_lists.clone();
        let before = lists(&inventory);
        files.forget();
        scene.write("ca.pem", Ca::new("other").pem().as_bytes());
        let path = scene.directory.path().canonicalize().unwrap();
        for (name, is_same) in [("ca.pem", true), ("list.crl", false)] {
            scene.write("list.crl", &scene.ca.crl(&[1, 2], 2026));
            assert!(files.read_again(&settings, &Look::At([path.join(name)].into())));
            inventory.update(&settings, &files, &|_| None);
            assert_eq!(Arc::ptr_eq(&lists(&inventory)[0], &before[0]), is_same, "{name}");
        }
        assert_eq!(
            inventory.client_trust[0].1.clone().unwrap().authorities[0]
                .subject()
                .to_string(),
            "CN=other"
        );
        assert_eq!(inventory.store.len(), 0, "a client's CA is nobody's intermediate");
    }

    fn rustls_pemfile_crl(der: &[u8]) -> String {
        use std::fmt::Write;

        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut body = String::new();
        for three in der.chunks(3) {
            let bits = three.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
            for position in 0..4 {
                let digit = ALPHABET[(bits >> (18 - 6 * position) & 63) as usize];
                body.push(if position > three.len() { '=' } else { digit.into() });
            }
        }
        let mut text = String::new();
        writeln!(text, "-----BEGIN X509 CRL-----\n{body}\n-----END X509 CRL-----").unwrap();
        text
    }
}
