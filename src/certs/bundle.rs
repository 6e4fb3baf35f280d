//! One configured certificate: leaf, key, and whatever certificates lie beside it.
//!
//! The leaf is found by the key it fits, never by its place: a chain file in the wrong order is the commonest mistake
//! there is.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::CertificateDer;

use super::certificates::Certificates;
use super::contents::{Contents, StoredKey};
use super::files::{Exposure, Files};
use super::key::{KeyReader, PrivateKey};
use super::password::Password;
use super::work::Work;
use super::{BundleSettings, Error};
use crate::chain::{Certificate, Sha256};

/// What one configured certificate loads from disk.
#[derive(Debug)]
pub struct Bundle {
    /// The certificate that `key` fits.
    pub leaf: Arc<Certificate>,
    /// Its private key.
    pub key: PrivateKey,
    /// Every other certificate in the files, each once, in their order.
    pub beside: Vec<Arc<Certificate>>,
    /// The CERTIFICATE PROPERTIES that stand before the leaf (draft-ietf-tls-trust-anchor-ids), as they are: kept for
    /// when TLS stacks ask for them, and not read.
    pub properties: Option<Vec<u8>>,
    /// The OCSP response for the leaf, as it lies on disk: nothing of it is checked.
    pub staple: Option<Vec<u8>>,
    /// Whether the file with the key is open to more than those who need it.
    pub exposure: Option<Exposure>,
    /// The files that all this is from.
    pub sources: Vec<PathBuf>,
}

/// The files of a bundle, opened.
struct Opened<'a> {
    certificates: Vec<Arc<Certificate>>,
    /// Where the certificates are.
    certificate_path: &'a Path,
    /// Every usable key with its public key. Not empty.
    keys: Vec<(PrivateKey, Vec<u8>)>,
    /// Where the keys are.
    key_path: &'a Path,
    /// Certificate properties, each with the certificate that follows them.
    properties: Vec<(CertificateDer<'static>, Vec<u8>)>,
}

/// A leaf, its key, and all certificates that were found with them.
struct Pair {
    leaf: Arc<Certificate>,
    key: PrivateKey,
    certificates: Vec<Arc<Certificate>>,
}

