//! What time alone does to a chain.

use std::time::Duration;

use fullchain::chain::{Change, Effect, Place, Policy, Status};
use rustls::pki_types::UnixTime;

use crate::rig::pki::{Entity, Scene, assert_served, ca, day, server};

/// The first second after a certificate whose last day is `days`.
fn after(days: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(day(days).as_secs() + 1))
}

/// Effect, place and name of each cause, and the status from then on.
fn told(change: &Change) -> (Effect, Vec<(Place, String)>, Status) {
    let causes = change.causes.iter();
    let causes = causes.map(|cause| (cause.place, cause.certificate.to_string()));
    (change.effect, causes.collect(), change.after.status)
}

fn cause(place: Place, entity: &Entity) -> (Place, String) {
    (place, entity.certificate.to_string())
}

#[test]
fn each_end_is_a_break_of_its_own_with_the_certificate_that_ends() {
    let root = ca("R").valid(-900, 30).self_signed();
    let intermediate = ca("I1").valid(-900, 10).signed_by(&root);
    let leaf = server("www.example.test").valid(-1, 20).signed_by(&intermediate);
    let scene = Scene::of(&leaf).store([&intermediate]).roots([&root]);
    let changes = scene.forecast(day(365));
    let expected = [
        (
            Effect::Breaks,
            vec![cause(Place::Intermediate, &intermediate)],
            Status::Invalid,
        ),
        (Effect::Breaks, vec![cause(Place::Leaf, &leaf)], Status::Invalid),
        (Effect::Breaks, vec![cause(Place::Root, &root)], Status::Invalid),
    ];
    assert_eq!(changes.iter().map(told).collect::<Vec<_>>(), expected);
    let instants: Vec<_> = changes.iter().map(|change| change.at).collect();
    assert_eq!(instants, [after(10), after(20), after(30)]);
}

#[test]
fn the_end_of_the_time_looked_at_is_part_of_it() {
    let root = ca("R").self_signed();
    let leaf = server("www.example.test").valid(-1, 20).signed_by(&root);
    let scene = Scene::of(&leaf).roots([&root]);
    assert_eq!(scene.forecast(day(20)).len(), 0);
    assert_eq!(scene.forecast(after(20)).len(), 1);
}

/// RFC 5280 does not ask for it, OpenSSL does: DST Root CA X3, 30 September 2021.
#[test]
fn a_root_that_ends_is_a_break_though_the_chain_stays_complete() {
    let root = ca("R").valid(-900, 30).self_signed();
    let intermediate = ca("I1").valid(-900, 500).signed_by(&root);
    let leaf = server("www.example.test").signed_by(&intermediate);
    let changes = Scene::of(&leaf).store([&intermediate]).roots([&root]).forecast(day(60));
    assert_eq!(
        changes.iter().map(told).collect::<Vec<_>>(),
        [(Effect::Breaks, vec![cause(Place::Root, &root)], Status::Complete)]
    );
}

#[test]
fn a_root_that_ends_where_another_is_reached_is_a_switch() {
    let old = ca("Old").valid(-3000, 30).self_signed();
    let root = ca("R").valid(-300, 150).self_signed();
    let cross = ca("R").key_of(&root).valid(-300, 800).signed_by(&old);
    let intermediate = ca("I1").signed_by(&root);
    // Neither root outlives it, so the policy decides.
    let leaf = server("www.example.test").valid(-1, 200).signed_by(&intermediate);
    let scene = Scene::of(&leaf)
        .store([&intermediate, &cross])
        .roots([&old, &root])
        .policy(Policy::Compat);
    assert_served(&scene.assemble(), [&leaf, &intermediate, &cross]);
    let changes = scene.forecast(day(100));
    assert_eq!(
        changes.iter().map(told).collect::<Vec<_>>(),
        [(Effect::Switches, vec![cause(Place::Root, &old)], Status::Complete)]
    );
    assert_served(&changes[0].after, [&leaf, &intermediate]);
}

#[test]
fn what_ends_in_the_same_second_is_named_together() {
    let root = ca("R").self_signed();
    let upper = ca("I2").valid(-900, 10).signed_by(&root);
    let lower = ca("I1").valid(-900, 10).signed_by(&upper);
    let leaf = server("www.example.test").signed_by(&lower);
    let changes = Scene::of(&leaf)
        .store([&lower, &upper])
        .roots([&root])
        .forecast(day(30));
    let both = vec![cause(Place::Intermediate, &lower), cause(Place::Intermediate, &upper)];
    assert_eq!(
        changes.iter().map(told).collect::<Vec<_>>(),
        [(Effect::Breaks, both, Status::Invalid)]
    );
}

#[test]
fn a_gap_is_a_break_and_its_end_mends() {
    let root = ca("R").self_signed();
    let ending = ca("I1").valid(-900, 10).signed_by(&root);
    let late = ca("I1").key_of(&ending).valid(12, 900).signed_by(&root);
    let leaf = server("www.example.test").signed_by(&ending);
    let changes = Scene::of(&leaf)
        .store([&ending, &late])
        .roots([&root])
        .forecast(day(30));
    let expected = [
        (
            Effect::Breaks,
            vec![cause(Place::Intermediate, &ending)],
            Status::Invalid,
        ),
        (Effect::Mends, vec![cause(Place::Intermediate, &late)], Status::Complete),
    ];
    assert_eq!(changes.iter().map(told).collect::<Vec<_>>(), expected);
    assert!(changes[0].causes[0].has_ended && !changes[1].causes[0].has_ended);
}

/// The forecast says what a clock that goes on would show, day by day.
#[test]
fn between_two_changes_the_chain_stays() {
    let old = ca("Old").valid(-3000, 70).self_signed();
    let root = ca("R").valid(-300, 3000).self_signed();
    let cross = ca("R").key_of(&root).valid(-300, 40).signed_by(&old);
    let first = ca("I1").valid(-300, 25).signed_by(&root);
    let second = ca("I1").key_of(&first).valid(20, 60).signed_by(&root);
    let third = ca("I1").key_of(&first).valid(65, 90).signed_by(&old);
    let leaf = server("www.example.test").valid(-5, 80).signed_by(&first);
    for policy in [Policy::Short, Policy::Compat] {
        let scene = Scene::of(&leaf)
            .store([&cross, &first, &second, &third])
            .roots([&old, &root])
            .policy(policy);
        let changes = scene.forecast(day(100));
        assert!(changes.len() >= 4, "{:?}", changes.iter().map(told).collect::<Vec<_>>());
        let now = scene.assemble();
        let mut scene = scene;
        for days in 0..100 {
            scene = scene.on_day(days);
            let shown = scene.assemble();
            let foretold = changes.iter().rev().find(|change| change.at <= day(days));
            let foretold = foretold.map_or(&now, |change| &change.after);
            assert_eq!(
                (&shown.chain, shown.status),
                (&foretold.chain, foretold.status),
                "day {days}"
            );
        }
    }
}
