//! Between control and the node: what is decided is first made ready, then written down, then swapped in.
//!
//! What the store says is what shall run. Where it cannot tell whether a change was kept, the change is reported as
//! unknown, and the node follows the store as soon as that can be read again, before it takes another change.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use parking_lot::Mutex;
use weft_api::{Applied, Apply, Removed};
use weft_control::{Candidate, Control, ControlError, Record};
use weft_host::Source;
use weft_types::{Digest, Name};

use crate::{
    deploy::{DeployError, Deployment, Refusal},
    lower::{Sources, lower},
    node::Node,
    secrets::{SecretError, Secrets},
};

/// Runs what control says, on one node.
pub struct Keeper {
    pub(crate) control: Control,
    node: Arc<Node>,
    /// Applications that could not be made to serve at the start, and why.
    pub(crate) failed: Mutex<BTreeMap<Name, String>>,
    /// Held from a change's commit until it serves: no other may come between.
    change: tokio::sync::Mutex<()>,
    /// A commit may or may not have been made, and the node has not followed the store since.
    unsettled: AtomicBool,
    me: Weak<Keeper>,
}

/// Between two attempts to follow a store that does not answer: first and longest.
const FOLLOW_AFTER: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

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
        Arc::new_cyclic(|me| Self {
            control,
            node,
            failed: Mutex::default(),
            change: tokio::sync::Mutex::default(),
            unsettled: AtomicBool::new(false),
            me: me.clone(),
        })
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
            match self.deployment(&desired.record).await {
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
        let _turn = self.settled().await?;
        let candidate = self.control.propose(apply).await?;
        self.adopt(candidate).await
    }

    /// Returns to a kept revision: to the one before, unless another is named.
    pub async fn rollback(&self, name: &Name, to: Option<Digest>) -> Result<Applied, KeepError> {
        let _turn = self.settled().await?;
        let candidate = self.control.reconsider(name, to).await?;
        self.adopt(candidate).await
    }

    async fn adopt(&self, candidate: Candidate) -> Result<Applied, KeepError> {
        let application = candidate.application().clone();
        // A secret may have changed under its name: what reads one is made ready anew, and what has not changed is kept.
        let same = candidate.is_current() && self.node.runs(&application) == Some(candidate.record.revision);
        if same && !Secrets::needed(&candidate.record.application) {
            return Ok(self.control.decide(&candidate).await?);
        }
        let deployment = self.deployment(&candidate.record).await?;
        let prepared = self.node.prepare(vec![deployment], &[]).await?;
        let applied = self.control.decide(&candidate).await.inspect_err(|error| self.doubt(error))?;
        prepared.adopt();
        self.failed.lock().remove(&application);
        tracing::info!(%application, revision = %applied.revision.short(), number = applied.number, "applied");
        Ok(applied)
    }

    /// Takes an application out.
    pub async fn remove(&self, name: &Name) -> Result<Removed, KeepError> {
        let _turn = self.settled().await?;
        let prepared = self.node.prepare(Vec::new(), std::slice::from_ref(name)).await?;
        let removed = self.control.remove(name).await.inspect_err(|error| self.doubt(error))?;
        prepared.adopt();
        self.failed.lock().remove(name);
        tracing::info!(application = %name, revision = %removed.revision.short(), "removed");
        Ok(removed)
    }

    /// The turn to make a change, on a node that runs what the store says.
    async fn settled(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, KeepError> {
        let turn = self.change.lock().await;
        if self.unsettled.load(SeqCst) {
            self.follow().await?;
        }
        Ok(turn)
    }

    /// Notes an end that nobody knows; a task follows the store until the node runs what that says.
    fn doubt(&self, error: &ControlError) {
        if !matches!(error, ControlError::Unsettled(_)) || self.unsettled.swap(true, SeqCst) {
            return;
        }
        tracing::error!(%error, "whether a change was kept is not known; the node will follow its store");
        let keeper = self.me.clone();
        tokio::spawn(async move {
            let (mut pause, longest) = FOLLOW_AFTER;
            loop {
                tokio::time::sleep(pause).await;
                let Some(keeper) = keeper.upgrade() else { return };
                match keeper.settled().await {
                    Ok(_) => return,
                    Err(error) => tracing::warn!(%error, "the store does not tell yet what shall run"),
                }
                pause = (pause * 2).min(longest);
            }
        });
    }

    /// Makes the node run what the store says. An application that cannot be made to serve is told; what it ran before
    /// runs on. `Err`: the store did not tell.
    async fn follow(&self) -> Result<(), KeepError> {
        let (desired, errors) = self.control.desired().await?;
        let unread = |name: &Name| {
            errors.iter().any(|error| matches!(error, ControlError::Damaged { application, .. } if application == name))
        };
        let known = |name: &Name| desired.iter().any(|desired| desired.record.application.name == *name);
        let gone: Vec<Name> = self.node.running().into_iter().filter(|name| !known(name) && !unread(name)).collect();
        if !gone.is_empty() {
            self.node.prepare(Vec::new(), &gone).await?.adopt();
        }
        for desired in &desired {
            let (name, revision) = (&desired.record.application.name, desired.record.revision);
            if self.node.runs(name) == Some(revision) {
                continue;
            }
            let deployed = async {
                let deployment = self.deployment(&desired.record).await?;
                self.node.prepare(vec![deployment], &[]).await?.adopt();
                Ok::<_, KeepError>(())
            };
            match deployed.await {
                Ok(()) => drop(self.failed.lock().remove(name)),
                Err(error) => self.fail(name, error.to_string()),
            }
        }
        self.unsettled.store(false, SeqCst);
        tracing::info!("the node runs what its store says");
        Ok(())
    }

    async fn deployment(&self, record: &Record) -> Result<Deployment, KeepError> {
        let application = Arc::new(self.control.lay_out(record).await?);
        let source = |(name, digest): (&Name, &Digest)| {
            let path = self.control.artefacts().path(digest).into();
            (name.clone(), Source::File { path, digest: *digest })
        };
        let sources: Sources = record.sources.iter().map(source).collect();
        let (node, granted) = (Arc::clone(&self.node), Arc::clone(&application));
        let secrets = tokio::task::spawn_blocking(move || node.secrets.of(&granted)).await;
        let secrets = secrets.map_err(|error| ControlError::Disk(std::io::Error::other(error)))??;
        Ok(lower(&application, record.revision, &sources, &secrets))
    }
}

/// Whose deployment was refused: of a route that conflicts, the one that wrote it.
fn blamed(refusal: &Refusal, deployments: &[Deployment]) -> Option<Name> {
    let wrote = |deployment: &&Deployment| match refusal {
        Refusal::Component { application, .. } | Refusal::Auth { application, .. } => {
            deployment.application.name == *application
        }
        Refusal::Policy(problem) => deployment.application.name == problem.application,
        Refusal::Route(error) => deployment.routes.iter().any(|route| route.place == error.place),
    };
    deployments.iter().find(wrote).map(|deployment| deployment.application.name.clone())
}
