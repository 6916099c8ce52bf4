//! What policies may speak of, as a Cedar schema and as the names that exist.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{EntityUid, Schema};
use serde_json::{Value, json};

use super::{Facts, RouteFact};

/// Methods that policies can name of a route that takes any. Others are methods all the same, and no policy's own.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

/// Every action and every entity of ours that exists.
pub(super) struct Known {
    actions: BTreeSet<String>,
    routes: BTreeSet<String>,
    auths: BTreeSet<String>,
    application: String,
}

impl Known {
    pub(super) fn of(facts: &Facts) -> Self {
        let mut actions: BTreeSet<String> = METHODS.iter().map(|method| (*method).to_owned()).collect();
        for route in &facts.routes {
            for method in methods(route) {
                actions.insert(format!("{method} {}", route.name));
                actions.insert(method);
            }
        }
        let routes = facts.routes.iter().map(|route| route.name.clone()).collect();
        let auths = facts.auths.iter().cloned().collect();
        Self { actions, routes, auths, application: facts.application.clone() }
    }

    /// Whether a name that a policy holds is one that exists: `Err` has what it should be, and those that there are.
    pub(super) fn check(&self, uid: &EntityUid) -> Result<(), (&'static str, Vec<&str>)> {
        let id = uid.id().unescaped();
        let among = |what, all: &'_ BTreeSet<String>| match all.contains(id) {
            true => Ok(()),
            false => Err(what),
        };
        let (found, all): (Result<(), &'static str>, Vec<&str>) = match uid.type_name().to_string().as_str() {
            "Action" => (among("action", &self.actions), self.actions.iter().map(String::as_str).collect()),
            "Route" => (among("route", &self.routes), self.routes.iter().map(String::as_str).collect()),
            "Auth" => (among("declaration of `[auth]`", &self.auths), self.auths.iter().map(String::as_str).collect()),
            "Application" if id != self.application => (Err("application"), vec![self.application.as_str()]),
            _ => (Ok(()), Vec::new()),
        };
        found.map_err(|what| (what, all))
    }
}

/// HEAD is GET without a body: whoever may do the one may do the other.
fn methods(route: &RouteFact) -> Vec<String> {
    let said = route.methods.iter().filter(|method| **method != http::Method::HEAD).map(ToString::to_string);
    match route.methods.is_empty() {
        true => METHODS.iter().map(|method| (*method).to_owned()).collect(),
        false => said.chain(route.methods.contains(&http::Method::HEAD).then(|| "GET".to_owned())).collect(),
    }
}

/// A schema that has, of all actions, those that policies name: all are alike but for their names, and the time that
/// validation takes grows with their number.
pub(super) fn schema(facts: &Facts, named: &BTreeSet<String>) -> Result<Schema, String> {
    let text = json!({ "type": "String" });
    let maybe = json!({ "type": "String", "required": false });
    let params: BTreeMap<&str, &Value> =
        facts.routes.iter().flat_map(|route| &route.params).map(|name| (name.as_str(), &maybe)).collect();
    let user = json!({
        "auth": text, "id": text, "tenant": maybe,
        "roles": { "type": "Set", "element": text },
    });
    let route = json!({
        "application": text, "host": text, "method": text, "path": text, "route": text,
        "params": { "type": "Record", "attributes": params },
    });
    let record = |attributes: Value| json!({ "type": "Record", "attributes": attributes });
    let mut principals = vec!["User"];
    principals.extend(facts.nobody.then_some("Nobody"));
    let applies = json!({
        "principalTypes": principals, "resourceTypes": ["Route"],
        "context": record(json!({ "address": { "type": "Extension", "name": "ipaddr" } })),
    });
    // A method alone is no action, but what some are in: of each, one route's is there.
    let first = facts.routes.first().map_or("/", |route| &route.name);
    let method = |name: &String| name.split(' ').next().unwrap_or_default().to_owned();
    let methods: BTreeSet<String> = named.iter().map(method).chain(["GET".to_owned()]).collect();
    let whole = named.iter().filter(|name| name.contains(' ')).cloned();
    let whole: BTreeSet<String> = whole.chain(methods.iter().map(|method| format!("{method} {first}"))).collect();
    let mut actions: BTreeMap<&str, Value> = methods.iter().map(|name| (name.as_str(), json!({}))).collect();
    for name in &whole {
        let group = json!([{ "id": method(name) }]);
        actions.insert(name, json!({ "appliesTo": applies, "memberOf": group }));
    }
    let schema = json!({ "": {
        "entityTypes": {
            "Application": {}, "Role": {}, "Tenant": {}, "Auth": {}, "Nobody": {},
            "User": { "memberOfTypes": ["Role", "Tenant", "Auth"], "shape": record(user) },
            "Route": { "memberOfTypes": ["Application"], "shape": record(route) },
        },
        "actions": actions,
    }});
    Schema::from_json_value(schema).map_err(|error| error.to_string())
}
