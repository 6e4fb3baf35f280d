//! What is remembered of earlier questions, and that nothing is believed for being remembered.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use fullchain::chain::Status;
use fullchain::fetch::{Cache, Issuers, Outcome};

use super::{completed, find, issuers, reasons};
use crate::rig::directory::Directory;
use crate::rig::pki::{Entity, Scene, ca, day, server};
use crate::rig::responder::{Responder, Response};

/// A leaf whose issuer is published at `/issuing.cer`.
struct Published {
    responder: Responder,
    root: Entity,
    issuing: Entity,
    leaf: Entity,
    directory: Directory,
}

impl Published {
    fn new() -> Self {
        let responder = Responder::new();
        let root = ca("Root").self_signed();
        let issuing = ca("Issuing").valid(-1000, 50).signed_by(&root);
        let leaf = server("a.test")
            .published_at(&responder.url("/issuing.cer"))
            .signed_by(&issuing);
        responder.publish_certificate("/issuing.cer", &issuing);
        Self {
            responder,
            root,
            issuing,
            leaf,
            directory: Directory::new(),
        }
    }

    fn scene(&self) -> Scene {
        Scene::of(&self.leaf).roots([&self.root])
    }

    /// As a process would that has just started.
    fn restarted(&self) -> Issuers {
        issuers(Cache::at(self.directory.path("cache/aia")))
    }

    /// The only file of the cache.
    fn file(&self) -> PathBuf {
        let mut files = fs::read_dir(self.directory.path("cache/aia")).unwrap();
        let file = files.next().unwrap().unwrap().path();
        assert!(files.next().is_none());
        file
    }

    fn requests(&self) -> usize {
        self.responder.requests().len()
    }

    fn is_complete(&self, outcome: &Outcome) -> bool {
        completed(self.scene(), outcome).assemble().status == Status::Complete
    }
}

#[test]
fn what_was_found_survives_a_restart() {
    let published = Published::new();
    assert!(published.is_complete(&find(&published.restarted(), &published.scene())));
    let outcome = find(&published.restarted(), &published.scene());
    assert!(published.is_complete(&outcome));
    assert_eq!(published.requests(), 1);
    assert_eq!(outcome.found[0].url, published.responder.url("/issuing.cer"));
    assert_eq!(outcome.found[0].fetched_at, day(0));
}

#[test]
fn files_are_for_their_owner_alone_and_say_where_they_came_from() {
    let published = Published::new();
    find(&published.restarted(), &published.scene());
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(published.directory.path("cache")), 0o700);
    assert_eq!(mode(published.directory.path("cache/aia")), 0o700);
    assert_eq!(mode(published.file()), 0o600);
    let text = fs::read_to_string(published.file()).unwrap();
    assert!(text.contains(&published.responder.url("/issuing.cer")), "{text}");
}

#[test]
fn a_damaged_file_is_no_file_and_a_foreign_one_is_left_alone() {
    let published = Published::new();
    let foreign = published.directory.write("cache/aia/README", "not ours");
    find(&published.restarted(), &published.scene());
    fs::remove_file(&foreign).unwrap();
    let file = published.file();
    let whole = fs::read(&file).unwrap();
    fs::write(&foreign, "not ours").unwrap();
    let damaged = [
        &whole[..whole.len() / 2],
        b"",
        b"{}",
        &[0xff; 300],
        &vec![b' '; 1 << 20],
    ];
    for (number, damaged) in damaged.into_iter().enumerate() {
        fs::write(&file, damaged).unwrap();
        assert!(published.is_complete(&find(&published.restarted(), &published.scene())));
        assert_eq!(published.requests(), number + 2);
    }
    assert_eq!(fs::read_to_string(foreign).unwrap(), "not ours");
    assert_eq!(fs::read(file).unwrap(), whole);
}

#[test]
fn what_the_cache_says_is_judged_like_any_answer() {
    let published = Published::new();
    find(&published.restarted(), &published.scene());
    let file = published.file();
    let text = fs::read_to_string(&file).unwrap();
    let impostor = ca("Issuing").signed_by(&published.root);
    let escaped = |entity: &Entity| entity.pem().replace('\n', "\\n");
    let planted = text.replace(&escaped(&published.issuing), &escaped(&impostor));
    assert_ne!(planted, text);
    fs::write(&file, planted).unwrap();
    let outcome = find(&published.restarted(), &published.scene());
    assert!(published.is_complete(&outcome));
    assert_eq!(outcome.found[0].certificate, published.issuing.certificate);
    assert_eq!(published.requests(), 2);
}

#[test]
fn after_a_day_it_is_asked_again_and_what_was_found_stays_if_nothing_comes() {
    let published = Published::new();
    find(&published.restarted(), &published.scene());
    published.responder.publish("/issuing.cer", Response::status(503));
    let outcome = find(&published.restarted(), &published.scene().on_day(1));
    assert!(published.is_complete(&outcome));
    assert_eq!((outcome.found[0].fetched_at, outcome.failures.len()), (day(0), 1));
    let outcome = find(&published.restarted(), &published.scene().on_day(1));
    assert!(published.is_complete(&outcome) && outcome.failures.is_empty());
    assert_eq!(published.requests(), 2);
}

