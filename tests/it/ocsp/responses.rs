//! Which responses are believed, and for how long.

use fullchain::ocsp::{Error, MOST_BYTES, ResponseStatus, RevocationReason, Staple};
use fullchain::tls::signature_algorithms;
use proptest::prelude::*;
use rustls::pki_types::UnixTime;

use crate::rig::ocsp::{Response, of_type, status, subject};
use crate::rig::pki::{Entity, Recipe, ca, day, server};

const HOUR: u64 = 3_600;

/// An issuing CA and a leaf of it.
struct Pair {
    issuer: Entity,
    leaf: Entity,
}

impl Pair {
    fn new() -> Self {
        let issuer = ca("Issuing").self_signed();
        let leaf = server("a.test").signed_by(&issuer);
        Self { issuer, leaf }
    }

    fn good(&self) -> Response {
        Response::good(&self.leaf, &self.issuer)
    }

    /// A responder with a certificate by the issuer.
    fn responder(&self) -> Entity {
        responder().signed_by(&self.issuer)
    }

    fn verify(&self, der: &[u8]) -> Result<Staple, Error> {
        self.verify_at(der, day(0))
    }

    fn verify_at(&self, der: &[u8], at: UnixTime) -> Result<Staple, Error> {
        Staple::verify(der, &subject(&self.leaf, &self.issuer), signature_algorithms(), at)
    }

    #[track_caller]
    fn refused(&self, response: &Response) -> Error {
        self.verify(&response.der()).unwrap_err()
    }
}

/// A responder's certificate, about to be issued.
fn responder() -> Recipe {
    server("ocsp.test").for_ocsp()
}

fn later(day: UnixTime, seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(day.as_secs() + seconds))
}

#[test]
fn a_response_by_the_issuer_is_stapled_until_its_next_update() {
    let pair = Pair::new();
    let der = pair.good().der();
    let staple = pair.verify(&der).unwrap();
    assert_eq!(staple.der(), der);
    assert_eq!((staple.this_update(), staple.good_until()), (day(-1), day(1)));
    assert_eq!(staple.refresh_at(), day(0));
    assert!(staple.is_good_at(day(0)));
    assert!(!staple.is_good_at(day(1)));
}

#[test]
fn the_responder_may_be_named_by_name_or_key_and_the_certificate_by_sha1_or_sha256() {
    let pair = Pair::new();
    let delegate = pair.responder();
    for response in [
        pair.good().by_name(),
        pair.good().with_sha256(),
        pair.good().by_delegate(&delegate),
        pair.good().by_delegate(&delegate).by_name().with_sha256(),
    ] {
        pair.verify(&response.der()).unwrap();
    }
}

#[test]
fn an_issuer_with_an_rsa_key_signs_as_well() {
    let issuer = ca("Issuing").rsa().self_signed();
    let leaf = server("a.test").signed_by(&issuer);
    let pair = Pair { issuer, leaf };
    pair.verify(&pair.good().der()).unwrap();
    // The certificate of the issuer is of no use to clients, but some responders send it.
    pair.verify(&pair.good().with_certificate(pair.issuer.certificate.der()).der())
        .unwrap();
}

#[test]
fn a_revoked_leaf_is_told_with_the_day_and_the_reason() {
    let pair = Pair::new();
    let error = pair.refused(&pair.good().revoked(day(-3), Some(1)));
    assert_eq!(
        error,
        Error::Revoked {
            since: day(-3),
            reason: RevocationReason(1),
            this_update: day(-1),
        }
    );
    assert!(error.is_revocation());
    assert_eq!(
        error.to_string(),
        "the certificate is revoked since 2026-05-29T00:00:00Z, reason: keyCompromise"
    );
    let error = pair.refused(&pair.good().revoked(day(-3), None));
    assert!(error.to_string().ends_with("reason: unspecified"), "{error}");
}

#[test]
fn a_leaf_that_the_responder_does_not_know_has_no_staple() {
    let pair = Pair::new();
    assert_eq!(pair.refused(&pair.good().unknown()), Error::Unknown);
}

#[test]
fn a_response_counts_from_this_update_to_next_update_with_some_minutes_for_clocks() {
    let pair = Pair::new();
    let from = |seconds| pair.good().from(later(day(0), seconds));
    pair.verify(&from(299).der()).unwrap();
    assert_eq!(pair.refused(&from(301)), Error::NotYetValid(later(day(0), 301)));
    let produced = pair.good().produced_at(later(day(0), 301));
    assert_eq!(pair.refused(&produced), Error::NotYetValid(later(day(0), 301)));
    let der = pair.good().der();
    pair.verify_at(&der, later(day(0), 24 * HOUR - 1)).unwrap();
    assert_eq!(pair.verify_at(&der, day(1)), Err(Error::Expired(day(1))));
    let backwards = pair.good().until(Some(day(-2)));
    assert_eq!(pair.refused(&backwards), Error::Expired(day(-2)));
}

