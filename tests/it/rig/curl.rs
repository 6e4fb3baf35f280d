//! curl as a client of the real binary.

use std::fs::File;
use std::net::SocketAddr;

use super::command::{Ended, miss, peer, where_present};
use super::family::NAME;
use super::house::Running;

/// curl, speaking one version of HTTP to one server.
pub(crate) struct Curl {
    version: &'static str,
    root: String,
    address: SocketAddr,
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The header section as it came.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Curl {
    /// Both versions, each as a client of its own; what curl does not speak, or all of it, is left out with a message.
    pub(crate) fn of(running: &Running) -> impl Iterator<Item = Self> {
        let versions = match where_present("curl", &["--version"]) {
            Some(said) if said.out.contains("HTTP2") => vec!["--http1.1", "--http2"],
            Some(_) => {
                miss("curl that speaks HTTP/2");
                vec!["--http1.1"]
            }
            None => Vec::new(),
        };
        let (root, address) = (running.directory().text("root.pem"), running.address);
        versions.into_iter().map(move |version| Self {
            version,
            root: root.clone(),
            address,
        })
    }

    /// The version it speaks, as its flag says it.
    pub(crate) fn version(&self) -> &'static str {
        self.version
    }

    /// The URL of a path, as clients write it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{NAME}:{}{path}", self.address.port())
    }

    /// Runs curl for `path` with further arguments.
    #[track_caller]
    pub(crate) fn ask(&self, path: &str, arguments: &[&str]) -> Reply {
        self.fed("/dev/null", path, arguments)
    }

    /// The same with the file `input` as standard input.
    #[track_caller]
    pub(crate) fn fed(&self, input: &str, path: &str, arguments: &[&str]) -> Reply {
        let resolve = format!("{NAME}:{}:{}", self.address.port(), self.address.ip());
        let url = self.url(path);
        let fixed = [
            "-sS",
            "-i",
            "--max-time",
            "30",
            self.version,
            "--cacert",
            &self.root,
            "--resolve",
            &resolve,
        ];
        let output = peer("curl")
            .args([&fixed[..], arguments, &[&url]].concat())
            .stdin(File::open(input).unwrap())
            .output();
        let ended = Ended::from(output.unwrap());
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        let (mut head, mut body) = ended.out.split_once("\r\n\r\n").unwrap();
        // Interim responses come first.
        while let Some((next, rest)) = body
            .split_once("\r\n\r\n")
            .filter(|_| head.split(' ').nth(1).unwrap().starts_with('1'))
        {
            (head, body) = (next, rest);
        }
        // curl speaks HTTP/1.1 without a word where the server chooses it.
        let agreed = match self.version {
            "--http2" => "HTTP/2 ",
            _ => "HTTP/1.1 ",
        };
        assert!(head.starts_with(agreed), "{}: {head}", self.version);
        Reply {
            status: head.split_ascii_whitespace().nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }
}
