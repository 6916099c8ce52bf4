//! `weft audit`: what operators did to a node, and what they were refused.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::PathBuf,
};

use clap::Args;
use weft_node::{AuditLine, Audited};
use weft_types::code;

use crate::{args::Format, failure::Failure, output};

/// Show what was done to a node, and who was refused, from its data folder.
#[derive(Args)]
#[command(after_help = "Examples:\n  weft audit --data /var/lib/weft\n  weft audit -n 1000 --format json")]
pub(crate) struct Audit {
    /// So many of the latest lines.
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 100)]
    lines: usize,
    /// The node's data folder. The node need not run.
    #[arg(long, value_name = "FOLDER", env = "WEFT_DATA", default_value = ".weft")]
    data: PathBuf,
}

impl Audit {
    pub(crate) fn run(&self, format: Format) -> Result<(), Failure> {
        let path = self.data.join("audit.jsonl");
        let file = File::open(&path).map_err(|error| {
            Failure::new(code::DATA_UNUSABLE, "weft audit", format!("{} cannot be read: {error}", path.display()))
        })?;
        let mut latest = std::collections::VecDeque::new();
        for line in BufReader::new(file).lines().map_while(Result::ok) {
            // Half a line, of a process that was killed while it wrote, is none.
            let Ok(line) = serde_json::from_str::<AuditLine>(&line) else { continue };
            latest.push_back(line);
            if latest.len() > self.lines {
                latest.pop_front();
            }
        }
        output::print(format, &latest, |lines| output::table(&lines.iter().map(row).collect::<Vec<_>>()))
    }
}

fn row(line: &AuditLine) -> Vec<String> {
    let what = match line.what {
        Audited::Begun => "begun",
        Audited::Ended => "ended",
        Audited::Refused => "refused",
    };
    let status = line.status.map_or_else(String::new, |status| status.to_string());
    let detail = line.subject.as_ref().or(line.code.as_ref()).cloned().unwrap_or_default();
    let by = line.by.clone().unwrap_or_else(|| "-".to_owned());
    let (number, at, what) = (line.number.to_string(), format!("{} ms", line.at_ms), what.to_owned());
    vec![number, at, what, by, line.request.clone(), status, detail]
}
