//! A backend that authenticates connections as IIS does, and says of each whose it takes it for.
//!
//! The messages have the shape of [MS-NLMP] section 2.2.1; what proves the password is made of the challenge and the
//! user's name, so that an answer to another connection's challenge is no good, as it is with the real one.

use std::sync::{Arc, Mutex};

use base64ct::{Base64, Encoding};
use sha2::{Digest, Sha256};

use super::upstream::{Connection, Upstream};

const SIGNATURE: &[u8] = b"NTLMSSP\0";

/// A backend that authenticates connections.
///
/// Every path wants a user but those that begin with `/open`. The body of a response is the user whom it takes the
/// connection for (`-` for nobody), the number of the connection and the length of the request's body. A request asks
/// for trouble with `X-Backend`: `close` (the connection, and says so), `vanish` (after the response, without saying
/// so), `lose` (instead of a response), `early` (a response before the request's body is read), `hang` (half a
/// response).
pub(crate) struct Ntlm {
    pub(crate) upstream: Upstream,
    seen: Arc<Mutex<Vec<Seen>>>,
    ended: Arc<Mutex<Vec<usize>>>,
}

/// A request as the backend saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The number of the connection.
    pub(crate) connection: usize,
    /// `X-Client`: who sent it.
    pub(crate) client: String,
    /// What it authenticated itself with.
    pub(crate) authorization: Option<String>,
    /// Whom the connection belonged to when it was answered.
    pub(crate) user: Option<String>,
    pub(crate) status: u16,
}

impl Ntlm {
    pub(crate) fn start() -> Self {
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let ended = Arc::<Mutex<Vec<usize>>>::default();
        let (log, ends) = (Arc::clone(&seen), Arc::clone(&ended));
        let upstream = Upstream::scripted(move |connection| {
            serve(connection, &log);
            ends.lock().unwrap().push(connection.number);
        });
        Self { upstream, seen, ended }
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Whether a connection has ended.
    pub(crate) fn has_ended(&self, connection: usize) -> bool {
        self.ended.lock().unwrap().contains(&connection)
    }

    /// From the first request of a connection on that was offered to authenticate it, or had credentials, all are of
    /// one client; and none was taken for anybody but its client.
    #[track_caller]
    pub(crate) fn assert_nobody_shares(&self) {
        let seen = self.seen();
        for (at, first) in seen.iter().enumerate() {
            assert!(
                first.user.as_ref().is_none_or(|user| *user == first.client),
                "a stranger's identity: {first:?}"
            );
            if first.status != 401 && first.authorization.is_none() {
                continue;
            }
            for later in seen[at..].iter().filter(|later| later.connection == first.connection) {
                assert_eq!(later.client, first.client, "{first:?} and then {later:?}");
            }
        }
    }
}

/// What a connection has come to.
#[derive(Default)]
struct State {
    user: Option<String>,
    challenge: Option<[u8; 8]>,
    challenges: u64,
}

fn serve(connection: &mut Connection, log: &Mutex<Vec<Seen>>) {
    let mut state = State::default();
    while let Some(head) = connection.head() {
        let trouble = field(&head, "x-backend").unwrap_or_default();
        let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        if trouble != "early" && connection.bytes(length).is_none() {
            return;
        }
        let authorization = field(&head, "authorization");
        let path = head.split(' ').nth(1).unwrap();
        let (status, offers) = match &authorization {
            Some(authorization) => state.authenticate(authorization, connection.number),
            None if state.user.is_some() || path.starts_with("/open") => (200, String::new()),
            None => (401, offer()),
        };
        log.lock().unwrap().push(Seen {
            connection: connection.number,
            client: field(&head, "x-client").unwrap_or_default(),
            authorization,
            user: state.user.clone(),
            status,
        });
        if trouble == "lose" {
            return;
        }
        let body = format!(
            "{} {} {length}",
            state.user.as_deref().unwrap_or("-"),
            connection.number
        );
        let persistent = match state.user {
            Some(_) => "Persistent-Auth: true\r\n",
            None => "",
        };
        let close = if trouble == "close" {
            "Connection: close\r\n"
        } else {
            ""
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{offers}{persistent}{close}\r\n",
            body.len()
        );
        if trouble == "hang" {
            connection.send(head + &body[..1]);
            connection.rest();
            return;
        }
        connection.send(head + &body);
        if trouble == "early" && connection.bytes(length).is_none() {
            return;
        }
        if matches!(&*trouble, "close" | "vanish") {
            return;
        }
    }
}

impl State {
    /// The status, and the fields that go with it.
    fn authenticate(&mut self, authorization: &str, connection: usize) -> (u16, String) {
        let (scheme, token) = authorization.split_once(' ').unwrap_or((authorization, ""));
        let token = Base64::decode_vec(token).unwrap_or_default();
        if let Some(user) = kerberos_user(&token).filter(|_| scheme == "Negotiate") {
            self.user = Some(user);
            return (
                200,
                format!("WWW-Authenticate: Negotiate {}\r\n", Base64::encode_string(b"\xa1\x03")),
            );
        }
        match token.strip_prefix(SIGNATURE).and_then(|message| message.first()) {
            Some(1) => {
                self.challenges += 1;
                let seed = [connection as u64, self.challenges].map(u64::to_be_bytes).concat();
                let challenge = Sha256::digest(seed)[..8].try_into().unwrap();
                (self.user, self.challenge) = (None, Some(challenge));
                let message = Base64::encode_string(&challenge_message(challenge));
                (401, format!("WWW-Authenticate: {scheme} {message}\r\n"))
            }
            Some(3) => {
                let (user, proof) = authenticated(&token);
                match self.challenge.take() {
                    Some(challenge) if proof == response(challenge, &user) => {
                        self.user = Some(user);
                        (200, String::new())
                    }
                    _ => (401, offer()),
                }
            }
            _ => (401, offer()),
        }
    }
}

fn offer() -> String {
    "WWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\n".to_owned()
}

/// `NTLM` or `Negotiate` and a NEGOTIATE_MESSAGE.
pub(crate) fn negotiate(scheme: &str) -> String {
    let message = [SIGNATURE, &1u32.to_le_bytes(), &0xa208_8207u32.to_le_bytes(), &[0; 24]].concat();
    format!("{scheme} {}", Base64::encode_string(&message))
}

/// `NTLM` or `Negotiate` and an AUTHENTICATE_MESSAGE of `user` for the challenge in a response's fields.
pub(crate) fn authenticate<'f>(fields: impl IntoIterator<Item = &'f str>, user: &str) -> String {
    let found = fields.into_iter().find_map(|value| {
        let (scheme, token) = value.split_once(' ')?;
        let message = Base64::decode_vec(token).ok()?;
        Some((scheme, message.get(24..32)?.try_into().unwrap()))
    });
    let (scheme, challenge) = found.expect("a challenge");
    let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let payload = [
        vec![0; 24],
        response(challenge, user).to_vec(),
        utf16("CORP"),
        utf16(user),
        utf16("DESK"),
        Vec::new(),
    ];
    let mut message = [SIGNATURE, &3u32.to_le_bytes()].concat();
    let mut offset = 88;
    for part in &payload {
        let length = u16::try_from(part.len()).unwrap().to_le_bytes();
        message.extend([length, length].concat());
        message.extend(u32::try_from(offset).unwrap().to_le_bytes());
        offset += part.len();
    }
    // Flags, version and MIC.
    message.extend([0; 28]);
    message.extend(payload.concat());
    format!("{scheme} {}", Base64::encode_string(&message))
}

