//! Values that are one of a few words, or a word or something else.

use std::path::PathBuf;

use http::StatusCode;
use rustls::pki_types::ServerName;
use schemars::{Schema, json_schema};

use super::error::Problem;
use super::value::Value;
use crate::chain::{Policy, Sha256};
use crate::fetch::{Aia, Ocsp};
use crate::proxy::WindowsAuth;
use crate::proxy::settings::{HeaderCase, HeaderSpelling, HttpVersion, ProxyProtocol, Redirect};
use crate::telemetry::log::{Filter, Format};
use crate::tls::{ClientAuthMode, RevocationDepth, RevocationPolicy};

impl Value for Policy {
    const NAME: &'static str = "short|compat";
    const EXPECTED: &'static str = "\"short\" or \"compat\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        [Self::Short, Self::Compat]
            .into_iter()
            .find(|policy| policy.to_string() == text)
            .ok_or_else(|| Self::mismatch(text))
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["short", "compat"] })
    }
}

impl Value for Aia {
    const NAME: &'static str = "off|missing";
    const EXPECTED: &'static str = "\"off\" or \"missing\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        [Self::Off, Self::Missing]
            .into_iter()
            .find(|aia| aia.to_string() == text)
            .ok_or_else(|| Self::mismatch(text))
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["off", "missing"] })
    }
}

impl Value for Ocsp {
    const NAME: &'static str = "staple|off";
    const EXPECTED: &'static str = "\"staple\" or \"off\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        [Self::Staple, Self::Off]
            .into_iter()
            .find(|ocsp| ocsp.to_string() == text)
            .ok_or_else(|| Self::mismatch(text))
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["staple", "off"] })
    }
}

impl Value for WindowsAuth {
    const NAME: &'static str = "auto|true|false";
    const EXPECTED: &'static str = "\"auto\", true or false";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "auto" => Ok(Self::Detect),
            "true" => Ok(Self::Http1),
            "false" => Ok(Self::Remove),
            _ => Err(Self::mismatch(text)),
        }
    }

    fn of_switch(on: bool) -> Result<Self, Problem> {
        Ok(if on { Self::Http1 } else { Self::Remove })
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["auto", true, false] })
    }
}

impl Value for Format {
    const NAME: &'static str = "auto|human|json";
    const EXPECTED: &'static str = "\"auto\", \"human\" or \"json\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "auto" => Ok(Self::Auto),
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err(Self::mismatch(text)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["auto", "human", "json"] })
    }
}

/// What a listener does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServiceKind {
    /// Serves HTTP over TLS.
    Tls,
    /// Serves plain HTTP.
    Http,
    /// Redirects plain HTTP.
    Redirect,
}

impl Value for ServiceKind {
    const NAME: &'static str = "tls|redirect|http";
    const EXPECTED: &'static str = "\"tls\", \"redirect\" or \"http\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "tls" => Ok(Self::Tls),
            "redirect" => Ok(Self::Redirect),
            "http" => Ok(Self::Http),
            _ => Err(Self::mismatch(text)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["tls", "redirect", "http"] })
    }
}

/// The status of a redirect to https.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RedirectStatus(pub(super) StatusCode);

impl Default for RedirectStatus {
    fn default() -> Self {
        Self(Redirect::default().status)
    }
}

impl Value for RedirectStatus {
    const NAME: &'static str = "301|308";
    const EXPECTED: &'static str = "301 or 308";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "301" => Ok(Self(StatusCode::MOVED_PERMANENTLY)),
            "308" => Ok(Self(StatusCode::PERMANENT_REDIRECT)),
            _ => Err(Self::mismatch(text)),
        }
    }

    fn of_number(number: i64) -> Result<Self, Problem> {
        Self::parse(&number.to_string()).map_err(|_| Problem::mismatch(Self::EXPECTED, number))
    }

    fn schema() -> Schema {
        json_schema!({ "enum": [301, 308] })
    }
}

impl Value for ClientAuthMode {
    const NAME: &'static str = "off|optional|required";
    const EXPECTED: &'static str = "\"off\", \"optional\" or \"required\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        [Self::Off, Self::Optional, Self::Required]
            .into_iter()
            .find(|mode| mode.to_string() == text)
            .ok_or_else(|| Self::mismatch(text))
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["off", "optional", "required"] })
    }
}

