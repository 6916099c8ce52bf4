//! From resolved applications to what runs: components loaded, stages and routes swapped in.

use std::{collections::BTreeMap, sync::Arc};

use weft_dispatch::Stage;
use weft_host::{ComponentSpec, LoadError};
use weft_traffic::{Limits, RouteError, RouteSpec, Table};
use weft_types::{Name, Target};

use crate::node::Node;

/// One application's revision, ready to run.
#[derive(Debug, Clone)]
pub struct Deployment {
    pub application: Name,
    pub components: Vec<(ComponentSpec, Limits)>,
    pub routes: Vec<RouteSpec>,
}

/// Why a deployment was refused. What ran before runs on.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    #[error("component `{component}` of application `{application}` cannot be run: {source}")]
    Component { application: Name, component: Name, source: LoadError },
    #[error("the routes cannot be served: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Routes(Vec<RouteError>),
}

/// What is deployed now, by application.
#[derive(Default)]
pub(crate) struct Deployed {
    applications: BTreeMap<Name, Running>,
}

struct Running {
    stages: Vec<Arc<Stage>>,
    routes: Vec<RouteSpec>,
}

impl Node {
    /// Adds an application, or swaps its revision. Validated whole before anything changes.
    ///
    /// New stages come before the routes that name them, and old ones leave after: no request falls between.
    pub async fn deploy(&self, deployment: Deployment) -> Result<(), DeployError> {
        let application = deployment.application.clone();
        let stages = self.load(deployment.components).await?;
        let next = Running { stages, routes: deployment.routes };
        let mut deployed = self.deployed.lock();
        let others = deployed.applications.iter().filter(|(name, _)| **name != application);
        let routes = others.flat_map(|(_, running)| running.routes.clone()).chain(next.routes.clone()).collect();
        let table = Table::compile(routes).map_err(DeployError::Routes)?;
        let old = deployed.applications.insert(application, next);
        let current = || deployed.applications.values().flat_map(|running| running.stages.clone());
        self.dispatch.replace(current().chain(old.into_iter().flat_map(|running| running.stages)));
        self.table.store(Arc::new(table));
        Ok(())
    }

    async fn load(&self, components: Vec<(ComponentSpec, Limits)>) -> Result<Vec<Arc<Stage>>, DeployError> {
        let mut stages = Vec::with_capacity(components.len());
        for (spec, limits) in components {
            let (application, component, revision) = (spec.application.clone(), spec.component.clone(), spec.revision);
            let host = self.host.clone();
            let loaded = tokio::task::spawn_blocking(move || host.load(spec)).await.expect("loading does not panic");
            let loaded = loaded.map_err(|source| DeployError::Component {
                application: application.clone(),
                component: component.clone(),
                source,
            })?;
            let meter = self.metrics.component(&application, &component);
            let target = Target { application, revision, component, function: None };
            stages.push(Stage::new(target, loaded, limits, meter, Arc::clone(&self.clock)));
        }
        Ok(stages)
    }
}
