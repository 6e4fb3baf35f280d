//! ACME's http-01 (RFC 8555 section 8.3): the one path on which a CA asks for a token, over plain HTTP and before there
//! is a certificate.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::request::Parts;
use rustix::fs::{Mode, OFlags};

use super::routes::Found;
use super::settings::{PathPrefix, Route};

/// Where tokens are asked for.
const PREFIX: &str = "/.well-known/acme-challenge/";

/// A key authorization is a token, a dot and the digest of a key: 100 bytes or so. Anything much larger is another file.
const LARGEST: u64 = 64 << 10;

/// The longest name of a file; tokens have 43 bytes.
const LONGEST: usize = 255;

/// Who answers http-01.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Acme {
    /// Nobody: it is a path like any other.
    #[default]
    Off,
    /// We do, with the files of a directory: the tokens themselves, or the webroot that they are in.
    Directory(Arc<Path>),
    /// A backend, whatever routes say.
    Backend(Box<ToBackend>),
}

/// The route of what a backend answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToBackend {
    route: Route,
    prefix: PathPrefix,
}

/// A request of http-01, and who answers it.
#[derive(Debug)]
pub(super) enum Challenge<'a> {
    /// A file of this directory.
    Token(&'a Arc<Path>, Token),
    /// A backend.
    Route(Found<'a>),
}

impl Acme {
    /// Has a backend answer: a position in [`Settings::backends`](super::Settings::backends).
    pub fn to_backend(position: usize) -> Self {
        Self::Backend(Box::new(ToBackend {
            route: Route::to(position),
            prefix: PathPrefix::root(),
        }))
    }

    /// What to do with a request, if it is one of http-01.
    pub(super) fn challenge(&self, head: &Parts) -> Option<Challenge<'_>> {
        let token = || {
            let reads = matches!(head.method, Method::GET | Method::HEAD);
            Token::of(head.uri.path()).filter(|_| reads)
        };
        match self {
            Self::Off => None,
            Self::Directory(directory) => Some(Challenge::Token(directory, token()?)),
            Self::Backend(to) => token().map(|_| {
                let ToBackend { route, prefix } = &**to;
                Challenge::Route(Found {
                    route,
                    prefix,
                    position: None,
                })
            }),
        }
    }
}

/// What a client asks for by http-01.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token(Box<str>);

impl Token {
    /// The token that `path`, as it stands in the request, asks for. Characters of base64url alone (RFC 8555 section
    /// 8.3): none of them leads to another directory.
    pub(super) fn of(path: &str) -> Option<Self> {
        let token = path.strip_prefix(PREFIX)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=LONGEST)
            .contains(&token.len())
            .then_some(token)
            .filter(|token| token.bytes().all(plain))
            .map(|token| Self(token.into()))
    }
}

/// The file of `token` in `directory`, which may be where the tokens are or the webroot they are in. `None` where there
/// is none. It is read aside: a directory may be on a network.
pub(super) async fn look_up(directory: &Arc<Path>, token: Token) -> Option<Bytes> {
    let directory = Arc::clone(directory);
    let read = move || {
        let content = read(&directory, &token);
        content.inspect_err(|error| {
            tracing::warn!(directory = %directory.display(), token = &*token.0, %error, "cannot read an ACME token");
        })
    };
    tokio::task::spawn_blocking(read).await.ok()?.ok()?
}

fn read(directory: &Path, Token(token): &Token) -> io::Result<Option<Bytes>> {
    let webroot: PathBuf = directory.join(PREFIX.trim_start_matches('/'));
    for place in [directory, &webroot] {
        // A link could lead anywhere, and opening a pipe could wait for ever.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::open(place.join(&**token), flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => continue,
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() > LARGEST {
            continue;
        }
        let mut content = Vec::new();
        // It may grow meanwhile.
        file.take(LARGEST).read_to_end(&mut content)?;
        // A key authorization begins with its token (RFC 8555 section 8.1); an account's key may lie beside it.
        let rest = content.strip_prefix(token.as_bytes());
        if rest.is_some_and(|rest| rest.starts_with(b".")) {
            return Ok(Some(content.into()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_token_is_base64url_and_nothing_else() {
        assert_eq!(
            Token::of("/.well-known/acme-challenge/aZ09-_"),
            Some(Token("aZ09-_".into()))
        );
        let long = format!("{PREFIX}{}", "a".repeat(256));
        for path in [
            "/.well-known/acme-challenge/",
            "/.well-known/acme-challenge",
            "/.well-known/acme-challenge/.",
            "/.well-known/acme-challenge/..",
            "/.well-known/acme-challenge/../../secret",
            "/.well-known/acme-challenge/..%2fsecret",
            "/.well-known/acme-challenge/a/b",
            "/.well-known/acme-challenge/a.txt",
            "/.well-known/acme-challenge//a",
            "/.well-known/acme-challenge/a\\b",
            "/x/.well-known/acme-challenge/a",
            &long,
        ] {
            assert_eq!(Token::of(path), None, "{path}");
        }
    }

    #[test]
    fn a_token_is_found_in_its_directory_or_in_the_webroot() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("beside"), "beside.one").unwrap();
        let beneath = directory.path().join(".well-known/acme-challenge");
        fs::create_dir_all(&beneath).unwrap();
        fs::write(beneath.join("beneath"), "beneath.two").unwrap();
        assert_eq!(found(directory.path(), "beside").unwrap(), "beside.one");
        assert_eq!(found(directory.path(), "beneath").unwrap(), "beneath.two");
        assert_eq!(found(directory.path(), "absent"), None);
        assert_eq!(found(&directory.path().join("nowhere"), "absent"), None);
    }

    #[test]
    fn only_regular_files_that_are_key_authorizations_are_sent() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("large"), vec![b'x'; (64 << 10) + 1]).unwrap();
        fs::write(at("secret"), "link.secret").unwrap();
        fs::write(at("account_key"), "-----BEGIN PRIVATE KEY-----").unwrap();
        symlink(at("secret"), at("link")).unwrap();
        fs::create_dir(at("directory")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        for name in ["large", "link", "directory", "pipe", "account_key"] {
            assert_eq!(found(directory.path(), name), None, "{name}");
        }
    }

    fn found(directory: &Path, token: &str) -> Option<Bytes> {
        read(directory, &Token(token.into())).unwrap()
    }
}
