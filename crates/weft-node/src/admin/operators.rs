//! Who asks the admin API, by the token that they show, and what their role lets them ask.

use http::{Method, Request, header};
use sha2::{Digest, Sha256};
use weft_api::Problem;
use weft_manifest::{Operator, Operators, Role};
use weft_types::code;

use super::{answer::problem, token::Token};

/// What whoever knows the token in admin.json is called. No other operator can be: a name holds no dot.
const OWN: &str = "admin.json";

/// Everybody who may ask anything.
pub(super) struct Known {
    own: Token,
    operators: Operators,
}

impl Known {
    pub(super) fn new(own: Token, operators: Operators) -> Self {
        Self { own, operators }
    }

    /// Who shows this token. Found by its hash, so that no comparison tells how much of it was right.
    pub(super) fn who<B>(&self, request: &Request<B>) -> Option<Operator> {
        let mut shown = request.headers().get_all(header::AUTHORIZATION).iter();
        let (first, more) = (shown.next()?.to_str().ok()?, shown.next());
        let (kind, token) = first.split_once(' ').filter(|_| more.is_none())?;
        if !kind.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let token = token.trim();
        if self.own.is(token) {
            return Some(Operator { name: OWN.to_owned(), role: Role::Admin });
        }
        let hash: [u8; 32] = Sha256::digest(token).into();
        self.operators.get(&hash).cloned()
    }
}

/// Refuses who is nobody, and who may not.
pub(super) fn allow(operator: Option<&Operator>, method: &Method, path: &str) -> Result<(), Box<Problem>> {
    let Some(Operator { name, role }) = operator else {
        let said = problem(code::UNAUTHENTICATED, "send `authorization: Bearer TOKEN`");
        return Err(Box::new(said.hint("the token is in admin.json in the node's data folder")));
    };
    let needed = needed(method, path);
    if *role >= needed {
        return Ok(());
    }
    let detail = format!("`{name}` is a {}, and this needs the role {}", role.as_str(), needed.as_str());
    let hint = format!("ask somebody who is one, or have `[admin.token.{name}]` of node.toml changed");
    Err(Box::new(problem(code::FORBIDDEN, detail).hint(hint)))
}

/// What is not named here needs the most.
fn needed(method: &Method, path: &str) -> Role {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (method, segments.as_slice()) {
        (&Method::GET | &Method::HEAD, _) => Role::Reader,
        (&Method::PUT, ["v1", "artefacts", _])
        | (&Method::POST, ["v1", "applications"] | ["v1", "applications", _, "rollback"]) => Role::Deployer,
        _ => Role::Admin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_thought_of_needs_the_most() {
        let cases = [
            ("GET", "/v1/status", Role::Reader),
            ("HEAD", "/v1/artefacts/sha256:0", Role::Reader),
            ("PUT", "/v1/artefacts/sha256:0", Role::Deployer),
            ("POST", "/v1/applications", Role::Deployer),
            ("POST", "/v1/applications/shop/rollback", Role::Deployer),
            ("DELETE", "/v1/applications/shop", Role::Admin),
            ("POST", "/v1/applications/shop/else", Role::Admin),
            ("POST", "/v1//applications", Role::Admin),
            ("GETX", "/v1/status", Role::Admin),
            ("PUT", "/v2/artefacts/sha256:0", Role::Admin),
        ];
        for (method, path, role) in cases {
            assert_eq!(needed(&method.parse().expect("a method"), path), role, "{method} {path}");
        }
    }
}
