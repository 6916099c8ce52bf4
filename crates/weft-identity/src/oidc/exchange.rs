//! A code for a token, at the provider, and what the token proves.

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use weft_types::{Identity, Timestamp};

use super::{MAX_AGE, Metadata, Oidc, begin::Begun, callback::Failed};
use crate::{
    denied::Denied,
    fetch, form,
    jwks::{Jwks, JwksOptions},
    remote::Remote,
    token::{Bad, Proven},
};

/// For all of it: what the request waits for ends a little later.
const TIME_MAX: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Tokens {
    id_token: Option<String>,
    error: Option<String>,
}

impl Oidc {
    /// Ends within [`TIME_MAX`].
    pub(super) async fn exchange(
        &self,
        query: &str,
        begun: &Begun,
        redirect_uri: &str,
        now: Timestamp,
    ) -> Result<Identity, Failed> {
        let work = async {
            let metadata =
                held(&self.metadata, now).await.ok_or(Failed::unavailable("the provider cannot be reached"))?;
            let code = self.code(query, metadata.names_itself)?;
            let token = self.redeem(&metadata, &code, begun, redirect_uri).await?;
            self.prove(&metadata, &token, begun, now).await
        };
        let late = |_| Failed::unavailable("the provider took too long");
        tokio::time::timeout(TIME_MAX, work).await.map_err(late)?
    }

    async fn redeem(
        &self,
        metadata: &Metadata,
        code: &str,
        begun: &Begun,
        redirect_uri: &str,
    ) -> Result<String, Failed> {
        let id = &*self.options.client_id;
        let mut body = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", &begun.verifier),
        ];
        let mut authorization = None;
        match &self.secret {
            Some(secret) if metadata.secret_in_body => body.extend([("client_id", id), ("client_secret", secret)]),
            Some(secret) => authorization = basic(id, secret),
            None => body.push(("client_id", id)),
        }
        let asked = fetch::post(&metadata.token, authorization, form::pairs(&body), &self.tls).await;
        let (status, answer) = asked.map_err(Failed::unavailable)?;
        let tokens = serde_json::from_slice::<Tokens>(&answer).ok();
        match (status, tokens) {
            (StatusCode::OK, Some(Tokens { id_token: Some(token), .. })) => Ok(token),
            (_, Some(Tokens { error: Some(error), .. })) => {
                let plain = error.len() <= 64 && error.bytes().all(|byte| byte.is_ascii_graphic());
                let error = if plain { &error } else { "something else" };
                Err(Failed::login(format!("the provider takes no code: {error}")))
            }
            (status, _) if status.is_server_error() => {
                Err(Failed::unavailable(format!("the provider answered {status}")))
            }
            (status, _) => Err(Failed::login(format!("the provider answered {status} without a token"))),
        }
    }

    async fn prove(&self, metadata: &Metadata, token: &str, begun: &Begun, now: Timestamp) -> Result<Identity, Failed> {
        let keys = self.keys(metadata).map_err(Failed::unavailable)?;
        let first = held(&keys, now).await.ok_or(Failed::unavailable("the keys of the provider cannot be fetched"))?;
        let also = |claims: &Map<String, Value>| self.is_of_this_login(claims, begun);
        let proven = match self.rules.verify_and(token, &first, now, also) {
            // It may have begun to use a new key.
            Err(Bad::UnknownKey) => {
                if let Some(ready) = keys.wait(now) {
                    ready.await;
                }
                let newer = keys.held(now).map_or(first, |held| held.value);
                self.rules.verify_and(token, &newer, now, also)
            }
            verified => verified,
        };
        match proven {
            Ok(Proven { identity, .. }) => Ok(identity),
            Err(Bad::UnknownKey) => Err(Failed::login("the token is by an unknown key")),
            Err(Bad::Denied(Denied { why, .. })) => Err(Failed::login(why)),
        }
    }

    /// OpenID Connect Core, 3.1.3.7.
    fn is_of_this_login(&self, claims: &Map<String, Value>, begun: &Begun) -> Result<(), Denied> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("nonce") != Some(&begun.nonce) {
            return Err(Denied::invalid("the token is of another login"));
        }
        let several = claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
        if (several || claims.contains_key("azp")) && text("azp") != Some(&self.options.client_id) {
            return Err(Denied::invalid("the token was given to another client"));
        }
        if !claims.contains_key("iat") {
            return Err(Denied::invalid("the token does not say when it was made"));
        }
        Ok(())
    }

    /// Where its description says that they are.
    fn keys(&self, metadata: &Metadata) -> Result<Arc<Jwks>, String> {
        let mut known = self.keys.lock();
        if let Some((_, keys)) = known.as_ref().filter(|(url, _)| *url == metadata.keys) {
            return Ok(Arc::clone(keys));
        }
        let options = JwksOptions { url: metadata.keys.clone(), max_age: MAX_AGE };
        let keys = Arc::new(Jwks::new(&options).map_err(|error| error.to_string())?);
        *known = Some((metadata.keys.clone(), Arc::clone(&keys)));
        Ok(keys)
    }
}

async fn held<T: Send + Sync + 'static>(remote: &Arc<Remote<T>>, now: Timestamp) -> Option<Arc<T>> {
    if let Some(held) = remote.held(now) {
        if held.due {
            drop(remote.refresh_aside(now));
        }
        return Some(held.value);
    }
    remote.wait(now)?.await;
    remote.held(now).map(|held| held.value)
}

/// RFC 6749, 2.3.1: both are encoded as in a form first.
fn basic(id: &str, secret: &str) -> Option<HeaderValue> {
    let pair = BASE64_STANDARD.encode(format!("{}:{}", form::encode(id), form::encode(secret)));
    let mut value = HeaderValue::try_from(format!("Basic {pair}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}
