//! `weft explain`: what a request would meet, and why.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use clap::Args;
use weft_api::{Access, Candidate, ExplainQuery, Explanation, PolicyField, Service, Who, path};
use weft_manifest::{Application, Report};
use weft_traffic::Table;
use weft_types::{Name, code};

use crate::{
    applications::{self, BareArgs},
    args::Format,
    client::Target,
    failure::Failure,
    output,
};

/// Say which route, application, component, policy and services a request would meet, and why the others lost; or, of a
/// request that was sent, what became of it.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  weft explain GET /orders/7                   asks the running node\n  weft explain GET /orders/7 --of .            reads the manifest; no node is needed\n  weft explain POST http://shop.example/orders -H 'x-beta: 1'\n  weft explain inv_01a1fd…                     what became of a request, by the id in its error\n  weft explain DELETE /orders/7 --as alice --role editor --of ."
)]
pub(crate) struct Explain {
    /// A method; or the id of a request that was sent, as every error of ours has it.
    #[arg(value_name = "METHOD|REQUEST-ID")]
    method: String,
    /// A path, or a URL with a host. Not with an id.
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// A header of the request; as often as needed.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The host that the request is for.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Ask manifests instead of a node: folders or weft.toml files.
    #[arg(long, value_name = "WHAT")]
    of: Vec<PathBuf>,
    /// Who is calling, as if proven: say whether the route lets them in, and which policy decides.
    #[arg(long = "as", value_name = "WHO")]
    who: Option<String>,
    /// By which declaration of `[auth]`. [default: the first that the route takes]
    #[arg(long, value_name = "NAME", requires = "who")]
    auth: Option<String>,
    /// For which tenant.
    #[arg(long, value_name = "TENANT", requires = "who")]
    tenant: Option<String>,
    /// With which role; as often as needed.
    #[arg(long = "role", value_name = "ROLE", requires = "who")]
    roles: Vec<String>,
    #[command(flatten)]
    target: Target,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write it as `name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

impl Explain {
    pub(crate) fn run(&self, format: Format) -> Result<(), Failure> {
        let url = match &self.url {
            None if super::request::is_id(&self.method) => {
                return super::request::explain(&self.method, &self.target, format);
            }
            Some(url) => url.clone(),
            None => {
                let message = format!("`{}` is no request id, and the URL is missing", self.method);
                return Err(Failure::new(code::USAGE, "explain", message)
                    .help("write `weft explain GET /path`, or `weft explain inv_…`"));
            }
        };
        let mut headers = self.headers.clone();
        headers.extend(self.host.iter().map(|host| ("host".to_owned(), host.clone())));
        let who = self.who.clone().map(|subject| Who {
            subject,
            auth: self.auth.clone(),
            tenant: self.tenant.clone(),
            roles: self.roles.clone(),
        });
        let query = ExplainQuery { method: self.method.to_ascii_uppercase(), url, headers, who };
        let explanation = if self.of.is_empty() {
            let path = format!("{}?{}", path::EXPLAIN, query.to_query());
            super::block_on(async { self.target.find()?.get(&path).await })?
        } else {
            offline(&self.of, &query)?
        };
        let missed = explanation.miss.clone();
        output::print(format, &explanation, shown)?;
        match missed {
            None => Ok(()),
            Some(_) => Err(Failure::new(code::NO_ROUTE, query.url, "nothing answers this request")
                .help("the routes above came closest")),
        }
    }
}

fn offline(of: &[PathBuf], query: &ExplainQuery) -> Result<Explanation, Failure> {
    let found = applications::find(of, &BareArgs::default())?;
    let applications: BTreeMap<Name, Arc<Application>> =
        found.into_iter().map(|found| (found.application.name.clone(), Arc::new(found.application))).collect();
    // Of manifests alone there are no artefacts, and so no true revision.
    let revision = |application: &Application| application.revision(&BTreeMap::new(), &BTreeMap::new());
    let routes = applications.values().flat_map(|application| application.lower(revision(application))).collect();
    let table = Table::compile(routes).map_err(Report::from)?;
    weft_node::explain(&table, |name| applications.get(name).cloned(), query)
        .map_err(|error| Failure::new(code::USAGE, "explain", error.to_string()))
}

fn shown(explanation: &Explanation) -> String {
    let mut text = format!("{}\n", explanation.request);
    if let Some(miss) = &explanation.miss {
        text.push_str(&format!("  nothing answers: {miss}\n"));
    }
    let winner = explanation.candidates.iter().find(|candidate| candidate.lost.is_none());
    text.extend(winner.map(|winner| won(winner, &explanation.services)));
    if let Some(Access { who, let_in, code, why, .. }) = &explanation.access {
        let (word, code) = match (let_in, code) {
            (true, _) => ("let in", String::new()),
            (false, code) => ("refused", code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default()),
        };
        text.push_str(&format!("\n  access\n    {who}  {word}: {why}{code}\n"));
    }
    if let Some(upstream) = &explanation.upstream {
        text.push_str(&format!("\n  upstream\n{}", super::upstreams::shown(upstream, "    ")));
    }
    let lost = |candidate: &Candidate| {
        let why = candidate.lost.clone()?;
        Some(vec![format!("    {}", candidate.route), format!("({})", candidate.place), why])
    };
    let lost: Vec<_> = explanation.candidates.iter().filter_map(lost).collect();
    if !lost.is_empty() {
        text.push_str(&format!("\n  not\n{}", output::table(&lost)));
    }
    if explanation.omitted > 0 {
        text.push_str(&format!("    and {} more, further away\n", explanation.omitted));
    }
    text
}

/// What answers, by which policy, and with what it was granted.
fn won(winner: &Candidate, services: &[Service]) -> String {
    let mut text = format!("\n  {} ({})\n", winner.route, winner.place);
    text.push_str(&format!("    application {}, {}\n", winner.application, winner.action));
    for param in &winner.params {
        text.push_str(&format!("    {} = {:?}\n", param.name, param.value));
    }
    let field = |of: &PolicyField| vec![format!("    {}", of.field), of.value.clone(), format!("({})", of.origin)];
    let policy: Vec<_> = winner.policy.iter().map(field).collect();
    text.push_str(&format!("\n  policy\n{}", output::table(&policy)));
    let service = |of: &Service| vec![format!("    {}", of.kind), of.name.clone(), of.bound.clone()];
    let services: Vec<_> = services.iter().map(service).collect();
    let granted = if services.is_empty() { "    none granted\n".to_owned() } else { output::table(&services) };
    text.push_str(&format!("\n  services\n{granted}"));
    text
}
