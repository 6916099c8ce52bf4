//! How a command fails: a report for people or programs, and an exit code that says what kind of failure it was.

use std::{io::IsTerminal, process::ExitCode};

use weft_manifest::{Look, Problem, Report};
use weft_types::{Code, code};

use crate::args::Format;

/// What an exit code says. 0 is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The thing asked for failed.
    Failed = 1,
    /// The command was used wrongly.
    Usage = 2,
    /// The node cannot be reached.
    Unreachable = 3,
    /// Nothing can be said: an experiment could not be run to its end.
    Void = 4,
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) report: Report,
}

impl Failure {
    /// `about` is what the message speaks of, such as a file; it comes first.
    pub(crate) fn new(code: Code, about: impl Into<std::sync::Arc<str>>, message: impl Into<String>) -> Self {
        Problem::whole(about, code, message).into()
    }

    /// With the next thing to try.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        if let Some(problem) = self.report.problems.pop() {
            self.report.problems.push(problem.help(help));
        }
        self
    }

    /// Writes the report to standard error.
    pub(crate) fn tell(&self, format: Format) -> ExitCode {
        eprint!("{}", self.render(format));
        ExitCode::from(self.exit as u8)
    }

    pub(crate) fn render(&self, format: Format) -> String {
        match format {
            Format::Json => format!("{}\n", serde_json::json!({ "problems": self.report.to_json() })),
            Format::Text => self.report.render(look()),
        }
    }
}

fn look() -> Look {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Look { colour: !refused && std::io::stderr().is_terminal(), ..Look::default() }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Report::from(problem).into()
    }
}

impl From<Report> for Failure {
    fn from(report: Report) -> Self {
        let only = |code: Code| report.problems.iter().all(|problem| problem.code == code);
        let exit = if only(code::USAGE) {
            Exit::Usage
        } else if only(code::NODE_UNREACHABLE) {
            Exit::Unreachable
        } else {
            Exit::Failed
        };
        Self { exit, report }
    }
}

/// Everything that is wrong, gathered so that it can be told at once.
#[derive(Default)]
pub(crate) struct Gathered(Vec<Problem>);

impl Gathered {
    pub(crate) fn add(&mut self, report: Report) {
        self.0.extend(report.problems);
    }

    pub(crate) fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// `Ok` when nothing is wrong.
    pub(crate) fn done(self) -> Result<(), Failure> {
        if self.0.is_empty() { Ok(()) } else { Err(Report { problems: self.0 }.into()) }
    }
}
