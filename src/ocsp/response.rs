//! OCSPResponse (RFC 6960 section 4.2.1), read but not yet believed.

use rustls_pki_types::UnixTime;

use super::answer::Answer;
use super::der::{
    BOOLEAN, ENUMERATED, Element, Elements, GENERALIZED_TIME, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE,
    context,
};
use super::generalized_time::generalized_time;
use super::{Error, ResponseStatus};
use crate::chain::Signed;

/// id-pkix-ocsp-basic, 1.3.6.1.5.5.7.48.1.1
const BASIC: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x30\x01\x01";

/// A basic response.
#[derive(Debug)]
pub(super) struct Response<'a> {
    pub(super) signed: Signed<'a>,
    pub(super) responder: ResponderId<'a>,
    pub(super) produced_at: UnixTime,
    pub(super) answers: Vec<Answer<'a>>,
    /// The DER of each certificate that came with it.
    pub(super) certificates: Vec<&'a [u8]>,
}

/// Who says to have signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponderId<'a> {
    /// The one with this subject, in DER.
    ByName(&'a [u8]),
    /// The one with this SHA-1 of its key.
    ByKey(&'a [u8]),
}

impl<'a> Response<'a> {
    /// Reads `der`, to its last byte.
    pub(super) fn read(der: &'a [u8]) -> Result<Self, Error> {
        const NAME: &str = "the start";
        let mut all = Elements::of(der);
        let mut outer = all.enter(SEQUENCE, NAME)?;
        all.end("the end")?;
        let status = match outer.expect(ENUMERATED, "responseStatus")?.content {
            [status] => ResponseStatus(*status),
            _ => return Err(Error::Malformed("responseStatus")),
        };
        if status != ResponseStatus(0) {
            return Err(Error::NoAnswer(status));
        }
        let bytes = outer.optional_inside(context(0), SEQUENCE, "responseBytes")?;
        let bytes = bytes.ok_or(Error::Malformed("responseBytes"))?;
        outer.end("responseBytes")?;
        let mut bytes = Elements::of(bytes.content);
        if bytes.expect(OBJECT_IDENTIFIER, "responseType")?.content != BASIC {
            return Err(Error::NotBasic);
        }
        let mut basic = bytes.enter(OCTET_STRING, "response")?;
        bytes.end("response")?;
        let response = Self::read_basic(basic.enter(SEQUENCE, "basicResponse")?)?;
        basic.end("basicResponse")?;
        Ok(response)
    }

    fn read_basic(mut basic: Elements<'a>) -> Result<Self, Error> {
        let data = basic.expect(SEQUENCE, "tbsResponseData")?;
        let algorithm = basic.expect(SEQUENCE, "signatureAlgorithm")?;
        let signature = basic.octets("signature")?;
        let mut certificates = Vec::new();
        if let Some(list) = basic.optional_inside(context(0), SEQUENCE, "certs")? {
            let mut list = Elements::of(list.content);
            while !list.is_empty() {
                certificates.push(list.expect(SEQUENCE, "certs")?.whole);
            }
        }
        basic.end("certs")?;
        let signed = Signed {
            message: data.whole,
            algorithm: algorithm.content,
            signature,
        };
        Self::read_data(Elements::of(data.content), signed, certificates)
    }

    fn read_data(mut data: Elements<'a>, signed: Signed<'a>, certificates: Vec<&'a [u8]>) -> Result<Self, Error> {
        // There is only version 1, and DER leaves a default out.
        if let Some(version) = data.optional_inside(context(0), INTEGER, "version")?
            && version.content != [0]
        {
            return Err(Error::Malformed("version"));
        }
        let responder = ResponderId::read(&mut data)?;
        let produced_at = data.expect(GENERALIZED_TIME, "producedAt")?;
        let mut list = data.enter(SEQUENCE, "responses")?;
        let mut answers = Vec::new();
        while !list.is_empty() {
            answers.push(Answer::read(&mut list)?);
        }
        let extensions = data.optional_inside(context(1), SEQUENCE, "responseExtensions")?;
        refuse_critical_extensions(extensions, "responseExtensions")?;
        data.end("responseExtensions")?;
        Ok(Self {
            signed,
            responder,
            produced_at: generalized_time(produced_at.content, "producedAt")?,
            answers,
            certificates,
        })
    }
}

impl<'a> ResponderId<'a> {
    fn read(data: &mut Elements<'a>) -> Result<Self, Error> {
        const NAME: &str = "responderID";
        if let Some(name) = data.optional_inside(context(1), SEQUENCE, NAME)? {
            return Ok(Self::ByName(name.whole));
        }
        let key = data.optional_inside(context(2), OCTET_STRING, NAME)?;
        key.map(|key| Self::ByKey(key.content)).ok_or(Error::Malformed(NAME))
    }
}

/// None that is defined for a response (RFC 6960 section 4.4) needs to be understood, so one that is critical is
/// something else.
pub(super) fn refuse_critical_extensions(list: Option<Element<'_>>, name: &'static str) -> Result<(), Error> {
    let Some(list) = list else { return Ok(()) };
    let mut list = Elements::of(list.content);
    while !list.is_empty() {
        let mut extension = list.enter(SEQUENCE, name)?;
        extension.expect(OBJECT_IDENTIFIER, name)?;
        if let Some(critical) = extension.optional(BOOLEAN, name)?
            && critical.content != [0]
        {
            return Err(Error::CriticalExtension(name));
        }
        extension.expect(OCTET_STRING, name)?;
        extension.end(name)?;
    }
    Ok(())
}
