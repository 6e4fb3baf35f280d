//! NTLM and Negotiate: a connection that is authenticated is its client's and nobody else's.

use std::time::Duration;

use bytes::Bytes;
use fullchain::proxy::WindowsAuth;
use fullchain::proxy::settings::{Limit, Route};
use http::Request;
use http_body_util::{BodyExt, Full};

use crate::rig::browser::{Browser, PROTOCOLS, Protocol, browse};
use crate::rig::client::{Client, connect};
use crate::rig::ntlm::{Ntlm, authenticate, kerberos, negotiate};
use crate::rig::proxy::{Proxy, backend};
use crate::rig::upstream::Upstream;
use crate::rig::{PATIENCE, eventually};

/// A proxy before a backend that authenticates connections.
fn house() -> (Proxy, Ntlm) {
    let backend = Ntlm::start();
    (Proxy::of(&backend.upstream), backend)
}

/// The same with another `windows_auth`.
fn house_with(mode: WindowsAuth) -> (Proxy, Ntlm) {
    let backend = Ntlm::start();
    let proxy = Proxy::with(&[backend.upstream.address], |settings| {
        settings.routes[0].windows_auth = mode;
    });
    (proxy, backend)
}

/// A proxy before one that takes a connection at a time, and on which a place is waited for at most for `connect`.
fn narrow_house(connect: Duration) -> (Proxy, Ntlm) {
    let backend = Ntlm::start();
    let proxy = Proxy::with(&[backend.upstream.address], |settings| {
        settings.backends[0].timeouts.connect = connect;
        settings.backends[0].choice.limit = Some(Limit {
            connections: 1.try_into().unwrap(),
            queue: 10,
            queue_timeout: PATIENCE,
        });
    });
    (proxy, backend)
}

#[test]
fn two_clients_that_authenticate_step_by_step_in_turn_stay_who_they_are() {
    for scheme in ["NTLM", "Negotiate"] {
        for protocols in [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(a, b)| (PROTOCOLS[a], PROTOCOLS[b])) {
            let (proxy, backend) = house();
            browse(async {
                let mut alice = Browser::connect(&proxy, protocols.0, "alice").await;
                let mut bob = Browser::connect(&proxy, protocols.1, "bob").await;
                assert_eq!(alice.get("/").await.status, 401);
                assert_eq!(bob.get("/").await.status, 401);
                let to_alice = alice.get_as("/", &negotiate(scheme)).await;
                let to_bob = bob.get_as("/", &negotiate(scheme)).await;
                let to_bob = bob.get_as("/", &authenticate(to_bob.offers(), "bob")).await;
                assert_eq!(to_bob.user(), "bob");
                let to_alice = alice.get_as("/", &authenticate(to_alice.offers(), "alice")).await;
                assert_eq!(to_alice.user(), "alice");
                for _ in 0..3 {
                    assert_eq!(bob.get("/").await.user(), "bob");
                    assert_eq!(alice.get("/").await.user(), "alice");
                    assert_eq!(alice.get("/open").await.user(), "alice");
                }
                let mut carol = Browser::connect(&proxy, protocols.0, "carol").await;
                assert_eq!(carol.get("/open").await.user(), "-");
                assert_eq!(carol.get("/").await.status, 401);
            });
            backend.assert_nobody_shares();
        }
    }
}

#[test]
fn a_first_request_that_has_credentials_already_goes_over_no_connection_of_the_pool() {
    for protocol in PROTOCOLS {
        let (proxy, backend) = house();
        browse(async {
            let mut carol = Browser::connect(&proxy, protocol, "carol").await;
            let pooled = carol.get("/open").await.connection();
            let mut alice = Browser::connect(&proxy, protocol, "alice").await;
            let signed_in = alice.sign_in("NTLM").await;
            assert_eq!(signed_in.user(), "alice");
            assert_ne!(signed_in.connection(), pooled);
            let mut dave = Browser::connect(&proxy, protocol, "dave").await;
            let credentials = kerberos("dave");
            let to_dave = dave.get_as("/", &credentials).await;
            assert_eq!(to_dave.user(), "dave");
            for client in [&mut carol, &mut Browser::connect(&proxy, protocol, "erin").await] {
                let reply = client.get("/open").await;
                assert_eq!((reply.user(), reply.connection()), ("-", pooled));
            }
            assert_eq!(dave.get("/").await.user(), "dave");
            assert_eq!(backend.upstream.connections(), 3);
        });
        backend.assert_nobody_shares();
    }
}