/// `Negotiate` and a token that needs no second one: the frame of an InitialContextToken, SPNEGO's identifier, a name.
pub(crate) fn kerberos(user: &str) -> String {
    let length = u8::try_from(KERBEROS.len() + user.len()).unwrap();
    let token = [&[0x60, length], KERBEROS, user.as_bytes()].concat();
    format!("Negotiate {}", Base64::encode_string(&token))
}

const KERBEROS: &[u8] = &[0x06, 0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x02];

fn kerberos_user(token: &[u8]) -> Option<String> {
    let user = token.strip_prefix(&[0x60])?.get(1..)?.strip_prefix(KERBEROS)?;
    Some(String::from_utf8(user.to_vec()).unwrap())
}

fn challenge_message(challenge: [u8; 8]) -> Vec<u8> {
    let target: Vec<u8> = "CORP".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut message = [SIGNATURE, &2u32.to_le_bytes()].concat();
    message.extend([8, 0, 8, 0, 56, 0, 0, 0]);
    message.extend(0xa289_8205u32.to_le_bytes());
    message.extend(challenge);
    message.extend([0; 24]);
    message.extend(target);
    message
}

/// The user and the proof in an AUTHENTICATE_MESSAGE.
fn authenticated(message: &[u8]) -> (String, [u8; 24]) {
    let part = |at: usize| {
        let length = u16::from_le_bytes(message[at..at + 2].try_into().unwrap());
        let offset = u32::from_le_bytes(message[at + 4..at + 8].try_into().unwrap()) as usize;
        &message[offset..offset + usize::from(length)]
    };
    let user: Vec<u16> = part(36)
        .chunks(2)
        .map(|unit| u16::from_le_bytes(unit.try_into().unwrap()))
        .collect();
    (String::from_utf16(&user).unwrap(), part(20).try_into().unwrap())
}

fn response(challenge: [u8; 8], user: &str) -> [u8; 24] {
    let digest = Sha256::digest([&challenge, user.as_bytes()].concat());
    digest[..24].try_into().unwrap()
}

fn field(head: &str, name: &str) -> Option<String> {
    head.split("\r\n").find_map(|line| {
        let (field, value) = line.split_once(": ")?;
        field.eq_ignore_ascii_case(name).then(|| value.to_owned())
    })
}
