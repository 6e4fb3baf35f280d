//! Values that are one of a few words, or a word or something else.

use std::path::PathBuf;

use http::StatusCode;
use rustls::pki_types::ServerName;
use schemars::{Schema, json_schema};

use super::error::Problem;
use super::value::Value;
use super::words::words;
use crate::chain::{Policy, Sha256};
use crate::fetch::{Aia, Ocsp};
use crate::proxy::WindowsAuth;
use crate::proxy::settings::{HeaderCase, HeaderSpelling, HttpVersion, ProxyProtocol, Redirect};
use crate::telemetry::log::{Filter, Format};
use crate::tls::{ClientAuthMode, RevocationDepth, RevocationPolicy};

words!(Policy: "short" => Self::Short; "compat" => Self::Compat);

words!(Aia: "off" => Self::Off; "missing" => Self::Missing);

words!(Ocsp: "staple" => Self::Staple; "off" => Self::Off);

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

words!(Format: "auto" => Self::Auto, "human" => Self::Human; "json" => Self::Json);

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

words!(ServiceKind: "tls" => Self::Tls, "redirect" => Self::Redirect; "http" => Self::Http);

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

words!(ClientAuthMode: "off" => Self::Off, "optional" => Self::Optional; "required" => Self::Required);

words!(RevocationPolicy: "strict" => Self::Strict, "stale" => Self::Stale; "lenient" => Self::Lenient);

words!(RevocationDepth: "chain" => Self::Chain; "leaf" => Self::Leaf);

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

words!(ClientCertHeaders:
    "rfc9440" => Self::Rfc9440,
    "rfc9440-chain" => Self::Rfc9440Chain,
    "arr" => Self::Arr;
    "ssl" => Self::Ssl
);

words!(HttpVersion: "1.0" => Self::Http10, "1.1" => Self::Http11, "2" => Self::Http2; "auto" => Self::Auto, {
    fn of_number(number: i64) -> Result<Self, Problem> {
        match number {
            2 => Ok(Self::Http2),
            _ => Err(Problem::mismatch(Self::EXPECTED, number)),
        }
    }
});

/// Defaults that suit servers of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Profile {
    /// Servers that keep to the standard.
    #[default]
    Standard,
    /// Servers that were written before it was.
    Legacy,
}

words!(Profile: "standard" => Self::Standard; "legacy" => Self::Legacy);

words!(HeaderCase: "title" => Self::Title, "preserve" => Self::Preserve; "lower" => Self::Lower);

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

words!(ProxyProtocolOut:
    "off" => Self(None),
    "v1" => Self(Some(ProxyProtocol::Version1));
    "v2" => Self(Some(ProxyProtocol::Version2)), {
    fn of_switch(on: bool) -> Result<Self, Problem> {
        Err(Problem::mismatch(Self::EXPECTED, on).hint("write \"off\" for no PROXY protocol"))
    }
});

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
            _ => PathBuf::parse(text).map(Self::File).map_err(|_| Self::mismatch(text)),
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
            _ => PathBuf::parse(text).map(Self::At).map_err(|_| Self::mismatch(text)),
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
    use std::fmt::{Debug, Display};

    use super::*;

    #[test]
    fn what_logs_say_of_a_choice_is_the_word_it_was_made_with() {
        fn check<T: Value + Debug + Display>() {
            for word in T::NAME.split('|') {
                assert_eq!(T::parse(word).unwrap().to_string(), word);
            }
        }
        check::<Policy>();
        check::<Aia>();
        check::<Ocsp>();
        check::<ClientAuthMode>();
        check::<RevocationPolicy>();
        check::<RevocationDepth>();
    }

    #[test]
    fn windows_authentication_is_a_word_or_a_truth_value() {
        assert_eq!(WindowsAuth::parse("auto"), Ok(WindowsAuth::Detect));
        assert_eq!(WindowsAuth::parse("true"), Ok(WindowsAuth::Http1));
        assert_eq!(WindowsAuth::parse("false"), Ok(WindowsAuth::Remove));
        assert_eq!(WindowsAuth::of_switch(true), Ok(WindowsAuth::Http1));
        assert_eq!(WindowsAuth::of_switch(false), Ok(WindowsAuth::Remove));
        assert!(WindowsAuth::parse("ntlm").is_err());
    }

    #[test]
    fn the_one_whole_version_of_http_may_be_a_number() {
        assert_eq!(HttpVersion::of_number(2), Ok(HttpVersion::Http2));
        assert!(HttpVersion::of_number(1).is_err());
    }

    #[test]
    fn whatever_is_no_word_is_read_as_what_else_it_may_be() {
        assert_eq!(CacheDirectory::parse("off"), Ok(CacheDirectory::Off));
        assert_eq!(CacheDirectory::parse("cache"), Ok(CacheDirectory::At("cache".into())));
        assert_eq!(Root::parse("roots.pem"), Ok(Root::File("roots.pem".into())));
        for text in ["", "a\0b"] {
            assert!(
                CacheDirectory::parse(text).is_err() && Root::parse(text).is_err(),
                "{text:?}"
            );
        }
        assert_eq!(Filter::parse("info"), Ok(Filter::default()));
        assert!(Filter::parse("inof").is_err());
        assert!(TlsName::parse("a b").is_err() && TlsName::parse("[::1]").is_ok());
    }
}
