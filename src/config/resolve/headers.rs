//! What a route says about header fields.

use crate::config::choices::ClientCertHeaders;
use crate::config::cookies::CookiePick;
use crate::config::error::{Fault, Problem};
use crate::config::fields::{FieldName, Header};
use crate::config::layer::Given;
use crate::config::raw;
use crate::config::rewriting::RedirectMode;
use crate::config::setting::{List, Setting};
use crate::config::tables::Table;
use crate::proxy::settings::{
    ClientCertFields, CookieRules, Edits, Forwarding, HeaderRules, HttpOnly, RedirectRules, RequestId, SameSite,
};

/// What holds for a route that nobody writes.
pub(super) fn defaults() -> HeaderRules {
    HeaderRules {
        forwarding: Forwarding {
            request_id: RequestId::Upstream,
            ..Forwarding::default()
        },
        redirects: RedirectRules {
            automatic: true,
            ..RedirectRules::default()
        },
        ..HeaderRules::default()
    }
}

/// Resolves the rules of one route. A preset has defaults of its own, which any key that is written goes before.
pub(super) fn rules(table: &Table<'_, raw::Route>, faults: &mut Vec<Fault>) -> HeaderRules {
    let default = defaults();
    let said = &mut Said { table, faults };
    let app = said.one(|route| &route.app);
    HeaderRules {
        forwarding: Forwarding {
            forwarded: said.one(|route| &route.forwarded).unwrap_or_default(),
            via: said.one(|route| &route.via),
            request_id: said
                .one(|route| &route.request_id)
                .unwrap_or(default.forwarding.request_id),
        },
        client_cert: fields(said.many(|route| &route.client_cert_headers)),
        app,
        upstream_host: said.one(|route| &route.upstream_host).unwrap_or_default(),
        redirects: RedirectRules {
            automatic: said
                .one(|route| &route.rewrite_redirects)
                .map_or(default.redirects.automatic, |mode| mode == RedirectMode::Auto),
            pairs: said.many(|route| &route.redirect_map),
        },
        cookies: said.cookies(app.is_some()),
        upgrade_insecure_requests: said.one(|route| &route.upgrade_insecure_requests).unwrap_or_default(),
        hsts: said.one(|route| &route.hsts),
        request: said.edits(
            |route| &route.remove_request_header,
            |route| &route.set_request_header,
            |route| &route.add_request_header,
        ),
        response: said.edits(
            |route| &route.remove_response_header,
            |route| &route.set_response_header,
            |route| &route.add_response_header,
        ),
    }
}

fn fields(asked: Vec<ClientCertHeaders>) -> ClientCertFields {
    let mut fields = ClientCertFields::default();
    for asked in asked {
        match asked {
            ClientCertHeaders::Rfc9440 => fields.rfc9440 = true,
            ClientCertHeaders::Rfc9440Chain => fields.rfc9440_chain = true,
            ClientCertHeaders::Arr => fields.arr = true,
            ClientCertHeaders::Ssl => fields.ssl = true,
        }
    }
    fields
}

/// What one table says, and what is wrong with it.
struct Said<'a, 't> {
    table: &'a Table<'t, raw::Route>,
    faults: &'a mut Vec<Fault>,
}

impl Said<'_, '_> {
    fn given<T: Clone>(&mut self, pick: impl Fn(&raw::Route) -> &Setting<T>) -> Option<Given<T>> {
        self.table.one(pick, self.faults)
    }

    fn one<T: Clone>(&mut self, pick: impl Fn(&raw::Route) -> &Setting<T>) -> Option<T> {
        self.given(pick).map(|given| given.value)
    }

    fn many<T: Clone>(&mut self, pick: impl Fn(&raw::Route) -> &List<T>) -> Vec<T> {
        let given = self.table.many(pick, self.faults).unwrap_or_default();
        given.into_iter().map(|given| given.value).collect()
    }

    fn cookies(&mut self, secure: bool) -> CookieRules {
        let secure = self.one(|route| &route.cookie_secure).unwrap_or(secure);
        let same_site = self.given(|route| &route.cookie_same_site);
        if let Some(Given { value, place, .. }) = &same_site
            && *value == SameSite::None
            && !secure
        {
            let problem = Problem::new("browsers refuse cookies with SameSite=None that are not Secure")
                .hint("write cookie_secure = true with it");
            self.faults.push(problem.at(place.clone()));
        }
        let names = self.many(|route| &route.cookie_http_only);
        let domains = self.many(|route| &route.cookie_domain);
        let paths = self.many(|route| &route.cookie_path);
        CookieRules {
            secure,
            http_only: http_only(names),
            same_site: same_site.map(|given| given.value),
            domains: domains.into_iter().map(|pair| pair.0).collect(),
            paths: paths.into_iter().map(|pair| pair.0).collect(),
        }
    }

    fn edits<M: Clone>(
        &mut self,
        remove: impl Fn(&raw::Route) -> &List<FieldName<M>>,
        set: impl Fn(&raw::Route) -> &List<Header<M>>,
        add: impl Fn(&raw::Route) -> &List<Header<M>>,
    ) -> Edits {
        let fields = |headers: Vec<Header<M>>| headers.into_iter().map(|header| header.0).collect();
        Edits {
            remove: self.many(remove).into_iter().map(|name| name.0).collect(),
            set: fields(self.many(set)),
            add: fields(self.many(add)),
        }
    }
}

fn http_only(names: Vec<CookiePick>) -> HttpOnly {
    if names.contains(&CookiePick::All) {
        return HttpOnly::All;
    }
    let names: Vec<_> = names
        .into_iter()
        .filter_map(|name| match name {
            CookiePick::Named(name) => Some(name),
            CookiePick::All => None,
        })
        .collect();
    match names.is_empty() {
        true => HttpOnly::AsTheyCome,
        false => HttpOnly::Named(names),
    }
}
