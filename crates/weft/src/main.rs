//! The `weft` command.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};
use weft_host::{ComponentSpec, Grants, Isolation, Limits};
use weft_node::{Deployment, Node, NodeOptions};
use weft_traffic::{Action, Place, Policy, RouteSpec};
use weft_types::{Context, Name, Target};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "weft", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Up(Up),
}

#[derive(clap::Args)]
struct Up {
    what: PathBuf,
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    #[arg(long, env = "WEFT_DATA", default_value = ".weft")]
    data: PathBuf,
    #[arg(long, default_value = "request")]
    isolation: IsolationArg,
}

#[derive(Clone, Copy, ValueEnum)]
enum IsolationArg {
    Request,
    Instance,
}

#[tokio::main]
async fn main() {
    let Command::Up(up) = Arguments::parse().command;
    let wasm: weft_host::Source = std::fs::read(&up.what).expect("read").into();
    let options = NodeOptions { listen: up.listen, data: up.data, limits: weft_gateway::Limits::default() };
    let node = Node::start(options).expect("start");
    let application = Name::nearest(&up.what.file_stem().unwrap_or_default().to_string_lossy());
    let revision = wasm.digest();
    let isolation = match up.isolation {
        IsolationArg::Request => Isolation::Request,
        IsolationArg::Instance => Isolation::Instance,
    };
    let target = Target { application: application.clone(), revision, component: application.clone(), function: None };
    let spec = ComponentSpec {
        application: application.clone(),
        component: application.clone(),
        revision,
        wasm,
        isolation,
        limits: Limits::default(),
        grants: Arc::new(Grants::default()),
    };
    let route = RouteSpec {
        application: application.clone(),
        host: None,
        path: "/*".into(),
        methods: vec![],
        headers: vec![],
        action: Action::Component(Arc::new(Context::anonymous(target))),
        policy: Policy::default(),
        origins: vec![],
        place: Place { file: "flags".into(), line: 1, column: 1 },
    };
    let limits = weft_traffic::Limits { concurrency: 256, queue: 1024, wait: Duration::from_secs(5) };
    node.deploy(Deployment { application, components: vec![(spec, limits)], routes: vec![route] }).await.expect("deploy");
    eprintln!("http://{}", node.address());
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("signal");
    tokio::select! { _ = term.recv() => {} _ = tokio::signal::ctrl_c() => {} }
    node.drain(Duration::from_secs(10)).await;
}
