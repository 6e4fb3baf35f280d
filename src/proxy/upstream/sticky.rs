//! A client stays with its server: a sealed cookie says which that is.
//!
//! The cookie holds a digest of the server's address and until when it counts. So it means the same to every replica,
//! whatever the order of the servers in its configuration, and tells the client nothing.

use std::sync::Arc;

use aws_lc_rs::digest;
use http::header::{COOKIE, HeaderMap, HeaderValue};

use super::seal::Seal;
use super::settings;

/// Bytes of a digest: enough that no two servers of one backend have the same.
const DIGEST: usize = 8;
/// Bytes of what is sealed: digest and seconds since 1970.
const MESSAGE: usize = DIGEST + 8;

/// Which server clients stay with.
#[derive(Debug)]
pub(super) struct Sticky {
    name: Box<str>,
    lifetime: u64,
    seal: Arc<Seal>,
    servers: Box<[[u8; DIGEST]]>,
}

/// What a client's cookie says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// The server it stays with.
    pub(super) server: Option<usize>,
    /// Whether its cookie still counts for a good while.
    is_fresh: bool,
}

impl Sticky {
    /// Cookies for the servers with these names, sealed with `seal`.
    pub(super) fn new<'a>(
        settings: &settings::Sticky,
        servers: impl Iterator<Item = &'a str>,
        seal: Arc<Seal>,
    ) -> Self {
        Self {
            name: settings.cookie.clone(),
            lifetime: settings.lifetime.as_secs(),
            seal,
            servers: servers.map(digest_of).collect(),
        }
    }

    /// What the client wishes at `now`, in seconds since 1970. Its cookie is taken out: it is none of the server's
    /// business. One that is forged, over or of a server that is gone says nothing.
    pub(super) fn take(&self, headers: &mut HeaderMap, now: u64) -> Wish {
        let is_there = |value: &HeaderValue| self.pairs(value).any(|(_, sealed)| sealed.is_some());
        if !headers.get_all(COOKIE).iter().any(is_there) {
            return Wish::default();
        }
        let mut wish = None;
        let mut rest = Vec::new();
        for value in headers.get_all(COOKIE) {
            let mut kept = Vec::with_capacity(value.len());
            for (pair, sealed) in self.pairs(value) {
                match sealed {
                    Some(sealed) => wish = wish.or_else(|| self.open(sealed, now)),
                    None if pair.is_empty() => {}
                    None => {
                        if !kept.is_empty() {
                            kept.extend_from_slice(b"; ");
                        }
                        kept.extend_from_slice(pair);
                    }
                }
            }
            // Parts of a field value are one.
            rest.extend(HeaderValue::from_bytes(&kept).ok().filter(|kept| !kept.is_empty()));
        }
        headers.remove(COOKIE);
        for value in rest {
            headers.append(COOKIE, value);
        }
        wish.unwrap_or_default()
    }

    /// The cookie for a client whose wish was `wish` and that was answered by `server` at `now`, if it needs one.
    pub(super) fn cookie(&self, wish: Wish, server: usize, now: u64) -> Option<HeaderValue> {
        if wish.is_fresh && wish.server == Some(server) {
            return None;
        }
        let mut message = self.servers.get(server)?.to_vec();
        message.extend_from_slice(&now.saturating_add(self.lifetime).to_be_bytes());
        let sealed = self.seal.seal(&message)?;
        let cookie = format!("{}={sealed}; Path=/; Secure; HttpOnly; SameSite=Lax", self.name);
        HeaderValue::from_str(&cookie).ok()
    }

    /// The pairs of a Cookie field, and of each what is sealed in it if it is ours.
    fn pairs<'v>(&self, value: &'v HeaderValue) -> impl Iterator<Item = (&'v [u8], Option<&'v [u8]>)> {
        let pairs = value.as_bytes().split(|byte| *byte == b';');
        pairs.map(|pair| {
            let pair = pair.trim_ascii();
            let ours = pair.strip_prefix(self.name.as_bytes());
            (pair, ours.and_then(|ours| ours.strip_prefix(b"=")))
        })
    }

    fn open(&self, sealed: &[u8], now: u64) -> Option<Wish> {
        let message = self.seal.open(sealed, MESSAGE)?;
        let (digest, until) = message.split_first_chunk::<DIGEST>()?;
        let until = u64::from_be_bytes(until.try_into().ok()?);
        let server = self.servers.iter().position(|server| server == digest)?;
        (now < until).then(|| Wish {
            server: Some(server),
            // In the second half of its life it is replaced, so that nobody who keeps coming is moved.
            is_fresh: until - now > self.lifetime / 2,
        })
    }
}

