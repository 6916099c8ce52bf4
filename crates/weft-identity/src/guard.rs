//! What stands before a route: the declarations that it names, tried in order, and what it demands of who is proven.

use std::{fmt, sync::Arc};

use http::HeaderValue;
use weft_types::{Checked, Denial, Guard, Identity, Pending, Presented, Timestamp, code};

use crate::{
    access::{Asked, Decision, Policies, RouteRules},
    api_key::ApiKeys,
    denied::Denied,
    jwt::Jwt,
    mtls::Mtls,
    oidc::{Login, Oidc},
};

/// One declaration of a manifest, ready to be asked.
pub enum Provider {
    Jwt(Jwt),
    ApiKeys(ApiKeys),
    Mtls(Mtls),
    Oidc(Arc<Oidc>),
}

/// What a provider makes of a request.
pub(crate) enum Found {
    /// It presents nothing of this kind.
    Absent,
    Good(Arc<Identity>),
    Bad(Denied),
    /// Check again after this.
    Later(Pending<'static, ()>),
}

impl Provider {
    fn check(&self, presented: &Presented<'_>, now: Timestamp) -> Found {
        match self {
            Self::Jwt(jwt) => jwt.check(presented.headers, now),
            Self::ApiKeys(keys) => keys.check(presented.headers),
            Self::Mtls(mtls) => mtls.check(presented.certificate, now),
            Self::Oidc(oidc) => oidc.check(presented, now),
        }
    }

    /// Fetches what it needs before the first caller comes.
    pub fn warm(&self, now: Timestamp) {
        match self {
            Self::Jwt(jwt) => jwt.warm(now),
            Self::Oidc(oidc) => oidc.warm(now),
            Self::ApiKeys(_) | Self::Mtls(_) => {}
        }
    }

    /// Where a browser that shows nothing can prove who it is.
    fn login(&self, presented: &Presented<'_>, now: Timestamp) -> Option<Login> {
        match self {
            Self::Oidc(oidc) => oidc.login(presented, now),
            _ => None,
        }
    }

    fn challenge(&self, denied: Option<&Denied>) -> Option<HeaderValue> {
        match self {
            Self::Jwt(jwt) => jwt.challenge(denied),
            Self::ApiKeys(keys) => keys.challenge(denied),
            Self::Mtls(mtls) => mtls.challenge(denied),
            Self::Oidc(oidc) => oidc.challenge(denied),
        }
    }
}

/// What a route demands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Demand {
    /// Whoever presents nothing passes too, as nobody.
    pub optional: bool,
    /// One of these roles. Empty: any identity will do.
    pub roles: Vec<Arc<str>>,
}

/// A route's guard.
pub struct RouteGuard {
    providers: Vec<Arc<Provider>>,
    demand: Demand,
    rules: Option<(Arc<Policies>, RouteRules)>,
}

impl RouteGuard {
    pub fn new(providers: Vec<Arc<Provider>>, demand: Demand) -> Self {
        Self { providers, demand, rules: None }
    }

    /// Who is let in by that is held against policies, too.
    #[must_use]
    pub fn ruled(self, policies: Arc<Policies>, route: RouteRules) -> Self {
        Self { rules: Some((policies, route)), ..self }
    }

    /// The first provider that finds a credential good decides. One that was shown and is good for none is refused,
    /// even where none is needed: whoever sends it thinks that it is somebody.
    fn decide(&self, presented: &Presented<'_>, now: Timestamp) -> Checked {
        let (mut bad, mut later): (Vec<Option<Denied>>, _) = (Vec::new(), None);
        for provider in &self.providers {
            match provider.check(presented, now) {
                Found::Good(identity) => return self.admit(identity, presented),
                Found::Bad(denied) => bad.push(Some(denied)),
                Found::Absent => bad.push(None),
                Found::Later(ready) => later = later.or(Some(ready)),
            }
        }
        if let Some(ready) = later {
            return Checked::Later(ready);
        }
        match bad.iter().flatten().max_by_key(|denied| rank(denied)) {
            None if self.demand.optional || self.providers.is_empty() => self.rule(None, presented),
            None => match self.providers.iter().find_map(|provider| provider.login(presented, now)) {
                Some(Login::To(answer)) => Checked::Answered(answer),
                Some(Login::Later(ready)) => Checked::Later(ready),
                Some(Login::Never(denied)) => Checked::Refused(Box::new(self.denial(Some(denied), &bad))),
                None => Checked::Refused(Box::new(self.denial(None, &bad))),
            },
            worst => Checked::Refused(Box::new(self.denial(worst.copied(), &bad))),
        }
    }

    fn admit(&self, identity: Arc<Identity>, presented: &Presented<'_>) -> Checked {
        let wanted = &self.demand.roles;
        if wanted.is_empty() || wanted.iter().any(|role| identity.roles.contains(role)) {
            return self.rule(Some(identity), presented);
        }
        let why = format!("{} has none of the roles {}", identity.subject, wanted.join(", "));
        Checked::Refused(Box::new(Denial { code: code::FORBIDDEN, challenges: Vec::new(), why }))
    }

    fn rule(&self, identity: Option<Arc<Identity>>, presented: &Presented<'_>) -> Checked {
        let Some((policies, route)) = &self.rules else { return Checked::Passed(identity) };
        let Presented { method, uri, authority, params, address, .. } = *presented;
        let asked = Asked { method, host: host(authority), path: uri.path(), params, address };
        let ruling = policies.decide(route, &asked, identity.as_deref());
        if ruling.decision == Decision::Permitted {
            return Checked::Passed(identity);
        }
        // Who has shown nothing may be somebody who may.
        let (code, challenges) = match (&identity, self.providers.is_empty()) {
            (None, false) => {
                let all = self.providers.iter().filter_map(|one| one.challenge(None));
                (code::UNAUTHENTICATED, all.collect())
            }
            _ => (code::FORBIDDEN, Vec::new()),
        };
        let who = identity.as_ref().map_or("nobody", |identity| &*identity.subject);
        Checked::Refused(Box::new(Denial { code, challenges, why: format!("{who}: {ruling}") }))
    }

    fn denial(&self, worst: Option<Denied>, bad: &[Option<Denied>]) -> Denial {
        let (code, why) =
            worst.map_or((code::UNAUTHENTICATED, "no credential was sent"), |denied| (denied.code, denied.why));
        let challenges = match code {
            code::IDENTITY_UNAVAILABLE => Vec::new(),
            _ => self.providers.iter().zip(bad).filter_map(|(one, bad)| one.challenge(bad.as_ref())).collect(),
        };
        Denial { code, challenges, why: why.to_owned() }
    }
}

/// Which of several reasons is told: that we cannot know, before that it was good once, before that it never was.
fn rank(denied: &Denied) -> u8 {
    match denied.code {
        code::IDENTITY_UNAVAILABLE => 2,
        code::CREDENTIAL_EXPIRED => 1,
        _ => 0,
    }
}

/// Without its port.
fn host(authority: &str) -> &str {
    let port = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
    port.map_or(authority, |at| &authority[..at])
}

impl Guard for RouteGuard {
    fn check(&self, presented: &Presented<'_>, now: Timestamp) -> Checked {
        self.decide(presented, now)
    }
}

impl fmt::Debug for RouteGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteGuard")
            .field("providers", &self.providers.len())
            .field("demand", &self.demand)
            .finish_non_exhaustive()
    }
}
