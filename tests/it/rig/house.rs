//! The real binary, serving certificates from files that the test changes under it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use fullchain::admin::client;
use fullchain::chain::Certificate;
use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned, SupportedProtocolVersion};
use serde_json::Value;

use super::command::{Ended, binary, fullchain};
use super::directory::Directory;
use super::family::{Family, NAME, der};
use super::handshake::{Trickle, client_config, handshake};
use super::pki::Entity;
use super::scrape::Scrape;
use super::upstream::Upstream;
use super::{PATIENCE, eventually};

/// What the backend answers.
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A binary about to be started, and its files.
pub(crate) struct House {
    pub(crate) directory: Directory,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    default_admin: bool,
    root: Entity,
    upstream: Upstream,
}

impl House {
    /// Serves `leaf` from tls.crt and tls.key, with the issuing CA in store/ and the root in root.pem.
    ///
    /// Files are read as soon as they change, and only then: the poll is far away unless a test asks for it.
    pub(crate) fn of(family: &Family, leaf: &Entity) -> Self {
        let mut house = Self::bare(family);
        house.directory.write("tls.crt", leaf.pem());
        house.directory.write("tls.key", leaf.key_pem());
        let (cert, key) = (house.directory.text("tls.crt"), house.directory.text("tls.key"));
        house
            .arguments
            .extend(["--cert", &cert, "--key", &key].map(str::to_owned));
        house
    }

    /// The same without a certificate: the test names one.
    pub(crate) fn bare(family: &Family) -> Self {
        let directory = Directory::new();
        directory.write("store/issuing.pem", family.issuing.pem());
        directory.write("root.pem", family.root.pem());
        let upstream = Upstream::answering(OK);
        let arguments = [
            ("--intermediates", directory.text("store")),
            ("--roots", directory.text("root.pem")),
            ("--reload-debounce", "30ms".to_owned()),
            ("--reload-poll-interval", "1h".to_owned()),
            ("--workers", "1".to_owned()),
        ];
        Self {
            arguments: arguments
                .into_iter()
                .flat_map(|(flag, value)| [flag.to_owned(), value])
                .collect(),
            variables: Vec::new(),
            directory,
            default_admin: false,
            root: family.root.clone(),
            upstream,
        }
    }

    /// One more flag, or another value for one that is there.
    pub(crate) fn flag(mut self, flag: &str, value: &str) -> Self {
        if let Some(place) = self.arguments.iter().position(|argument| argument == flag) {
            self.arguments[place + 1] = value.to_owned();
        } else {
            self.arguments.extend([flag, value].map(str::to_owned));
        }
        self
    }

    /// Without a flag that is there, and its value.
    pub(crate) fn without(mut self, flag: &str) -> Self {
        if let Some(place) = self.arguments.iter().position(|argument| argument == flag) {
            self.arguments.drain(place..place + 2);
        }
        self
    }

    /// One more flag that has its value in it.
    pub(crate) fn switch(mut self, flag: &str) -> Self {
        self.arguments.push(flag.to_owned());
        self
    }

    /// One more flag, with the path of a file as its value.
    pub(crate) fn file(self, flag: &str, name: &str) -> Self {
        let path = self.directory.text(name);
        self.flag(flag, &path)
    }

    /// One more environment variable.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another backend.
    pub(crate) fn upstream(mut self, upstream: Upstream) -> Self {
        self.upstream = upstream;
        self
    }

    /// The admin listener where it is by default.
    pub(crate) fn with_default_admin(mut self) -> Self {
        self.default_admin = true;
        self
    }

    /// The arguments of `serve` and `check`.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let upstream = format!("http://{}", self.upstream.address);
        let mut arguments = self.arguments.clone();
        for (flag, value) in [
            ("--upstream", upstream.as_str()),
            ("--listen", "127.0.0.1:0"),
            ("--admin", "127.0.0.1:0"),
        ] {
            let is_default = flag == "--admin" && self.default_admin;
            if !is_default && !arguments.iter().any(|argument| argument == flag) {
                arguments.extend([flag, value].map(str::to_owned));
            }
        }
        arguments
    }

    /// Starts the binary and waits until it serves.
    pub(crate) fn start(self) -> Running {
        let mut running = self.spawn();
        running.address = running.logged_address("serving TLS");
        running
    }

    /// Starts the binary.
    pub(crate) fn spawn(self) -> Running {
        let mut command = binary();
        command.stdin(Stdio::null());
        self.spawn_by(command)
    }

    /// Starts the binary as systemd does that hands over `socket` under `name`.
    pub(crate) fn spawn_activated(self, socket: OwnedFd, name: &str) -> Running {
        const SCRIPT: &str = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
        let binary = binary();
        let mut command = Command::new("/bin/sh");
        command.env_clear().env("LISTEN_FDNAMES", name);
        command.args(["-c", SCRIPT]).arg(binary.get_program()).stdin(socket);
        self.spawn_by(command)
    }

    fn spawn_by(self, mut command: Command) -> Running {
        let mut child = command
            .arg("serve")
            .args(self.arguments())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::<Mutex<Vec<String>>>::default();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let kept = Arc::clone(&log);
        let reader = thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        Running {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            house: self,
            child,
            successor: None,
            log,
            reader: Some(reader),
        }
    }

    /// Runs the binary where it does not get as far as serving.
    pub(crate) fn fail(self) -> Ended {
        self.spawn().ended()
    }
}

