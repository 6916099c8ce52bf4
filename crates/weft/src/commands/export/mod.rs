//! `weft export`: what others need to watch an application, made from its manifest.

mod dashboard;
mod rules;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use weft_manifest::{Application, Disk};
use weft_types::code;

use crate::{args::Format, failure::Failure, output};

/// Write what Prometheus and Grafana need to watch an application.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  weft export prometheus shop > rules/shop.yml\n  weft export grafana shop > dashboards/shop.json"
)]
pub(crate) struct Export {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Recording and alerting rules of Prometheus: the burn rates of the application's service levels.
    Prometheus(Of),
    /// A dashboard of Grafana.
    Grafana(Of),
}

#[derive(Args)]
struct Of {
    /// A folder with a weft.toml, or a weft.toml file.
    #[arg(value_name = "FOLDER", default_value = ".")]
    what: PathBuf,
}

impl Export {
    pub(crate) fn run(&self, format: Format) -> Result<(), Failure> {
        match &self.what {
            What::Prometheus(of) => {
                let application = read(&of.what)?;
                let groups = rules::groups(&application);
                if groups.is_empty() {
                    let message = "none of its components has an `slo`, so there is nothing to watch";
                    let failure = Failure::new(code::USAGE, of.what.display().to_string(), message);
                    return Err(failure.help("write `slo = { availability = \"99.9%\" }` on a component"));
                }
                output::print(format, &groups, |groups| rules::yaml(groups))
            }
            What::Grafana(of) => {
                let dashboard = dashboard::of(&read(&of.what)?);
                let text = |dashboard: &serde_json::Value| serde_json::to_string_pretty(dashboard).unwrap_or_default();
                output::print(format, &dashboard, text)
            }
        }
    }
}

/// Its components need not be built.
fn read(what: &Path) -> Result<Application, Failure> {
    let file = if what.is_dir() { what.join("weft.toml") } else { what.to_owned() };
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(&file)
        .map_err(|error| Failure::new(code::FILE_MISSING, shown.as_str(), format!("it cannot be read: {error}")))?;
    let folder = file.parent().unwrap_or(Path::new(".")).to_owned();
    Ok(weft_manifest::load_text(&shown, &text, &folder, Disk::Skip)?)
}
