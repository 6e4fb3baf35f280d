//! What `check` and the configuration say of client authentication.

use super::scene::list;
use crate::rig::command::{Ended, fullchain};
use crate::rig::directory::Directory;
use crate::rig::family::{Family, around_today};
use crate::rig::pki::{Entity, ca};

struct Estate {
    directory: Directory,
    clients: Entity,
}

impl Estate {
    fn new() -> Self {
        let family = Family::new();
        let (leaf, clients) = (family.leaf(), around_today(ca("Clients"), 500).self_signed());
        let directory = Directory::new();
        directory.write("tls.pem", leaf.pem() + &leaf.key_pem() + &family.issuing.pem());
        directory.write("root.pem", family.root.pem());
        directory.write("clients.pem", clients.pem());
        Self { directory, clients }
    }

    fn check(&self, tables: &str, arguments: &[&str]) -> Ended {
        let config = format!(
            "upstream = \"http://127.0.0.1:1\"\nroots = \"root.pem\"\n[[certificate]]\ncert = \"tls.pem\"\n{tables}"
        );
        let config = self.directory.write("fullchain.toml", config);
        fullchain([&["check", "-c", config.to_str().unwrap()], arguments].concat())
    }

    /// The faults, without the directory.
    fn faults(&self, tables: &str) -> String {
        let ended = self.check(tables, &[]);
        assert_eq!(ended.code, Some(1), "{}", ended.err);
        ended
            .err
            .replace(&format!("{}/", self.directory.text("")).replace("//", "/"), "")
    }
}

#[test]
fn check_shows_who_is_asked_and_what_counts() {
    let estate = Estate::new();
    estate
        .directory
        .write("clients.crl", list(&estate.clients, [&estate.clients], true));
    let tables = "[[client_auth]]\nhost = [\"a.test\", \"*.b.test\"]\nca = \"clients.pem\"\ncrl = \"clients.crl\"\n\
                  [[client_auth]]\nmode = \"off\"\n";
    let shown = estate.check(tables, &[]);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    for line in [
        "clients of a.test,*.b.test: certificate required\n  CA: CN=Clients [",
        "  CRL: CN=Clients, 1 revoked, the next by 20",
        "  CRLs count for: chain, strict\n",
        "clients of all other hosts: certificate off\n",
    ] {
        assert!(shown.out.contains(line), "{line}\n{}", shown.out);
    }
    estate.directory.write("clients.crl", list(&estate.clients, [], false));
    let stale = estate.check(tables, &[]);
    let stranger = around_today(ca("Clients"), 500).self_signed();
    estate.directory.write("clients.crl", list(&stranger, [], true));
    let unlisted = estate.check(tables, &[]);
    assert!(
        unlisted
            .err
            .contains("warning: a.test,*.b.test: no CRL of CN=Clients ["),
        "{}",
        unlisted.err
    );
    assert!(
        stale
            .err
            .contains("warning: a.test,*.b.test: the CRL of CN=Clients is out of date since 20"),
        "{}",
        stale.err
    );
    estate.directory.write("clients.pem", "torn");
    let broken = estate.check(tables, &[]);
    assert_eq!(broken.code, Some(1));
    assert!(
        broken.err.contains("clients.pem: expected certificates"),
        "{}",
        broken.err
    );
    assert!(
        broken.out.contains("certificate required\n  unusable\n"),
        "{}",
        broken.out
    );
}

#[test]
fn a_mistake_in_a_policy_is_told_with_its_place_and_what_to_do() {
    let faults = Estate::new().faults(
        "[[client_auth]]\nhost = [\"a.test\", \"10.0.0.1\", \"a.test\"]\nmode = \"always\"\n\
         [[client_auth]]\nmode = \"optional\"\n\
         [[client_auth]]\nca = \"clients.pem\"\ncrl_policy = \"stale\"\n",
    );
    let expected = "fullchain.toml:6:19: client_auth.host: an address has no policy of its own\n  \
                    hint: clients name no address in the TLS handshake: a table without `host` is for them\n\
                    fullchain.toml:6:31: client_auth.host: a.test has a policy already, by fullchain.toml:6:9: client_auth.host\n\
                    fullchain.toml:7:8: client_auth.mode: expected \"off\", \"optional\" or \"required\", found \"always\"\n\
                    fullchain.toml:8:1: client_auth: clients are asked for a certificate, and there is no CA that it may come from\n  \
                    hint: give the CA with it: ca = \"clients.pem\"\n\
                    fullchain.toml:10:1: client_auth: every other host has a policy already, by fullchain.toml:8:1: client_auth\n\
                    fullchain.toml:12:14: client_auth.crl_policy: it says how CRLs count, and there is none\n  \
                    hint: give crl with it, or leave this out\n";
    assert_eq!(faults, expected);
}

#[test]
fn a_policy_needs_a_listener_that_speaks_tls() {
    let estate = Estate::new();
    let plain = "[[listener]]\naddress = \"127.0.0.1:1\"\nservice = \"http\"\n";
    let faults = estate.faults(&format!("{plain}[[client_auth]]\nca = \"clients.pem\"\n"));
    assert!(
        faults.contains("client_auth: certificates are asked of clients in TLS, and no listener speaks it"),
        "{faults}"
    );
    let off = estate.check(&format!("{plain}[[client_auth]]\nmode = \"off\"\n"), &[]);
    assert_eq!(off.code, Some(0), "{}", off.err);
}

#[test]
fn defaults_that_are_spelled_out_without_crls_are_no_mistake() {
    let spelled = "[[client_auth]]\nca = \"clients.pem\"\ncrl = []\ncrl_policy = \"strict\"\ncrl_check = \"chain\"\n";
    let ended = Estate::new().check(spelled, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}
