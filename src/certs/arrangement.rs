//! Which files of a certificate directory belong together, and which host they stand for: told from their names alone.
//!
//! A file is named after its host, as in the Centralized Certificate Store of IIS: `www.example.com.pfx`, and
//! `_.example.com.pfx` for `*.example.com`. Besides PKCS#12 (`.pfx`, `.p12`) there is PEM with everything in one file
//! (`.pem`, `.crt`, `.cer`) or with the key beside it, as nginx (`host.key`), HAProxy (`host.pem.key`) and mkcert
//! (`host-key.pem`) have it. `host.rsa.pem` and `host.ecdsa.pem`, or `host.pem.rsa` and `host.pem.ecdsa`, are two for
//! one host. In folders the files have fixed names: those of certbot and dehydrated (`fullchain.pem`, `privkey.pem`) and
//! those of Kubernetes (`tls.crt`, `tls.key`); there the folder is named after the host.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::host::HostName;

/// What ends the name of a certificate beside others for the same host; also after the extension.
const KEY_TYPES: [&str; 3] = [".ecdsa", ".ed25519", ".rsa"];
const ARCHIVES: [&str; 2] = [".pfx", ".p12"];
const CERTIFICATES: [&str; 3] = [".pem", ".crt", ".cer"];
const KEYS: [&str; 3] = [".key", ".key.pem", "-key.pem"];
/// What ends the name of a file with intermediates, whatever comes before: CAs and HAProxy call them so.
const CHAINS: [&str; 5] = [".chain", ".issuer", ".ca-bundle", ".p7b", ".p7c"];
/// What a file with intermediates is called or ends in before `.pem`, `.crt` or `.cer`. Not `.ca`, which is Canada.
const CHAIN_STEMS: [&str; 4] = ["chain", "issuer", "ca-bundle", "intermediate"];

/// The fixed names in a folder: of the certificates, best first, and of the key.
const FOLDERS: [(&[&str], &[&str]); 2] = [
    (&["fullchain.pem", "cert.pem"], &["privkey.pem", "key.pem"]),
    (&["tls.crt"], &["tls.key"]),
];
/// The intermediates in a folder, needed where there is no `fullchain.pem`.
const FOLDER_CHAIN: &str = "chain.pem";

/// The files of a certificate directory, put together. Paths are relative to it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arrangement {
    /// Sorted by the file with the certificate.
    pub(super) bundles: Vec<Arranged>,
    /// Files with intermediates, sorted.
    pub(super) chains: Vec<String>,
    /// Keys whose certificate is missing, sorted.
    pub(super) lone_keys: Vec<LoneKey>,
}

/// What makes up one bundle.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arranged {
    pub(super) certificate: String,
    /// Where it is not in the same file.
    pub(super) key: Option<String>,
    /// What it is named after, where that is the name of a host.
    pub(super) host: Option<HostName>,
}

/// A key whose certificate is missing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LoneKey {
    pub(super) key: String,
    /// The names under which the certificate would be found.
    pub(super) expected: String,
}

impl Arrangement {
    /// Puts `files` together: the paths of a directory, `name` or `folder/name`. Whatever has another name is nobody's
    /// and is passed over.
    pub(super) fn of(files: &[String]) -> Self {
        let mut arrangement = Self::default();
        let mut folders: BTreeMap<&str, HashMap<String, &str>> = BTreeMap::new();
        let mut top = Vec::new();
        for path in files {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            let name = name.to_ascii_lowercase();
            match (folder, is_fixed(&name)) {
                (folder, true) => {
                    folders.entry(folder).or_default().entry(name).or_insert(path);
                }
                ("", false) => top.push((name, path.as_str())),
                (_, false) => {}
            }
        }
        for (folder, files) in folders {
            arrangement.add_folder(folder, &files);
        }
        arrangement.add_named(&top);
        arrangement
            .bundles
            .sort_by(|one, other| one.certificate.cmp(&other.certificate));
        arrangement.chains.sort();
        arrangement.lone_keys.sort_by(|one, other| one.key.cmp(&other.key));
        arrangement
    }