#[test]
fn the_connection_on_which_the_offer_came_is_the_clients_from_then_on() {
    for protocol in PROTOCOLS {
        let (proxy, backend) = house();
        browse(async {
            let mut alice = Browser::connect(&proxy, protocol, "alice").await;
            let offered = alice.get("/").await;
            assert!(offered.offers().eq(["Negotiate", "NTLM"]));
            let mut bob = Browser::connect(&proxy, protocol, "bob").await;
            assert_ne!(bob.get("/open").await.connection(), offered.connection());
            let signed_in = alice.sign_in("NTLM").await;
            assert_eq!(
                (signed_in.user(), signed_in.connection()),
                ("alice", offered.connection())
            );
            // What is about the connection is not kept from the client either.
            assert_eq!(signed_in.headers["persistent-auth"], "true");
        });
        backend.assert_nobody_shares();
    }
}

#[test]
fn the_streams_of_one_client_take_turns_on_its_connection() {
    let (proxy, backend) = house();
    browse(async {
        let mut alice = Browser::connect(&proxy, Protocol::Http2, "alice").await;
        let mut bob = Browser::connect(&proxy, Protocol::Http2, "bob").await;
        let signed_in = alice.sign_in("Negotiate").await.connection();
        let streams = (0..50).map(|_| {
            let mut alice = alice.beside();
            async move {
                let reply = alice.get("/").await;
                assert_eq!((reply.user(), reply.connection()), ("alice", signed_in));
            }
        });
        let streams: Vec<_> = streams.map(|stream| tokio::task::spawn_local(stream)).collect();
        assert_eq!(bob.sign_in("Negotiate").await.user(), "bob");
        for stream in streams {
            stream.await.unwrap();
        }
        assert_eq!(bob.get("/open").await.user(), "bob");
    });
    backend.assert_nobody_shares();
}

#[test]
fn streams_without_credentials_beside_a_handshake_never_share_a_connection_with_others() {
    let (proxy, backend) = house();
    browse(async {
        let alice = Browser::connect(&proxy, Protocol::Http2, "alice").await;
        let streams: Vec<_> = (0..20)
            .map(|_| {
                let mut alice = alice.beside();
                tokio::task::spawn_local(async move { alice.get("/").await.status })
            })
            .collect();
        assert_eq!(alice.beside().sign_in("NTLM").await.user(), "alice");
        for stream in streams {
            assert!(matches!(stream.await.unwrap(), 200 | 401));
        }
        let mut bob = Browser::connect(&proxy, Protocol::Http2, "bob").await;
        assert_eq!(bob.get("/open").await.user(), "-");
        assert_eq!(alice.beside().get("/").await.user(), "alice");
    });
    backend.assert_nobody_shares();
}

#[test]
fn of_several_connections_that_came_with_an_offer_one_is_kept_and_none_goes_to_others() {
    // Whether streams meet is up to the scheduler: again, until they have.
    for _ in 0..100 {
        let (proxy, backend) = house();
        browse(async {
            let alice = Browser::connect(&proxy, Protocol::Http2, "alice").await;
            let streams: Vec<_> = (0..8)
                .map(|_| {
                    let mut alice = alice.beside();
                    tokio::task::spawn_local(async move { assert_eq!(alice.get("/").await.status, 401) })
                })
                .collect();
            for stream in streams {
                stream.await.unwrap();
            }
            for number in 0..8 {
                let mut other = Browser::connect(&proxy, Protocol::Http1, format!("other.{number}")).await;
                assert_eq!(other.get("/open").await.user(), "-");
            }
            assert_eq!(alice.beside().sign_in("NTLM").await.user(), "alice");
        });
        backend.assert_nobody_shares();
        // One for those that are nobody's.
        if backend.upstream.connections() > 2 {
            return;
        }
    }
    panic!("streams never met");
}

#[test]
fn a_connection_ends_with_the_client_that_it_is_pinned_to() {
    for protocol in PROTOCOLS {
        let (proxy, backend) = house();
        let (pinned, pooled) = browse(async {
            let mut bob = Browser::connect(&proxy, protocol, "bob").await;
            let pooled = bob.get("/open").await.connection();
            let mut alice = Browser::connect(&proxy, protocol, "alice").await;
            (alice.sign_in("NTLM").await.connection(), pooled)
        });
        eventually("the connection of the client that left has ended", || {
            backend.has_ended(pinned)
        });
        assert!(!backend.has_ended(pooled));
    }
}