#[test]
fn what_counts_and_leads_nowhere_is_not_believed_for_longer_than_a_day() {
    let published = Published::new();
    let nowhere = ca("Issuing")
        .key_of(&published.issuing)
        .signed_by(&ca("Nowhere").self_signed());
    published.responder.publish_certificate("/issuing.cer", &nowhere);
    let outcome = find(&published.restarted(), &published.scene());
    assert_eq!(outcome.found[0].certificate, nowhere.certificate);
    assert_eq!(outcome.retry_at, Some(day(1)));
    published
        .responder
        .publish_certificate("/issuing.cer", &published.issuing);
    assert!(!published.is_complete(&find(&published.restarted(), &published.scene())));
    assert!(published.is_complete(&find(&published.restarted(), &published.scene().on_day(1))));
    assert_eq!(published.requests(), 2);
}

#[test]
fn what_has_expired_is_asked_for_again() {
    let published = Published::new();
    let issuers = published.restarted();
    find(&issuers, &published.scene());
    let renewed = ca("Issuing").key_of(&published.issuing).signed_by(&published.root);
    published.responder.publish_certificate("/issuing.cer", &renewed);
    let outcome = find(&issuers, &published.scene().on_day(60));
    assert_eq!(outcome.found[0].certificate, renewed.certificate);
    assert_eq!(published.requests(), 2);
}

#[test]
fn what_gave_nothing_is_asked_again_later_and_later() {
    let published = Published::new();
    published.responder.publish("/issuing.cer", Response::status(503));
    let issuers = issuers(Cache::in_memory());
    let first = find(&issuers, &published.scene());
    assert_eq!(reasons(&first), ["expected status 200, found 503"]);
    assert_eq!(first.retry_at.unwrap().as_secs(), day(0).as_secs() + 60);

    let soon = find(&issuers, &published.scene());
    assert_eq!((soon.failures.len(), soon.retry_at), (0, first.retry_at));
    assert_eq!(published.requests(), 1);

    // A day later it is due; the second wait is twice as long.
    let later = find(&issuers, &published.scene().on_day(1));
    assert_eq!(later.retry_at.unwrap().as_secs(), day(1).as_secs() + 120);
    assert_eq!(published.requests(), 2);

    published
        .responder
        .publish_certificate("/issuing.cer", &published.issuing);
    let outcome = find(&issuers, &published.scene().on_day(2));
    assert!(published.is_complete(&outcome) && outcome.retry_at.is_none());
}

#[test]
fn a_failure_survives_a_restart_until_somebody_wants_it_forgotten() {
    let published = Published::new();
    published.responder.publish("/issuing.cer", Response::status(503));
    find(&published.restarted(), &published.scene());
    let issuers = published.restarted();
    assert!(find(&issuers, &published.scene()).retry_at.is_some());
    assert_eq!(published.requests(), 1);

    published
        .responder
        .publish_certificate("/issuing.cer", &published.issuing);
    assert!(issuers.forget_failures(day(0)));
    assert!(!issuers.forget_failures(day(0)));
    assert!(published.is_complete(&find(&issuers, &published.scene())));
    assert_eq!(published.requests(), 2);
}

#[test]
fn another_user_reads_what_was_found_asks_again_what_was_not_and_writes_nothing() {
    let published = Published::new();
    let reading = || issuers(Cache::reading(published.directory.path("cache/aia")));
    published.responder.publish("/issuing.cer", Response::status(503));
    find(&reading(), &published.scene());
    assert!(!published.directory.path("cache").exists());

    find(&published.restarted(), &published.scene());
    let failed = fs::read(published.file()).unwrap();
    find(&reading(), &published.scene());
    assert_eq!(published.requests(), 3);
    assert_eq!(fs::read(published.file()).unwrap(), failed);

    published
        .responder
        .publish_certificate("/issuing.cer", &published.issuing);
    find(&published.restarted(), &published.scene().on_day(1));
    assert!(published.is_complete(&find(&reading(), &published.scene().on_day(1))));
    assert_eq!(published.requests(), 4);
}

#[test]
fn a_directory_that_cannot_be_written_is_told_of_once_and_memory_takes_its_place() {
    let published = Published::new();
    // Not a matter of permissions: root may write everywhere.
    published.directory.write("cache", "a file");
    let issuers = published.restarted();
    let first = find(&issuers, &published.scene());
    assert!(published.is_complete(&first));
    let problem = first.cache_problem.unwrap();
    assert!(problem.contains(&published.directory.text("cache/aia")), "{problem}");

    let second = find(&issuers, &published.scene());
    assert!(published.is_complete(&second));
    assert_eq!((second.cache_problem, published.requests()), (None, 1));
}
