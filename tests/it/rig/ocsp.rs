//! OCSP responses, sound and otherwise, written by hand: independent of the code under test.

use std::time::Duration;

use fullchain::ocsp::Subject;
use rcgen::SigningKey;
use rustls::pki_types::UnixTime;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use time::OffsetDateTime;

use super::pki::{Entity, day, tlv};
use super::upstream::Upstream;

/// What is asked about `leaf`, which `issuer` issued.
pub(crate) fn subject<'e>(leaf: &'e Entity, issuer: &'e Entity) -> Subject<'e> {
    Subject {
        leaf: &leaf.certificate,
        issuer: &issuer.certificate,
    }
}

/// A response about to be signed.
#[derive(Clone)]
pub(crate) struct Response {
    answers: Vec<Answer>,
    signer: Entity,
    by_name: bool,
    produced_at: UnixTime,
    certificates: Vec<Vec<u8>>,
    extension: Option<bool>,
    signature_algorithm: Option<Vec<u8>>,
}

/// What it says of one certificate.
#[derive(Clone)]
struct Answer {
    sha256: bool,
    issuer_name: Vec<u8>,
    issuer_key: Vec<u8>,
    serial: Vec<u8>,
    status: Vec<u8>,
    this_update: UnixTime,
    next_update: Option<UnixTime>,
}

impl Response {
    /// That `leaf` is good from the day before to the day after [`super::pki::NOW`], signed by `issuer`.
    pub(crate) fn good(leaf: &Entity, issuer: &Entity) -> Self {
        let answer = Answer {
            sha256: false,
            issuer_name: issuer.certificate.subject().der().to_vec(),
            issuer_key: issuer.key.public_key_raw().to_vec(),
            serial: leaf.certificate.serial().to_vec(),
            status: tlv(0x80, &[]),
            this_update: day(-1),
            next_update: Some(day(1)),
        };
        Self {
            answers: vec![answer],
            signer: issuer.clone(),
            by_name: false,
            produced_at: day(-1),
            certificates: Vec::new(),
            extension: None,
            signature_algorithm: None,
        }
    }

    /// That it is revoked, with this CRLReason if any.
    pub(crate) fn revoked(self, since: UnixTime, reason: Option<u8>) -> Self {
        let reason = reason.map(|reason| tlv(0xa0, &tlv(0x0a, &[reason])));
        let info = [generalized_time(since), reason.unwrap_or_default()].concat();
        self.answer(|answer| answer.status = tlv(0xa1, &info))
    }

    pub(crate) fn unknown(self) -> Self {
        self.answer(|answer| answer.status = tlv(0x82, &[]))
    }

    /// Around this instant, and not that of the other tests: from an hour ago, for `hours` more.
    pub(crate) fn around_now(self, hours: i64) -> Self {
        self.from(in_hours(-1)).until(Some(in_hours(hours)))
    }

    pub(crate) fn from(mut self, this_update: UnixTime) -> Self {
        self.produced_at = this_update;
        self.answer(|answer| answer.this_update = this_update)
    }

    pub(crate) fn until(self, next_update: Option<UnixTime>) -> Self {
        self.answer(|answer| answer.next_update = next_update)
    }

    pub(crate) fn produced_at(mut self, produced_at: UnixTime) -> Self {
        self.produced_at = produced_at;
        self
    }

    /// With SHA-256 in place of SHA-1 in the CertID.
    pub(crate) fn with_sha256(self) -> Self {
        self.answer(|answer| answer.sha256 = true)
    }

    pub(crate) fn about_serial(self, serial: &[u8]) -> Self {
        self.answer(|answer| answer.serial = serial.to_vec())
    }

