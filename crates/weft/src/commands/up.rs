//! `weft up`: develop. Build, run, watch.

use std::path::PathBuf;

use clap::Args;
use weft_manifest::{NodeConfig, Problem, Report};
use weft_node::{Closed, DeployError, Node, Refusal};
use weft_types::code;

use crate::{
    applications::{self, BareArgs, Found},
    failure::{Failure, Gathered},
    settings::{self, Settings},
    signals::Signals,
};

/// Build, run and watch applications; changes are swapped in without a failed request.
#[derive(Args)]
#[command(after_help = "Examples:\n  weft up                                  the application of this folder\n  weft up shop orders --listen 127.0.0.1:8080       two applications behind one listener\n  weft up hello.wasm --store data          a component without a manifest")]
pub(crate) struct Up {
    /// Folders with a weft.toml, weft.toml files, or components. [default: this folder]
    #[arg(value_name = "WHAT")]
    what: Vec<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    bare: BareArgs,
}

impl Up {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        super::block_on(self.serve())
    }

    async fn serve(&self) -> Result<(), Failure> {
        let (config, data) = self.settings.config()?;
        let found = applications::find(&self.what, &self.bare)?;
        let mut signals = Signals::listen().map_err(|error| Failure::new(code::INTERNAL, "weft", error.to_string()))?;
        let telemetry = settings::telemetry(&config)?;
        let node = Node::start(&config, &data, telemetry.clone()).map_err(node_failure)?;
        deploy(&node, &found).await?;
        let node = node.open();
        telemetry.announce(&announcement(&node));
        signals.next().await;
        end(&node, &config, &mut signals).await;
        Ok(())
    }
}

pub(crate) fn node_failure(error: weft_node::NodeError) -> Failure {
    Failure::new(error.code(), "weft", error.to_string())
}

/// The URL, the admin URL, then every other address.
pub(crate) fn announcement(node: &Node) -> String {
    let addresses = node.addresses();
    let mut lines = vec![format!("http://{}", addresses.http[0]), format!("http://{}", addresses.admin)];
    lines.extend(addresses.http[1..].iter().map(|address| format!("http://{address}")));
    lines.extend(addresses.https.iter().map(|address| format!("https://{address}")));
    lines.join("\n")
}

/// Finishes what is in flight, unless a second signal insists.
pub(crate) async fn end(node: &Node, config: &NodeConfig, signals: &mut Signals) {
    tracing::info!(patience = ?config.drain, "draining");
    tokio::select! {
        cut = node.drain(config.drain) => tracing::info!(cut, "drained"),
        () = signals.next() => tracing::warn!("not waiting for what is in flight"),
    }
}

async fn deploy(node: &Closed, found: &[Found]) -> Result<(), Failure> {
    let mut wrong = Gathered::default();
    let mut deployments = Vec::with_capacity(found.len());
    for Found { application, file, .. } in found {
        match weft_node::sources(application) {
            Ok(sources) => {
                let revision = weft_node::revision(application, &sources);
                deployments.push(weft_node::lower(&std::sync::Arc::new(application.clone()), revision, &sources));
            }
            Err(errors) => {
                for (component, error) in errors {
                    let path = application.locate(&application.components[&component].source);
                    let message = format!("component `{component}`: {} cannot be read: {error}", path.display());
                    wrong.push(Problem::whole(file.display().to_string(), code::FILE_MISSING, message));
                }
            }
        }
    }
    wrong.done()?;
    node.deploy(deployments).await.map_err(|error| refused(&error, found))
}

/// Every refusal, told from where it was written.
pub(crate) fn refused(error: &DeployError, found: &[Found]) -> Failure {
    let problem = |refusal: &Refusal| match refusal {
        Refusal::Route(error) => Problem::route(error),
        Refusal::Component { application, component, source } => {
            let found = found.iter().find(|found| found.application.name == *application);
            let file = found.map_or_else(|| application.to_string(), |found| found.file.display().to_string());
            Problem::whole(file, source.code(), format!("component `{component}`: {source}"))
        }
    };
    Report { problems: error.0.iter().map(problem).collect() }.into()
}
