//! h2load as a client, and a backend that closes connections whenever it likes.

use super::in_front_of;
use crate::rig::command::where_present;
use crate::rig::web_server::nginx;

#[test]
fn no_request_is_lost_though_the_backend_closes_connections_all_the_time() {
    if where_present("h2load", &["--version"]).is_none() {
        return;
    }
    let Some(peer) = nginx("keepalive_requests 7; keepalive_timeout 1s; location / { return 200 ok; }") else {
        return;
    };
    let proxy = in_front_of(&peer, |house| house);
    let url = format!("https://{}/", proxy.address);
    for (version, agreed) in [(["-m", "16"], "h2"), (["--h1", "-m1"], "http/1.1")] {
        let arguments = [&["-n", "3000", "-c", "8"][..], &version, &[&url]].concat();
        let ended = where_present("h2load", &arguments).unwrap();
        let agreed = format!("Application protocol: {agreed}\n");
        assert!(ended.out.contains(&agreed), "{}", ended.out);
        let all = "3000 total, 3000 started, 3000 done, 3000 succeeded, 0 failed, 0 errored, 0 timeout";
        assert!(ended.out.contains(all), "{}", ended.out);
        assert!(ended.out.contains("status codes: 3000 2xx"), "{}", ended.out);
    }
}
