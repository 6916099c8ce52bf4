//! Whether a route would let somebody in: what its `auth` demands, and what policies say.

use weft_api::{Access, ExplainQuery, Who};
use weft_identity::{Asked, Decision};
use weft_manifest::Application;
use weft_traffic::{Found, RouteSpec, Table};
use weft_types::{Code, Identity, Name, code};

use crate::{explain::AskError, identity};

/// `None`: nobody was named, and there are no policies.
pub(crate) fn access(
    table: &Table,
    found: &Found<'_>,
    application: &Application,
    query: &ExplainQuery,
    (host, path): (&str, &str),
) -> Result<Option<Access>, AskError> {
    if query.who.is_none() && application.policies.is_empty() {
        return Ok(None);
    }
    let identity = match identified(&found.route.spec, query.who.as_ref())? {
        Ok(identity) => identity,
        Err(refused) => return Ok(Some(refused)),
    };
    let method = query.method.parse().map_err(|_| AskError::Method(query.method.clone()))?;
    let params: Vec<(&str, &str)> = found.params.iter().map(|param| (param.name, &*param.value)).collect();
    let authority = host.parse::<http::uri::Authority>().ok();
    let host = authority.as_ref().map_or("", |authority| authority.host());
    let asked = Asked { method: &method, host, path, params: &params, address: None };
    ruled(table, found, application, &asked, identity.as_ref()).map(Some)
}

/// Who comes past the route's `auth`: the inner error is why nobody does.
fn identified(route: &RouteSpec, who: Option<&Who>) -> Result<Result<Option<Identity>, Access>, AskError> {
    let auth = &route.policy.auth;
    let Some(who) = who.filter(|_| auth.authenticates()) else {
        return Ok(match auth.authenticates() && !auth.optional {
            true => Err(refused(
                None,
                code::UNAUTHENTICATED,
                format!("the route asks who is calling: {}", auth.any.join(" or ")),
            )),
            false => Ok(None),
        });
    };
    let declared = who.auth.as_deref().or(auth.any.first().map(|name| &**name)).unwrap_or_default();
    let named = format!("{declared}/{}", who.subject);
    if !auth.any.iter().any(|name| **name == *declared) {
        let why = format!("the route does not take `{declared}`; it takes {}", auth.any.join(" or "));
        return Ok(Err(refused(Some(named), code::UNAUTHENTICATED, why)));
    }
    let declared = Name::new(declared).map_err(|error| AskError::Who(error.to_string()))?;
    let roles = who.roles.iter().map(|role| role.as_str().into()).collect();
    let identity = weft_identity::stand_in(&declared, &who.subject, who.tenant.as_deref(), roles);
    let identity = identity.map_err(|why| AskError::Who(why.to_owned()))?;
    let lacks = !auth.roles.is_empty() && !auth.roles.iter().any(|role| identity.roles.contains(role));
    Ok(match lacks {
        true => Err(refused(Some(named), code::FORBIDDEN, format!("none of the roles {}", auth.roles.join(", ")))),
        false => Ok(Some(identity)),
    })
}

fn refused(who: Option<String>, code: Code, why: String) -> Access {
    let who = who.unwrap_or_else(|| "nobody".to_owned());
    Access { who, let_in: false, code: Some(code.to_string()), why, policies: Vec::new() }
}

fn ruled(
    table: &Table,
    found: &Found<'_>,
    application: &Application,
    asked: &Asked<'_>,
    identity: Option<&Identity>,
) -> Result<Access, AskError> {
    // The pages of logins are not asked about: who comes there is nobody yet.
    let auth = &found.route.spec.policy.auth;
    let own = table.routes().iter().filter(|route| route.spec.application == application.name);
    let routes: Vec<RouteSpec> = own.map(|route| route.spec.clone()).collect();
    let policies = identity::policies(application, &routes);
    let policies = policies.map_err(|refusals| {
        AskError::Policies(refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    })?;
    let who = identity.map_or_else(|| "nobody".to_owned(), |known| format!("{}/{}", known.auth, known.subject));
    let Some(policies) = policies.filter(|_| auth.ruled) else {
        let why = match identity {
            Some(_) => "the route takes that credential, and there are no policies",
            None => "the route asks nobody who is calling, and there are no policies",
        };
        return Ok(Access { who, let_in: true, code: None, why: why.to_owned(), policies: Vec::new() });
    };
    let Some(rules) = policies.route(&identity::fact(&found.route.spec)) else {
        return Err(AskError::Policies("they cannot be asked".to_owned()));
    };
    let ruling = policies.decide(&rules, asked, identity);
    let let_in = ruling.decision == Decision::Permitted;
    let code = if identity.is_none() && auth.authenticates() { code::UNAUTHENTICATED } else { code::FORBIDDEN };
    let code = (!let_in).then(|| code.to_string());
    Ok(Access { who, let_in, code, why: ruling.to_string(), policies: ruling.policies })
}
