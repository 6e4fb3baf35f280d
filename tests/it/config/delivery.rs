//! How request bodies get to backends, and how large they may be.

use std::path::Path;

use fullchain::proxy::{Buffering, Delivery, Expect};

use super::{LEAST, faults, load};

#[test]
fn bodies_are_streamed_unless_told_otherwise() {
    let proxy = load(LEAST).unwrap().proxy;
    assert_eq!(proxy.backends[0].delivery, Delivery::default());
    assert_eq!(proxy.routes[0].body_bytes, None);
    let text = format!(
        "{LEAST}[[backend]]\nrequest_buffering = \"on\"\nspool_memory = \"1KiB\"\nspool_limit = \"1MiB\"\n\
         spool_dir = \"/var/tmp\"\nexpect = \"forward\"\n"
    );
    let delivery = load(&text).unwrap().proxy.backends.remove(0).delivery;
    assert_eq!((delivery.buffering, delivery.expect), (Buffering::On, Expect::Forward));
    assert_eq!((delivery.spool.memory, delivery.spool.limit), (1024, 1024 * 1024));
    assert_eq!(delivery.spool.directory.as_deref(), Some(Path::new("/var/tmp")));
}

#[test]
fn a_route_has_the_limit_of_all_unless_it_has_its_own() {
    let text = format!(
        "{LEAST}[limits]\nbody_bytes = \"1MiB\"\n[[route]]\npath = \"/upload\"\nbody_bytes = \"off\"\n\
         [[route]]\npath = \"/form\"\nbody_bytes = \"1KiB\"\n[[route]]\npath = \"/app\"\n"
    );
    let routes = load(&text).unwrap().proxy.routes;
    let limits: Vec<_> = routes.iter().map(|route| route.body_bytes).collect();
    assert_eq!(limits, [None, Some(1024), Some(1024 * 1024), Some(1024 * 1024)]);
}

#[test]
fn where_no_body_is_put_aside_nothing_is_said_of_how() {
    let told = faults(&format!(
        "{LEAST}[[backend]]\nrequest_buffering = \"off\"\nspool_memory = \"1KiB\"\nspool_limit = \"1MiB\"\nspool_dir = \"/var/tmp\"\n"
    ));
    let each = [
        "7:16: backend.spool_memory",
        "8:15: backend.spool_limit",
        "9:13: backend.spool_dir",
    ]
    .map(|at| {
        format!(
            "fullchain.toml:{at}: no body is put aside with request_buffering = \"off\"\n  \
             hint: leave it out, or write request_buffering = \"auto\" or \"on\""
        )
    });
    assert_eq!(told, each.join("\n"));
}

#[test]
fn what_is_wrong_about_bodies_is_told() {
    assert_eq!(
        faults(&format!(
            "{LEAST}[[backend]]\nspool_memory = \"2MiB\"\nspool_limit = \"1MiB\"\n"
        )),
        "fullchain.toml:6:16: backend.spool_memory: is more than the `spool_limit`, 1MiB"
    );
    let told = faults(&format!(
        "{LEAST}[limits]\nbody_bytes = \"many\"\n[[backend]]\nrequest_buffering = \"yes\"\nexpect = \"off\"\nspool_dir = \"\"\n"
    ));
    for part in [
        "limits.body_bytes: expected \"off\" or a size such as \"10MiB\", found \"many\"",
        "backend.request_buffering: expected \"auto\", \"on\" or \"off\", found \"yes\"",
        "backend.expect: expected \"answer\" or \"forward\", found \"off\"",
        "backend.spool_dir: expected a path, found",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
}
