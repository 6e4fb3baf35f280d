//! What a stored certificate costs in memory: how much the resident set of a process grows by reading a store of 10,000.
//!
//! The stand-in is that of `stand_in`, made and written by another process, so that nothing of its making is left in the memory
//! of the one that is measured; the allocator is that of the binary. It keeps what was freed (here the bytes of the files) for a
//! while before the kernel gets it back, so there are two figures: what is in use, and what is resident right after reading.
//! `cargo bench --bench memory`.
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

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use fullchain::certs::{Files, Inventory, Roots, Settings};
use fullchain::chain::Store;

use self::stand_in::StandIn;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const INTERMEDIATES: usize = 10_000;

/// Read before the first figure is taken, so that code and tables that are loaded once do not count.
const WARM_UP: usize = 100;

/// Names the directory with the stand-in to the process that is measured.
const DIRECTORY: &str = "FULLCHAIN_BENCH_DIRECTORY";

fn main() {
    match env::var_os(DIRECTORY) {
        Some(directory) => measure(&PathBuf::from(directory)),
        None => {
            let directory = tempfile::tempdir().unwrap();
            write(directory.path());
            let mut measured = Command::new(env::current_exe().unwrap());
            measured.env(DIRECTORY, directory.path());
            say("resident right after reading");
            assert!(measured.status().unwrap().success());
            say("in use");
            // What is freed goes back at once.
            assert!(measured.env("MIMALLOC_PURGE_DELAY", "0").status().unwrap().success());
        }
    }
}

/// Names a figure that another process will print.
fn say(figure: &str) {
    print!("{figure}: ");
    io::stdout().flush().unwrap();
}

fn write(directory: &Path) {
    let intermediates = StandIn::of(INTERMEDIATES + WARM_UP).intermediates;
    let (warm_up, measured) = intermediates.split_at(WARM_UP);
    for (name, entities) in [("warm-up.pem", warm_up), ("measured.pem", measured)] {
        let pem: String = entities.iter().map(pki::Entity::pem).collect();
        fs::write(directory.join(name), pem).unwrap();
    }
}

fn measure(directory: &Path) {
    let warm_up = read(&directory.join("warm-up.pem"));
    let before = resident_bytes();
    let store = read(&directory.join("measured.pem"));
    let after = resident_bytes();
    assert_eq!((warm_up.len(), store.len()), (WARM_UP, INTERMEDIATES));
    let der: usize = store.iter().map(|certificate| certificate.der().len()).sum();
    println!(
        "{} bytes of memory per certificate, {} of them its DER, in a store of {INTERMEDIATES}",
        after.saturating_sub(before) / INTERMEDIATES,
        der / INTERMEDIATES,
    );
}

fn read(intermediates: &Path) -> Store {
    let settings = Settings {
        intermediates: vec![intermediates.to_owned()],
        roots: Roots::None,
        ..Settings::default()
    };
    Inventory::read(&settings, &Files::read(&settings), &|_| None).store
}

/// VmRSS of this process (proc_pid_status(5)).
fn resident_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}
