//! What is wrong with a file: one [`Problem`] a mistake, all of them in one [`Report`].

use std::{fmt, sync::Arc};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use serde::Serialize;
use weft_traffic::RouteError;
use weft_types::Code;

use crate::Source;

type Span = std::ops::Range<usize>;

/// One mistake: where it is, what is wrong, and what to do.
#[derive(Debug, Clone)]
pub struct Problem {
    pub code: Code,
    /// One sentence without a full stop.
    pub message: String,
    pub help: Option<String>,
    /// As shown to people. Line and column from 1; 0 where the whole file is meant.
    pub file: Arc<str>,
    pub line: u32,
    pub column: u32,
    marks: Vec<(Span, String)>,
    source: Option<NamedSource<Arc<str>>>,
}

impl Problem {
    /// Points at bytes of a text. `label` stands under what is marked.
    pub fn at(source: &Source, span: Span, code: Code, message: impl Into<String>, label: &str) -> Self {
        let span = source.clamp(span);
        let (line, column) = source.position(span.start);
        Self {
            code,
            message: message.into(),
            help: None,
            file: source.file.clone(),
            line,
            column,
            marks: vec![(span, label.to_owned())],
            source: Some(NamedSource::new(&source.file, source.text.clone()).with_language("TOML")),
        }
    }

    /// Speaks of a file as a whole, or of one that cannot be shown.
    pub fn whole(file: impl Into<Arc<str>>, code: Code, message: impl Into<String>) -> Self {
        let (message, file) = (message.into(), file.into());
        Self { code, message, help: None, file, line: 0, column: 0, marks: Vec::new(), source: None }
    }

    /// A conflict between routes of several applications, told from where the later one was written.
    pub fn route(error: &RouteError) -> Self {
        let place = &error.place;
        let whole = Self::whole(place.file.clone(), error.code, error.message.clone());
        Self { line: place.line, column: place.column, ..whole }.help(error.help.clone())
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Marks a second place of the same file.
    #[must_use]
    pub(crate) fn mark(mut self, span: Span, label: &str) -> Self {
        self.marks.push((span, label.to_owned()));
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}:{}: {}", self.file, self.column, self.message),
        }
    }
}

impl std::error::Error for Problem {}

/// What miette draws: its header shows the message alone, since the snippet tells the place.
#[derive(Debug)]
struct Drawn<'a>(&'a Problem);

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.source {
            Some(_) => f.write_str(&self.0.message),
            None => fmt::Display::fmt(self.0, f),
        }
    }
}

impl std::error::Error for Drawn<'_> {}

impl Diagnostic for Drawn<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.0.code))
    }
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.help.as_ref().map(|help| Box::new(help) as _)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.source.as_ref().map(|source| source as _)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = |(i, (span, text)): (usize, &(Span, String))| match i {
            0 => LabeledSpan::new_primary_with_span(Some(text.clone()), span.clone()),
            _ => LabeledSpan::new_with_span(Some(text.clone()), span.clone()),
        };
        Some(Box::new(self.0.marks.iter().enumerate().map(label)))
    }
}

/// Every problem of one or more files, in the order of their places. Never empty.
#[derive(Debug, Clone)]
pub struct Report {
    pub problems: Vec<Problem>,
}

/// How a report is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Only where the reader is a terminal.
    pub colour: bool,
    /// Columns.
    pub width: usize,
}

impl Default for Look {
    fn default() -> Self {
        Self { colour: false, width: 100 }
    }
}

impl Report {
    /// More than this is not shown: whoever made so many mistakes mends the first ones first.
    pub const SHOWN_MAX: usize = 50;

    pub(crate) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        Self { problems }
    }

    /// For people: message, snippet with the place marked, help.
    pub fn render(&self, look: Look) -> String {
        let theme = if look.colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(look.width.clamp(40, 400))
            .with_links(false)
            .with_wrap_lines(false);
        let mut out = String::new();
        for problem in self.problems.iter().take(Self::SHOWN_MAX) {
            // Writing to a string fails only if a Display does; then the plain sentence must do.
            if handler.render_report(&mut out, &Drawn(problem)).is_err() {
                out.push_str(&format!("{problem}\n"));
            }
        }
        let more = self.problems.len().saturating_sub(Self::SHOWN_MAX);
        if more > 0 {
            out.push_str(&format!("and {more} more\n"));
        }
        out
    }

    /// For machines: a list of `{code, file, line, column, message, help}`.
    pub fn to_json(&self) -> serde_json::Value {
        let row = |problem: &Problem| {
            let Problem { code, file, line, column, message, help, .. } = problem;
            let row = Row { code: code.as_str(), file, line: *line, column: *column, message, help: help.as_deref() };
            serde_json::to_value(row).unwrap_or_default()
        };
        self.problems.iter().map(row).collect()
    }
}

#[derive(Serialize)]
struct Row<'a> {
    code: &'a str,
    file: &'a str,
    line: u32,
    column: u32,
    message: &'a str,
    help: Option<&'a str>,
}

impl From<Problem> for Report {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

/// Conflicts between applications, as a table's compilation tells them.
impl From<Vec<RouteError>> for Report {
    fn from(errors: Vec<RouteError>) -> Self {
        Self::new(errors.iter().map(Problem::route).collect())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            let line = if i == 0 { "" } else { "\n" };
            write!(f, "{line}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}