#[test]
fn a_request_in_progress_ends_with_its_client_too() {
    for protocol in PROTOCOLS {
        let (proxy, backend) = house();
        let pinned = browse(async {
            let mut alice = Browser::connect(&proxy, protocol, "alice").await;
            let pinned = alice.sign_in("NTLM").await.connection();
            let hang = Request::get("/").header("x-backend", "hang").body(Full::default());
            let _response = alice.begin(hang.unwrap()).await.unwrap();
            pinned
        });
        eventually("its connection has ended", || backend.has_ended(pinned));
    }
}

#[test]
fn when_the_server_closes_the_client_is_nobody_again_and_may_begin_anew() {
    for protocol in PROTOCOLS {
        for trouble in ["close", "vanish"] {
            let (proxy, backend) = house();
            browse(async {
                let mut alice = Browser::connect(&proxy, protocol, "alice").await;
                let first = alice.sign_in("NTLM").await.connection();
                assert_eq!(alice.get_with("/", &[("x-backend", trouble)]).await.user(), "alice");
                while !backend.has_ended(first) {
                    tokio::task::yield_now().await;
                }
                let reply = alice.get("/").await;
                assert_eq!(reply.status, 401, "{trouble}");
                assert_ne!(reply.connection(), first);
                assert_eq!(alice.get("/open").await.user(), "-");
                let again = alice.sign_in("NTLM").await;
                assert_eq!((again.user(), again.connection()), ("alice", reply.connection()));
            });
            backend.assert_nobody_shares();
        }
    }
}

#[test]
fn half_a_handshake_is_never_carried_on_on_another_connection() {
    for protocol in PROTOCOLS {
        for trouble in ["close", "vanish"] {
            let (proxy, backend) = house();
            browse(async {
                let mut alice = Browser::connect(&proxy, protocol, "alice").await;
                let credentials = negotiate("NTLM");
                let fields = [("authorization", credentials.as_str()), ("x-backend", trouble)];
                let challenged = alice.get_with("/", &fields).await;
                while !backend.has_ended(challenged.connection()) {
                    tokio::task::yield_now().await;
                }
                let credentials = authenticate(challenged.offers(), "alice");
                assert_eq!(alice.get_as("/", &credentials).await.status, 502);
                let answers = backend
                    .seen()
                    .into_iter()
                    .filter(|seen| seen.authorization.as_ref() == Some(&credentials));
                assert_eq!(answers.count(), 0, "{trouble}");
                assert_eq!(alice.sign_in("NTLM").await.user(), "alice");
            });
        }
    }
}

#[test]
fn credentials_that_have_been_sent_are_not_sent_again() {
    for protocol in PROTOCOLS {
        let (proxy, backend) = house();
        browse(async {
            let mut alice = Browser::connect(&proxy, protocol, "alice").await;
            for credentials in [kerberos("alice"), negotiate("NTLM")] {
                // On a new connection, and on one that has been used before.
                for _ in 0..2 {
                    let fields = [("authorization", credentials.as_str()), ("x-backend", "lose")];
                    let before = backend.seen().len();
                    assert_eq!(alice.get_with("/", &fields).await.status, 502);
                    assert_eq!(backend.seen().len(), before + 1);
                    assert_eq!(alice.get_as("/", &kerberos("alice")).await.user(), "alice");
                }
            }
        });
    }
}

#[test]
fn credentials_that_have_been_sent_go_to_no_other_server_either() {
    let backends = [Ntlm::start(), Ntlm::start()];
    let addresses = [0, 1].map(|index: usize| backends[index].upstream.address);
    for protocol in PROTOCOLS {
        let proxy = Proxy::with(&addresses, |_| ());
        browse(async {
            let seen = || backends.iter().map(|backend| backend.seen().len()).sum::<usize>();
            let before = seen();
            let mut alice = Browser::connect(&proxy, protocol, "alice").await;
            let credentials = kerberos("alice");
            let fields = [("authorization", credentials.as_str()), ("x-backend", "lose")];
            assert_eq!(alice.get_with("/", &fields).await.status, 502);
            assert_eq!(seen(), before + 1);
            // Once pinned, it is no longer anybody else's turn.
            assert_eq!(alice.get_as("/", &credentials).await.user(), "alice");
            for _ in 0..4 {
                assert_eq!(alice.get("/").await.user(), "alice");
            }
        });
    }
    backends.iter().for_each(Ntlm::assert_nobody_shares);
}

