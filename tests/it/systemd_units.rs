//! The units that are shipped are sound in the eyes of systemd.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::rig::command::where_present;

/// In tenths, of ten: a service that says nothing of the kind has 9.6. What is left is mostly the network.
const MOST_EXPOSED: &str = "18";

/// The shipped units, with the binary that was built here.
fn units() -> (TempDir, Vec<PathBuf>) {
    let directory = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd");
    let mut units = Vec::new();
    for entry in fs::read_dir(shipped).unwrap() {
        let shipped = entry.unwrap().path();
        let text = fs::read_to_string(&shipped).unwrap();
        let unit = directory.path().join(shipped.file_name().unwrap());
        fs::write(
            &unit,
            text.replace("/usr/bin/fullchain", env!("CARGO_BIN_EXE_fullchain")),
        )
        .unwrap();
        units.push(unit);
    }
    (directory, units)
}

#[test]
fn the_units_are_valid() {
    let (_directory, units) = units();
    let mut arguments = vec!["verify", "--man=no"];
    arguments.extend(units.iter().map(|unit| unit.to_str().unwrap()));
    let Some(verified) = where_present("systemd-analyze", &arguments) else {
        return;
    };
    assert_eq!(verified.code, Some(0), "{verified:?}");
    // Before systemd 253; the unit says what happens then.
    let is_known = |line: &&str| line.ends_with("Failed to parse service type, ignoring: notify-reload");
    let complaints: Vec<&str> = verified.err.lines().filter(|line| !is_known(line)).collect();
    // Units of the machine have faults of their own.
    let ours: Vec<_> = complaints.iter().filter(|line| line.contains("fullchain")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

#[test]
fn the_service_may_do_little() {
    let (directory, _) = units();
    let service = directory.path().join("fullchain.service");
    let threshold = format!("--threshold={MOST_EXPOSED}");
    let arguments = [
        "security",
        "--no-pager",
        "--offline=yes",
        &threshold,
        service.to_str().unwrap(),
    ];
    let Some(judged) = where_present("systemd-analyze", &arguments) else {
        return;
    };
    assert_eq!(judged.code, Some(0), "{judged:?}");
}
