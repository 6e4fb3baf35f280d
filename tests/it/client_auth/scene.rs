//! A house of three hosts that ask their clients for different things.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use crate::rig::PATIENCE;
use crate::rig::family::{Family, around_today, leaf, today};
use crate::rig::house::{House, Running};
use crate::rig::pki::{Entity, ca, client, crl};
use crate::rig::upstream::Upstream;

pub(super) const OFF: &str = "off.test";
pub(super) const OPTIONAL: &str = "optional.test";
pub(super) const REQUIRED: &str = "required.test";

pub(super) const BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

/// The running binary, the CA of its clients, and its backend.
pub(super) struct Scene {
    pub(super) house: Running,
    pub(super) family: Family,
    pub(super) clients: Entity,
    pub(super) upstream: Upstream,
}

impl Scene {
    /// Clients come from one CA; there is no CRL.
    pub(super) fn start() -> Self {
        Self::with("", |_| ())
    }

    /// The same, with further lines in each policy that asks for certificates, and with files that they name.
    pub(super) fn with(policy: &str, files: impl FnOnce(&Setting<'_>)) -> Self {
        Self::of(policy, "", files)
    }

    /// The same, with further lines about the default route.
    pub(super) fn of(policy: &str, route: &str, files: impl FnOnce(&Setting<'_>)) -> Self {
        Self::below("", policy, route, files)
    }

    /// The same, below these lines.
    pub(super) fn below(top: &str, policy: &str, route: &str, files: impl FnOnce(&Setting<'_>)) -> Self {
        let family = Family::new();
        let clients = around_today(ca("Clients"), 500).self_signed();
        let site = leaf(OFF)
            .also_named(OPTIONAL)
            .also_named(REQUIRED)
            .signed_by(&family.issuing);
        let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        let house = House::of(&family, &site);
        house.directory.write("clients.pem", clients.pem());
        let table = |host: &str, mode: &str| {
            format!("[[client_auth]]\nhost = \"{host}\"\nmode = \"{mode}\"\nca = \"clients.pem\"\n{policy}\n")
        };
        let config = format!(
            "{top}\n{}{}[[route]]\n{route}\n",
            table(OPTIONAL, "optional"),
            table(REQUIRED, "required")
        );
        house.directory.write("fullchain.toml", config);
        files(&Setting {
            house: &house,
            clients: &clients,
        });
        let address = format!("http://{}", upstream.address);
        let house = house.file("-c", "fullchain.toml").flag("--upstream", &address).start();
        Self {
            house,
            family,
            clients,
            upstream,
        }
    }

    /// A client of the CA.
    pub(super) fn client(&self, name: &str) -> Entity {
        around_today(client(name), 90).signed_by(&self.clients)
    }

    /// Asks `host` for / as `client`, and returns the status line; or why it came to nothing.
    pub(super) fn ask(
        &self,
        host: &str,
        client: Option<&Entity>,
        version: &'static SupportedProtocolVersion,
    ) -> Result<String, String> {
        self.ask_on_connection_to(host, host, client.as_slice(), version)
    }

    /// The same, on a connection to `name`, as a client with this chain.
    pub(super) fn ask_on_connection_to(
        &self,
        name: &str,
        host: &str,
        chain: &[&Entity],
        version: &'static SupportedProtocolVersion,
    ) -> Result<String, String> {
        let mut stream = self.connect(name, chain, version);
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        stream
            .write_all(request.as_bytes())
            .and_then(|()| stream.read_to_string(&mut answer))
            .map_err(|error| error.to_string())?;
        Ok(answer.lines().next().unwrap_or_default().to_owned())
    }

    /// A connection to `name`, as a client with this chain.
    pub(super) fn connect(
        &self,
        name: &str,
        chain: &[&Entity],
        version: &'static SupportedProtocolVersion,
    ) -> StreamOwned<ClientConnection, TcpStream> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connection = ClientConnection::new(self.config(chain, version), name).unwrap();
        let socket = TcpStream::connect(self.house.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        StreamOwned::new(connection, socket)
    }

    /// Whether a client of TLS 1.3 gets an answer of the host that requires a certificate.
    pub(super) fn admits(&self, client: &Entity) -> bool {
        self.ask(REQUIRED, Some(client), &rustls::version::TLS13).is_ok()
    }

    fn config(&self, chain: &[&Entity], version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.family.root.certificate.der().clone()).unwrap();
        let config = ClientConfig::builder_with_protocol_versions(&[version]).with_root_certificates(roots);
        Arc::new(match chain.first() {
            Some(client) => {
                let key = PrivateKeyDer::Pkcs8(client.key.serialize_der().into());
                let chain = chain.iter().map(|one| one.certificate.der().clone()).collect();
                config.with_client_auth_cert(chain, key).unwrap()
            }
            None => config.with_no_client_auth(),
        })
    }
}

/// What there is before the house is started.
pub(super) struct Setting<'a> {
    pub(super) house: &'a House,
    pub(super) clients: &'a Entity,
}

/// A CRL that counts today, or one that no longer does.
pub(super) fn list<'e>(issuer: &Entity, revoked: impl IntoIterator<Item = &'e Entity>, counts: bool) -> Vec<u8> {
    let today = today();
    crl(
        issuer,
        revoked,
        if counts {
            today - 1..today + 30
        } else {
            today - 30..today - 1
        },
    )
}