    /// With what `other` says as well.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.answers.extend(other.answers.iter().cloned());
        self
    }

    /// Signed by `responder`, whose certificate comes with the response.
    pub(crate) fn by_delegate(self, responder: &Entity) -> Self {
        self.signed_by(responder).with_certificate(responder.certificate.der())
    }

    pub(crate) fn signed_by(mut self, signer: &Entity) -> Self {
        self.signer = signer.clone();
        self
    }

    pub(crate) fn with_certificate(mut self, der: &[u8]) -> Self {
        self.certificates.push(der.to_vec());
        self
    }

    /// With the signer's name in place of its key in responderID.
    pub(crate) fn by_name(mut self) -> Self {
        self.by_name = true;
        self
    }

    /// With an extension that nobody knows, critical or not.
    pub(crate) fn with_extension(mut self, critical: bool) -> Self {
        self.extension = Some(critical);
        self
    }

    /// With another AlgorithmIdentifier beside the signature than the one it was made by.
    pub(crate) fn claiming_algorithm(mut self, identifier: &[u8]) -> Self {
        self.signature_algorithm = Some(identifier.to_vec());
        self
    }

    fn answer(mut self, alter: impl FnOnce(&mut Answer)) -> Self {
        alter(self.answers.last_mut().unwrap());
        self
    }

    /// Signs it.
    pub(crate) fn der(&self) -> Vec<u8> {
        let responder = match self.by_name {
            true => tlv(0xa1, self.signer.certificate.subject().der()),
            false => tlv(0xa2, &tlv(4, &Sha1::digest(self.signer.key.public_key_raw()))),
        };
        let answers: Vec<u8> = self.answers.iter().flat_map(Answer::der).collect();
        let extensions = self.extension.map(|critical| {
            let critical = if critical { tlv(1, &[0xff]) } else { Vec::new() };
            let extension = [tlv(6, &[0x2a, 3]), critical, tlv(4, &[5, 0])].concat();
            tlv(0xa1, &tlv(0x30, &tlv(0x30, &extension)))
        });
        let data = tlv(
            0x30,
            &[
                responder,
                generalized_time(self.produced_at),
                tlv(0x30, &answers),
                extensions.unwrap_or_default(),
            ]
            .concat(),
        );
        let algorithm = self.signature_algorithm.clone();
        let algorithm = algorithm.unwrap_or_else(|| match self.signer.key.algorithm() {
            rsa if *rsa == rcgen::PKCS_RSA_SHA256 => SHA256_WITH_RSA.to_vec(),
            _ => ECDSA_WITH_SHA256.to_vec(),
        });
        let signature = self.signer.key.sign(&data).unwrap();
        let certificates = match self.certificates.as_slice() {
            [] => Vec::new(),
            some => tlv(0xa0, &tlv(0x30, &some.concat())),
        };
        let signature = tlv(3, &[&[0], signature.as_slice()].concat());
        successful(&tlv(0x30, &[data, algorithm, signature, certificates].concat()))
    }
}

impl Answer {
    fn der(&self) -> Vec<u8> {
        let algorithm = match self.sha256 {
            true => tlv(6, b"\x60\x86\x48\x01\x65\x03\x04\x02\x01"),
            false => [tlv(6, b"\x2b\x0e\x03\x02\x1a"), tlv(5, &[])].concat(),
        };
        let hash = |data: &[u8]| match self.sha256 {
            true => Sha256::digest(data).to_vec(),
            false => Sha1::digest(data).to_vec(),
        };
        let id = [
            tlv(0x30, &algorithm),
            tlv(4, &hash(&self.issuer_name)),
            tlv(4, &hash(&self.issuer_key)),
            tlv(2, &self.serial),
        ];
        let next_update = self.next_update.map(|time| tlv(0xa0, &generalized_time(time)));
        let parts = [
            tlv(0x30, &id.concat()),
            self.status.clone(),
            generalized_time(self.this_update),
            next_update.unwrap_or_default(),
        ];
        tlv(0x30, &parts.concat())
    }
}

/// ecdsa-with-SHA256.
const ECDSA_WITH_SHA256: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
/// sha256WithRSAEncryption.
const SHA256_WITH_RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00";

/// An OCSPResponse around a BasicOCSPResponse.
fn successful(basic: &[u8]) -> Vec<u8> {
    of_type(b"\x2b\x06\x01\x05\x05\x07\x30\x01\x01", basic)
}

/// An OCSPResponse around a response of another type.
pub(crate) fn of_type(id: &[u8], response: &[u8]) -> Vec<u8> {
    let bytes = tlv(0x30, &[tlv(6, id), tlv(4, response)].concat());
    tlv(0x30, &[tlv(0x0a, &[0]), tlv(0xa0, &bytes)].concat())
}

/// An OCSPResponse that has a status and nothing else.
pub(crate) fn status(status: u8) -> Vec<u8> {
    tlv(0x30, &tlv(0x0a, &[status]))
}

fn generalized_time(time: UnixTime) -> Vec<u8> {
    let time = OffsetDateTime::from_unix_timestamp(time.as_secs() as i64).unwrap();
    let (date, clock) = (time.date(), time.time());
    let text = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    );
    tlv(0x18, text.as_bytes())
}

/// The instant `hours` from now: what is fetched, or served by the binary, is judged by the clock.
pub(crate) fn in_hours(hours: i64) -> UnixTime {
    let seconds = UnixTime::now().as_secs().saturating_add_signed(hours * 3_600);
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// A responder that gives everybody the same answer.
pub(crate) fn responder(der: &[u8]) -> Upstream {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length: {}\r\n\r\n",
        der.len()
    );
    Upstream::answering([head.as_bytes(), der].concat())
}

/// Where `responder` answers.
pub(crate) fn url(responder: &Upstream) -> String {
    format!("http://{}/", responder.address)
}