    /// Every file that is somebody's.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        let bundles = self.bundles.iter();
        let pairs = bundles.flat_map(|bundle| [Some(&bundle.certificate), bundle.key.as_ref()]);
        let lone = self.lone_keys.iter().map(|lone| &lone.key);
        pairs.flatten().chain(&self.chains).chain(lone).map(String::as_str)
    }

    /// The host that a folder is named after: certbot counts up where there are two for one host.
    pub(super) fn host_of_folder(folder: &str) -> Option<HostName> {
        let name = folder.rsplit('/').next().unwrap_or(folder);
        let (stem, number) = name.rsplit_once('-').unwrap_or((name, ""));
        let is_counted = number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit());
        host_of(if is_counted { stem } else { name })
    }

    /// Files with fixed names, by these in lower case.
    fn add_folder(&mut self, folder: &str, files: &HashMap<String, &str>) {
        let find = |names: &[&str]| names.iter().find_map(|name| files.get(*name).copied());
        for (certificates, keys) in FOLDERS {
            match (find(certificates), find(keys)) {
                (Some(certificate), key) => self.bundles.push(Arranged {
                    certificate: certificate.to_owned(),
                    key: key.map(str::to_owned),
                    host: Self::host_of_folder(folder),
                }),
                (None, Some(key)) => self.lone_keys.push(LoneKey {
                    key: key.to_owned(),
                    expected: certificates.join(" or "),
                }),
                (None, None) => {}
            }
        }
        let is_whole = files.contains_key("fullchain.pem");
        let chain = files.get(FOLDER_CHAIN).filter(|_| !is_whole);
        self.chains.extend(chain.map(|path| (*path).to_owned()));
    }

    /// Files that are named after their host, with their names in lower case.
    fn add_named(&mut self, files: &[(String, &str)]) {
        let by_name: HashMap<&str, &str> = files.iter().rev().map(|(name, path)| (name.as_str(), *path)).collect();
        let mut used = HashSet::new();
        let mut keys = Vec::new();
        for (name, path) in files {
            let certificate = (*path).to_owned();
            match Kind::of(name) {
                Some(Kind::Archive { stem }) => self.bundles.push(Arranged {
                    certificate,
                    key: None,
                    host: host_of(&stem),
                }),
                Some(Kind::Certificate { stem }) => {
                    let beside = [format!("{name}.key")]
                        .into_iter()
                        .chain(KEYS.map(|end| format!("{stem}{end}")));
                    let key = beside.into_iter().find_map(|key| by_name.get(key.as_str()).copied());
                    if key.is_none() && is_chain(&stem) {
                        self.chains.push(certificate);
                        continue;
                    }
                    used.extend(key);
                    self.bundles.push(Arranged {
                        certificate,
                        key: key.map(str::to_owned),
                        host: host_of(&stem),
                    });
                }
                Some(Kind::Chain) => self.chains.push(certificate),
                Some(Kind::Key { stem }) => keys.push((*path, stem)),
                None => {}
            }
        }
        let lone = keys.into_iter().filter(|(key, _)| !used.contains(key));
        self.lone_keys.extend(lone.map(|(key, stem)| LoneKey {
            key: key.to_owned(),
            expected: match Kind::of(stem) {
                Some(Kind::Certificate { .. }) => stem.to_owned(),
                _ => CERTIFICATES.map(|end| format!("{stem}{end}")).join(", "),
            },
        }));
    }
}

/// What a file is, by its name in lower case.
enum Kind<'n> {
    Archive { stem: String },
    Certificate { stem: String },
    Chain,
    Key { stem: &'n str },
}

impl<'n> Kind<'n> {
    fn of(name: &'n str) -> Option<Self> {
        if let Some(stem) = strip(name, &KEYS) {
            return Some(Self::Key { stem });
        }
        if strip(name, &CHAINS).is_some() {
            return Some(Self::Chain);
        }
        // `host.pem.rsa` is another way to write `host.rsa.pem`.
        let key_type = KEY_TYPES
            .into_iter()
            .find(|end| name.ends_with(end))
            .unwrap_or_default();
        let name = name.strip_suffix(key_type).unwrap_or(name);
        let whole = |stem: &str| format!("{stem}{key_type}");
        strip(name, &ARCHIVES)
            .map(|stem| Self::Archive { stem: whole(stem) })
            .or_else(|| strip(name, &CERTIFICATES).map(|stem| Self::Certificate { stem: whole(stem) }))
    }
}

/// `name` without the one of `ends` that it has, where something is left of it.
fn strip<'n>(name: &'n str, ends: &[&str]) -> Option<&'n str> {
    let stem = ends.iter().find_map(|end| name.strip_suffix(end));
    stem.filter(|stem| !stem.is_empty())
}

