//! What reading and indexing a store costs.
//!
//! The stand-in is that of `stand_in`, written to a temporary directory; the files are in the page cache, as they are after the
//! first reading of a reload. `cargo bench --bench load`.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    missing_docs,
    reason = "a bench fails by panicking, and is not published"
)]

#[allow(dead_code, reason = "the rig of the tests, of which a bench uses a part")]
#[path = "../tests/it/rig/pki.rs"]
mod pki;
#[allow(dead_code, reason = "each bench uses a part")]
mod stand_in;

use std::fs;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fullchain::certs::{Files, Inventory, Roots, Settings};
use fullchain::chain::Store;

use self::stand_in::StandIn;

const INTERMEDIATES: usize = 10_000;

criterion_group!(benches, load);
criterion_main!(benches);

fn load(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let pki = StandIn::of(INTERMEDIATES);
    let one_file = directory.path().join("intermediates.pem");
    let many_files = directory.path().join("intermediates");
    fs::create_dir(&many_files).unwrap();
    let mut together = String::new();
    for (number, intermediate) in pki.intermediates.iter().enumerate() {
        let pem = intermediate.pem();
        fs::write(many_files.join(format!("{number:05}.pem")), &pem).unwrap();
        together.push_str(&pem);
    }
    fs::write(&one_file, together).unwrap();

    let mut group = criterion.benchmark_group("10,000 intermediates");
    group
        .sample_size(20)
        .throughput(Throughput::Elements(INTERMEDIATES as u64));
    group.bench_function("from one PEM file", |bencher| bencher.iter(|| read(&one_file)));
    group.bench_function("from a directory", |bencher| bencher.iter(|| read(&many_files)));
}

/// Reads, parses and indexes as the proxy does.
fn read(intermediates: &Path) -> Store {
    let settings = Settings {
        intermediates: vec![intermediates.to_owned()],
        roots: Roots::None,
        ..Settings::default()
    };
    let inventory = Inventory::read(&settings, &Files::read(&settings), &|_| None);
    assert_eq!((inventory.store.len(), inventory.problems.len()), (INTERMEDIATES, 0));
    inventory.store
}