impl Value for RevocationPolicy {
    const NAME: &'static str = "strict|stale|lenient";
    const EXPECTED: &'static str = "\"strict\", \"stale\" or \"lenient\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        [Self::Strict, Self::Stale, Self::Lenient]
            .into_iter()
            .find(|policy| policy.to_string() == text)
            .ok_or_else(|| Self::mismatch(text))
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["strict", "stale", "lenient"] })
    }
}

impl Value for RevocationDepth {
    const NAME: &'static str = "chain|leaf";
    const EXPECTED: &'static str = "\"chain\" or \"leaf\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        [Self::Chain, Self::Leaf]
            .into_iter()
            .find(|depth| depth.to_string() == text)
            .ok_or_else(|| Self::mismatch(text))
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["chain", "leaf"] })
    }
}

/// One way to tell the backend about the client's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientCertHeaders {
    /// Client-Cert.
    Rfc9440,
    /// The same with Client-Cert-Chain.
    Rfc9440Chain,
    /// As IIS does.
    Arr,
    /// As nginx is commonly configured.
    Ssl,
}

impl Value for ClientCertHeaders {
    const NAME: &'static str = "rfc9440|rfc9440-chain|arr|ssl";
    const EXPECTED: &'static str = "\"rfc9440\", \"rfc9440-chain\", \"arr\" or \"ssl\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "rfc9440" => Ok(Self::Rfc9440),
            "rfc9440-chain" => Ok(Self::Rfc9440Chain),
            "arr" => Ok(Self::Arr),
            "ssl" => Ok(Self::Ssl),
            _ => Err(Self::mismatch(text)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["rfc9440", "rfc9440-chain", "arr", "ssl"] })
    }
}

impl Value for HttpVersion {
    const NAME: &'static str = "1.0|1.1|2|auto";
    const EXPECTED: &'static str = "\"1.0\", \"1.1\", \"2\" or \"auto\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "1.0" => Ok(Self::Http10),
            "1.1" => Ok(Self::Http11),
            "2" => Ok(Self::Http2),
            "auto" => Ok(Self::Auto),
            _ => Err(Self::mismatch(text)),
        }
    }

    fn of_number(number: i64) -> Result<Self, Problem> {
        match number {
            2 => Ok(Self::Http2),
            _ => Err(Problem::mismatch(Self::EXPECTED, number)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["1.0", "1.1", "2", "auto"] })
    }
}

/// Defaults that suit servers of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Profile {
    /// Servers that keep to the standard.
    #[default]
    Standard,
    /// Servers that were written before it was.
    Legacy,
}

impl Value for Profile {
    const NAME: &'static str = "standard|legacy";
    const EXPECTED: &'static str = "\"standard\" or \"legacy\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "standard" => Ok(Self::Standard),
            "legacy" => Ok(Self::Legacy),
            _ => Err(Self::mismatch(text)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["standard", "legacy"] })
    }
}

impl Value for HeaderCase {
    const NAME: &'static str = "title|preserve|lower";
    const EXPECTED: &'static str = "\"title\", \"preserve\" or \"lower\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "title" => Ok(Self::Title),
            "preserve" => Ok(Self::Preserve),
            "lower" => Ok(Self::Lower),
            _ => Err(Self::mismatch(text)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["title", "preserve", "lower"] })
    }
}

impl Value for HeaderSpelling {
    const NAME: &'static str = "FIELD";
    const EXPECTED: &'static str = "the name of a header field such as \"SOAPAction\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map_err(|_| Self::mismatch(text))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$" })
    }
}

/// The PROXY protocol, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProxyProtocolOut(pub(super) Option<ProxyProtocol>);

impl Value for ProxyProtocolOut {
    const NAME: &'static str = "off|v1|v2";
    const EXPECTED: &'static str = "\"off\", \"v1\" or \"v2\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "off" => Ok(Self(None)),
            "v1" => Ok(Self(Some(ProxyProtocol::Version1))),
            "v2" => Ok(Self(Some(ProxyProtocol::Version2))),
            _ => Err(Self::mismatch(text)),
        }
    }

    fn of_switch(on: bool) -> Result<Self, Problem> {
        Err(Problem::mismatch(Self::EXPECTED, on).hint("write \"off\" for no PROXY protocol"))
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["off", "v1", "v2"] })
    }
}

/// The name that a certificate has to be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TlsName(pub(super) ServerName<'static>);