/// The running binary. Dropped, it is killed; where the test has failed, it is printed with its log and its files.
pub(crate) struct Running {
    /// Where it speaks TLS.
    pub(crate) address: SocketAddr,
    house: House,
    child: Child,
    /// Who has taken the place of the child.
    successor: Option<Pid>,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    /// The files.
    pub(crate) fn directory(&self) -> &Directory {
        &self.house.directory
    }

    /// The lines of its log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Whether one line of the log has all of `parts`.
    pub(crate) fn has_logged(&self, parts: &[&str]) -> bool {
        self.log()
            .iter()
            .any(|line| parts.iter().all(|part| line.contains(part)))
    }

    /// Waits for a line of the log that has all of `parts`.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, parts: &[&str]) {
        eventually(&format!("a log line with {parts:?}"), || self.has_logged(parts));
    }

    /// The address in the log line with this message.
    pub(crate) fn logged_address(&self, message: &str) -> SocketAddr {
        let mut address = None;
        eventually(message, || {
            address = self.log().iter().find_map(|line| address_in(line, message));
            address.is_some() || self.reader.as_ref().is_none_or(JoinHandle::is_finished)
        });
        address.unwrap_or_else(|| panic!("it ended without {message:?}"))
    }

    /// The admin listener.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.logged_address("admin listener")
    }

    /// What it counts.
    #[track_caller]
    pub(crate) fn scrape(&self) -> Scrape {
        let answer = client::get(self.admin(), "/metrics", PATIENCE).unwrap();
        assert_eq!(answer.status, 200);
        Scrape::of(&answer.body)
    }

    /// Runs `fullchain reload` against it.
    pub(crate) fn reload(&self, arguments: &[&str]) -> Ended {
        let admin = self.admin().to_string();
        fullchain([&["reload", "--admin", &admin], arguments].concat())
    }

    /// What a client that trusts the root receives.
    pub(crate) fn served(&self) -> Result<Vec<CertificateDer<'static>>, rustls::Error> {
        self.served_to(&self.client_config(rustls::ALL_VERSIONS), NAME)
    }

    /// What a client of this configuration receives when it asks for `name`.
    pub(crate) fn served_to(
        &self,
        config: &Arc<ClientConfig>,
        name: &str,
    ) -> Result<Vec<CertificateDer<'static>>, rustls::Error> {
        let connection = handshake(self.address, config, name)?;
        Ok(connection.peer_certificates().unwrap().to_vec())
    }

    /// One request of such a client over a connection of its own: how its handshake went, and the response.
    pub(crate) fn ask(&self, config: &Arc<ClientConfig>) -> (HandshakeKind, String) {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        let mut stream = StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), socket);
        let request = format!("GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        (stream.conn.handshake_kind().unwrap(), response)
    }

    /// A client that trusts the root, speaks these versions, and resumes sessions where the same one is used again.
    pub(crate) fn client_config(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        client_config(&self.house.root, versions)
    }

    /// Waits until exactly `chain` is served.
    #[track_caller]
    pub(crate) fn wait_until_served<'e>(&self, chain: impl IntoIterator<Item = &'e Entity>) {
        let chain = der(chain);
        eventually("the new chain is served", || self.served().unwrap() == chain);
    }

    /// Waits until a client that trusts the root accepts what is served.
    #[track_caller]
    pub(crate) fn wait_until_accepted(&self) {
        eventually("clients accept the chain", || self.served().is_ok());
    }

    /// Fails unless exactly `chain` is served now.
    #[track_caller]
    pub(crate) fn assert_served<'e>(&self, chain: impl IntoIterator<Item = &'e Entity>) {
        let show = |chain: Vec<CertificateDer<'static>>| -> Vec<String> {
            let show = |der| Certificate::from_der(der).unwrap().to_string();
            chain.into_iter().map(show).collect()
        };
        assert_eq!(self.served().map(show), Ok(show(der(chain))));
    }

    /// A thread that makes one handshake after the other.
    pub(crate) fn trickle(&self) -> Trickle {
        Trickle::start(self.address, client_config(&self.house.root, rustls::ALL_VERSIONS))
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    /// The process that serves.
    pub(crate) fn id(&self) -> Pid {
        self.successor.unwrap_or_else(|| Pid::from_child(&self.child))
    }

    /// Has a new process take the place of the one that runs, and waits until it has; the old one may still drain.
    pub(crate) fn upgrade(&mut self) {
        let before = self.id();
        self.signal(Signal::USR2);
        eventually("another process serves", || {
            let lines = self.log();
            let mut ids = lines.iter().filter_map(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                let is_it = line["message"] == "a new process serves in the place of this one";
                is_it.then(|| Pid::from_raw(line["id"].as_i64()?.try_into().ok()?))?
            });
            self.successor = ids.next_back();
            self.id() != before
        });
    }

    /// Waits until it has ended.
    pub(crate) fn ended(mut self) -> Ended {
        let mut code = None;
        eventually("the binary has ended", || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        self.reader.take().unwrap().join().unwrap();
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        Ended {
            code: code.unwrap().code(),
            out,
            err: self.log().join("\n"),
        }
    }
}

/// The address in a line with this message, in either format.
fn address_in(line: &str, message: &str) -> Option<SocketAddr> {
    let Ok(line) = serde_json::from_str::<Value>(line) else {
        let (_, address) = line.split_once(&format!(" {message} address="))?;
        return address.parse().ok();
    };
    (line["message"] == message).then(|| line["address"].as_str()?.parse().ok())?
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        if let Some(successor) = self.successor {
            let _ = kill_process(successor, Signal::KILL);
        }
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("fullchain serve {}", self.house.arguments().join(" "));
            eprintln!("{}\n{}", self.house.directory.listing(), self.log().join("\n"));
        }
    }
}
