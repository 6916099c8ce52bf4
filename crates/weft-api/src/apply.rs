//! Applying: artefacts first, by digest, then the application that names them.
//!
//! ```text
//! HEAD /v1/artefacts/sha256:…   404 → it must be sent
//! PUT  /v1/artefacts/sha256:…   201, or 200 if it was there
//! POST /v1/applications         {manifest, sources, files} → the revision
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weft_types::{Digest, Name};

/// The largest artefact that a node takes: a component, or one file.
pub const ARTEFACT_BYTES_MAX: u64 = 256 << 20;
/// The largest request body otherwise.
pub const REQUEST_BYTES_MAX: u64 = 16 << 20;

/// An application to run from now on. Everything that it names by digest must have been sent before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Apply {
    /// The resolved application in its canonical form, as `weft check --format json` prints it.
    #[schema(value_type = Object)]
    pub manifest: serde_json::Value,
    /// The compiled component of each of the application's components.
    #[schema(value_type = BTreeMap<String, String>, example = json!({"api": "sha256:9f86…"}))]
    pub sources: BTreeMap<Name, Digest>,
    /// The files of each folder that the application grants or serves, by the folder as the manifest names it.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, BTreeMap<String, String>>)]
    pub files: BTreeMap<String, Folder>,
    /// Apply only if this revision is the current one; otherwise `store-conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub if_revision: Option<Digest>,
}

/// Files of one folder: paths relative to it, with `/`, and what they hold.
pub type Folder = BTreeMap<String, Digest>;

/// An artefact that the node holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Artefact {
    #[schema(value_type = String, example = "sha256:9f86…")]
    pub digest: Digest,
    pub bytes: u64,
    /// Whether this request brought it.
    pub created: bool,
}

/// What applying or rolling back did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Applied {
    #[schema(value_type = String)]
    pub application: Name,
    /// The revision that serves now.
    #[schema(value_type = String)]
    pub revision: Digest,
    /// Counts up by one with each change of this application; never reused.
    pub number: u64,
    /// The revision that served before, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub previous: Option<Digest>,
    /// Whether anything changed: the revision may have been the current one already.
    pub changed: bool,
    /// What the node noticed and took nevertheless.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Which revision to return to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rollback {
    /// One of the kept revisions. Absent: the one before the current.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub to: Option<Digest>,
}

/// What removing an application did. Its data stays unless it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Removed {
    #[schema(value_type = String)]
    pub application: Name,
    /// The revision that served last.
    #[schema(value_type = String)]
    pub revision: Digest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_apply_round_trips_and_refuses_what_it_does_not_know() {
        let digest = Digest([7; 32]);
        let apply = Apply {
            manifest: serde_json::json!({"name": "orders"}),
            sources: [(Name::new("api").unwrap(), digest)].into(),
            files: [("assets".to_owned(), [("a/b.css".to_owned(), digest)].into())].into(),
            if_revision: Some(digest),
        };
        let json = serde_json::to_string(&apply).unwrap();
        assert_eq!(serde_json::from_str::<Apply>(&json).unwrap(), apply);
        assert!(json.contains("\"if-revision\":\"sha256:0707"), "{json}");
        let unknown = json.replacen("if-revision", "if-revison", 1);
        let error = serde_json::from_str::<Apply>(&unknown).unwrap_err().to_string();
        assert!(error.contains("unknown field `if-revison`"), "{error}");
        let error = serde_json::from_str::<Apply>(r#"{"manifest":{},"sources":{"api":"md5:1"}}"#).unwrap_err();
        assert!(error.to_string().contains("`md5:1` is not a digest"), "{error}");
    }

    #[test]
    fn an_empty_rollback_means_the_one_before() {
        assert_eq!(serde_json::from_str::<Rollback>("{}").unwrap(), Rollback { to: None });
    }
}