fn host_of(stem: &str) -> Option<HostName> {
    HostName::of_stem(strip(stem, &KEY_TYPES).unwrap_or(stem))
}

fn is_chain(stem: &str) -> bool {
    let stem = stem.strip_suffix('s').unwrap_or(stem);
    let before = CHAIN_STEMS.iter().find_map(|end| stem.strip_suffix(end));
    stem == "ca" || before.is_some_and(|before| before.is_empty() || before.ends_with(['.', '-', '_']))
}

fn is_fixed(name: &str) -> bool {
    let names = |(certificates, keys): &(&[&str], &[&str])| certificates.contains(&name) || keys.contains(&name);
    name == FOLDER_CHAIN || FOLDERS.iter().any(names)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `certificate[+key]=host`, `chain:file` and `lone:key?expected`, in the order given.
    fn arranged(files: &[&str]) -> Vec<String> {
        let files: Vec<String> = files.iter().map(ToString::to_string).collect();
        let arrangement = Arrangement::of(&files);
        let bundle = |bundle: &Arranged| {
            let key = bundle.key.as_ref().map(|key| format!("+{key}")).unwrap_or_default();
            let host = bundle.host.as_ref().map_or("-", HostName::as_str);
            format!("{}{key}={host}", bundle.certificate)
        };
        let bundles = arrangement.bundles.iter().map(bundle);
        let chains = arrangement.chains.iter().map(|chain| format!("chain:{chain}"));
        let lone = arrangement
            .lone_keys
            .iter()
            .map(|lone| format!("lone:{}?{}", lone.key, lone.expected));
        bundles.chain(chains).chain(lone).collect()
    }

    #[test]
    fn names_tell_what_belongs_together_and_for_which_host() {
        let table: &[(&[&str], &[&str])] = &[
            // IIS.
            (&["www.example.com.pfx"], &["www.example.com.pfx=www.example.com"]),
            (&["_.example.com.pfx"], &["_.example.com.pfx=*.example.com"]),
            (
                &["WWW.Example.com.PFX", "b.test.p12"],
                &["WWW.Example.com.PFX=www.example.com", "b.test.p12=b.test"],
            ),
            // All in one file, and pairs.
            (&["a.test.pem"], &["a.test.pem=a.test"]),
            (&["a.test.crt", "a.test.key"], &["a.test.crt+a.test.key=a.test"]),
            (&["a.test.cer", "a.test.key"], &["a.test.cer+a.test.key=a.test"]),
            (&["a.test.pem", "a.test.key"], &["a.test.pem+a.test.key=a.test"]),
            (&["a.test.pem", "a.test.pem.key"], &["a.test.pem+a.test.pem.key=a.test"]),
            (&["a.test.pem", "a.test-key.pem"], &["a.test.pem+a.test-key.pem=a.test"]),
            (&["a.test.crt", "a.test.key.pem"], &["a.test.crt+a.test.key.pem=a.test"]),
            (&["A.test.crt", "a.TEST.key"], &["A.test.crt+a.TEST.key=a.test"]),
            (&["a.test.crt"], &["a.test.crt=a.test"]),
            (
                &["a.test.pem", "a.test.key", "a.test.pem.key"],
                &[
                    "a.test.pem+a.test.pem.key=a.test",
                    "lone:a.test.key?a.test.pem, a.test.crt, a.test.cer",
                ],
            ),
            // Two kinds of key for one host.
            (
                &["a.test.rsa.pem", "a.test.ecdsa.pem", "a.test.pem"],
                &["a.test.ecdsa.pem=a.test", "a.test.pem=a.test", "a.test.rsa.pem=a.test"],
            ),
            (
                &["a.test.pem.rsa", "a.test.pem.ecdsa", "a.test.pem.rsa.key"],
                &["a.test.pem.ecdsa=a.test", "a.test.pem.rsa+a.test.pem.rsa.key=a.test"],
            ),
            (
                &["a.test.rsa.crt", "a.test.rsa.key", "a.test.ed25519.pfx"],
                &["a.test.ed25519.pfx=a.test", "a.test.rsa.crt+a.test.rsa.key=a.test"],
            ),
            // Intermediates.
            (
                &[
                    "a.test.pem",
                    "a.test.chain",
                    "a.test.pem.issuer",
                    "b-chain.pem",
                    "ca.crt",
                    "x.ca-bundle",
                    "i.p7b",
                ],
                &[
                    "a.test.pem=a.test",
                    "chain:a.test.chain",
                    "chain:a.test.pem.issuer",
                    "chain:b-chain.pem",
                    "chain:ca.crt",
                    "chain:i.p7b",
                    "chain:x.ca-bundle",
                ],
            ),
            (
                &["intermediates.pem", "chain.pem"],
                &["chain:chain.pem", "chain:intermediates.pem"],
            ),
            (
                &["blockchain.pem", "shop.ca.crt"],
                &["blockchain.pem=blockchain", "shop.ca.crt=shop.ca"],
            ),
            (
                &["supply.chain.crt", "supply.chain.key"],
                &["supply.chain.crt+supply.chain.key=supply.chain"],
            ),
            // Folders.
            (
                &[
                    "a.test/cert.pem",
                    "a.test/chain.pem",
                    "a.test/fullchain.pem",
                    "a.test/privkey.pem",
                    "a.test/README",
                ],
                &["a.test/fullchain.pem+a.test/privkey.pem=a.test"],
            ),
            (
                &["a.test/cert.pem", "a.test/chain.pem", "a.test/privkey.pem"],
                &["a.test/cert.pem+a.test/privkey.pem=a.test", "chain:a.test/chain.pem"],
            ),
            (
                &["live/a.test-0001/fullchain.pem", "live/a.test-0001/privkey.pem"],
                &["live/a.test-0001/fullchain.pem+live/a.test-0001/privkey.pem=a.test"],
            ),
            (
                &["shop/tls.crt", "shop/tls.key", "shop/ca.crt"],
                &["shop/tls.crt+shop/tls.key=shop"],
            ),
            (
                &["_.a.test.rsa/tls.crt", "_.a.test.rsa/tls.key"],
                &["_.a.test.rsa/tls.crt+_.a.test.rsa/tls.key=*.a.test"],
            ),
            (
                &["tls.crt", "tls.key", "ca.crt"],
                &["tls.crt+tls.key=-", "chain:ca.crt"],
            ),
            (&["cert.pem", "key.pem"], &["cert.pem+key.pem=-"]),
            (&["a.test/a.test.pem", "keys/0000_key-certbot.pem"], &[]),
            // What is missing.
            (&["a.test.key"], &["lone:a.test.key?a.test.pem, a.test.crt, a.test.cer"]),
            (&["a.test.pem.key"], &["lone:a.test.pem.key?a.test.pem"]),
            (
                &["a.test/privkey.pem"],
                &["lone:a.test/privkey.pem?fullchain.pem or cert.pem"],
            ),
            (&["a.test/fullchain.pem"], &["a.test/fullchain.pem=a.test"]),
            // Not a host name, but a certificate.
            (
                &["my site.pfx", "bücher.example.pem"],
                &["bücher.example.pem=-", "my site.pfx=-"],
            ),
            // Nobody's.
            (
                &[
                    "README",
                    "a.test.srl",
                    "a.test.conf",
                    "a.test.pem.ocsp",
                    "a.test.csr",
                    ".pem",
                    "key",
                    "a.test.bak",
                ],
                &[],
            ),
        ];
        for (files, expected) in table {
            assert_eq!(arranged(files), *expected, "{files:?}");
        }
    }

    #[test]
    fn the_order_of_the_files_makes_no_difference() {
        let mut files = [
            "b.test.key",
            "a.test.pem",
            "c/tls.key",
            "b.test.crt",
            "c/tls.crt",
            "z.key",
            "y.chain",
            "x.chain",
        ];
        let expected = arranged(&files);
        for _ in 0..files.len() {
            files.rotate_left(3);
            files.swap(0, 5);
            assert_eq!(arranged(&files), expected);
        }
    }

    proptest! {
        #[test]
        fn any_names_are_put_together_without_a_panic_and_none_makes_two_bundles(
            files in proptest::collection::btree_set("([ab]/)?[a_.-]{0,3}(\\.rsa|-key|key|chain)?(\\.pem|\\.key|\\.crt|é)?", 0..8)
        ) {
            let files: Vec<String> = files.into_iter().collect();
            let arrangement = Arrangement::of(&files);
            let named = arrangement.bundles.iter().map(|bundle| &bundle.certificate);
            let named: Vec<_> = named.chain(&arrangement.chains).chain(arrangement.lone_keys.iter().map(|lone| &lone.key)).collect();
            prop_assert!(named.iter().all(|name| files.contains(name)));
            prop_assert_eq!(named.iter().collect::<HashSet<_>>().len(), named.len());
        }
    }
}
