//! `weft up`: develop. Build, run, watch.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use weft_manifest::{NodeConfig, Problem, Report, Source};
use weft_node::{DeployError, Deployment, Node, PolicyProblem, Refusal, Secrets};
use weft_types::code;

use crate::{
    applications::{self, BareArgs, Found},
    builds,
    failure::{Failure, Gathered},
    settings::{self, Settings},
    signals::Signals,
    watch::{self, Watching},
};

/// Build, run and watch applications; changes are swapped in without a failed request.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  weft up                                       the application of this folder\n  weft up shop orders --listen 127.0.0.1:8080   two applications behind one listener\n  weft up hello.wasm --store data               a component without a manifest"
)]
pub(crate) struct Up {
    /// Folders with a weft.toml, weft.toml files, or components. [default: this folder]
    #[arg(value_name = "WHAT")]
    what: Vec<PathBuf>,
    /// Do not rebuild and swap when files change.
    #[arg(long)]
    no_watch: bool,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    bare: BareArgs,
}

impl Up {
    pub(crate) fn run(self) -> Result<(), Failure> {
        super::block_on(self.serve())
    }

    async fn serve(self) -> Result<(), Failure> {
        let (config, data) = self.settings.config()?;
        let found = applications::find(&self.what, &self.bare)?;
        let mut signals = Signals::listen().map_err(|error| Failure::new(code::INTERNAL, "weft", error.to_string()))?;
        build_first(&found)?;
        let telemetry = settings::telemetry(&config)?;
        let closed = Node::start(&config, &data, telemetry.clone()).map_err(node_failure)?;
        let watching = (!self.no_watch).then(|| Watching::start(&found));
        let deployments = lower(&found, Some(&closed.secrets))?;
        closed.deploy(deployments).await.map_err(|error| refused(&error, &found))?;
        let node = closed.open(None).map_err(node_failure)?;
        telemetry.announce(&announcement(&node));
        let watching = watching.map(|watching| tokio::spawn(watch::run(watching, Arc::clone(&node), found, self.bare)));
        signals.next().await;
        watching.iter().for_each(tokio::task::JoinHandle::abort);
        end(&node, &config, &mut signals).await;
        telemetry.flush();
        Ok(())
    }
}

/// Builds what is older than its sources. Standard error stays empty until the node is ready, so what builds print is
/// shown on a terminal's standard output, and otherwise only when they fail.
fn build_first(found: &[Found]) -> Result<(), Failure> {
    const LINES_MAX: usize = 200;
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let mut lines = std::collections::VecDeque::new();
    let mut wrong = Gathered::default();
    builds::build_stale(found, &mut wrong, &mut |line| {
        if terminal {
            println!("{line}");
        } else {
            lines.push_back(line.to_owned());
            if lines.len() > LINES_MAX {
                lines.pop_front();
            }
        }
    });
    let done = wrong.done();
    if done.is_err() {
        lines.iter().for_each(|line| eprintln!("{line}"));
    }
    done
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
    tracing::info!(patience_s = config.drain.as_secs(), "draining");
    tokio::select! {
        cut = node.drain(config.drain) => tracing::info!(cut, "drained"),
        () = signals.next() => tracing::warn!("not waiting for what is in flight"),
    }
}

/// What is to run: components read and hashed once. Without secrets, those that are needed are not looked for.
pub(crate) fn lower(found: &[Found], secrets: Option<&Secrets>) -> Result<Vec<Deployment>, Failure> {
    let mut wrong = Gathered::default();
    let mut deployments = Vec::with_capacity(found.len());
    for Found { application, file, .. } in found {
        let file = file.display().to_string();
        let secrets = match secrets.map(|secrets| secrets.of(application)).transpose() {
            Ok(secrets) => secrets.unwrap_or_default(),
            Err(error) => {
                wrong.push(Problem::whole(file.as_str(), error.code(), error.to_string()));
                continue;
            }
        };
        match weft_node::sources(application) {
            Ok(sources) => match weft_node::revision(application, &sources) {
                Ok(revision) => {
                    deployments.push(weft_node::lower(&Arc::new(application.clone()), revision, &sources, &secrets));
                }
                Err((folder, error)) => {
                    let message = format!("the folder {} cannot be read: {error}", folder.display());
                    wrong.push(Problem::whole(file.as_str(), code::FILE_MISSING, message));
                }
            },
            Err(errors) => {
                for (component, error) in errors {
                    let path = application.locate(&application.components[&component].source);
                    let message = format!("component `{component}`: {} cannot be read: {error}", path.display());
                    let problem = Problem::whole(file.as_str(), code::FILE_MISSING, message);
                    wrong.push(problem.help("build it with `weft build`, or correct `source`"));
                }
            }
        }
    }
    wrong.done().map(|()| deployments)
}

/// Every refusal, told from where it was written.
pub(crate) fn refused(error: &DeployError, found: &[Found]) -> Failure {
    let problem = |refusal: &Refusal| match refusal {
        Refusal::Route(error) => Problem::route(error),
        Refusal::Auth { application, auth, source } => {
            let found = found.iter().find(|found| found.application.name == *application);
            let file = found.map_or_else(|| application.to_string(), |found| found.file.display().to_string());
            Problem::whole(file, code::KEYS_INVALID, format!("the keys of `auth.{auth}` cannot be used: {source}"))
        }
        Refusal::Policy(problem) => {
            let PolicyProblem { application, file, fault } = &**problem;
            let found = found.iter().find(|found| found.application.name == *application);
            let folder = found.and_then(|found| found.file.parent()).unwrap_or(Path::new(""));
            let source = Source::new(folder.join(&file.name).display().to_string(), file.text.as_str());
            let problem =
                Problem::at(&source, fault.span.clone(), code::POLICY_INVALID, fault.message.as_str(), "here");
            if fault.help.is_empty() { problem } else { problem.help(fault.help.as_str()) }
        }
        Refusal::Component { application, component, source } => {
            let found = found.iter().find(|found| found.application.name == *application);
            let file = found.map_or_else(|| application.to_string(), |found| found.file.display().to_string());
            let problem = Problem::whole(file, source.code(), format!("component `{component}`: {source}"));
            match help(source) {
                Some(help) => problem.help(help),
                None => problem,
            }
        }
    };
    Report { problems: error.0.iter().map(problem).collect() }.into()
}

fn help(error: &weft_node::LoadError) -> Option<String> {
    use weft_node::LoadError::{CoreModule, NoHandler, NotWasm, TableTooLarge, TooLarge, UnknownImport, Unsupported};
    Some(match error {
        NotWasm => "`source` must name the component that the build writes, not a source file".to_owned(),
        CoreModule => "build for wasm32-wasip2, or wrap it: weft componentize module IN.wasm -o OUT.wasm".to_owned(),
        UnknownImport { import, .. } => format!(
            "build the component without `{import}`, or for the interfaces that this version provides: wasi:http, \
             wasi:cli, wasi:keyvalue, wasi:config, wasi:logging, wasi:filesystem"
        ),
        NoHandler(_) => "a component that answers requests exports an HTTP handler; see `weft new`".to_owned(),
        TooLarge { declared, .. } => {
            let mib = declared.div_ceil(1 << 20);
            format!(
                "`limits = {{ memory = \"{mib}MiB\" }}` is the least that it starts with; it needs room beyond that"
            )
        }
        TableTooLarge { .. } => {
            "it is built for dynamic linking on a scale that no component needs: link it statically".to_owned()
        }
        Unsupported(_) => "build it with tools for WASI 0.2 or 0.3".to_owned(),
        _ => return None,
    })
}
