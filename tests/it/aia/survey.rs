//! What a survey makes of certificates that were fetched.

use std::sync::Arc;
use std::time::Duration;

use fullchain::certs::{self, BundleSettings, Look, Roots};
use fullchain::chain::{Policy, Status};
use fullchain::fetch::Cache;
use fullchain::reload::{Lack, Settings, Survey, Surveyor};

use super::{block_on, issuers};
use crate::rig::directory::Directory;
use crate::rig::pki::{Entity, Recipe, ca, day, server};
use crate::rig::responder::Responder;

const SETTINGS: Settings = Settings {
    strict: false,
    policy: Policy::Short,
    send_intermediate_anchor: true,
    watch: false,
    poll_interval: Duration::from_secs(30),
    debounce: Duration::ZERO,
    allow_worse: false,
};

/// A leaf on disk, its root, and a store that may or may not hold its issuer.
struct Scene {
    directory: Directory,
    responder: Responder,
    root: Entity,
    issuing: Entity,
    leaf: Entity,
}

impl Scene {
    fn new() -> Self {
        let (directory, responder) = (Directory::new(), Responder::new());
        let root = ca("Root").self_signed();
        let issuing = ca("Issuing").signed_by(&root);
        let leaf = server("a.test")
            .published_at(&responder.url("/issuing.cer"))
            .signed_by(&issuing);
        responder.publish_certificate("/issuing.cer", &issuing);
        directory.write("tls.pem", leaf.pem() + &leaf.key_pem());
        directory.write("root.pem", root.pem());
        directory.write("store/other.pem", ca("Other").signed_by(&root).pem());
        Self {
            directory,
            responder,
            root,
            issuing,
            leaf,
        }
    }

    /// Another certificate for the key of the issuing CA.
    fn twin(&self, change: impl FnOnce(Recipe) -> Recipe) -> Entity {
        change(ca("Issuing").key_of(&self.issuing)).signed_by(&self.root)
    }

    fn surveyor(&self) -> Surveyor {
        Surveyor::new(self.settings(), SETTINGS)
    }

    fn settings(&self) -> certs::Settings {
        certs::Settings {
            bundles: vec![BundleSettings {
                origin: certs::Origin::Configuration,
                certificate: self.directory.path("tls.pem"),
                key: None,
                password_file: None,
                staple: None,
                allow_ca_leaf: false,
                policy: None,
            }],
            intermediates: vec![self.directory.path("store")],
            roots: Roots::Files(vec![self.directory.path("root.pem")]),
            ..certs::Settings::default()
        }
    }

    fn survey(&self) -> Survey {
        self.surveyor().survey(day(0))
    }

    fn lack(&self) -> Option<Lack> {
        let mut surveyor = self.surveyor();
        let survey = surveyor.survey(day(0));
        surveyor.lack(&survey, day(0))
    }

    /// Status and names of the chain, once `fetched` is there.
    fn with(&self, fetched: &Entity) -> (Status, Vec<Entity>) {
        let mut surveyor = self.surveyor();
        surveyor.survey(day(0));
        assert!(surveyor.learn([Arc::clone(&fetched.certificate)]));
        assert!(!surveyor.learn([Arc::clone(&fetched.certificate)]));
        self.status_and_chain(&surveyor.survey(day(0)), fetched)
    }

    fn status_and_chain(&self, survey: &Survey, fetched: &Entity) -> (Status, Vec<Entity>) {
        let assembly = &survey.prospects[0].1.as_ref().unwrap().assembly;
        let known = [&self.leaf, &self.issuing, fetched];
        let sent = assembly.chain.certificates.iter().map(|sent| {
            let is_it = |entity: &&&Entity| entity.certificate == *sent;
            Entity::clone(known.iter().find(is_it).unwrap())
        });
        (assembly.status, sent.collect())
    }
}

fn subjects(chain: &[Entity]) -> Vec<String> {
    chain.iter().map(|entity| entity.certificate.to_string()).collect()
}

#[test]
fn what_is_lacking_is_found_by_a_task_of_its_own_and_completes_the_chain() {
    let scene = Scene::new();
    let lack = scene.lack().unwrap();
    let issuers = issuers(Cache::in_memory());
    let outcome = block_on(async { tokio::spawn(async move { lack.fetch(&issuers).await }).await.unwrap() });
    let [found] = &outcome.found[..] else {
        panic!("{outcome:?}")
    };
    assert_eq!(found.certificate, scene.issuing.certificate);
    let (status, chain) = scene.with(&scene.issuing);
    assert_eq!(status, Status::Complete);
    assert_eq!(subjects(&chain), subjects(&[scene.leaf.clone(), scene.issuing.clone()]));
    assert_eq!(scene.responder.requests().len(), 1);
}

#[test]
fn what_was_fetched_has_no_say_in_a_chain_that_lacks_nothing() {
    let scene = Scene::new();
    scene.directory.write("store/issuing.pem", scene.issuing.pem());
    assert!(scene.lack().is_none());
    let newer = scene.twin(|recipe| recipe.valid(-1, 1000));
    let (status, chain) = scene.with(&newer);
    assert_eq!(status, Status::Complete);
    assert_eq!(subjects(&chain), subjects(&[scene.leaf.clone(), scene.issuing.clone()]));
    // In the store it has.
    scene.directory.write("store/newer.pem", newer.pem());
    assert_eq!(scene.status_and_chain(&scene.survey(), &newer).1[1].pem(), newer.pem());
}

#[test]
fn a_chain_that_would_be_worth_less_is_not_taken() {
    let scene = Scene::new();
    let for_other_names = scene.twin(|recipe| recipe.permits("b.test"));
    let (status, chain) = scene.with(&for_other_names);
    assert_eq!(status, Status::Incomplete);
    assert_eq!(subjects(&chain), subjects(std::slice::from_ref(&scene.leaf)));
    // The store is the operator's own word.
    scene.directory.write("store/issuing.pem", for_other_names.pem());
    let (status, _) = scene.status_and_chain(&scene.survey(), &for_other_names);
    assert_eq!(status, Status::Invalid);
}

#[test]
fn what_was_fetched_is_dropped_once_no_chain_looks_for_it() {
    let scene = Scene::new();
    let mut surveyor = scene.surveyor();
    surveyor.survey(day(0));
    let fetched = || [Arc::clone(&scene.issuing.certificate)];
    assert!(surveyor.learn(fetched()));
    surveyor.survey(day(0));
    let change = |surveyor: &mut Surveyor, name: &str, text: String| {
        scene.directory.replace(name, text);
        assert!(surveyor.look(&scene.settings(), &SETTINGS, &Look::Everywhere));
        surveyor.survey(day(0));
    };
    // It is in a chain, and helps that no less for what else comes.
    change(&mut surveyor, "store/other.pem", ca("Another").self_signed().pem());
    change(&mut surveyor, "store/other.pem", scene.root.pem());
    assert!(!surveyor.learn(fetched()));
    let survey = surveyor.survey(day(0));
    assert_eq!(scene.status_and_chain(&survey, &scene.issuing).0, Status::Complete);

    let renewed = server("a.test").signed_by(&scene.root);
    change(&mut surveyor, "tls.pem", renewed.pem() + &renewed.key_pem());
    change(&mut surveyor, "store/other.pem", ca("Another").self_signed().pem());
    assert!(surveyor.learn(fetched()));
}
