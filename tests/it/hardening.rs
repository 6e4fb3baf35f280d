//! What the process does without once it serves.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::{Signal, geteuid};

use crate::rig::command::miss;
use crate::rig::eventually;
use crate::rig::family::Family;
use crate::rig::house::{House, Running};

fn house() -> House {
    let family = Family::new();
    House::of(&family, &family.leaf())
}

/// A line of a file of the kernel about the process.
fn told_by_kernel(house: &Running, file: &str, line: &str) -> Vec<String> {
    let path = format!("/proc/{}/{file}", house.id().as_raw_nonzero());
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|other| other.strip_prefix(line)).unwrap();
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn its_memory_is_written_to_no_disk_unless_that_is_wanted() {
    let usual = house().start();
    assert_eq!(told_by_kernel(&usual, "limits", "Max core file size")[..2], ["0", "0"]);
    let debugged = house().switch("--core-dumps").start();
    assert_ne!(told_by_kernel(&debugged, "limits", "Max core file size")[1], "0");
}

#[test]
fn the_log_lists_what_is_in_reach() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf()).start();
    if house.has_logged(&["no sandbox"]) {
        return miss("Landlock");
    }
    let directory = fs::canonicalize(house.directory().path("")).unwrap();
    house.wait_for_log(&["out of reach from now on", directory.to_str().unwrap()]);
}

#[test]
fn a_path_that_a_reload_names_elsewhere_is_told_to_need_a_restart() {
    let family = Family::new();
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let roots = elsewhere.path().join("further.pem");
    fs::write(&roots, family.root.pem()).unwrap();
    for is_sandboxed in [true, false] {
        let house = House::of(&family, &family.leaf()).without("--intermediates");
        let store = house.directory.text("store");
        let config = house
            .directory
            .write("fullchain.toml", format!("intermediates = [{store:?}]\n"));
        let house = house.flag("--config", config.to_str().unwrap());
        let house = match is_sandboxed {
            true => house.start(),
            false => house.switch("--sandbox=false").start(),
        };
        if house.has_logged(&["no sandbox"]) {
            return miss("Landlock");
        }
        let text = format!("intermediates = [{store:?}, {:?}]\n", roots.display().to_string());
        house.directory().write("fullchain.toml", text);
        let told = house.reload(&[]);
        let path = roots.to_str().unwrap();
        match is_sandboxed {
            true => {
                house.wait_for_log(&["out of reach of the sandbox: a restart takes it in", path]);
                house.wait_for_log(&["skipped", path, "ermission denied"]);
            }
            false => assert!(!house.has_logged(&["WARN", path]), "{told:?}"),
        }
        assert!(house.served().is_ok());
    }
}

#[test]
fn secrets_of_connections_are_written_only_where_both_the_variable_and_the_key_say_so() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.log");
    let with_variable = || house().variable("SSLKEYLOGFILE", file.to_str().unwrap());
    let quiet = with_variable().start();
    quiet.served().unwrap();
    assert!(!file.exists());

    let loud = with_variable().switch("--key-log").start();
    let is_loud = |times: usize| {
        let lines = loud.log();
        let warnings = lines.iter().filter(|line| line.contains("SECRETS OF EVERY CONNECTION"));
        warnings.count() == times
    };
    assert!(is_loud(1), "{:?}", loud.log());
    loud.served().unwrap();
    eventually("secrets are written", || {
        fs::read_to_string(&file).is_ok_and(|text| text.contains("SERVER_TRAFFIC_SECRET_0 "))
    });
    loud.signal(Signal::HUP);
    eventually("a reload says so too", || is_loud(2));
}

#[test]
fn a_process_started_as_root_becomes_the_user_it_is_told_to_in_every_thread() {
    if !geteuid().is_root() {
        return miss("root");
    }
    let house = house().flag("--user", "nobody").flag("--group", "nogroup");
    fs::set_permissions(house.directory.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let house = house.start();
    assert!(house.served().is_ok());
    let tasks = fs::read_dir(format!("/proc/{}/task", house.id().as_raw_nonzero())).unwrap();
    for task in tasks {
        let status = format!("task/{}/status", task.unwrap().file_name().display());
        assert_eq!(told_by_kernel(&house, &status, "Uid:"), ["65534"; 4]);
        assert_eq!(told_by_kernel(&house, &status, "Gid:"), ["65534"; 4]);
        assert_eq!(told_by_kernel(&house, &status, "CapEff:"), ["0000000000000000"]);
    }
}

#[test]
fn a_key_that_the_user_may_not_read_is_told_at_the_start() {
    if !geteuid().is_root() {
        return miss("root");
    }
    let house = house().flag("--user", "nobody");
    fs::set_permissions(house.directory.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(house.directory.path("tls.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let ended = house.fail();
    assert_eq!(ended.code, Some(1));
    for part in [
        "tls.key",
        "permission denied: this process runs as uid 65534",
        "fsGroup",
    ] {
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
}

#[test]
fn a_user_that_is_not_there_and_a_group_alone_are_refused() {
    let ended = house().flag("--user", "nobody-of-that-name").fail();
    assert!(ended.err.contains("nobody-of-that-name"), "{}", ended.err);
    let ended = house().flag("--group", "nogroup").fail();
    assert!(ended.err.contains("a group without a user"), "{}", ended.err);
}

#[test]
fn a_key_that_everybody_may_read_is_warned_about() {
    let house = house();
    fs::set_permissions(house.directory.path("tls.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let open = house.start();
    open.wait_for_log(&[
        "the file with the private key is not private",
        "everybody may read it: mode 0644",
    ]);
}
