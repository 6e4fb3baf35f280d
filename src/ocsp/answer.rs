//! SingleResponse (RFC 6960 section 4.2.1): what is said of one certificate.

use rustls_pki_types::UnixTime;

use super::certificate_id::CertificateId;
use super::der::{ENUMERATED, Elements, GENERALIZED_TIME, SEQUENCE, context, context_primitive};
use super::generalized_time::generalized_time;
use super::response::refuse_critical_extensions;
use super::{Error, RevocationReason};

/// What is said of one certificate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer<'a> {
    pub(super) id: CertificateId<'a>,
    pub(super) status: CertificateStatus,
    pub(super) this_update: UnixTime,
    pub(super) next_update: Option<UnixTime>,
}

/// CertStatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CertificateStatus {
    Good,
    Revoked { since: UnixTime, reason: RevocationReason },
    Unknown,
}

impl<'a> Answer<'a> {
    /// Reads the next of `elements`.
    pub(super) fn read(elements: &mut Elements<'a>) -> Result<Self, Error> {
        let mut answer = elements.enter(SEQUENCE, "singleResponse")?;
        let id = CertificateId::read(&mut answer)?;
        let status = CertificateStatus::read(&mut answer)?;
        let this_update = answer.expect(GENERALIZED_TIME, "thisUpdate")?;
        let next_update = answer.optional_inside(context(0), GENERALIZED_TIME, "nextUpdate")?;
        let extensions = answer.optional_inside(context(1), SEQUENCE, "singleExtensions")?;
        refuse_critical_extensions(extensions, "singleExtensions")?;
        answer.end("singleResponse")?;
        Ok(Self {
            id,
            status,
            this_update: generalized_time(this_update.content, "thisUpdate")?,
            next_update: next_update
                .map(|element| generalized_time(element.content, "nextUpdate"))
                .transpose()?,
        })
    }
}

impl CertificateStatus {
    fn read(answer: &mut Elements<'_>) -> Result<Self, Error> {
        const NAME: &str = "certStatus";
        let (good, revoked, unknown) = (context_primitive(0), context(1), context_primitive(2));
        if let Some(good) = answer.optional(good, NAME)? {
            return Elements::of(good.content).end(NAME).map(|()| Self::Good);
        }
        if let Some(revoked) = answer.optional(revoked, NAME)? {
            let mut info = Elements::of(revoked.content);
            let since = info.expect(GENERALIZED_TIME, "revocationTime")?;
            let reason = info.optional_inside(context(0), ENUMERATED, "revocationReason")?;
            info.end(NAME)?;
            // A reason that is left out is unspecified (RFC 5280 section 5.3.1).
            let reason = match reason.map(|element| element.content) {
                None => 0,
                Some([reason]) => *reason,
                Some(_) => return Err(Error::Malformed("revocationReason")),
            };
            return Ok(Self::Revoked {
                since: generalized_time(since.content, "revocationTime")?,
                reason: RevocationReason(reason),
            });
        }
        answer.expect(unknown, NAME)?;
        Ok(Self::Unknown)
    }
}
