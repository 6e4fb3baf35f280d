//! Other people's servers, with certificates that the test gives them. Where a program is not there, its test says so
//! and passes.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::command;
use super::directory::Directory;
use super::pki::Entity;
use super::{PATIENCE, pause};

/// A running server of somebody else. Dropped, it is killed; where the test has failed, it is printed with what it said.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    child: Child,
    directory: Directory,
}

/// How often another port is tried where somebody else was quicker.
const ATTEMPTS: usize = 5;

impl Peer {
    /// nginx, sending `chain` with the key of its first certificate.
    pub(crate) fn nginx(chain: &[&Entity]) -> Option<Self> {
        Self::nginx_with(&[chain])
    }

    /// nginx with several certificates for one name.
    pub(crate) fn nginx_with(chains: &[&[&Entity]]) -> Option<Self> {
        Self::start("nginx", chains, |directory, address| {
            let root = directory.text("");
            let pairs = (0..chains.len()).map(|number| {
                let [chain, key] = pair(directory, number);
                format!("ssl_certificate {chain}; ssl_certificate_key {key};")
            });
            let pairs: String = pairs.collect();
            // Nothing is written outside the directory, so that it takes no root.
            let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|what| {
                let path = directory.text(format!("{what}_temp"));
                format!("{what}_temp_path {path};")
            });
            let paths = paths.concat();
            let config = format!(
                "daemon off; master_process off; error_log stderr; pid {root}nginx.pid; events {{}}
                 http {{ access_log off; {paths} ssl_protocols TLSv1.2 TLSv1.3;
                     server {{ listen {address} ssl; {pairs} }} }}"
            );
            let config = directory.write("nginx.conf", config);
            vec![
                "-p".to_owned(),
                root,
                "-c".to_owned(),
                config.to_str().unwrap().to_owned(),
            ]
        })
    }

    /// HAProxy, sending `chain` with the key of its first certificate.
    pub(crate) fn haproxy(chain: &[&Entity]) -> Option<Self> {
        Self::start("haproxy", &[chain], |directory, address| {
            let [chain, key] = pair(directory, 0);
            let both = std::fs::read_to_string(chain).unwrap() + &std::fs::read_to_string(key).unwrap();
            let both = directory.write("both.pem", both);
            let config = format!(
                "defaults\n  mode http\n  timeout client 10s\n  timeout server 10s\n  timeout connect 10s\n\
                 frontend f\n  bind {address} ssl crt {} ssl-min-ver TLSv1.2\n",
                both.display()
            );
            let config = directory.write("haproxy.cfg", config);
            vec!["-f".to_owned(), config.to_str().unwrap().to_owned(), "-db".to_owned()]
        })
    }

    /// `openssl s_server` that speaks TLS 1.2 alone, sending `chain`.
    pub(crate) fn openssl_tls12(chain: &[&Entity]) -> Option<Self> {
        Self::start("openssl", &[chain], |directory, address| {
            let [chain, key] = pair(directory, 0);
            let address = address.to_string();
            let beside = directory.text("0.beside.pem");
            let arguments = ["s_server", "-tls1_2", "-quiet", "-accept", &address, "-cert", &chain];
            let further = ["-key", &key, "-cert_chain", &beside, "-www"];
            arguments.into_iter().chain(further).map(str::to_owned).collect()
        })
    }

    /// Starts `program` with `arguments` that make it listen on an address, with the files of `chains` beside it.
    pub(super) fn start(
        program: &str,
        chains: &[&[&Entity]],
        arguments: impl Fn(&Directory, SocketAddr) -> Vec<String>,
    ) -> Option<Self> {
        let directory = Directory::new();
        for (number, chain) in chains.iter().enumerate() {
            let pem = |chain: &[&Entity]| -> String { chain.iter().map(|entity| entity.pem()).collect() };
            directory.write(format!("{number}.pem"), pem(chain));
            directory.write(format!("{number}.beside.pem"), pem(&chain[1..]));
            directory.write(format!("{number}.key"), chain[0].key_pem());
        }
        let mut directory = directory;
        for _ in 0..ATTEMPTS {
            // These programs cannot be told to take any port; between here and there another may take it.
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let mut command = command::peer(program);
            command
                .args(arguments(&directory, address))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped());
            let child = command::start_where_present(program, &mut command)?;
            let mut peer = Self {
                address,
                child,
                directory,
            };
            if peer.accepts() {
                return Some(peer);
            }
            let said = peer.said();
            assert!(said.contains("in use"), "{program} has ended: {said}");
            directory = std::mem::replace(&mut peer.directory, Directory::new());
        }
        panic!("{program}: {ATTEMPTS} ports were taken");
    }

    /// Its files.
    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Waits until it takes connections, or has ended.
    fn accepts(&mut self) -> bool {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_ok() {
                // It might be another that has taken the port.
                return self.child.try_wait().unwrap().is_none();
            }
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            pause();
        }
        panic!("not in {PATIENCE:?}: {} takes connections", self.address);
    }

    /// What it wrote to standard error, once it has ended.
    fn said(&mut self) -> String {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let mut said = String::new();
        if let Some(mut error) = self.child.stderr.take() {
            let _ = error.read_to_string(&mut said);
        }
        said
    }
}

/// The files of one certificate.
fn pair(directory: &Directory, number: usize) -> [String; 2] {
    ["pem", "key"].map(|kind| directory.text(format!("{number}.{kind}")))
}

impl Drop for Peer {
    fn drop(&mut self) {
        let said = self.said();
        if std::thread::panicking() {
            eprintln!("{}\n{said}", self.directory.listing());
        }
    }
}
