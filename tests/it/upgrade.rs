//! A new process takes the place of the running one (SIGUSR2), and no client notices.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use fullchain::admin::client;
use rustix::process::{Pid, Signal, test_kill_process};

use crate::rig::family::Family;
use crate::rig::house::{House, Running};
use crate::rig::plain::{connect, connect_unix, exchange, get};
use crate::rig::service_manager::ServiceManager;
use crate::rig::{PATIENCE, eventually};

fn house() -> House {
    let family = Family::new();
    House::of(&family, &family.leaf())
}

/// Whether the process has ended. One that nobody has waited for yet has.
fn is_gone(process: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).unwrap_or_default();
    test_kill_process(process).is_err() || status.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'))
}

/// Plain HTTP, one connection a request, from several clients at once until dropped.
struct Load {
    ends: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    clients: Vec<thread::JoinHandle<Result<(), String>>>,
}

impl Load {
    fn on(address: std::net::SocketAddr) -> Self {
        let (ends, served) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let client = |_| {
            let (ends, served) = (Arc::clone(&ends), Arc::clone(&served));
            thread::spawn(move || {
                while !ends.load(Ordering::Relaxed) {
                    let response = exchange(connect(address), get("/"));
                    if !(response.starts_with("HTTP/1.1 200 ") && response.ends_with("ok")) {
                        return Err(response);
                    }
                    served.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            })
        };
        Self {
            clients: (0..8).map(client).collect(),
            ends,
            served,
        }
    }

    /// Waits until some more were served.
    fn goes_on(&self) {
        let before = self.served.load(Ordering::Relaxed);
        eventually("requests are served", || {
            self.served.load(Ordering::Relaxed) > before + 50 || self.clients.iter().any(|client| client.is_finished())
        });
    }

    fn end(self) {
        self.ends.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().unwrap().unwrap();
        }
    }
}

#[test]
fn no_connection_is_refused_or_reset_while_one_process_follows_the_other() {
    let mut house = house()
        .flag("--workers", "2")
        .flag("--listener-address", "127.0.0.1:0")
        .flag("--listener-service", "http")
        .spawn();
    let address = house.logged_address("serving plain HTTP");
    let load = Load::on(address);
    for _ in 0..4 {
        load.goes_on();
        let before = house.id();
        house.upgrade();
        eventually("the old process ends", || is_gone(before));
    }
    load.goes_on();
    load.end();
}

#[test]
fn a_process_with_more_workers_or_fewer_loses_no_connection_either() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("workers.toml");
    let write = |workers: usize| std::fs::write(&file, format!("workers = {workers}\n")).unwrap();
    write(3);
    let mut house = house()
        .without("--workers")
        .flag("--config", file.to_str().unwrap())
        .flag("--listener-address", "127.0.0.1:0")
        .flag("--listener-service", "http")
        .spawn();
    let address = house.logged_address("serving plain HTTP");
    // The kernel chooses among the sockets by the client's port.
    let load = Load::on(address);
    for workers in [1, 4] {
        write(workers);
        load.goes_on();
        let before = house.id();
        house.upgrade();
        eventually("the old process ends", || is_gone(before));
    }
    load.goes_on();
    load.end();
}

#[test]
fn unix_sockets_and_the_admin_listener_are_taken_over_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("http");
    let mut house = house()
        .flag("--listener-address", &format!("unix:{}", path.display()))
        .flag("--listener-service", "http")
        .spawn();
    let admin = house.admin();
    let before = house.id();
    house.upgrade();
    eventually("the old process ends", || is_gone(before));
    assert!(exchange(connect_unix(&path), get("/")).ends_with("ok"));
    assert_eq!(client::get(admin, "/readyz", PATIENCE).unwrap().status, 200);
    house.signal(Signal::TERM);
    eventually("the last process takes the file with it", || !path.exists());
}

#[test]
fn sockets_of_systemd_are_passed_on() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let house = house()
        .flag("--listener-address", "systemd:plain")
        .flag("--listener-service", "http");
    let mut house = house.spawn_activated(socket.into(), "plain");
    house.wait_for_log(&["serving plain HTTP"]);
    for _ in 0..2 {
        let before = house.id();
        house.upgrade();
        eventually("the old process ends", || is_gone(before));
        assert!(exchange(connect(address), get("/")).ends_with("ok"));
    }
}

#[test]
fn a_process_that_cannot_start_changes_nothing_and_the_log_says_why() {
    let house = house().start();
    let key = std::fs::read(house.directory().path("tls.key")).unwrap();
    house.directory().write("tls.key", "no key");
    house.signal(Signal::USR2);
    house.wait_for_log(&["tls.key", "expected a private key"]);
    house.wait_for_log(&["no new process: this one goes on serving", "exit status: 1"]);
    house.directory().write("tls.key", key);
    assert!(house.served().is_ok());
    let mut house: Running = house;
    house.upgrade();
    assert!(house.served().is_ok());
}

#[test]
fn the_service_manager_is_told_who_the_main_process_is_and_never_that_the_service_stops() {
    let manager = ServiceManager::new();
    let mut house = house().variable("NOTIFY_SOCKET", &manager.name()).start();
    manager.message_with("READY=1");
    let before = house.id();
    house.upgrade();
    assert_eq!(manager.message(), format!("MAINPID={}", house.id().as_raw_nonzero()));
    assert_eq!(manager.message(), "READY=1\nSTATUS=serving 1 certificate");
    eventually("the old process ends", || is_gone(before));
    house.signal(Signal::HUP);
    assert!(manager.message().starts_with("RELOADING=1\n"));
}

#[test]
fn a_variable_from_another_process_makes_no_successor() {
    let house = house().variable("FULLCHAIN_HANDOVER", "1").start();
    assert!(house.served().is_ok());
}