impl Bundle {
    /// Pairs a key with its leaf. Certificates beside it that cannot be read go to `problems`, and so does a staple: the
    /// leaf is served without it.
    pub(super) fn load(
        settings: &BundleSettings,
        files: &Files,
        public_key_of: &KeyReader<'_>,
        certificates: &mut Certificates,
        problems: &mut Vec<Error>,
    ) -> Result<Self, Error> {
        let mut unreadable = Vec::new();
        let mut opened = Opened::open(settings, files, public_key_of, certificates, &mut unreadable)?;
        let properties = mem::take(&mut opened.properties);
        let Pair {
            leaf,
            key,
            certificates,
        } = match opened.pair(settings.allow_ca_leaf) {
            Ok(pair) => pair,
            // A certificate that cannot be read may well be the one that is missing: then that is the thing to say.
            Err(error) => return Err(unreadable.into_iter().next().unwrap_or(error)),
        };
        problems.append(&mut unreadable);
        let is_of_leaf = |(certificate, _): &(CertificateDer<'_>, _)| certificate == leaf.der();
        let properties = properties.into_iter().find(is_of_leaf).map(|(_, list)| list);
        let mut seen = HashSet::from([leaf.fingerprint()]);
        let beside = certificates
            .into_iter()
            .filter(|certificate| seen.insert(certificate.fingerprint()))
            .collect();
        Ok(Self {
            leaf,
            key,
            beside,
            properties,
            staple: staple(settings, files, problems),
            exposure: Exposure::of(settings.key.as_ref().unwrap_or(&settings.certificate)),
            sources: sources(settings),
        })
    }
}

/// The files that `settings` name, each once.
fn sources(settings: &BundleSettings) -> Vec<PathBuf> {
    let paths = [
        Some(&settings.certificate),
        settings.key.as_ref(),
        settings.password_file.as_ref(),
        settings.staple.as_ref(),
    ];
    let mut sources: Vec<PathBuf> = Vec::new();
    for path in paths.into_iter().flatten() {
        if !sources.contains(path) {
            sources.push(path.clone());
        }
    }
    sources
}

impl<'a> Opened<'a> {
    fn open(
        settings: &'a BundleSettings,
        files: &Files,
        public_key_of: &KeyReader<'_>,
        certificates: &mut Certificates,
        unreadable: &mut Vec<Error>,
    ) -> Result<Self, Error> {
        let password = settings
            .password_file
            .as_deref()
            .map(|path| password(path, files))
            .transpose()?;
        let certificate_path = settings.certificate.as_path();
        let key_path = settings.key.as_deref().unwrap_or(certificate_path);
        let mut contents = contents(certificate_path, "a certificate", files, password.as_ref())?;
        let summary = contents.summary();
        let mut properties = mem::take(&mut contents.properties);
        let mut found = certificates.parse(certificate_path, contents.certificates, unreadable);
        if key_path != certificate_path {
            contents = self::contents(key_path, "a private key", files, password.as_ref())?;
            let no_key = contents.keys.is_empty().then(|| contents.summary());
            properties.append(&mut contents.properties);
            found.extend(certificates.parse(key_path, contents.certificates, unreadable));
            if let Some(found) = no_key {
                return Err(Error::NoKey {
                    path: key_path.to_owned(),
                    found,
                    is_certificate_file: false,
                });
            }
        } else if contents.keys.is_empty() {
            return Err(Error::NoKey {
                path: key_path.to_owned(),
                found: summary,
                is_certificate_file: true,
            });
        }
        if found.is_empty() {
            let missing = Error::NoCertificate {
                path: certificate_path.to_owned(),
                found: summary,
            };
            return Err(unreadable.drain(..).next().unwrap_or(missing));
        }
        let keys = open_keys(key_path, contents.keys, password.as_ref(), public_key_of)?;
        Ok(Self {
            certificates: found,
            certificate_path,
            keys,
            key_path,
            properties,
        })
    }

