//! The surveyor: surveys the files again and again, and works out anew only what may have changed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, UnixTime};

use super::survey::{Prospect, Survey};
use super::{Settings, Stapled, Unservable};
use crate::certs::{self, Bundle, BundleSettings, Files, Inventory, Listing, Look, Roots};
use crate::chain::{
    Assembly, Certificate, Change, Context, Disallowed, Name, Policy, Sha256, Signatures, assemble, forecast,
};
use crate::tls;

/// What is remembered from one survey to the next: the files, what they hold, and the chains assembled of it.
#[derive(Debug)]
pub struct Surveyor {
    certificates: certs::Settings,
    settings: Settings,
    disallowed: Disallowed,
    files: Files,
    inventory: Inventory,
    signatures: Arc<Signatures>,
    /// Certificates that are in no file. They only help chains that want an issuer.
    learned: Vec<Arc<Certificate>>,
    assemblies: HashMap<Question, Answer>,
}

/// Besides store, anchors and settings, what a chain depends on: the fingerprint of its leaf, and what is configured for
/// it alone.
type Question = (Sha256, Policy, bool);

/// A chain, and since when it is the answer; until when, it tells itself.
#[derive(Debug)]
struct Answer {
    since: UnixTime,
    assembly: Arc<Assembly>,
    is_in_use: bool,
}

impl Answer {
    fn holds_at(&self, at: UnixTime) -> bool {
        let is_over = self.assembly.until.is_some_and(|until| until.as_secs() <= at.as_secs());
        self.since.as_secs() <= at.as_secs() && !is_over
    }
}

impl Surveyor {
    /// Reads every file that `certificates` name.
    pub fn new(certificates: certs::Settings, settings: Settings) -> Self {
        let mut files = Files::read(&certificates);
        let mut inventory = Inventory::default();
        inventory.update(&certificates, &files, &public_key);
        files.forget();
        Self {
            disallowed: certificates.disallowed.iter().copied().collect(),
            certificates,
            settings,
            files,
            inventory,
            signatures: Arc::default(),
            learned: Vec::new(),
            assemblies: HashMap::new(),
        }
    }

    /// Reads what has changed and tells whether anything has: files, or what is configured.
    pub fn look(&mut self, certificates: &certs::Settings, settings: &Settings, look: &Look) -> bool {
        let has_other_settings = self.certificates != *certificates || self.settings != *settings;
        if has_other_settings {
            let (signatures, learned) = (Arc::clone(&self.signatures), std::mem::take(&mut self.learned));
            *self = Self {
                signatures,
                learned,
                ..Self::new(certificates.clone(), *settings)
            };
            return true;
        }
        let change = if self.files.read_again(certificates, look) {
            self.forget_useless();
            Some(self.inventory.update(certificates, &self.files, &public_key))
        } else if *look != Look::Nowhere && self.inventory.has_unread() {
            self.try_unread_again(certificates)
        } else {
            None
        };
        self.files.forget();
        let Some(change) = change else { return false };
        if change.anchors {
            self.assemblies.clear();
        }
        self.forget(&change.subjects);
        true
    }

    /// Files that could not be read may be readable now though they have not changed. `None` where nothing comes of it.
    fn try_unread_again(&mut self, certificates: &certs::Settings) -> Option<certs::Change> {
        let state = |inventory: &Inventory| {
            let is_ok = inventory.bundles.iter().map(|(_, bundle)| bundle.is_ok());
            let is_listed = inventory.directories.iter();
            let is_listed = is_listed.map(|(_, listing)| !matches!(listing, Listing::Unreadable(_)));
            let problems = inventory.problems.len();
            let is_trusted = inventory.client_trust.iter().map(|(_, trust)| trust.is_ok());
            let is_trusted = is_trusted.collect::<Vec<_>>();
            let has_tickets = inventory.tickets.as_ref().map(Result::is_ok);
            (
                is_ok.collect::<Vec<_>>(),
                is_listed.collect::<Vec<_>>(),
                is_trusted,
                has_tickets,
                problems,
            )
        };
        let before = state(&self.inventory);
        let change = self.inventory.update_all(certificates, &self.files, &public_key);
        let is_news = change.anchors || !change.subjects.is_empty() || state(&self.inventory) != before;
        is_news.then_some(change)
    }

    /// Lets `found`, certificates that are in no file, help chains that want an issuer. They have no say in any other,
    /// and none where a chain would be worth less with them. Tells whether any is new.
    pub fn learn(&mut self, found: impl IntoIterator<Item = Arc<Certificate>>) -> bool {
        let mut subjects = HashSet::new();
        for certificate in found {
            if !self.learned.contains(&certificate) {
                subjects.insert(certificate.subject().clone());
                self.learned.push(certificate);
            }
        }
        self.forget(&subjects);
        !subjects.is_empty()
    }

    /// Forgets what was learned: it is no longer to help.
    pub(super) fn unlearn(&mut self) {
        let learned = std::mem::take(&mut self.learned);
        self.forget(&learned.iter().map(|learned| learned.subject().clone()).collect());
    }