impl Value for TlsName {
    const NAME: &'static str = "NAME";
    const EXPECTED: &'static str = "a host name or an IP address";

    fn parse(text: &str) -> Result<Self, Problem> {
        ServerName::try_from(text.trim_matches(['[', ']']).to_owned())
            .map(Self)
            .map_err(|_| Self::mismatch(text))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

/// One place anchors come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// What the operating system trusts.
    System,
    /// Nowhere.
    None,
    /// A file or directory.
    File(PathBuf),
}

impl Value for Root {
    const NAME: &'static str = "system|none|PATH";
    const EXPECTED: &'static str = "\"system\", \"none\" or a path";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "system" => Ok(Self::System),
            "none" => Ok(Self::None),
            "" => Err(Self::mismatch(text)),
            _ => Ok(Self::File(PathBuf::from(text))),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

/// Where what was fetched is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CacheDirectory {
    /// Where the environment keeps such things.
    Auto,
    /// Nowhere but in memory.
    Off,
    /// Here.
    At(PathBuf),
}

impl Value for CacheDirectory {
    const NAME: &'static str = "auto|off|PATH";
    const EXPECTED: &'static str = "\"auto\", \"off\" or a path";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            // No file system has a name with a zero byte in it.
            _ if text.is_empty() || text.contains('\0') => Err(Self::mismatch(text)),
            _ => Ok(Self::At(PathBuf::from(text))),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl Value for Sha256 {
    const NAME: &'static str = "SHA256";
    const EXPECTED: &'static str = "a SHA-256 digest: 64 hexadecimal digits, with or without colons";

    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map_err(|_| Self::mismatch(text))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^([0-9a-fA-F]{2}:?){32}$" })
    }
}

impl Value for Filter {
    const NAME: &'static str = "FILTER";
    const EXPECTED: &'static str =
        "one of off, error, warn, info, debug, trace, or a filter such as \"info,fullchain::reload=debug\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map_err(|_| Self::mismatch(text))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "examples": ["info", "info,fullchain::reload=debug"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_a_choice_is_read_and_no_other() {
        assert_eq!(Policy::parse("compat"), Ok(Policy::Compat));
        assert!(Policy::parse("Short").is_err());
        assert_eq!(Ocsp::parse("off"), Ok(Ocsp::Off));
        assert_eq!(Aia::parse("missing"), Ok(Aia::Missing));
        assert!(Aia::parse("on").is_err());
        assert_eq!(WindowsAuth::parse("true"), Ok(WindowsAuth::Http1));
        assert_eq!(WindowsAuth::of_switch(false), Ok(WindowsAuth::Remove));
        assert!(WindowsAuth::parse("ntlm").is_err());
        assert_eq!(CacheDirectory::parse("off"), Ok(CacheDirectory::Off));
        assert_eq!(ClientAuthMode::parse("optional"), Ok(ClientAuthMode::Optional));
        assert_eq!(RevocationPolicy::parse("stale"), Ok(RevocationPolicy::Stale));
        assert_eq!(RevocationDepth::parse("leaf"), Ok(RevocationDepth::Leaf));
        assert_eq!(
            ClientCertHeaders::parse("rfc9440-chain"),
            Ok(ClientCertHeaders::Rfc9440Chain)
        );
        assert!(ClientCertHeaders::parse("rfc").is_err());
        assert_eq!(Format::parse("json"), Ok(Format::Json));
        assert!(Format::parse("logfmt").is_err());
        assert_eq!(Filter::parse("info"), Ok(Filter::default()));
        assert!(Filter::parse("inof").is_err());
        assert_eq!(HttpVersion::parse("1.0"), Ok(HttpVersion::Http10));
        assert_eq!(HttpVersion::of_number(2), Ok(HttpVersion::Http2));
        assert!(HttpVersion::parse("3").is_err() && HttpVersion::of_number(1).is_err());
        assert_eq!(HeaderCase::parse("lower"), Ok(HeaderCase::Lower));
        assert_eq!(Profile::parse("legacy"), Ok(Profile::Legacy));
        assert_eq!(ProxyProtocolOut::parse("off"), Ok(ProxyProtocolOut(None)));
        assert!(ProxyProtocolOut::parse("v3").is_err());
        assert!(TlsName::parse("a b").is_err() && TlsName::parse("[::1]").is_ok());
        assert_eq!(Root::parse("roots.pem"), Ok(Root::File("roots.pem".into())));
    }
}
