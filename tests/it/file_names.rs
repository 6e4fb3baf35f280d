//! Which bytes are served does not depend on how files are called, nor on how often a certificate lies in them.

use std::os::unix::fs::symlink;
use std::time::Duration;

use fullchain::certs::{self, BundleSettings, Origin, Roots};
use fullchain::chain::Policy;
use fullchain::reload::{Settings, Surveyor};
use rustls::pki_types::CertificateDer;

use crate::rig::directory::Directory;
use crate::rig::pki::{Entity, Mesh, ca, day, server};

/// A leaf with several ways to two roots, and twins of equal merit on some of them.
struct Scene {
    leaf: Entity,
    store: Vec<Entity>,
    roots: Vec<Entity>,
}

impl Scene {
    fn new() -> Self {
        let mut mesh = Mesh::default();
        let mut store = Vec::new();
        for (subject, issuer) in [
            ("I", "A"),
            ("I", "B"),
            ("A", "R1"),
            ("A", "R2"),
            ("B", "R2"),
            ("A", "B"),
            ("B", "A"),
        ] {
            // Twice each: but for the fingerprint they are equal.
            store.extend([mesh.edge(subject, issuer), mesh.edge(subject, issuer)]);
        }
        store.push(ca("Unrelated").self_signed());
        Self {
            leaf: server("a.test").signed_by(&mesh.authority("I")),
            store,
            roots: vec![mesh.authority("R1"), mesh.authority("R2")],
        }
    }

    /// What is served where the files of the store are as `arrange` writes them.
    fn served(&self, policy: Policy, arrange: impl FnOnce(&Directory, &[Entity])) -> Vec<CertificateDer<'static>> {
        let directory = Directory::new();
        directory.write("tls.pem", self.leaf.pem() + &self.leaf.key_pem());
        directory.write("roots.pem", self.roots.iter().map(Entity::pem).collect::<String>());
        arrange(&directory, &self.store);
        let certificates = certs::Settings {
            bundles: vec![BundleSettings {
                origin: Origin::Configuration,
                certificate: directory.path("tls.pem"),
                key: None,
                password_file: None,
                staple: None,
                allow_ca_leaf: false,
                policy: None,
            }],
            intermediates: vec![directory.path("store")],
            roots: Roots::Files(vec![directory.path("roots.pem")]),
            ..certs::Settings::default()
        };
        let settings = Settings {
            strict: true,
            policy,
            send_intermediate_anchor: true,
            watch: false,
            poll_interval: Duration::from_secs(30),
            debounce: Duration::ZERO,
            allow_worse: false,
        };
        let survey = Surveyor::new(certificates, settings).survey(day(0));
        assert_eq!(survey.stored, self.store.len());
        let prospect = survey.prospects[0].1.as_ref().unwrap();
        prospect.assembly.chain.to_der()
    }
}

/// Writes the certificates of a store to files.
type Arrange = fn(&Directory, &[Entity]);

fn one_file_each(directory: &Directory, store: &[Entity], name: impl Fn(usize) -> String) {
    for (number, entity) in store.iter().enumerate() {
        directory.write(format!("store/{}", name(number)), entity.pem());
    }
}

#[test]
fn renaming_permuting_and_duplicating_files_never_changes_the_bytes_served() {
    let scene = Scene::new();
    for policy in [Policy::Short, Policy::Compat] {
        let plain = scene.served(policy, |directory, store| {
            one_file_each(directory, store, |number| format!("{number:02}.pem"));
        });
        assert!(plain.len() > 2);
        let arrangements: [(&str, Arrange); 6] = [
            ("in the reverse order", |directory, store| {
                one_file_each(directory, store, |number| format!("{:02}.pem", 99 - number));
            }),
            ("in no order, with other endings", |directory, store| {
                one_file_each(directory, store, |number| {
                    format!("{:02}.cer", number * 7 % store.len())
                });
            }),
            ("all in one file", |directory, store| {
                directory.write("store/all.pem", store.iter().map(Entity::pem).collect::<String>());
            }),
            ("all in one file, last first, beside themselves", |directory, store| {
                directory.write("store/all.pem", store.iter().rev().map(Entity::pem).collect::<String>());
                one_file_each(directory, store, |number| format!("{number:02}.pem"));
            }),
            ("each three times in its file and twice by name", |directory, store| {
                for (number, entity) in store.iter().enumerate() {
                    directory.write(format!("store/{number}.pem"), entity.pem().repeat(3));
                    symlink(format!("{number}.pem"), directory.path(format!("store/0{number}.0"))).unwrap();
                }
            }),
            ("beside the leaf too", |directory, store| {
                one_file_each(directory, store, |number| format!("{number:02}.pem"));
                let pem = std::fs::read_to_string(directory.path("tls.pem")).unwrap();
                let others: String = store.iter().rev().map(Entity::pem).collect();
                directory.write("tls.pem", others + &pem);
            }),
        ];
        for (how, arrange) in arrangements {
            assert_eq!(scene.served(policy, arrange), plain, "{how}, {policy}");
        }
    }
}
