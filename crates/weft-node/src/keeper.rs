//! Between control and the node: what is decided is first made ready, then written down, then swapped in.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use weft_api::{Applied, Apply, Removed};
use weft_control::{Candidate, Control, ControlError, Record};
use weft_host::Source;
use weft_types::{Digest, Name};

use crate::{
    deploy::{DeployError, Deployment, Refusal},
    lower::{Sources, lower},
    node::Node,
    secrets::SecretError,
};

/// Runs what control says, on one node.
pub struct Keeper {
    pub(crate) control: Control,
    node: Arc<Node>,
    /// Applications that could not be made to serve at the start, and why.
    pub(crate) failed: Mutex<BTreeMap<Name, String>>,
}

/// Why a change was not made. What ran before runs on.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Deploy(#[from] DeployError),
    #[error(transparent)]
    Secrets(#[from] SecretError),
}

impl Keeper {
    pub fn new(control: Control, node: Arc<Node>) -> Arc<Self> {
        Arc::new(Self { control, node, failed: Mutex::default() })
    }

    /// Runs everything that was running when the process ended. What cannot be is told, and does not stop the rest.
    pub async fn resume(&self) -> Result<(), KeepError> {
        let gone = self.control.tidy().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "artefacts that nothing needs are still there");
            0
        });
        tracing::debug!(gone, "artefacts deleted that nothing needs");
        let (desired, errors) = self.control.desired().await?;
        for error in errors {
            tracing::error!(code = %error.code(), %error, "an application does not serve");
            if let ControlError::Damaged { application, reason } = error {
                self.failed.lock().insert(application, reason);
            }
        }
        let mut deployments = Vec::with_capacity(desired.len());
        for desired in desired {
            match self.deployment(&desired.record) {
                Ok(deployment) => deployments.push(deployment),
                Err(error) => self.fail(&desired.record.application.name, error.to_string()),
            }
        }
        while let Err(DeployError(refusals)) = self.node.deploy(deployments.clone()).await {
            let before = deployments.len();
            for refusal in &refusals {
                let Some(name) = blamed(refusal, &deployments) else { continue };
                self.fail(&name, refusal.to_string());
                deployments.retain(|deployment| deployment.application.name != name);
            }
            if deployments.len() == before {
                return Err(DeployError(refusals).into());
            }
        }
        Ok(())
    }

    fn fail(&self, name: &Name, reason: String) {
        tracing::error!(application = %name, reason, "an application does not serve");
        self.failed.lock().insert(name.clone(), reason);
    }

    /// Applies an application. Durable and serving when it returns.
    pub async fn apply(&self, apply: Apply) -> Result<Applied, KeepError> {
        let candidate = self.control.propose(apply).await?;
        self.adopt(candidate).await
    }

    /// Returns to a kept revision: to the one before, unless another is named.
    pub async fn rollback(&self, name: &Name, to: Option<Digest>) -> Result<Applied, KeepError> {
        let candidate = self.control.reconsider(name, to).await?;
        self.adopt(candidate).await
    }

    async fn adopt(&self, candidate: Candidate) -> Result<Applied, KeepError> {
        let application = candidate.application().clone();
        let failed = self.failed.lock().contains_key(&application);
        if candidate.is_current() && !failed {
            return Ok(self.control.decide(&candidate).await?);
        }
        let deployment = tokio::task::block_in_place(|| self.deployment(&candidate.record))?;
        let prepared = self.node.prepare(vec![deployment], &[]).await?;
        let applied = self.control.decide(&candidate).await?;
        prepared.adopt();
        self.failed.lock().remove(&application);
        tracing::info!(%application, revision = %applied.revision.short(), number = applied.number, "applied");
        Ok(applied)
    }

    /// Takes an application out.
    pub async fn remove(&self, name: &Name) -> Result<Removed, KeepError> {
        let prepared = self.node.prepare(Vec::new(), std::slice::from_ref(name)).await?;
        let removed = self.control.remove(name).await?;
        prepared.adopt();
        self.failed.lock().remove(name);
        tracing::info!(application = %name, revision = %removed.revision.short(), "removed");
        Ok(removed)
    }

    fn deployment(&self, record: &Record) -> Result<Deployment, KeepError> {
        let application = Arc::new(self.control.lay_out(record)?);
        let source = |(name, digest): (&Name, &Digest)| {
            let path = self.control.artefacts().path(digest).into();
            (name.clone(), Source::File { path, digest: *digest })
        };
        let sources: Sources = record.sources.iter().map(source).collect();
        let secrets = self.node.secrets.of(&application)?;
        Ok(lower(&application, record.revision, &sources, &secrets))
    }
}

/// Whose deployment was refused: of a route that conflicts, the one that wrote it.
fn blamed(refusal: &Refusal, deployments: &[Deployment]) -> Option<Name> {
    let wrote = |deployment: &&Deployment| match refusal {
        Refusal::Component { application, .. } => deployment.application.name == *application,
        Refusal::Route(error) => deployment.routes.iter().any(|route| route.place == error.place),
    };
    deployments.iter().find(wrote).map(|deployment| deployment.application.name.clone())
}
