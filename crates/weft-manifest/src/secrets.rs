//! Whether a node has the secrets that an application reads.

use std::collections::BTreeSet;

use weft_types::code;

use crate::{Application, Problem, Report, check::shown, near::nearest};

impl Application {
    /// An error for each secret that is not among `known`, the names that the node's providers have.
    pub fn check_secrets(&self, known: &BTreeSet<String>) -> Result<(), Report> {
        let components = self.secrets().map(|(name, key, secret)| ("component", name, "reads", key, secret));
        let upstreams = self.upstream_secrets().map(|(name, key, secret)| ("upstream", name, "uses", key, secret));
        let missing = components.chain(upstreams).filter(|(.., secret)| !known.contains(*secret));
        let problem = |(what, name, does, key, secret): (&str, &_, &str, &str, &str)| {
            let message = format!(
                "{what} `{name}` {does} secret `{}` as `{}`, and the node has no such secret",
                shown(secret),
                shown(key)
            );
            let help = match nearest(secret, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "give it to a provider of `[secrets]` in node.toml".to_owned(),
            };
            Problem::whole(self.file(), code::SECRET_MISSING, message).help(help)
        };
        let problems: Vec<Problem> = missing.map(problem).collect();
        if problems.is_empty() { Ok(()) } else { Err(Report::new(problems)) }
    }
}
