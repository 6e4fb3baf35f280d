//! What assembling a chain costs.
//!
//! The stand-in is that of `stand_in`; where a bench uses another, it says so. `cargo bench --bench assemble`.
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

use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fullchain::chain::Signatures;

use self::pki::{Entity, Mesh, ca, server};
use self::stand_in::{Assembler, StandIn};

criterion_group!(benches, one_of_ten_thousand, one_name, cross_certified, many_leaves);
criterion_main!(benches);

/// One leaf, one of 10,000 intermediates: what a renewal costs, without the reading of files. All keys are P-256, whose
/// signatures take three times as long to verify as those of RSA.
fn one_of_ten_thousand(criterion: &mut Criterion) {
    let pki = StandIn::of(10_000);
    let leaf = pki.leaves(2).swap_remove(1);
    let assembler = Assembler::new(pki.store(), pki.anchors());
    let mut group = criterion.benchmark_group("store of 10,000");

    let signatures = Signatures::new();
    group.bench_function("a leaf seen before", |bencher| {
        bencher.iter(|| assembler.assemble(&leaf, &signatures));
    });
    // What earlier assemblies found out about signatures is of no use for any certificate of this chain.
    group.bench_function("nothing seen before", |bencher| {
        bencher.iter_batched_ref(
            Signatures::new,
            |signatures| assembler.assemble(&leaf, signatures),
            BatchSize::SmallInput,
        );
    });
}

/// 1,000 CAs of one subject, each with a key of its own. SPIRE gives every CA certificate of a trust domain the same subject,
/// so this is what it is after 1,000 rotations of which none was cleared away.
fn one_name(criterion: &mut Criterion) {
    let root = ca("Root").self_signed();
    let namesakes =
        |recipe: fn() -> pki::Recipe| -> Vec<Entity> { (0..1_000).map(|_| recipe().signed_by(&root)).collect() };
    let assembler_of = |intermediates: &[Entity]| {
        let certificate = |entity: &Entity| entity.certificate.clone();
        Assembler::new(
            intermediates.iter().map(certificate).collect(),
            [certificate(&root)].into_iter().collect(),
        )
    };
    let mut group = criterion.benchmark_group("1,000 CAs of one subject");

    let with_key_ids = namesakes(|| ca("Namesake"));
    let assembler = assembler_of(&with_key_ids);
    let leaf = server("www.example.test").signed_by(&with_key_ids[700]);
    let signatures = Signatures::new();
    group.bench_function("a leaf seen before", |bencher| {
        bencher.iter(|| assembler.assemble(&leaf, &signatures));
    });
    group.bench_function("nothing seen before", |bencher| {
        bencher.iter_batched_ref(
            Signatures::new,
            |signatures| assembler.assemble(&leaf, signatures),
            BatchSize::SmallInput,
        );
    });

    // The worst there is: no key identifiers, so that only signature checks tell who the issuer is, and of candidates that are
    // equal otherwise the one that comes last by fingerprint.
    let without_key_ids = namesakes(|| ca("Namesake").without_key_id());
    let assembler = assembler_of(&without_key_ids);
    let last = without_key_ids
        .iter()
        .max_by_key(|namesake| namesake.certificate.fingerprint())
        .unwrap();
    let leaf = server("www.example.test").signed_by(last);
    let signatures = Signatures::new();
    group.bench_function("no key ids, a leaf seen before", |bencher| {
        bencher.iter(|| assembler.assemble(&leaf, &signatures));
    });
    group.sample_size(10);
    group.bench_function("no key ids, nothing seen before", |bencher| {
        bencher.iter_batched_ref(
            Signatures::new,
            |signatures| assembler.assemble(&leaf, signatures),
            BatchSize::SmallInput,
        );
    });
}

/// CAs that certify one another: where builders that follow paths instead of links never come to an end.
fn cross_certified(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cross-certified");
    let mut bench = |name: &str, mut mesh: Mesh, store: Vec<Entity>, root: &str, issuer: &str| {
        let certificates = store.iter().map(|entity| entity.certificate.clone());
        let root = mesh.authority(root).certificate;
        let assembler = Assembler::new(certificates.collect(), [root].into_iter().collect());
        let leaf = server("www.example.test").signed_by(&mesh.authority(issuer));
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                Signatures::new,
                |signatures| assembler.assemble(&leaf, signatures),
                BatchSize::SmallInput,
            );
        });
    };

    let (mut mesh, mut store) = (Mesh::default(), Vec::new());
    for partner in 0..17 {
        let name = format!("Partner {partner}");
        store.extend([mesh.edge(&name, "Bridge"), mesh.edge("Bridge", &name)]);
    }
    store.push(mesh.edge("Issuing", "Partner 3"));
    bench(
        "a bridge of 35 certificates, nothing seen before",
        mesh,
        store,
        "Partner 11",
        "Issuing",
    );

    let (mut mesh, mut store) = (Mesh::default(), Vec::new());
    for layer in 0..12 {
        for (subject, issuer) in (0..36).map(|link| (link / 6, link % 6)) {
            store.push(mesh.edge(&format!("{layer}.{subject}"), &format!("{}.{issuer}", layer + 1)));
        }
    }
    bench("12 layers of 6 CAs, nothing seen before", mesh, store, "12.0", "0.0");
}

/// 10,000 leaves of 3,000 intermediates: the start of a proxy of that size, on one core, without the reading of files.
fn many_leaves(criterion: &mut Criterion) {
    let pki = StandIn::of(3_000);
    let leaves = pki.leaves(10_000);
    let assembler = Assembler::new(pki.store(), pki.anchors());
    let mut group = criterion.benchmark_group("store of 3,000");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(30))
        .throughput(Throughput::Elements(leaves.len() as u64));
    group.bench_function("10,000 leaves", |bencher| {
        bencher.iter_batched_ref(
            Signatures::new,
            |signatures| -> usize { leaves.iter().map(|leaf| assembler.assemble(leaf, signatures)).sum() },
            BatchSize::PerIteration,
        );
    });
}
