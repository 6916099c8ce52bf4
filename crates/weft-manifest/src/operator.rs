//! `[admin]` of node.toml: who may ask what of the admin API.

use std::collections::{BTreeMap, btree_map::Entry};

use schemars::JsonSchema;
use serde::Deserialize;

/// The admin API, besides the token in admin.json, which may do everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "admin"))]
pub struct Admin {
    /// Operators' tokens, by the names that the audit log tells.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"x-form": "name"}))]
    pub token: BTreeMap<String, OperatorToken>,
}

/// One operator's token: its hash, and what it lets its holder do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "admin.token.NAME"))]
pub struct OperatorToken {
    /// `sha256:` and 64 hexadecimal digits, as `weft key new --operator` prints it. The token itself is written nowhere.
    #[schemars(extend("x-form" = "text", "examples" = ["sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]))]
    pub hash: String,
    /// `reader` looks, `deployer` applies and rolls back too, `admin` may do everything.
    pub role: Role,
}

/// What an operator may do. Each may what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Role {
    /// Looks: status, routes, explanations, logs.
    Reader,
    /// Applies applications and rolls them back.
    Deployer,
    /// Everything.
    Admin,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Deployer => "deployer",
            Self::Admin => "admin",
        }
    }
}

/// An operator as a node knows one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    pub name: String,
    pub role: Role,
}

/// Operators by the SHA-256 of their tokens.
pub type Operators = BTreeMap<[u8; 32], Operator>;

/// What is wrong with a token: whose it is, and why.
pub(crate) enum Fault<'a> {
    Hash(&'a str),
    Twice(&'a str, String),
}

pub(crate) fn operators(admin: &Admin) -> (Operators, Vec<Fault<'_>>) {
    let (mut all, mut faults) = (Operators::new(), Vec::new());
    for (name, OperatorToken { hash, role }) in &admin.token {
        let Some(hash) = digest(hash) else {
            faults.push(Fault::Hash(name));
            continue;
        };
        match all.entry(hash) {
            Entry::Vacant(free) => drop(free.insert(Operator { name: name.clone(), role: *role })),
            Entry::Occupied(known) => faults.push(Fault::Twice(name, known.get().name.clone())),
        }
    }
    (all, faults)
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix("sha256:")?.as_bytes();
    let mut digest = [0; 32];
    if digits.len() != 2 * digest.len() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(digest)
}
