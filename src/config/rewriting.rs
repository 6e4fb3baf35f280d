//! What backends are told about the client's side, and how their redirects are put right.

use schemars::{Schema, json_schema};

use super::cookies::pair;
use super::error::Problem;
use super::value::Value;
use super::words::words;
use crate::proxy::settings::{App, HostName, Hsts, HstsError, RedirectPair, RequestId, UpstreamHost, ViaName};

words!(App: "exchange" => Self::Exchange, "sharepoint" => Self::SharePoint; "aspnet" => Self::AspNet);

words!(RequestId: "upstream" => Self::Upstream, "both" => Self::Both; "off" => Self::Off);

impl Value for UpstreamHost {
    const NAME: &'static str = "preserve|upstream|HOST";
    const EXPECTED: &'static str = "\"preserve\", \"upstream\" or a host such as \"intranet.local\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "preserve" => Ok(Self::Preserve),
            "upstream" => Ok(Self::Upstream),
            _ => text.parse().map(Self::Literal).map_err(|_| Self::mismatch(text)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl Value for HostName {
    const NAME: &'static str = "HOST";
    const EXPECTED: &'static str = "a host such as \"www.example.com\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map_err(|_| Self::mismatch(text))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl Value for ViaName {
    const NAME: &'static str = "NAME";
    const EXPECTED: &'static str = "a name such as \"edge\", or a host with a port";

    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map_err(|_| Self::mismatch(text))
    }

    fn of_switch(on: bool) -> Result<Self, Problem> {
        let hint = if on {
            "write a name: via = \"edge\""
        } else {
            "leave the key out"
        };
        Err(Problem::mismatch(Self::EXPECTED, on).hint(hint))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9._~-]+(:[0-9]+)?$" })
    }
}

impl Value for Hsts {
    const NAME: &'static str = "SECONDS[; ...]";
    const EXPECTED: &'static str = "seconds such as \"31536000\" or \"31536000; includeSubDomains\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map_err(|error| match error {
            HstsError::Age => Self::mismatch(text).hint(error.to_string()),
            HstsError::Preload => Problem::new(format!("{text:?}: {error}"))
                .hint("write \"31536000; includeSubDomains; preload\", if every subdomain has https"),
            HstsError::Directive(_) | HstsError::Repeated => Problem::new(format!("{text:?}: {error}")),
        })
    }

    fn of_number(number: i64) -> Result<Self, Problem> {
        Self::parse(&number.to_string())
    }

    fn of_switch(on: bool) -> Result<Self, Problem> {
        let hint = if on {
            "write hsts = \"31536000\" for a year"
        } else {
            "leave the key out"
        };
        Err(Problem::mismatch(Self::EXPECTED, on).hint(hint))
    }

    fn schema() -> Schema {
        json_schema!({ "type": ["string", "integer"], "examples": ["31536000; includeSubDomains"] })
    }
}

/// Whether redirects are put right without being told how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RedirectMode {
    /// Yes.
    Auto,
    /// No.
    Off,
}

words!(RedirectMode: "auto" => Self::Auto; "off" => Self::Off);

impl Value for RedirectPair {
    const NAME: &'static str = "FROM TO";
    const EXPECTED: &'static str = "two URLs, such as \"http://internal:8080/ https://www.example.com/\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        let (from, to) = pair(text).ok_or_else(|| Self::mismatch(text))?;
        Self::new(from, to).map_err(|error| Problem::new(format!("{text:?}: {error}")))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[^ ]+ +[^ ]+$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_kept_chosen_or_named() {
        assert_eq!(UpstreamHost::parse("upstream"), Ok(UpstreamHost::Upstream));
        assert!(matches!(
            UpstreamHost::parse("intranet:81"),
            Ok(UpstreamHost::Literal(_))
        ));
        assert!(UpstreamHost::parse("http://intranet").is_err());
        assert!(HostName::parse("a b").is_err() && ViaName::parse("a b").is_err());
    }

    #[test]
    fn a_slip_is_told_with_what_to_write() {
        assert_eq!(
            Hsts::of_switch(true).unwrap_err().hint.unwrap(),
            "write hsts = \"31536000\" for a year"
        );
        assert!(
            Hsts::parse("300; preload")
                .unwrap_err()
                .hint
                .unwrap()
                .contains("includeSubDomains; preload")
        );
        assert_eq!(Hsts::of_number(300), Hsts::parse("max-age=300"));
        assert_eq!(
            ViaName::of_switch(true).unwrap_err().hint.unwrap(),
            "write a name: via = \"edge\""
        );
        assert_eq!(
            RedirectPair::parse("http://a/ https://b").unwrap_err().message,
            "\"http://a/ https://b\": both end with a slash, or neither"
        );
        assert!(RedirectPair::parse("http://a/").is_err());
    }
}
