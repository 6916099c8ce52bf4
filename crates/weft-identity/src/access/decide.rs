//! One request held against the policies.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    Context, Decision as Verdict, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, Response,
    RestrictedExpression as Value,
};
use http::Method;
use weft_types::Identity;

use super::{Asked, Decision, Policies, RouteFact, Ruling};

/// Longer paths are not judged, and so not let through: what evaluating costs grows with them.
const PATH_BYTES_MAX: usize = 8 << 10;

/// A route, as the policies of its application know it. Made once.
#[derive(Debug, Clone)]
pub struct RouteRules {
    name: String,
    resource: EntityUid,
    application: EntityUid,
    types: Types,
}

#[derive(Debug, Clone)]
struct Types {
    action: EntityTypeName,
    user: EntityTypeName,
    role: EntityTypeName,
    tenant: EntityTypeName,
    auth: EntityTypeName,
    nobody: EntityUid,
}

impl Types {
    fn new() -> Option<Self> {
        let of = |name: &str| name.parse::<EntityTypeName>().ok();
        Some(Self {
            action: of("Action")?,
            user: of("User")?,
            role: of("Role")?,
            tenant: of("Tenant")?,
            auth: of("Auth")?,
            nobody: uid(&of("Nobody")?, "nobody"),
        })
    }
}

/// The id is taken as it is: nothing of it is read as Cedar.
fn uid(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}

fn text(value: &str) -> Value {
    Value::new_string(value.to_owned())
}

impl Policies {
    /// What `decide` needs to know of a route.
    pub fn route(&self, route: &RouteFact) -> Option<RouteRules> {
        let of = |name: &str| name.parse::<EntityTypeName>().ok();
        let resource = uid(&of("Route")?, &route.name);
        let application = uid(&of("Application")?, &self.application);
        Some(RouteRules { name: route.name.clone(), resource, application, types: Types::new()? })
    }

    /// Whether policies let `identity` do what is asked. One that cannot be evaluated might have forbidden it.
    pub fn decide(&self, route: &RouteRules, asked: &Asked<'_>, identity: Option<&Identity>) -> Ruling {
        let Some(path) = plain(asked.path) else {
            return Ruling::failed(format!("the path is not text, or has more than {PATH_BYTES_MAX} bytes"));
        };
        match self.evaluate(route, asked, &path, identity) {
            Ok(response) => ruling(&response),
            Err(error) => Ruling::failed(error),
        }
    }

    fn evaluate(
        &self,
        route: &RouteRules,
        asked: &Asked<'_>,
        path: &str,
        identity: Option<&Identity>,
    ) -> Result<Response, Box<dyn std::error::Error>> {
        let types = &route.types;
        let principal = match identity {
            Some(identity) => user(types, identity)?,
            None => Entity::with_uid(types.nobody.clone()),
        };
        let method = if *asked.method == Method::HEAD { "GET" } else { asked.method.as_str() };
        let group = HashSet::from([uid(&types.action, method)]);
        let action = Entity::new_no_attrs(uid(&types.action, &format!("{method} {}", route.name)), group);
        let params = asked.params.iter().map(|(name, value)| ((*name).to_owned(), text(value)));
        let attributes = HashMap::from([
            ("application".to_owned(), Value::new_string(route.application.id().unescaped().to_owned())),
            ("host".to_owned(), text(&asked.host.to_ascii_lowercase())),
            ("method".to_owned(), text(asked.method.as_str())),
            ("path".to_owned(), text(path)),
            ("route".to_owned(), text(&route.name)),
            ("params".to_owned(), Value::new_record(params)?),
        ]);
        let resource = Entity::new(route.resource.clone(), attributes, HashSet::from([route.application.clone()]))?;
        // An address that is not known is one that no policy names.
        let address = asked.address.map_or_else(|| "::".to_owned(), |address| address.to_canonical().to_string());
        let context = Context::from_pairs([("address".to_owned(), Value::new_ip(address))])?;
        let request = Request::new(principal.uid(), action.uid(), resource.uid(), context, None)?;
        let entities = Entities::from_entities([principal, action, resource], None)?;
        Ok(self.authorizer.is_authorized(&request, &self.set, &entities))
    }
}

fn user(types: &Types, identity: &Identity) -> Result<Entity, Box<dyn std::error::Error>> {
    let Identity { auth, subject, tenant, roles, .. } = identity;
    let mut parents = HashSet::from([uid(&types.auth, auth.as_str())]);
    parents.extend(roles.iter().map(|role| uid(&types.role, role)));
    parents.extend(tenant.0.iter().map(|tenant| uid(&types.tenant, tenant)));
    let mut attributes = HashMap::from([
        ("auth".to_owned(), text(auth.as_str())),
        ("id".to_owned(), text(subject)),
        ("roles".to_owned(), Value::new_set(roles.iter().map(|role| text(role)))),
    ]);
    attributes.extend(tenant.0.iter().map(|tenant| ("tenant".to_owned(), text(tenant))));
    // A declaration's name holds no `/`: two callers are never one.
    Ok(Entity::new(uid(&types.user, &format!("{auth}/{subject}")), attributes, parents)?)
}

fn ruling(response: &Response) -> Ruling {
    let said = response.diagnostics();
    let mut policies: Vec<String> = said.reason().map(ToString::to_string).collect();
    policies.sort();
    let errors: Vec<String> = said.errors().map(ToString::to_string).collect();
    let decision = match response.decision() {
        Verdict::Deny if !policies.is_empty() => Decision::Forbidden,
        _ if !errors.is_empty() => Decision::Failed,
        Verdict::Allow => Decision::Permitted,
        Verdict::Deny => Decision::Unpermitted,
    };
    Ruling { decision, policies, errors }
}

/// The path as a policy compares it: decoded, so that no spelling slips past, but for `%2F` and `%25`, which would
/// make another path of it. `None`: not UTF-8, or too long.
fn plain(path: &str) -> Option<String> {
    if path.len() > PATH_BYTES_MAX {
        return None;
    }
    let (bytes, mut out, mut at) = (path.as_bytes(), Vec::with_capacity(path.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                match (high << 4 | low) as u8 {
                    b'/' => out.extend_from_slice(b"%2F"),
                    b'%' => out.extend_from_slice(b"%25"),
                    byte => out.push(byte),
                }
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_compared_as_it_is_meant_and_stays_one_path() {
        let cases = [
            ("/%61dmin/x", Some("/admin/x")),
            ("/a%2fb%2Fc", Some("/a%2Fb%2Fc")),
            ("/a%252Fb", Some("/a%252Fb")),
            ("/caf%C3%A9", Some("/café")),
            ("/%ff", None),
            ("/100%", Some("/100%")),
        ];
        for (sent, meant) in cases {
            assert_eq!(plain(sent).as_deref(), meant, "{sent}");
        }
        assert_eq!(plain(&"/a".repeat(PATH_BYTES_MAX)), None);
    }
}