#[test]
fn a_server_that_closes_with_its_offer_gets_the_credentials_on_the_next_connection() {
    for protocol in PROTOCOLS {
        let (proxy, backend) = house();
        browse(async {
            let mut alice = Browser::connect(&proxy, protocol, "alice").await;
            let offered = alice.get_with("/", &[("x-backend", "close")]).await;
            assert_eq!(offered.status, 401);
            let reply = alice.get_as("/", &kerberos("alice")).await;
            assert_eq!(reply.user(), "alice");
            assert_ne!(reply.connection(), offered.connection());
            assert!(reply.offers().eq(["Negotiate oQM="]));
            assert_eq!(alice.get("/").await.user(), "alice");
        });
        backend.assert_nobody_shares();
    }
}

#[test]
fn a_body_follows_the_handshake_on_the_same_connection() {
    let (proxy, backend) = house();
    let mut client = Client::of(&proxy);
    let post = |credentials: &str, body: &str| {
        format!(
            "POST /save HTTP/1.1\r\nHost: a.test\r\nX-Client: alice\r\nAuthorization: {credentials}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let challenged = client.send(post(&negotiate("NTLM"), "")).response();
    assert_eq!(challenged.status, 401);
    let fields = challenged.head.split("\r\n").filter_map(|line| line.split_once(": "));
    let credentials = authenticate(fields.map(|(_, value)| value), "alice");
    let saved = client.send(post(&credentials, "twelve bytes")).response();
    assert_eq!((saved.status, saved.text().as_str()), (200, "alice 0 12"));
    backend.assert_nobody_shares();
}

#[test]
fn an_answer_that_comes_before_the_body_was_read_costs_nobody_the_connection() {
    for protocol in PROTOCOLS {
        let (proxy, backend) = house();
        browse(async {
            let mut alice = Browser::connect(&proxy, protocol, "alice").await;
            let request = Request::post("/save")
                .header("x-backend", "early")
                .header("authorization", kerberos("alice"))
                .body(Full::new(Bytes::from(vec![0; 300_000])));
            let saved = alice.send(request.unwrap()).await;
            assert_eq!(saved.text, "alice 0 300000");
            assert_eq!(alice.get("/").await.text, "alice 0 0");
        });
        backend.assert_nobody_shares();
    }
}

#[test]
fn a_tunnel_is_asked_for_on_the_connection_that_is_authenticated() {
    let upstream = Upstream::scripted(|connection| {
        while let Some(head) = connection.head() {
            if head.contains("Authorization: Negotiate ") {
                connection.send("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello");
            } else {
                connection.send("HTTP/1.1 401 X\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n");
            }
        }
    });
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    let ask = |credentials: &str| {
        format!("GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{credentials}\r\n")
    };
    assert_eq!(client.send(ask("")).response().status, 401);
    let credentials = format!("Authorization: {}\r\n", kerberos("alice"));
    assert_eq!(client.send(ask(&credentials)).response().status, 101);
    assert_eq!(client.bytes(5), b"hello");
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn clients_that_a_trusted_proxy_puts_on_one_connection_are_kept_apart() {
    for protocol in PROTOCOLS {
        let backend = Ntlm::start();
        let proxy = Proxy::with(&[backend.upstream.address], |settings| {
            settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()].into();
        });
        browse(async {
            let mut balancer = Browser::connect(&proxy, protocol, "alice").await;
            let (alice, bob) = (("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "192.0.2.2"));
            let credentials = kerberos("alice");
            let fields = [alice, ("authorization", credentials.as_str())];
            let pinned = balancer.get_with("/", &fields).await.connection();
            balancer.user = "bob".to_owned();
            assert_eq!(balancer.get_with("/open", &[bob]).await.user(), "-");
            assert_eq!(balancer.get_with("/", &[bob]).await.status, 401);
            let credentials = kerberos("bob");
            let fields = [bob, ("authorization", credentials.as_str())];
            assert_eq!(balancer.get_with("/", &fields).await.user(), "bob");
            balancer.user = "alice".to_owned();
            let reply = balancer.get_with("/", &[alice]).await;
            assert_eq!((reply.user(), reply.connection()), ("alice", pinned));
        });
        backend.assert_nobody_shares();
    }
}

#[test]
fn each_backend_has_a_connection_of_its_own_and_the_one_idle_for_longest_makes_room_for_the_next() {
    let backends = [Ntlm::start(), Ntlm::start(), Ntlm::start()];
    let proxy = Proxy::with(&[], |settings| {
        settings.backends = backends
            .iter()
            .map(|ntlm| backend("", &[ntlm.upstream.address]))
            .collect();
        settings.routes = (0..3)
            .map(|index| Route {
                paths: vec![format!("/{index}").parse().unwrap()],
                ..Route::to(index)
            })
            .collect();
        settings.limits.connections = 2;
    });
    browse(async {
        let mut alice = Browser::connect(&proxy, Protocol::Http2, "alice").await;
        for path in ["/0", "/1"] {
            assert_eq!(alice.get(path).await.status, 401);
            assert_eq!(alice.get_as(path, &kerberos("alice")).await.user(), "alice");
        }
        assert_eq!(alice.get("/0").await.text, "alice 0 0");
        // It takes the place of the one of the second backend, which the first was used after.
        assert_eq!(alice.get_as("/2", &kerberos("alice")).await.user(), "alice");
        assert_eq!(alice.get("/0").await.text, "alice 0 0");
        assert!(!backends[0].has_ended(0));
        eventually("the other has ended", || backends[1].has_ended(0));
        // Those in use keep their places.
        let mut held = Vec::new();
        for path in ["/0", "/2"] {
            let hang = Request::get(path).header("x-backend", "hang").body(Full::default());
            held.push(alice.begin(hang.unwrap()).await.unwrap());
        }
        assert_eq!(alice.get("/1").await.status, 503);
        assert!(!backends[0].has_ended(0) && !backends[2].has_ended(0));
    });
}

#[test]
fn where_the_server_has_no_other_place_an_idle_connection_is_closed_and_its_client_begins_anew() {
    for protocol in PROTOCOLS {
        let (proxy, backend) = narrow_house(PATIENCE);
        browse(async {
            let mut alice = Browser::connect(&proxy, protocol, "alice").await;
            let mut bob = Browser::connect(&proxy, protocol, "bob").await;
            for _ in 0..2 {
                let of_alice = alice.sign_in("NTLM").await;
                assert_eq!(of_alice.user(), "alice");
                let to_bob = bob.get("/open").await;
                assert_eq!(to_bob.user(), "-");
                assert_ne!(to_bob.connection(), of_alice.connection());
                eventually("the connection of the one is closed for the other", || {
                    backend.has_ended(of_alice.connection())
                });
                // Nobody again, and not whoever has a connection meanwhile.
                assert_eq!(bob.sign_in("NTLM").await.user(), "bob");
                let reply = alice.get("/").await;
                assert_eq!((reply.status, alice.get("/open").await.user()), (401, "-"));
            }
        });
        backend.assert_nobody_shares();
    }
}

#[test]
fn an_offer_that_nobody_takes_up_keeps_nobody_out() {
    let (proxy, backend) = narrow_house(PATIENCE);
    browse(async {
        let mut idle = Vec::new();
        for number in 0..5 {
            let mut client = Browser::connect(&proxy, PROTOCOLS[number % 2], format!("client.{number}")).await;
            assert_eq!(client.get("/").await.status, 401);
            idle.push(client);
        }
        // Nor does a handshake that is never ended.
        let mut alice = Browser::connect(&proxy, Protocol::Http1, "alice").await;
        assert_eq!(alice.get_as("/", &negotiate("NTLM")).await.status, 401);
        let mut bob = Browser::connect(&proxy, Protocol::Http1, "bob").await;
        assert_eq!(bob.get("/open").await.user(), "-");
    });
    backend.assert_nobody_shares();
}

#[test]
fn half_a_handshake_has_time_for_its_other_half_before_it_makes_room() {
    let (proxy, backend) = narrow_house(PATIENCE);
    browse(async {
        let mut alice = Browser::connect(&proxy, Protocol::Http1, "alice").await;
        let mut bob = Browser::connect(&proxy, Protocol::Http1, "bob").await;
        let challenged = alice.get_as("/", &negotiate("NTLM")).await;
        let mut to_bob = Box::pin(bob.get("/open"));
        let meanwhile = tokio::time::timeout(Duration::from_millis(300), &mut to_bob).await;
        assert!(meanwhile.is_err(), "{meanwhile:?}");
        let credentials = authenticate(challenged.offers(), "alice");
        assert_eq!(alice.get_as("/", &credentials).await.user(), "alice");
        assert_eq!(to_bob.await.user(), "-");
    });
    backend.assert_nobody_shares();
}

#[test]
fn a_connection_in_use_makes_no_room_for_anybody() {
    for protocol in PROTOCOLS {
        let (proxy, backend) = narrow_house(Duration::from_millis(300));
        browse(async {
            let mut alice = Browser::connect(&proxy, protocol, "alice").await;
            let pinned = alice.sign_in("NTLM").await.connection();
            let hang = Request::get("/").header("x-backend", "hang").body(Full::default());
            let _response = alice.begin(hang.unwrap()).await.unwrap();
            let mut bob = Browser::connect(&proxy, protocol, "bob").await;
            assert_eq!(bob.get("/open").await.status, 503);
            assert!(!backend.has_ended(pinned));
        });
        backend.assert_nobody_shares();
    }
}

#[test]
fn a_stream_does_not_wait_for_its_turn_for_ever() {
    let ntlm = Ntlm::start();
    let proxy = Proxy::with(&[ntlm.upstream.address], |settings| {
        settings.backends[0].timeouts.first_byte = Duration::from_millis(200);
    });
    browse(async {
        let mut alice = Browser::connect(&proxy, Protocol::Http2, "alice").await;
        let pinned = alice.sign_in("NTLM").await.connection();
        let hang = Request::get("/").header("x-backend", "hang").body(Full::default());
        let response = alice.begin(hang.unwrap()).await.unwrap();
        assert_eq!(alice.get("/").await.status, 503);
        // A stream that is reset takes the connection with it, and the next begins anew.
        drop(response);
        while !ntlm.has_ended(pinned) {
            tokio::task::yield_now().await;
        }
        assert_eq!(alice.sign_in("NTLM").await.user(), "alice");
    });
}

#[test]
fn a_route_of_windows_authentication_offers_http_1_1_alone_and_sends_http2_there() {
    let (proxy, backend) = house_with(WindowsAuth::Http1);
    browse(async {
        let stream = connect(&proxy, &[b"h2", b"http/1.1"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let mut alice = Browser::connect(&proxy, Protocol::Http1, "alice").await;
        assert_eq!(alice.sign_in("Negotiate").await.user(), "alice");
    });
    // Another host's connection still speaks HTTP/2, and a client may ask for this one on it.
    let coalesced = Proxy::with(&[backend.upstream.address], |settings| {
        let windows = Route {
            hosts: vec!["b.test".parse().unwrap()],
            windows_auth: WindowsAuth::Http1,
            ..Route::to(0)
        };
        settings.routes.push(windows);
    });
    crate::rig::client::http2(&coalesced, async |mut sender| {
        let get = |host: &str| Request::get(format!("https://{host}/open")).body(Full::<Bytes>::default());
        let error = sender.send_request(get("b.test").unwrap()).await.unwrap_err();
        let reset = std::error::Error::source(&error)
            .unwrap()
            .downcast_ref::<h2::Error>()
            .unwrap();
        assert_eq!(reset.reason(), Some(h2::Reason::HTTP_1_1_REQUIRED));
        // The connection is as good as before.
        let response = sender.send_request(get("a.test").unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.unwrap();
    });
}

#[test]
fn where_it_is_removed_no_connection_is_ever_anybodys() {
    for protocol in PROTOCOLS {
        let (proxy, backend) = house_with(WindowsAuth::Remove);
        browse(async {
            let mut alice = Browser::connect(&proxy, protocol, "alice").await;
            let offered = alice.get("/").await;
            assert_eq!((offered.status, offered.offers().count()), (401, 0));
            for credentials in [negotiate("NTLM"), kerberos("alice")] {
                assert_eq!(alice.get_as("/open", &credentials).await.user(), "-");
            }
            assert_eq!(alice.get_as("/open", "Basic eDp5").await.status, 401);
        });
        let authorizations: Vec<_> = backend
            .seen()
            .into_iter()
            .filter_map(|seen| seen.authorization)
            .collect();
        assert_eq!(authorizations, ["Basic eDp5"]);
        assert_eq!(backend.upstream.connections(), 1);
    }
}

#[test]
fn other_authentication_leaves_connections_in_the_pool() {
    let upstream = Upstream::answering(
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"NTLM\"\r\nContent-Length: 0\r\n\r\n",
    );
    let proxy = Proxy::of(&upstream);
    for _ in 0..3 {
        let mut client = Client::of(&proxy);
        let get = "GET / HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic eDp5\r\n\r\n";
        assert_eq!(client.send(get).response().status, 401);
    }
    assert_eq!(upstream.connections(), 1);
}
