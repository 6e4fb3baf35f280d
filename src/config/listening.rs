//! Where listeners listen, who may connect, and who speaks for others there.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::{Schema, json_schema};

use super::error::Problem;
use super::value::Value;
use crate::proxy::settings::ListenAddress;

impl Value for ListenAddress {
    const NAME: &'static str = "ADDRESS";
    const EXPECTED: &'static str =
        "an address such as \"0.0.0.0:8443\" or \"[::]:8443\", \"unix:/path\" or \"systemd:name\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text.split_once(':') {
            Some(("unix", "")) => Err(Self::mismatch(text).hint("the path is missing: \"unix:/run/fullchain/http\"")),
            Some(("unix", path)) => PathBuf::parse(path).map(Self::Unix).map_err(|_| Self::mismatch(text)),
            Some(("systemd", name)) if is_descriptor_name(name) => Ok(Self::Systemd(name.to_owned())),
            Some(("systemd", _)) => Err(Self::mismatch(text)
                .hint("the name is the FileDescriptorName of the .socket unit, or the unit's own: \"systemd:fullchain.socket\"")),
            _ => SocketAddr::parse(text).map(Self::Ip).map_err(|problem| Problem {
                hint: match text.starts_with('/') {
                    true => Some(format!("write \"unix:{text}\"")),
                    false => problem.hint,
                },
                ..Self::mismatch(text)
            }),
        }
    }

    fn of_number(number: i64) -> Result<Self, Problem> {
        Self::parse(&number.to_string())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^([0-9a-fA-F.:\\[\\]%]+:[0-9]+|unix:.+|systemd:[^:]+)$" })
    }
}

/// What systemd takes for the name of a descriptor (systemd.socket(5), FileDescriptorName=).
fn is_descriptor_name(name: &str) -> bool {
    (1..=255).contains(&name.len()) && name.bytes().all(|byte| byte != b':' && (b' '..=b'~').contains(&byte))
}

/// The mode of a file: octal digits, as `chmod` takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileMode(pub(super) u32);

impl Value for FileMode {
    const NAME: &'static str = "MODE";
    const EXPECTED: &'static str = "a mode such as \"0660\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        let digits = (3..=4).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let mode = u32::from_str_radix(text, 8)
            .ok()
            .filter(|mode| digits && *mode <= 0o777);
        mode.map(Self).ok_or_else(|| Self::mismatch(text))
    }

    fn of_number(number: i64) -> Result<Self, Problem> {
        let problem = Problem::mismatch(Self::EXPECTED, format_args!("the number {number}"));
        Err(problem.hint("write the octal digits in quotes"))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^0?[0-7]{3}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_has_an_address_a_path_or_a_name() {
        for text in [
            "0.0.0.0:8443",
            "[::1]:8443",
            "unix:/run/x",
            "unix:x",
            "systemd:web",
            "systemd:a.socket",
        ] {
            assert_eq!(ListenAddress::parse(text).unwrap().to_string(), text);
        }
        let long = format!("systemd:{}", "a".repeat(256));
        for text in [
            "",
            "unix:",
            "unix:/a\0b",
            "systemd:",
            "systemd:a:b",
            "systemd:\u{e4}",
            "web",
            &long,
        ] {
            assert!(ListenAddress::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn whoever_forgets_a_part_is_told_which() {
        let hint = |text| ListenAddress::parse(text).unwrap_err().hint.unwrap();
        assert_eq!(hint("/run/x"), "write \"unix:/run/x\"");
        assert!(hint("unix:").contains("path is missing"));
        assert!(hint("systemd:").contains("FileDescriptorName"));
        assert!(hint("8443").contains("\"0.0.0.0:8443\""));
    }

    #[test]
    fn a_mode_is_three_octal_digits_and_perhaps_a_zero_before() {
        assert_eq!(FileMode::parse("0660"), Ok(FileMode(0o660)));
        assert_eq!(FileMode::parse("777"), Ok(FileMode(0o777)));
        for text in ["", "66", "1660", "0o660", "+660", "888", "rw-rw----"] {
            assert!(FileMode::parse(text).is_err(), "{text}");
        }
        assert!(
            FileMode::of_number(660)
                .unwrap_err()
                .hint
                .unwrap()
                .contains("in quotes")
        );
    }
}