    /// Forgets what was learned and no chain looks for any more. Not before files have changed again: what was learned
    /// for a chain comes into it after that.
    fn forget_useless(&mut self) {
        let chains = self.assemblies.values().map(|answer| &answer.assembly);
        self.learned.retain(|learned| {
            let is_sought = |assembly: &Arc<Assembly>| assembly.sought.contains(learned.subject());
            chains.clone().any(is_sought)
        });
    }

    /// Forgets the chains that certificates with these subjects may change.
    fn forget(&mut self, subjects: &HashSet<Name>) {
        if !subjects.is_empty() {
            let depends = |answer: &Answer| subjects.iter().any(|subject| answer.assembly.sought.contains(subject));
            self.assemblies.retain(|_, answer| !depends(answer));
        }
    }

    /// What would be served at the instant `at` of what was last read.
    pub fn survey(&mut self, at: UnixTime) -> Survey {
        for answer in self.assemblies.values_mut() {
            answer.is_in_use = false;
        }
        let bundles = self.inventory.bundles.clone();
        let prospects = bundles.into_iter().map(|(source, bundle)| {
            let prospect = bundle.map_err(Unservable::from).and_then(|bundle| {
                if self.disallowed.contains(&bundle.leaf) {
                    return Err(Unservable::Disallowed {
                        certificate: source.certificate.clone(),
                        leaf: Arc::clone(&bundle.leaf),
                    });
                }
                Ok(self.prospect(&source, &bundle, at))
            });
            (source, prospect)
        });
        let survey = Survey {
            prospects: prospects.collect(),
            directories: self.inventory.directories.clone(),
            gaps: self.inventory.gaps.clone(),
            client_trust: self.inventory.client_trust.clone(),
            tickets: self.inventory.tickets.clone(),
            problems: self.inventory.problems.clone(),
            stored: self.inventory.store.len(),
            wants_anchor: self.certificates.roots != Roots::None,
        };
        self.assemblies.retain(|_, answer| answer.is_in_use);
        survey
    }

    /// What would be served of `bundle` at the instant `at`.
    pub(super) fn prospect(&mut self, source: &BundleSettings, bundle: &Arc<Bundle>, at: UnixTime) -> Prospect {
        let assembly = self.assemble(source, bundle, at);
        Prospect {
            stapled: Stapled::of_file(source, bundle, &assembly.chain, at),
            bundle: Arc::clone(bundle),
            assembly,
        }
    }

    /// The best chain for the leaf of `bundle` at the instant `at`.
    fn assemble(&mut self, source: &BundleSettings, bundle: &Bundle, at: UnixTime) -> Arc<Assembly> {
        let policy = source.policy.unwrap_or(self.settings.policy);
        let question = (bundle.leaf.fingerprint(), policy, source.allow_ca_leaf);
        if let Some(answer) = self.assemblies.get_mut(&question).filter(|answer| answer.holds_at(at)) {
            answer.is_in_use = true;
            return Arc::clone(&answer.assembly);
        }
        let assembly = Arc::new(self.assemble_anew(source, &bundle.leaf, at));
        let answer = Answer {
            since: at,
            assembly: Arc::clone(&assembly),
            is_in_use: true,
        };
        self.assemblies.insert(question, answer);
        assembly
    }

    /// The chain of `leaf`; where it wants an issuer, with what was learned beside the store, unless it is worth less so.
    fn assemble_anew(&mut self, source: &BundleSettings, leaf: &Arc<Certificate>, at: UnixTime) -> Assembly {
        let without = assemble(leaf, &self.inventory.store, &self.context(source, at));
        if without.wanted.is_none() || self.learned.is_empty() {
            return without;
        }
        let mut store = std::mem::take(&mut self.inventory.store);
        let is_new = |learned: &&Arc<Certificate>| store.insert(Arc::clone(learned));
        let added: Vec<_> = self.learned.iter().filter(is_new).collect();
        let with = assemble(leaf, &store, &self.context(source, at));
        for added in added {
            store.remove(added);
        }
        self.inventory.store = store;
        let untils = [without.until, with.until].into_iter().flatten();
        let until = untils.min_by_key(UnixTime::as_secs);
        // What either depends on decides between them.
        let sought = without.sought.and(&with.sought);
        let best = if with.status < without.status { without } else { with };
        Assembly { until, sought, ..best }
    }

    /// What time alone will do until `end` to the chain `now`, which is that of the certificate `source` at the instant
    /// `at`.
    pub fn forecast(&self, source: &BundleSettings, now: &Assembly, at: UnixTime, end: UnixTime) -> Vec<Change> {
        let context = self.context(source, at);
        if !self
            .learned
            .iter()
            .any(|learned| now.chain.certificates.contains(learned))
        {
            return forecast(now, &self.inventory.store, &context, end);
        }
        let mut store = self.inventory.store.clone();
        store.extend(self.learned.iter().cloned());
        forecast(now, &store, &context, end)
    }