    fn pair(self, allow_ca_leaf: bool) -> Result<Pair, Error> {
        let fits = |certificate: &Certificate| {
            self.keys
                .iter()
                .position(|(_, public_key)| certificate.subject_public_key_info() == public_key)
        };
        let mut fitting: Vec<_> = self
            .certificates
            .iter()
            .filter_map(|certificate| Some((certificate.clone(), fits(certificate)?)))
            .collect();
        // The leaf before a CA certificate with the same key, the newest renewal with a key that was kept, then any
        // fixed order.
        fitting.sort_by_key(|(certificate, _)| {
            (
                certificate.is_ca(),
                Reverse(certificate.not_before().as_secs()),
                certificate.fingerprint(),
            )
        });
        let (certificates, keys) = (self.certificate_path.to_owned(), self.key_path.to_owned());
        let Some((leaf, index)) = fitting.first().cloned() else {
            let key = self
                .keys
                .first()
                .map_or_else(|| Sha256::of(b""), |(_, public_key)| Sha256::of(public_key));
            return Err(Error::NoFit {
                certificates,
                keys,
                key,
                found: list(&self.certificates),
            });
        };
        // Self-signed certificates for tests mostly say that they are CA certificates.
        if leaf.is_ca() && !leaf.is_self_issued() && !allow_ca_leaf {
            let fitting: Vec<_> = fitting.into_iter().map(|(certificate, _)| certificate).collect();
            return Err(Error::OnlyCa {
                certificates,
                keys,
                found: list(&fitting),
            });
        }
        let mut keys = self.keys;
        let (key, _) = keys.swap_remove(index);
        Ok(Pair {
            leaf,
            key,
            certificates: self.certificates,
        })
    }
}

/// The usable ones of the keys `stored` in `path`, each with its public key; an error where there is none.
fn open_keys(
    path: &Path,
    stored: Vec<StoredKey>,
    password: Option<&Password>,
    public_key_of: &KeyReader<'_>,
) -> Result<Vec<(PrivateKey, Vec<u8>)>, Error> {
    let mut work = Work::new();
    let mut keys = Vec::new();
    let mut refused = Vec::new();
    for key in stored {
        match key.open(password, &mut work) {
            Ok(key) => match public_key_of(key.der()) {
                Some(public_key) => keys.push((key, public_key)),
                None => refused.push(Error::KeyUnusable { path: path.to_owned() }),
            },
            Err(source) => refused.push(Error::Key {
                path: path.to_owned(),
                source,
            }),
        }
    }
    match refused.into_iter().next() {
        Some(error) if keys.is_empty() => Err(error),
        _ => Ok(keys),
    }
}

/// The certificates for a message: subject and fingerprint of the first few.
fn list(certificates: &[Arc<Certificate>]) -> String {
    const SHOWN: usize = 5;
    let show = |certificate: &Arc<Certificate>| {
        let kind = if certificate.is_ca() {
            "CA certificate"
        } else {
            "certificate"
        };
        format!(
            "the {kind} {} (SHA-256 {})",
            certificate.subject(),
            certificate.fingerprint()
        )
    };
    let mut shown: Vec<String> = certificates.iter().take(SHOWN).map(show).collect();
    if certificates.len() > SHOWN {
        shown.push(format!("{} more", certificates.len() - SHOWN));
    }
    shown.join(", ")
}

fn contents(
    path: &Path,
    expected: &'static str,
    files: &Files,
    password: Option<&Password>,
) -> Result<Contents, Error> {
    Contents::of_bundle(&files.bytes(path)?, password).map_err(|source| Error::Contents {
        path: path.to_owned(),
        expected,
        source,
    })
}

fn staple(settings: &BundleSettings, files: &Files, problems: &mut Vec<Error>) -> Option<Vec<u8>> {
    let bytes = files.bytes(settings.staple.as_deref()?);
    bytes
        .map(|bytes| bytes.to_vec())
        .map_err(|error| problems.push(error))
        .ok()
}

fn password(path: &Path, files: &Files) -> Result<Password, Error> {
    Password::first_line(&files.bytes(path)?).map_err(|source| Error::Password {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::KeyPair;

    use super::*;
    use crate::certs::testing::{Ca, PROPERTIES, fixture, public_key};
    use crate::certs::{Origin, Roots, Settings};

    /// A directory with the files of one bundle.
    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new(files: &[(&str, &[u8])]) -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            for (name, contents) in files {
                fs::write(folder.0.path().join(name), contents).unwrap();
            }
            folder
        }

        fn settings(&self, certificate: &str, key: Option<&str>, password_file: Option<&str>) -> BundleSettings {
            let path = |name: &str| self.0.path().join(name);
            BundleSettings {
                origin: Origin::Configuration,
                certificate: path(certificate),
                key: key.map(path),
                password_file: password_file.map(path),
                staple: None,
                allow_ca_leaf: false,
                policy: None,
            }
        }
    }

    fn load(bundle: BundleSettings) -> Result<(Bundle, Vec<Error>), Error> {
        let settings = Settings {
            bundles: vec![bundle.clone()],
            roots: Roots::None,
            ..Settings::default()
        };
        let files = Files::read(&settings);
        let mut problems = Vec::new();
        let bundle = Bundle::load(
            &bundle,
            &files,
            &public_key,
            &mut Certificates::default(),
            &mut problems,
        )?;
        Ok((bundle, problems))
    }

    fn message(bundle: BundleSettings) -> String {
        load(bundle).unwrap_err().to_string()
    }

    fn subjects(certificates: &[Arc<Certificate>]) -> Vec<String> {
        certificates
            .iter()
            .map(|certificate| certificate.subject().to_string())
            .collect()
    }

    #[test]
    fn the_leaf_is_found_wherever_it_is_in_the_file() {
        let (leaf, ca, other) = (fixture("ec.test.pem"), fixture("ca.pem"), fixture("rsa.test.pem"));
        let key = fixture("ec.sec1.pem");
        for order in [[&leaf, &ca, &other], [&ca, &leaf, &other], [&other, &ca, &leaf]] {
            let folder = Folder::new(&[("tls.crt", &order.map(Vec::as_slice).concat()), ("tls.key", &key)]);
            let (bundle, problems) = load(folder.settings("tls.crt", Some("tls.key"), None)).unwrap();
            assert_eq!(bundle.leaf.subject().to_string(), "CN=ec.test");
            let mut beside = subjects(&bundle.beside);
            beside.sort();
            assert_eq!(beside, ["CN=Fixture CA", "CN=rsa.test"]);
            assert_eq!(
                bundle.sources,
                [folder.0.path().join("tls.crt"), folder.0.path().join("tls.key")]
            );
            assert!(problems.is_empty());
        }
    }

    #[test]
    fn one_file_may_hold_everything_more_than_once() {
        let parts = ["ec.sec1.pem", "ca.pem", "ec.test.pem", "ca.pem", "ec.trusted.pem"].map(fixture);
        let folder = Folder::new(&[("all.pem", &parts.concat())]);
        let (bundle, _) = load(folder.settings("all.pem", None, None)).unwrap();
        assert_eq!(bundle.leaf.subject().to_string(), "CN=ec.test");
        assert_eq!(subjects(&bundle.beside), ["CN=Fixture CA"]);
    }

    #[test]
    fn the_properties_before_the_leaf_are_kept_with_it_and_others_are_not() {
        let (leaf, ca, key) = (fixture("ec.test.pem"), fixture("ca.pem"), fixture("ec.sec1.pem"));
        let bundle = |parts: &[&[u8]]| {
            let folder = Folder::new(&[("tls.crt", &parts.concat()), ("tls.key", &key)]);
            let (bundle, problems) = load(folder.settings("tls.crt", Some("tls.key"), None)).unwrap();
            assert!(problems.is_empty(), "{problems:?}");
            assert_eq!(subjects(&bundle.beside), ["CN=Fixture CA"]);
            bundle.properties
        };
        let kept = Some(vec![0, 4, 0, 0, 0, 0]);
        assert_eq!(bundle(&[PROPERTIES, &leaf, &ca]), kept);
        assert_eq!(bundle(&[&ca, PROPERTIES, &leaf]), kept);
        assert_eq!(bundle(&[PROPERTIES, &ca, &leaf]), None);
        assert_eq!(bundle(&[&leaf, &ca, PROPERTIES]), None);
    }

    #[test]
    fn every_format_makes_the_same_bundle() {
        let password: (&str, &[u8]) = ("password", b"fixture\r\n");
        for (certificate, key, has_password) in [
            ("ec.legacy.pfx", None, true),
            ("ec.modern.pfx", None, true),
            ("ec.no-password.pfx", None, false),
            ("ec.p7b", Some("ec.sec1.pem"), false),
            ("ec.p7b.pem", Some("ec.aes.pem"), true),
            ("ec.test.pem", Some("ec.scrypt.pem"), true),
            ("ec.trusted.pem", Some("ec.sec1-without-public-key.pem"), false),
            ("rsa.test.pem", Some("rsa.pkcs1.pem"), false),
        ] {
            let names: Vec<&str> = [Some(certificate), key].into_iter().flatten().collect();
            let contents: Vec<Vec<u8>> = names.iter().map(|name| fixture(name)).collect();
            let files = names
                .iter()
                .copied()
                .zip(contents.iter().map(Vec::as_slice))
                .chain([password]);
            let folder = Folder::new(&files.collect::<Vec<_>>());
            let (bundle, _) = load(folder.settings(certificate, key, has_password.then_some("password"))).unwrap();
            let leaf = if certificate.starts_with("rsa") {
                "CN=rsa.test"
            } else {
                "CN=ec.test"
            };
            assert_eq!(bundle.leaf.subject().to_string(), leaf, "{certificate}");
        }
    }

    #[test]
    fn of_several_leaves_for_one_key_the_newest_is_taken() {
        let (ca, key) = (Ca::new("CA"), KeyPair::generate().unwrap());
        let leaves = [2021, 2024, 2022].map(|year| ca.leaf("x.test", &key, year));
        let folder = Folder::new(&[
            ("tls.crt", leaves.concat().as_bytes()),
            ("tls.key", key.serialize_pem().as_bytes()),
        ]);
        let (bundle, _) = load(folder.settings("tls.crt", Some("tls.key"), None)).unwrap();
        let newest = 1_704_067_200;
        assert_eq!(bundle.leaf.not_before().as_secs(), newest);
        assert_eq!(bundle.beside.len(), 2);
    }

    #[test]
    fn a_leaf_goes_before_a_ca_certificate_with_the_same_key() {
        let (ca, key) = (Ca::new("CA"), KeyPair::generate().unwrap());
        let pem = ca.intermediate("I", &key) + &ca.leaf("x.test", &key, 2020) + &key.serialize_pem();
        let folder = Folder::new(&[("all.pem", pem.as_bytes())]);
        let (bundle, _) = load(folder.settings("all.pem", None, None)).unwrap();
        assert_eq!(bundle.leaf.subject().to_string(), "CN=x.test");
    }

    #[test]
    fn a_ca_certificate_is_a_leaf_only_where_that_is_allowed_or_it_is_self_signed() {
        let (ca, key) = (Ca::new("CA"), KeyPair::generate().unwrap());
        let pem = ca.intermediate("I", &key) + &key.serialize_pem();
        let folder = Folder::new(&[("all.pem", pem.as_bytes())]);
        let settings = folder.settings("all.pem", None, None);
        let error = message(settings.clone());
        assert!(
            error.contains("in the same file, found only a CA certificate for it: the CA certificate CN=I"),
            "{error}"
        );
        assert!(
            load(BundleSettings {
                allow_ca_leaf: true,
                ..settings
            })
            .is_ok()
        );

        let pem = ca.pem().to_owned() + ca.key_pem();
        let folder = Folder::new(&[("all.pem", pem.as_bytes())]);
        assert!(load(folder.settings("all.pem", None, None)).is_ok());
    }

    #[test]
    fn a_key_that_fits_nothing_names_both_files_and_what_there_is() {
        let files = ["rsa.test.pem", "ca.pem"].map(fixture).concat();
        let folder = Folder::new(&[("tls.crt", &files), ("tls.key", &fixture("ec.sec1.pem"))]);
        let error = message(folder.settings("tls.crt", Some("tls.key"), None));
        for part in [
            "/tls.crt: expected a certificate for the private key in",
            "/tls.key",
            "CN=rsa.test",
            "CN=Fixture CA",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn what_is_missing_is_named_with_what_is_there_instead() {
        let (leaf, key) = (fixture("ec.test.pem"), fixture("ec.sec1.pem"));
        let folder = Folder::new(&[
            ("leaf.pem", &leaf),
            ("key.pem", &key),
            ("empty.pem", b""),
            ("password", b"other"),
            ("latin-1", b"\xe9"),
            ("aes.pem", &fixture("ec.aes.pem")),
            ("old.pem", &fixture("ec.traditional.pem")),
            (
                "dsa.pem",
                b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
            ),
            ("modern.pfx", &fixture("ec.modern.pfx")),
        ]);
        for (certificate, key, password, expected) in [
            (
                "leaf.pem",
                None,
                None,
                "leaf.pem: expected a private key, found 1 certificate; the key may be in a file of its own",
            ),
            (
                "leaf.pem",
                Some("leaf.pem"),
                None,
                "leaf.pem: expected a private key, found 1 certificate",
            ),
            (
                "key.pem",
                Some("key.pem"),
                None,
                "key.pem: expected a certificate, found 1 private key, a block EC PARAMETERS",
            ),
            (
                "empty.pem",
                Some("key.pem"),
                None,
                "empty.pem: expected a certificate, found an empty file",
            ),
            (
                "leaf.pem",
                Some("empty.pem"),
                None,
                "empty.pem: expected a private key, found an empty file",
            ),
            (
                "leaf.pem",
                Some("none.pem"),
                None,
                "none.pem: cannot be read: No such file or directory",
            ),
            (
                "leaf.pem",
                Some("aes.pem"),
                None,
                "aes.pem: expected a private key, found an encrypted key, and no password file",
            ),
            (
                "leaf.pem",
                Some("aes.pem"),
                Some("password"),
                "aes.pem: expected a private key, found an encrypted key that the pass",
            ),
            (
                "leaf.pem",
                Some("aes.pem"),
                Some("latin-1"),
                "latin-1: expected a password, found that the first line is not UTF-8",
            ),
            (
                "leaf.pem",
                Some("old.pem"),
                None,
                "`openssl pkcs8 -topk8 -in FILE -out FILE.new`",
            ),
            (
                "leaf.pem",
                Some("dsa.pem"),
                None,
                "dsa.pem: expected an RSA, ECDSA (P-256, P-384, P-521) or Ed25519 private key",
            ),
            (
                "modern.pfx",
                None,
                None,
                "modern.pfx: expected a certificate, found PKCS#12 with a password, and no password file",
            ),
            (
                "modern.pfx",
                None,
                Some("password"),
                "modern.pfx: expected a certificate, found PKCS#12 that the password",
            ),
        ] {
            let error = message(folder.settings(certificate, key, password));
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_broken_certificate_beside_the_leaf_is_a_problem_and_in_its_stead_an_error() {
        let broken: &[u8] = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        let key = fixture("ec.sec1.pem");
        let folder = Folder::new(&[
            ("tls.crt", &[broken, &fixture("ec.test.pem")].concat()),
            ("tls.key", &key),
        ]);
        let (_, problems) = load(folder.settings("tls.crt", Some("tls.key"), None)).unwrap();
        assert!(
            matches!(problems.as_slice(), [Error::Certificate { position: 1, .. }]),
            "{problems:?}"
        );

        for leaf in [broken.to_vec(), [&fixture("ca.pem"), broken].concat()] {
            let folder = Folder::new(&[("tls.crt", &leaf), ("tls.key", &key)]);
            let error = load(folder.settings("tls.crt", Some("tls.key"), None)).unwrap_err();
            assert!(matches!(error, Error::Certificate { .. }), "{error}");
        }
    }

    #[test]
    fn no_message_shows_a_key_or_a_password() {
        let key = String::from_utf8(fixture("ec.pkcs8.pem")).unwrap();
        let secret = key.lines().nth(1).unwrap();
        let torn = &key[..key.len() - 30];
        let folder = Folder::new(&[
            ("leaf.pem", &fixture("ec.test.pem")),
            ("torn.pem", torn.as_bytes()),
            ("bad.pem", key.replace('M', "!").as_bytes()),
            ("aes.pem", &fixture("ec.aes.pem")),
            ("password", b"correct horse"),
        ]);
        for key in ["torn.pem", "bad.pem", "aes.pem"] {
            let error = load(folder.settings("leaf.pem", Some(key), Some("password"))).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(&secret[4..20]) && !shown.contains("horse"), "{shown}");
        }
    }
}