#[test]
fn a_response_without_next_update_counts_for_a_day() {
    let pair = Pair::new();
    let der = pair.good().from(day(0)).until(None).der();
    assert_eq!(pair.verify(&der).unwrap().good_until(), day(1));
    assert_eq!(pair.verify_at(&der, day(1)), Err(Error::Expired(day(1))));
}

#[test]
fn a_staple_outlives_neither_the_leaf_nor_the_certificate_of_the_responder() {
    let pair = Pair::new();
    let long = |pair: &Pair| pair.good().until(Some(day(90)));
    let delegate = responder().valid(-10, 5).signed_by(&pair.issuer);
    let staple = pair.verify(&long(&pair).by_delegate(&delegate).der()).unwrap();
    assert_eq!(staple.good_until(), delegate.certificate.not_after());
    let leaf = server("a.test").valid(-10, 7).signed_by(&pair.issuer);
    let pair = Pair { leaf, ..pair };
    let staple = pair.verify(&long(&pair).der()).unwrap();
    assert_eq!(staple.good_until(), pair.leaf.certificate.not_after());
}

#[test]
fn an_answer_for_another_certificate_is_none() {
    let pair = Pair::new();
    let other = server("a.test").signed_by(&pair.issuer);
    let serial = pair.good().about_serial(&[1, 2, 3]);
    let twin = ca("Issuing").self_signed();
    for response in [
        Response::good(&other, &pair.issuer),
        serial,
        Response::good(&pair.leaf, &twin),
        Response::good(&pair.leaf, &ca("Another").self_signed()).signed_by(&pair.issuer),
    ] {
        assert_eq!(pair.refused(&response), Error::OtherCertificate);
    }
}

#[test]
fn the_answer_is_found_among_others_and_two_for_one_leaf_are_none() {
    let pair = Pair::new();
    let other = Response::good(&server("b.test").signed_by(&pair.issuer), &pair.issuer).revoked(day(-1), None);
    pair.verify(&other.clone().and(&pair.good()).der()).unwrap();
    pair.verify(&pair.good().and(&other).der()).unwrap();
    let two = pair.good().and(&pair.good().with_sha256());
    assert!(matches!(pair.refused(&two), Error::Malformed(_)));
}

#[test]
fn a_stranger_may_not_answer() {
    let pair = Pair::new();
    let stranger = ca("Stranger").self_signed();
    assert_eq!(pair.refused(&pair.good().signed_by(&stranger)), Error::UnknownResponder);
    // With the issuer's name, but not its key.
    let impostor = ca("Issuing").self_signed();
    let error = pair.refused(&pair.good().signed_by(&impostor).by_name());
    assert_eq!(error, Error::BadSignature);
    let error = pair.refused(&pair.good().by_delegate(&impostor).by_name());
    assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
}

#[test]
fn a_responder_needs_a_certificate_by_the_issuer_for_this_purpose_that_is_valid() {
    let pair = Pair::new();
    let stranger = ca("Issuing").self_signed();
    let below = ca("Below").signed_by(&pair.issuer);
    let issuer = &pair.issuer;
    for (delegate, reason) in [
        (server("ocsp.test").signed_by(issuer), "OCSPSigning"),
        (responder().for_clients_only().signed_by(issuer), "OCSPSigning"),
        (responder().valid(-10, -1).signed_by(issuer), "not valid now"),
        (responder().valid(1, 10).signed_by(issuer), "not valid now"),
        (responder().signed_by(&stranger), "by the issuer"),
        (responder().signed_by(&below), "by the issuer"),
        (responder().self_signed(), "by the issuer"),
        (
            responder().with_unknown_critical_extension().signed_by(issuer),
            "critical",
        ),
    ] {
        let error = pair.refused(&pair.good().by_delegate(&delegate)).to_string();
        assert!(error.contains("CN=ocsp.test") && error.contains(reason), "{error}");
    }
    // The leaf itself, from the same issuer.
    let error = pair.refused(&pair.good().by_delegate(&pair.leaf));
    assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
}

#[test]
fn a_delegate_whose_certificate_is_not_there_or_not_its_own_is_not_believed() {
    let pair = Pair::new();
    let delegate = pair.responder();
    assert_eq!(pair.refused(&pair.good().signed_by(&delegate)), Error::UnknownResponder);
    let other = pair.responder();
    let response = pair
        .good()
        .signed_by(&delegate)
        .with_certificate(other.certificate.der());
    assert_eq!(pair.refused(&response), Error::UnknownResponder);
    let response = response.by_name();
    assert_eq!(pair.refused(&response), Error::BadSignature);
    // The right one beside it, and something that is no certificate.
    let response = response
        .with_certificate(&[0x30, 0])
        .with_certificate(delegate.certificate.der());
    pair.verify(&response.der()).unwrap();
}