    /// What the chain of the certificate `source` is assembled for.
    fn context(&self, source: &BundleSettings, at: UnixTime) -> Context<'_> {
        Context {
            anchors: &self.inventory.anchors,
            at,
            policy: source.policy.unwrap_or(self.settings.policy),
            disallowed: &self.disallowed,
            algorithms: tls::signature_algorithms(),
            weak_algorithms: tls::WEAK_ALGORITHMS,
            signatures: &self.signatures,
            allow_ca_leaf: source.allow_ca_leaf,
            send_intermediate_anchor: self.settings.send_intermediate_anchor,
        }
    }

    /// How chains are assembled and judged.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is known of signatures.
    pub(super) fn signatures(&self) -> &Arc<Signatures> {
        &self.signatures
    }

    /// Certificates and keys that are never used.
    pub fn disallowed(&self) -> &Disallowed {
        &self.disallowed
    }

    /// What the files hold.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// The directories whose events tell of the next change.
    pub fn directories_to_watch(&self) -> &BTreeSet<PathBuf> {
        self.files.directories_to_watch()
    }
}

fn public_key(key: &PrivateKeyDer<'_>) -> Option<Vec<u8>> {
    tls::public_key(key).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::CertificateDer;

    use super::*;
    use crate::certs::Origin;

    const SETTINGS: Settings = Settings {
        strict: false,
        policy: Policy::Short,
        send_intermediate_anchor: true,
        watch: false,
        poll_interval: std::time::Duration::from_secs(1),
        debounce: std::time::Duration::ZERO,
        allow_worse: false,
    };

    fn write_certificate(path: &Path, key: &KeyPair) -> CertificateDer<'static> {
        let params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        let certificate = params.self_signed(key).unwrap();
        fs::write(path, certificate.pem() + &key.serialize_pem()).unwrap();
        certificate.der().clone()
    }

    /// Makes `gone` be away for the moment between the look at `changed` and the reading of what is needed besides.
    fn miss(surveyor: &mut Surveyor, certificates: &certs::Settings, changed: &Path, gone: &Path) {
        let look = Look::At([changed.to_owned()].into());
        assert!(surveyor.files.read_again(certificates, &look));
        surveyor.files.forget();
        let away = gone.with_extension("away.tmp");
        fs::rename(gone, &away).unwrap();
        surveyor
            .inventory
            .update_all(certificates, &surveyor.files, &public_key);
        fs::rename(away, gone).unwrap();
    }

    /// A share that does not answer for a moment: the key has not changed, so nothing but another try will heal it.
    #[test]
    fn what_could_not_be_read_is_tried_again_though_no_file_has_changed() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let key = KeyPair::generate().unwrap();
        write_certificate(&path("tls.crt"), &key);
        fs::write(path("tls.key"), key.serialize_pem()).unwrap();
        fs::write(path("staple.der"), "staple").unwrap();
        let certificates = certs::Settings {
            bundles: vec![BundleSettings {
                origin: Origin::Configuration,
                certificate: path("tls.crt"),
                key: Some(path("tls.key")),
                password_file: None,
                staple: Some(path("staple.der")),
                allow_ca_leaf: false,
                policy: None,
            }],
            roots: Roots::None,
            ..certs::Settings::default()
        };
        let is_whole = |surveyor: &Surveyor| {
            let bundle = &surveyor.inventory.bundles[0].1;
            bundle.as_ref().is_ok_and(|bundle| bundle.staple.is_some())
        };
        let mut surveyor = Surveyor::new(certificates.clone(), SETTINGS);
        for gone in ["tls.key", "staple.der"] {
            write_certificate(&path("tls.crt"), &key);
            miss(&mut surveyor, &certificates, &path("tls.crt"), &path(gone));
            assert!(!is_whole(&surveyor), "{gone}");
            assert!(!surveyor.look(&certificates, &SETTINGS, &Look::Nowhere));
            assert!(surveyor.look(&certificates, &SETTINGS, &Look::Everywhere));
            assert!(is_whole(&surveyor), "{gone}");
            assert!(!surveyor.look(&certificates, &SETTINGS, &Look::Everywhere));
        }
    }

    #[test]
    fn so_is_the_password_of_a_directory_and_what_lies_in_it_is_not_passed_over_meanwhile() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let key = KeyPair::generate().unwrap();
        fs::create_dir(path("certs")).unwrap();
        fs::write(path("password"), "secret").unwrap();
        write_certificate(&path("certs/a.test.pem"), &key);
        let certificates = certs::Settings {
            directories: vec![path("certs")],
            directory_password_file: Some(path("password")),
            roots: Roots::None,
            ..certs::Settings::default()
        };
        let mut surveyor = Surveyor::new(certificates.clone(), SETTINGS);
        write_certificate(&path("certs/a.test.pem"), &key);
        miss(
            &mut surveyor,
            &certificates,
            &path("certs/a.test.pem"),
            &path("password"),
        );
        assert_eq!(surveyor.inventory.bundles.len(), 0);
        let renewed = write_certificate(&path("certs/a.test.pem"), &key);
        let event = Look::At([path("certs/a.test.pem")].into());
        assert!(surveyor.look(&certificates, &SETTINGS, &event));
        let (_, bundle) = &surveyor.inventory.bundles[0];
        assert_eq!(*bundle.as_ref().unwrap().leaf.der(), renewed);
    }
}