fn digest_of(server: &str) -> [u8; DIGEST] {
    let digest = digest::digest(&digest::SHA256, server.as_bytes());
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::settings::Secret;
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn sticky(servers: &[&str]) -> Sticky {
        let settings = settings::Sticky {
            cookie: "server".into(),
            secret: Secret::new(b"a secret of all replicas"),
            lifetime: Duration::from_secs(1000),
        };
        let seal = Seal::new(settings.secret.as_ref(), "app").unwrap();
        Sticky::new(&settings, servers.iter().copied(), Arc::new(seal))
    }

    fn request(fields: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(COOKIE, HeaderValue::from_str(field).unwrap());
        }
        headers
    }

    /// What the client sends back.
    fn pair(sticky: &Sticky, server: usize, now: u64) -> String {
        let cookie = sticky.cookie(Wish::default(), server, now).unwrap();
        cookie.to_str().unwrap().split_once(';').unwrap().0.to_owned()
    }

    #[test]
    fn a_cookie_names_its_server_whatever_the_order() {
        let cookie = pair(&sticky(&["a:80", "b:80"]), 1, NOW);
        let server = |sticky: &Sticky| sticky.take(&mut request(&[&cookie]), NOW).server;
        assert_eq!(server(&sticky(&["a:80", "b:80"])), Some(1));
        assert_eq!(server(&sticky(&["c:80", "d:80", "b:80"])), Some(2));
        assert_eq!(server(&sticky(&["a:80", "c:80"])), None);
    }

    #[test]
    fn a_cookie_counts_for_its_lifetime_and_is_replaced_in_the_second_half() {
        let sticky = sticky(&["a:80", "b:80"]);
        let cookie = pair(&sticky, 1, NOW);
        let wish = |now| sticky.take(&mut request(&[&cookie]), now);
        assert_eq!(sticky.cookie(wish(NOW + 499), 1, NOW), None);
        assert!(sticky.cookie(wish(NOW + 500), 1, NOW).is_some());
        assert_eq!(wish(NOW + 999).server, Some(1));
        assert_eq!(wish(NOW + 1000), Wish::default());
        // Its server did not answer, another did.
        assert!(sticky.cookie(wish(NOW), 0, NOW).is_some());
    }

    #[test]
    fn the_cookie_is_for_this_site_over_tls_and_not_for_scripts() {
        let cookie = sticky(&["a:80"]).cookie(Wish::default(), 0, NOW).unwrap();
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.starts_with("server="), "{cookie}");
        assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{cookie}");
    }

    #[test]
    fn the_server_behind_sees_every_cookie_but_this() {
        let sticky = sticky(&["a:80"]);
        let ours = pair(&sticky, 0, NOW);
        for (fields, expected) in [
            (vec![ours.clone()], vec![]),
            (vec![format!("a=1; {ours}; b=2")], vec!["a=1; b=2"]),
            (vec![format!("a=1;{ours};;b=2")], vec!["a=1; b=2"]),
            (vec!["a=1".to_owned(), ours.clone()], vec!["a=1"]),
            (vec![format!("server=forged; {ours}")], vec![]),
            (
                vec!["servers=1; xserver=2; server".to_owned()],
                vec!["servers=1; xserver=2; server"],
            ),
        ] {
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            let mut headers = request(&fields);
            let wish = sticky.take(&mut headers, NOW);
            assert_eq!(wish.server.is_some(), fields.concat().contains(&ours), "{fields:?}");
            let left: Vec<_> = headers.get_all(COOKIE).iter().collect();
            assert_eq!(left, expected, "{fields:?}");
        }
    }

    #[test]
    fn a_forged_cookie_says_nothing() {
        let sticky = sticky(&["a:80"]);
        for forged in [
            "server=",
            "server=0",
            "server=a:80",
            &format!("server={}", "0".repeat(88)),
        ] {
            assert_eq!(sticky.take(&mut request(&[forged]), NOW), Wish::default(), "{forged}");
        }
    }
}