#[test]
fn a_signature_by_an_algorithm_that_clients_refuse_does_not_count() {
    let pair = Pair::new();
    // ecdsa-with-SHA1
    let weak = pair
        .good()
        .claiming_algorithm(b"\x30\x09\x06\x07\x2a\x86\x48\xce\x3d\x04\x01");
    assert_eq!(pair.refused(&weak), Error::UnsupportedSignature);
}

#[test]
fn only_a_critical_extension_is_in_the_way() {
    let pair = Pair::new();
    pair.verify(&pair.good().with_extension(false).der()).unwrap();
    let error = pair.refused(&pair.good().with_extension(true));
    assert_eq!(error, Error::CriticalExtension("responseExtensions"));
}

#[test]
fn a_responder_that_gives_no_answer_is_quoted() {
    let pair = Pair::new();
    for (code, word) in [
        (1, "malformedRequest"),
        (2, "internalError"),
        (3, "tryLater"),
        (5, "sigRequired"),
        (6, "unauthorized"),
        (9, "response status 9"),
    ] {
        let error = pair.verify(&status(code)).unwrap_err();
        assert_eq!(error, Error::NoAnswer(ResponseStatus(code)));
        assert!(error.to_string().ends_with(word), "{error}");
    }
    assert_eq!(pair.verify(&of_type(b"\x2a\x03", b"")), Err(Error::NotBasic));
}

#[test]
fn what_is_no_response_is_refused() {
    let pair = Pair::new();
    let good = pair.good().der();
    for garbage in [
        &b""[..],
        b"<html>",
        &[0x30, 0x80, 0, 0],
        &status(0),
        &good[..good.len() - 1],
    ] {
        let error = pair.verify(garbage).unwrap_err();
        assert!(matches!(error, Error::Malformed(_)), "{error}");
    }
    let trailing = [good.clone(), vec![0]].concat();
    assert_eq!(pair.verify(&trailing), Err(Error::Malformed("the end")));
    let large = vec![0x30; MOST_BYTES + 1];
    assert_eq!(pair.verify(&large), Err(Error::TooLarge(MOST_BYTES + 1)));
}

#[test]
fn the_leaf_says_who_answers_and_whether_a_staple_is_a_must() {
    let issuer = ca("Issuing").self_signed();
    let urls = ["http://one.test/", "http://two.test/ocsp"];
    let leaf = server("a.test")
        .published_at("http://ca.test/ca.der")
        .responders_at(&urls);
    let leaf = leaf.must_staple().signed_by(&issuer);
    assert_eq!(leaf.certificate.ocsp_responders(), urls);
    assert_eq!(leaf.certificate.ca_issuers(), ["http://ca.test/ca.der"]);
    assert!(leaf.certificate.must_staple());
    let plain = server("a.test")
        .published_at("http://ca.test/ca.der")
        .signed_by(&issuer);
    assert_eq!(plain.certificate.ocsp_responders(), [""; 0]);
    assert!(!plain.certificate.must_staple());
}

#[test]
fn a_certificate_in_place_of_a_response_is_refused() {
    let pair = Pair::new();
    let error = pair.verify(pair.leaf.certificate.der()).unwrap_err();
    assert!(matches!(error, Error::Malformed(_)), "{error}");
}

/// A response by a responder with a certificate of its own.
fn delegated() -> (Pair, Vec<u8>) {
    let pair = Pair::new();
    let der = pair.good().by_delegate(&pair.responder()).der();
    (pair, der)
}

#[test]
fn a_response_with_any_bit_flipped_is_not_believed() {
    let (pair, good) = delegated();
    for at in 0..8 * good.len() {
        let mut damaged = good.clone();
        damaged[at / 8] ^= 1 << (at % 8);
        assert!(pair.verify(&damaged).is_err(), "bit {at} of {:02x?}", damaged);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_response_with_other_octets_or_cut_short_is_not_believed(at in 0_usize..4_000, flip in 1_u8.., cut in 0_usize..4_000) {
        thread_local! {
            static GOOD: (Pair, Vec<u8>) = delegated();
        }
        GOOD.with(|(pair, good)| {
            let mut damaged = good.clone();
            damaged[at % good.len()] ^= flip;
            prop_assert!(pair.verify(&damaged).is_err());
            prop_assert!(pair.verify(&good[..cut % good.len()]).is_err());
            Ok(())
        })?;
    }
}
