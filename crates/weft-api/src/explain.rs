//! Which route, application, component, policy and service a request would meet, and why.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::upstream::UpstreamStatus;

/// A request that is only asked about: `?method=GET&url=http://shop.example/orders/7&header=accept:+text/html`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainQuery {
    pub method: String,
    /// Absolute, or only a path: then of any host.
    pub url: String,
    pub headers: Vec<(String, String)>,
    /// As whom; absent: as nobody.
    pub who: Option<Who>,
}

/// Somebody who is only spoken of: `as=alice&auth=staff&tenant=acme&role=admin`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Who {
    pub subject: String,
    /// The declaration that would have proven it; absent: the first that the route takes.
    pub auth: Option<String>,
    pub tenant: Option<String>,
    pub roles: Vec<String>,
}

/// Why a query string is no [`ExplainQuery`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    #[error("the parameter `{0}` is missing")]
    Missing(&'static str),
    #[error("there is no parameter `{0}`; there are `method`, `url`, `header`, `as`, `auth`, `tenant` and `role`")]
    Unknown(String),
    #[error("`{0}` is not a header; write `name: value`")]
    Header(String),
    #[error("the parameter `{0}` is given twice")]
    Twice(&'static str),
}

impl ExplainQuery {
    /// The query string, without `?`.
    pub fn to_query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("method", &self.method).append_pair("url", &self.url);
        for (name, value) in &self.headers {
            query.append_pair("header", &format!("{name}: {value}"));
        }
        for Who { subject, auth, tenant, roles } in self.who.iter() {
            query.append_pair("as", subject);
            let given = [("auth", auth), ("tenant", tenant)];
            for (name, value) in given.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
                query.append_pair(name, value);
            }
            for role in roles {
                query.append_pair("role", role);
            }
        }
        query.finish()
    }

    /// Reads what [`Self::to_query`] writes. `method` is GET where it is absent.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        let (mut method, mut url, mut headers) = (None, None, Vec::new());
        let (mut subject, mut auth, mut tenant, mut roles) = (None, None, None, Vec::new());
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "method" => once(&mut method, "method", value.into_owned())?,
                "url" => once(&mut url, "url", value.into_owned())?,
                "header" => headers.push(header(&value)?),
                "as" => once(&mut subject, "as", value.into_owned())?,
                "auth" => once(&mut auth, "auth", value.into_owned())?,
                "tenant" => once(&mut tenant, "tenant", value.into_owned())?,
                "role" => roles.push(value.into_owned()),
                _ => return Err(QueryError::Unknown(key.into_owned())),
            }
        }
        let url = url.ok_or(QueryError::Missing("url"))?;
        let spoken = auth.is_some() || tenant.is_some() || !roles.is_empty();
        let who = match subject {
            Some(subject) => Some(Who { subject, auth, tenant, roles }),
            None if spoken => return Err(QueryError::Missing("as")),
            None => None,
        };
        Ok(Self { method: method.unwrap_or_else(|| "GET".to_owned()), url, headers, who })
    }
}

fn once(slot: &mut Option<String>, name: &'static str, value: String) -> Result<(), QueryError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(QueryError::Twice(name)),
    }
}

fn header(text: &str) -> Result<(String, String), QueryError> {
    let (name, value) = text.split_once(':').ok_or_else(|| QueryError::Header(text.to_owned()))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// The answer. The same facts for the same routes, whichever node is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Explanation {
    #[schema(example = "GET shop.example/orders/7")]
    pub request: String,
    /// Why nothing answers; absent where a route does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub miss: Option<String>,
    /// The winner first, then what came closest.
    pub candidates: Vec<Candidate>,
    /// Routes that were considered but not listed, being the least close.
    pub omitted: usize,
    /// What the winning component may use.
    pub services: Vec<Service>,
    /// How the winner's upstream stands, where a running node is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<UpstreamStatus>,
    /// Whether the winner lets in who is asked about. Absent where nobody was named and there are no policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
}

/// Who would be let in, or not, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Access {
    /// `AUTH/WHO`, or `nobody`.
    #[schema(example = "staff/alice")]
    pub who: String,
    pub let_in: bool,
    /// The code of the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "forbidden")]
    pub code: Option<String>,
    #[schema(example = "forbidden by no deleting (policies/shop.cedar:6)")]
    pub why: String,
    /// The policies that decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
}

/// One route that was considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Candidate {
    pub application: String,
    #[schema(example = "GET|POST shop.example/orders/:id")]
    pub route: String,
    #[schema(example = "orders/weft.toml:31")]
    pub place: String,
    #[schema(example = "component api")]
    pub action: String,
    /// The revision that a component runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Absent: this is the winner. Otherwise why it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    /// Of the winner: parameters with their decoded values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Param>,
    /// Of the winner: each field of the policy, and where it was said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy: Vec<PolicyField>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Param {
    pub name: String,
    pub value: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PolicyField {
    #[schema(example = "timeout")]
    pub field: String,
    #[schema(example = "5s")]
    pub value: String,
    /// `default`, `application orders`, `route orders/weft.toml:31`.
    pub origin: String,
}

/// A service that the component is granted. Secrets are named, never shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Service {
    /// `key-value`, `config`, `secret`, `outbound`, `files`.
    #[schema(example = "key-value")]
    pub kind: String,
    /// The name by which the guest knows it.
    #[schema(example = "default")]
    pub name: String,
    /// What stands behind it.
    #[schema(example = "store orders, embedded")]
    pub bound: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_round_trips_whatever_it_holds() {
        let query = ExplainQuery {
            method: "GET".to_owned(),
            url: "http://shop.example/orders/7?a=b&c=%2F#ü".to_owned(),
            headers: vec![("accept".to_owned(), "text/html; q=0.5".to_owned()), ("x-a".to_owned(), String::new())],
            who: None,
        };
        assert_eq!(ExplainQuery::parse(&query.to_query()), Ok(query.clone()));
        let roles = vec!["a&b".to_owned(), "c=d".to_owned()];
        let who = Who { subject: "a \"b\"&role=x".to_owned(), auth: None, tenant: Some("é".to_owned()), roles };
        let query = ExplainQuery { who: Some(who), ..query };
        assert_eq!(ExplainQuery::parse(&query.to_query()), Ok(query));
    }

    #[test]
    fn a_query_that_is_none_says_why() {
        let cases = [
            ("method=GET", "the parameter `url` is missing"),
            (
                "url=/&methd=GET",
                "there is no parameter `methd`; there are `method`, `url`, `header`, `as`, `auth`, `tenant` and `role`",
            ),
            ("url=/&role=admin", "the parameter `as` is missing"),
            ("url=/&header=accept", "`accept` is not a header; write `name: value`"),
            ("url=/&url=/a", "the parameter `url` is given twice"),
        ];
        for (query, reason) in cases {
            assert_eq!(ExplainQuery::parse(query).unwrap_err().to_string(), reason);
        }
        assert_eq!(ExplainQuery::parse("url=/").unwrap().method, "GET");
    }
}
