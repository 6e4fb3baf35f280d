//! What `chain` prints is what other servers take: nginx serves it, and `openssl s_client` accepts it.

use std::process::{Child, Stdio};

use crate::rig::command::{fullchain, peer, where_present};
use crate::rig::directory::Directory;
use crate::rig::eventually;
use crate::rig::family::{Family, NAME};

/// nginx in the foreground, on a socket in the directory of the test: no port that others might take.
struct Nginx(Child);

impl Nginx {
    fn start(directory: &Directory) -> Self {
        let configuration = "daemon off; master_process off; pid nginx.pid; error_log error.log;
            events {}
            http {
                access_log off;
                client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                server {
                    listen unix:nginx.sock ssl;
                    ssl_certificate fullchain.pem;
                    ssl_certificate_key tls.key;
                    ssl_protocols TLSv1.2 TLSv1.3;
                }
            }";
        let socket = directory.text("nginx.sock");
        directory.write("nginx.conf", configuration.replace("nginx.sock", &socket));
        let prefix = format!("{}/", directory.text(""));
        let nginx = peer("nginx")
            .args(["-p", &prefix, "-c", "nginx.conf", "-e", "error.log"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut nginx = Self(nginx);
        eventually("nginx listens", || {
            let ended = nginx.0.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "{}",
                std::fs::read_to_string(directory.path("error.log")).unwrap()
            );
            directory.path("nginx.sock").exists()
        });
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn nginx_serves_the_chain_as_it_is_printed_and_openssl_accepts_it() {
    if where_present("nginx", &["-v"]).is_none() || where_present("openssl", &["version"]).is_none() {
        return;
    }
    let family = Family::new();
    let leaf = family.leaf();
    let directory = Directory::new();
    directory.write("leaf.pem", leaf.pem());
    directory.write("store.pem", family.root.pem() + &family.issuing.pem());
    directory.write("root.pem", family.root.pem());
    directory.write("tls.key", leaf.key_pem());
    let path = |name: &str| directory.text(name);
    let files = [
        "--leaf",
        &path("leaf.pem"),
        "--intermediates",
        &path("store.pem"),
        "--roots",
        &path("root.pem"),
    ]
    .map(str::to_owned);
    let chain = |format: &str| {
        fullchain(
            [
                &["chain".to_owned(), "--format".to_owned(), format.to_owned()],
                &files[..],
            ]
            .concat(),
        )
    };
    let printed = chain("pem");
    assert_eq!((printed.code, printed.err.as_str()), (Some(0), ""));
    assert_eq!(printed.out, leaf.pem() + &family.issuing.pem());
    directory.write("fullchain.pem", printed.out);

    let nginx = Nginx::start(&directory);
    let (socket, root) = (path("nginx.sock"), path("root.pem"));
    let client = [
        "s_client",
        "-unix",
        &socket,
        "-servername",
        NAME,
        "-verify_hostname",
        NAME,
        "-verify_return_error",
    ];
    let verified = where_present(
        "openssl",
        &[&client[..], &["-CAfile", &root, "-tls1_3", "-msg"]].concat(),
    )
    .unwrap();
    assert_eq!(verified.code, Some(0), "{}\n{}", verified.out, verified.err);
    assert!(verified.out.contains("Verify return code: 0 (ok)"), "{}", verified.out);
    drop(nginx);

    // The bytes shown are those on the wire.
    let json: serde_json::Value = serde_json::from_str(&chain("json").out).unwrap();
    let bytes = json["chain"]["bytes"].as_u64().unwrap();
    let message = format!("Handshake [length {bytes:04x}], Certificate");
    assert!(verified.out.contains(&message), "{message}\n{}", verified.out);
}
