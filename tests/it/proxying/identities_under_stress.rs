//! Whatever clients do at the same time, nobody is ever taken for somebody else.

use http::Request;
use http_body_util::Full;
use proptest::prelude::*;

use crate::rig::browser::{Browser, Protocol, Reply, browse};
use crate::rig::ntlm::{Ntlm, authenticate, kerberos, negotiate};
use crate::rig::proxy::Proxy;

/// What a client does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Asks for what is open to everybody.
    Open,
    /// Asks for what is not.
    Ask,
    /// The whole handshake.
    SignIn(&'static str),
    /// The first half of it.
    Half,
    /// The second half, for a challenge that may be another connection's.
    OldAnswer,
    /// One token that is enough.
    Ticket,
    /// The backend does something to the connection.
    Trouble(&'static str),
    /// The backend does something to the connection that is being authenticated.
    TroubleWithTicket(&'static str),
    /// Two requests at once, where the protocol has that; the first may be given up.
    Beside,
    /// Leaves, and comes back as somebody else.
    Leave,
    /// Lets others go first.
    Wait(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let trouble = || prop::sample::select(vec!["close", "vanish", "lose"]);
    prop_oneof![
        3 => Just(Step::Open),
        3 => Just(Step::Ask),
        4 => prop::sample::select(vec!["NTLM", "Negotiate"]).prop_map(Step::SignIn),
        1 => Just(Step::Half),
        1 => Just(Step::OldAnswer),
        2 => Just(Step::Ticket),
        2 => trouble().prop_map(Step::Trouble),
        1 => trouble().prop_map(Step::TroubleWithTicket),
        2 => Just(Step::Beside),
        1 => Just(Step::Leave),
        2 => (1..20u8).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_ever_taken_for_somebody_else(
        clients in prop::collection::vec((any::<bool>(), prop::collection::vec(step(), 1..15)), 2..6),
    ) {
        let backend = Ntlm::start();
        let proxy = Proxy::of(&backend.upstream);
        browse(async {
            let clients = clients.iter().enumerate().map(|(number, (http2, steps))| {
                let protocol = if *http2 { Protocol::Http2 } else { Protocol::Http1 };
                run(&proxy, protocol, number, steps)
            });
            futures_of(clients.collect()).await;
            // Whatever is in the pool now is nobody's.
            for number in 0..5 {
                let mut stranger = Browser::connect(&proxy, Protocol::Http1, format!("stranger.{number}")).await;
                assert_eq!(stranger.get("/open").await.user(), "-");
            }
        });
        backend.assert_nobody_shares();
    }
}

/// All of them at once.
async fn futures_of(mut futures: Vec<impl Future<Output = ()>>) {
    let mut futures: Vec<_> = futures.drain(..).map(|future| Some(Box::pin(future))).collect();
    std::future::poll_fn(|context| {
        for slot in &mut futures {
            if slot
                .as_mut()
                .is_some_and(|future| future.as_mut().poll(context).is_ready())
            {
                *slot = None;
            }
        }
        match futures.iter().all(Option::is_none) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}

async fn run(proxy: &Proxy, protocol: Protocol, number: usize, steps: &[Step]) {
    let mut lives = 0;
    let mut browser = Browser::connect(proxy, protocol, format!("client.{number}.{lives}")).await;
    let mut challenged: Option<Reply> = None;
    for step in steps {
        let user = browser.user.clone();
        match step {
            Step::Open => check(&browser.get("/open").await, &user),
            Step::Ask => check(&browser.get("/").await, &user),
            Step::SignIn(scheme) => assert_eq!(browser.sign_in(scheme).await.user(), user),
            Step::Half => challenged = Some(browser.get_as("/", &negotiate("NTLM")).await),
            Step::OldAnswer => {
                if let Some(challenged) = &challenged {
                    let credentials = authenticate(challenged.offers(), &user);
                    check(&browser.get_as("/", &credentials).await, &user);
                }
            }
            Step::Ticket => assert_eq!(browser.get_as("/", &kerberos(&user)).await.user(), user),
            Step::Trouble(what) => check(&browser.get_with("/open", &[("x-backend", what)]).await, &user),
            Step::TroubleWithTicket(what) => {
                let fields = [("x-backend", *what), ("authorization", &kerberos(&user))];
                check(&browser.get_with("/", &fields).await, &user);
            }
            Step::Beside if protocol == Protocol::Http2 => {
                let (mut one, mut other) = (browser.beside(), browser.beside());
                let abandoned = async {
                    let request = Request::get("/").body(Full::default()).unwrap();
                    drop(one.begin(request).await);
                };
                let (reply, ()) = tokio::join!(other.get("/open"), abandoned);
                check(&reply, &user);
            }
            Step::Beside => check(&browser.get("/open").await, &user),
            Step::Leave => {
                lives += 1;
                browser = Browser::connect(proxy, protocol, format!("client.{number}.{lives}")).await;
            }
            Step::Wait(turns) => {
                for _ in 0..*turns {
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

/// Whatever the answer is, it is not somebody else's.
fn check(reply: &Reply, user: &str) {
    match reply.status {
        200 => assert!(reply.user() == "-" || reply.user() == user, "{reply:?} for {user}"),
        401 | 502 => {}
        _ => panic!("{reply:?} for {user}"),
    }
}
