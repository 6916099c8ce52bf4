//! What a provider says of itself (OpenID Connect Discovery 1.0), held against what we know of it.

use serde::Deserialize;

use crate::remote::trusted;

/// Where a provider's parts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) authorize: String,
    pub(crate) token: http::Uri,
    pub(crate) keys: String,
    /// Where it ends its own session.
    pub(crate) end: Option<String>,
    /// The secret goes into the body and not into a header.
    pub(crate) secret_in_body: bool,
    /// Its answers say who they are by (RFC 9207).
    pub(crate) names_itself: bool,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    end_session_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Where a provider's description is.
pub(crate) fn place(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

impl Metadata {
    /// Refused where it is another provider's, or leads anywhere that is not secured.
    pub(crate) fn read(body: &[u8], issuer: &str) -> Result<Self, String> {
        let said: Document = serde_json::from_slice(body).map_err(|error| format!("its description: {error}"))?;
        if said.issuer != issuer {
            return Err("its description is of another issuer".to_owned());
        }
        let secured = |url: String| match trusted(&url) {
            Ok(_) if !url.contains('#') => Ok(url),
            Ok(_) => Err(format!("`{url}` has a fragment")),
            Err(error) => Err(error.to_string()),
        };
        let methods = said.token_endpoint_auth_methods_supported;
        let knows = |method: &str| methods.as_ref().is_some_and(|all| all.iter().any(|one| one == method));
        Ok(Self {
            authorize: secured(said.authorization_endpoint)?,
            token: trusted(&said.token_endpoint).map_err(|error| error.to_string())?,
            keys: secured(said.jwks_uri)?,
            end: said.end_session_endpoint.map(secured).transpose()?,
            secret_in_body: knows("client_secret_post") && !knows("client_secret_basic"),
            names_itself: said.authorization_response_iss_parameter_supported,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(change: Value) -> Result<Metadata, String> {
        let mut all = json!({
            "issuer": "https://id.example/",
            "authorization_endpoint": "https://id.example/auth",
            "token_endpoint": "https://id.example/token",
            "jwks_uri": "https://id.example/jwks",
        });
        all.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        Metadata::read(all.to_string().as_bytes(), "https://id.example/")
    }

    #[test]
    fn a_provider_speaks_for_itself_alone() {
        let good = read(json!({})).expect("good");
        assert_eq!((&*good.authorize, good.end, good.secret_in_body), ("https://id.example/auth", None, false));
        let methods = |all: &[&str]| read(json!({ "token_endpoint_auth_methods_supported": all })).expect("good");
        assert!(methods(&["client_secret_post"]).secret_in_body);
        assert!(!methods(&["client_secret_post", "client_secret_basic"]).secret_in_body);
        let lies = [
            json!({ "issuer": "https://id.example" }),
            json!({ "issuer": "https://evil.example/" }),
            json!({ "authorization_endpoint": "http://id.example/auth" }),
            json!({ "authorization_endpoint": "javascript:alert(1)" }),
            json!({ "authorization_endpoint": "https://id.example/auth#x" }),
            json!({ "token_endpoint": "http://id.example/token" }),
            json!({ "token_endpoint": null }),
            json!({ "jwks_uri": "file:///etc/passwd" }),
            json!({ "end_session_endpoint": "http://evil.example/" }),
        ];
        for lie in lies {
            assert!(read(lie.clone()).is_err(), "{lie}");
        }
        assert_eq!(place("https://id.example/a/"), "https://id.example/a/.well-known/openid-configuration");
    }
}
