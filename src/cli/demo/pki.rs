//! The certificates of the demo, as a small private PKI has them after a few years, and the files they are in.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;

const DAY: Duration = Duration::from_secs(86_400);

/// Why the demo's certificates cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
}

/// A root, an intermediate below it, an issuing CA below that, and the directory where everything is written.
pub(super) struct Pki {
    directory: PathBuf,
    root: Authority,
    upper: Authority,
    issuing: Authority,
    renewals: u32,
}

struct Authority {
    params: CertificateParams,
    key: KeyPair,
    certificate: rcgen::Certificate,
}

impl Pki {
    /// Makes the PKI and writes leaf, key, root and store below `directory`; `now` is the middle of their validity.
    pub(super) fn new(directory: &Path, now: OffsetDateTime) -> Result<Self, Error> {
        let root = Authority::root("Demo Root", now)?;
        let upper = root.issues(ca("Demo Intermediate", now), KeyPair::generate()?)?;
        let issuing = upper.issues(ca("Demo Issuing CA 1", now), KeyPair::generate()?)?;
        let pki = Self {
            directory: directory.to_owned(),
            root,
            upper,
            issuing,
            renewals: 0,
        };
        pki.write("root.pem", &pki.root.certificate.pem())?;
        pki.write("store/intermediate.pem", &pki.upper.certificate.pem())?;
        pki.write("store/issuing-1.pem", &pki.issuing.certificate.pem())?;
        pki.write_decoys(now)?;
        pki.write_leaf(now)?;
        Ok(pki)
    }

    /// What a store collects over the years, and what must not end up in the chain.
    fn write_decoys(&self, now: OffsetDateTime) -> Result<(), Error> {
        let mut expired = ca("Demo Issuing CA 1", now);
        (expired.not_before, expired.not_after) = (now - 900 * DAY, now - 3 * DAY);
        let expired = self.upper.certifies(expired, &self.issuing.key)?;
        self.write("store/issuing-1-expired-twin.pem", &expired.pem())?;

        let unrelated = Authority::root("Somebody Else's CA", now)?;
        self.write("store/unrelated.pem", &unrelated.certificate.pem())?;

        let old_root = Authority::root("Demo Root of 2009", now)?;
        let cross = old_root.certifies(ca("Demo Root", now), &self.root.key)?;
        self.write("store/root-cross-certificate.pem", &cross.pem())?;
        self.write("store/root.pem", &self.root.certificate.pem())
    }

    /// Renews the leaf. Every second time the issuing CA has changed too, and its certificate is put into the store
    /// first: the duty that is forgotten in so many outages.
    pub(super) fn renew(&mut self, now: OffsetDateTime) -> Result<(), Error> {
        self.renewals += 1;
        if self.renewals.is_multiple_of(2) {
            let number = self.renewals / 2 + 1;
            self.issuing = self
                .upper
                .issues(ca(&format!("Demo Issuing CA {number}"), now), KeyPair::generate()?)?;
            self.write(&format!("store/issuing-{number}.pem"), &self.issuing.certificate.pem())?;
        }
        self.write_leaf(now)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(super) fn root_der(&self) -> CertificateDer<'static> {
        self.root.certificate.der().clone()
    }

    fn write_leaf(&self, now: OffsetDateTime) -> Result<(), Error> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
        params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        params.distinguished_name = common_name("localhost");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        // Each renewal ends a minute later, as with a real one.
        let until = now + 90 * DAY + self.renewals * Duration::from_secs(60);
        (params.not_before, params.not_after) = (now - DAY, until);
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, &self.issuing.issuer())?;
        // Two renames, one after the other, as ACME clients do: between them key and leaf do not fit.
        self.write("tls.key", &key.serialize_pem())?;
        self.write("tls.crt", &leaf.pem())
    }

    /// Writes beside and renames: a reader sees the old file or the new one.
    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.directory.join(name);
        let write = || {
            let beside = path.with_extension("tmp");
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            // For its owner alone: keys are among them.
            let mut options = OpenOptions::new();
            let mut file = options
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&beside)?;
            file.write_all(text.as_bytes())?;
            fs::rename(&beside, &path)
        };
        write().map_err(|source| Error::Write {
            path: path.clone(),
            source,
        })
    }
}

impl Authority {
    fn root(name: &str, now: OffsetDateTime) -> Result<Self, Error> {
        let (params, key) = (ca(name, now), KeyPair::generate()?);
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            params,
            key,
            certificate,
        })
    }

    fn issues(&self, params: CertificateParams, key: KeyPair) -> Result<Self, Error> {
        let certificate = self.certifies(params.clone(), &key)?;
        Ok(Self {
            params,
            key,
            certificate,
        })
    }

    fn certifies(&self, params: CertificateParams, key: &KeyPair) -> Result<rcgen::Certificate, Error> {
        Ok(params.signed_by(key, &self.issuer())?)
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }
}

fn ca(name: &str, now: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = (now - 400 * DAY, now + 2_000 * DAY);
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    distinguished_name
}
