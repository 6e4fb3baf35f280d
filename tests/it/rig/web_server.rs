//! Other people's web servers as backends, in plain HTTP. Where a program is not there, its test says so and passes.

use std::process::Command;

use super::command::miss;
use super::directory::Directory;
use super::peer::Peer;

/// The interpreter that Debian's python3 packages are for; another one first in the path would not find them.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// nginx with the directives of a `server` block; it serves `htdocs` in its directory.
pub(crate) fn nginx(server: &str) -> Option<Peer> {
    Peer::start("nginx", &[], |directory, address| {
        let root = directory.text("");
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|what| {
            let path = directory.text(format!("{what}_temp"));
            format!("{what}_temp_path {path};")
        });
        let (paths, documents) = (paths.concat(), documents(directory));
        let config = format!(
            "daemon off; master_process off; error_log stderr; pid {root}nginx.pid; events {{}}
             http {{ access_log off; {paths} server {{ listen {address}; root {documents}; {server} }} }}"
        );
        let config = directory.write("nginx.conf", config);
        let config = config.to_str().unwrap().to_owned();
        vec!["-p".to_owned(), root, "-c".to_owned(), config]
    })
}

/// Apache with further `directives`; it serves `htdocs` in its directory, which WebDAV may change.
pub(crate) fn apache(directives: &str) -> Option<Peer> {
    const MODULES: [&str; 7] = [
        "mpm_event",
        "authz_core",
        "dav",
        "dav_fs",
        "dav_lock",
        "headers",
        "setenvif",
    ];
    Peer::start("apache2", &[], |directory, address| {
        let (root, documents) = (directory.text(""), documents(directory));
        // Started by root it gives its privileges up, and still has to write.
        for path in [&root, &documents] {
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o777);
            std::fs::set_permissions(path, permissions).unwrap();
        }
        let modules = MODULES.map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"));
        let config = format!(
            "ServerRoot {root}\nServerName localhost\nDefaultRuntimeDir {root}\nPidFile {root}/apache.pid\n\
             Listen {address}\n{}User www-data\nGroup www-data\nErrorLog /dev/stderr\nDavLockDB {root}/locks\n\
             DocumentRoot {documents}\n<Directory {documents}>\nRequire all granted\nDav On\n</Directory>\n{directives}\n",
            modules.concat()
        );
        let config = directory.write("apache.conf", config);
        let config = config.to_str().unwrap().to_owned();
        // One process, in the foreground: it can be killed as a whole.
        vec!["-f".to_owned(), config, "-X".to_owned()]
    })
}

/// A Python program that imports `library` and listens on the address in its arguments: host, then port.
pub(crate) fn python(library: &str, program: &str) -> Option<Peer> {
    if !has_python(library) {
        return None;
    }
    Peer::start(PYTHON, &[], |_, address| {
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        vec!["-c".to_owned(), program.to_owned(), host, port]
    })
}

/// Whether there is Python with `library`; if not, a message says so.
pub(crate) fn has_python(library: &str) -> bool {
    let import = Command::new(PYTHON).args(["-c", &format!("import {library}")]).output();
    let is_there = import.is_ok_and(|output| output.status.success());
    if !is_there {
        miss(&format!("{PYTHON} with {library}"));
    }
    is_there
}

fn documents(directory: &Directory) -> String {
    directory.write("htdocs/index.html", "hello\n");
    directory.text("htdocs")
}
