//! Request files and the answers expected for them: `NN-name.http` beside `NN-name.expected`, sent in the order of
//! their names. `examples/README.md` is the description of the format for people.
//!
//! Nothing here does IO on a network: [`read`] gives what to send, [`Case::compare`] judges what came.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// One request and what is expected for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// `01-place`
    pub name: String,
    pub request: Request,
    pub expected: Expected,
}

/// As in the `.http` file. `content-length` and `host` are the sender's to add.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// As in the `.expected` file. Texts may hold `{{any}}` and `{{name}}`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expected {
    pub status: u16,
    /// Those that must be there; others may be.
    pub headers: Vec<(String, String)>,
    /// None: any body.
    pub body: Option<String>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// What earlier answers held where `{{name}}` stood. The same name means the same text from then on, in requests too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known(BTreeMap<String, String>);

/// A folder of requests that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RequestsError {
    #[error("cannot read {}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}:{line}: {reason}", path.display())]
    Syntax { path: PathBuf, line: usize, reason: &'static str },
    #[error("{} has no {}", path.display(), partner.display())]
    Alone { path: PathBuf, partner: PathBuf },
}

/// Reads every case of a folder, in the order of their names.
pub fn read(folder: &Path) -> Result<Vec<Case>, RequestsError> {
    let entries = fs::read_dir(folder).map_err(|source| RequestsError::Io { path: folder.to_owned(), source })?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let is = |path: &Path, ext: &str| path.extension().is_some_and(|found| found == ext);
    for path in paths.iter().filter(|path| is(path, "expected")) {
        alone(path, "http")?;
    }
    paths.iter().filter(|path| is(path, "http")).map(|path| read_case(path)).collect()
}

/// Reads one request file, or every one of a folder in the order of their names. Here an `.expected` file may be
/// missing: then nothing particular is expected.
pub fn read_requests(path: &Path) -> Result<Vec<(String, Request, Option<Expected>)>, RequestsError> {
    let mut paths = vec![path.to_owned()];
    if path.is_dir() {
        let entries = fs::read_dir(path).map_err(|source| RequestsError::Io { path: path.to_owned(), source })?;
        paths = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.retain(|path| path.extension().is_some_and(|found| found == "http"));
        paths.sort();
    }
    let read = |path: &PathBuf| {
        if path.with_extension("expected").is_file() {
            let Case { name, request, expected } = read_case(path)?;
            return Ok((name, request, Some(expected)));
        }
        let text = fs::read_to_string(path).map_err(|source| RequestsError::Io { path: path.clone(), source })?;
        let syntax = |(line, reason)| RequestsError::Syntax { path: path.clone(), line, reason };
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok((name, parse_request(&text).map_err(syntax)?, None))
    };
    paths.iter().map(read).collect()
}

fn alone(path: &Path, ext: &str) -> Result<(), RequestsError> {
    let partner = path.with_extension(ext);
    if partner.is_file() { Ok(()) } else { Err(RequestsError::Alone { path: path.to_owned(), partner }) }
}

fn read_case(path: &Path) -> Result<Case, RequestsError> {
    alone(path, "expected")?;
    let text =
        |path: &Path| fs::read_to_string(path).map_err(|source| RequestsError::Io { path: path.to_owned(), source });
    let syntax = |path: &Path| {
        let path = path.to_owned();
        move |(line, reason)| RequestsError::Syntax { path, line, reason }
    };
    let expected = path.with_extension("expected");
    Ok(Case {
        name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        request: parse_request(&text(path)?).map_err(syntax(path))?,
        expected: parse_expected(&text(&expected)?).map_err(syntax(&expected))?,
    })
}

/// A line, from 1, and what is wrong with it.
type Wrong = (usize, &'static str);

fn parse_request(text: &str) -> Result<Request, Wrong> {
    let (first, headers, body) = parts(text)?;
    let (method, target) = first.split_once(' ').ok_or((1, "the first line must be `METHOD /target`"))?;
    if !target.starts_with('/') {
        return Err((1, "the target must begin with `/`"));
    }
    Ok(Request { method: method.to_owned(), target: target.trim().to_owned(), headers, body: body.unwrap_or_default() })
}

fn parse_expected(text: &str) -> Result<Expected, Wrong> {
    let (first, headers, body) = parts(text)?;
    let status = first.trim().parse().map_err(|_| (1, "the first line must be a status, such as `200`"))?;
    Ok(Expected { status, headers, body })
}

type Parts<'a> = (&'a str, Vec<(String, String)>, Option<String>);

/// First line, headers up to an empty line, then the body without its last line break. No empty line: no body is said.
fn parts(text: &str) -> Result<Parts<'_>, Wrong> {
    let (head, body) = match text.split_once("\n\n") {
        Some((head, body)) => (head, Some(body.strip_suffix('\n').unwrap_or(body).to_owned())),
        None => (text.trim_end_matches('\n'), None),
    };
    let mut lines = head.lines();
    let first = lines.next().ok_or((1, "the file is empty"))?;
    let header = |(index, line): (usize, &str)| {
        let (name, value) = line.split_once(':').ok_or((index + 2, "a header must be `name: value`"))?;
        Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
    };
    Ok((first, lines.enumerate().map(header).collect::<Result<_, _>>()?, body))
}

impl Case {
    /// The request with what is known put in.
    pub fn fill(&self, known: &Known) -> Request {
        let fill = |text: &str| {
            known.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
        };
        Request {
            method: self.request.method.clone(),
            target: fill(&self.request.target),
            headers: self.request.headers.iter().map(|(name, value)| (name.clone(), fill(value))).collect(),
            body: fill(&self.request.body),
        }
    }

    /// What differs, one sentence each; empty when the answer is as expected. Learns the names in it. The last line
    /// break of a body does not count.
    pub fn compare(&self, answer: &Answer, known: &mut Known) -> Vec<String> {
        let mut wrong = Vec::new();
        if answer.status != self.expected.status {
            wrong.push(format!("status {} instead of {}", answer.status, self.expected.status));
        }
        for (name, pattern) in &self.expected.headers {
            let values: Vec<&str> =
                answer.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect();
            if !values.iter().any(|value| known.matches(pattern, value)) {
                wrong.push(format!("header {name}: {values:?} instead of {pattern:?}"));
            }
        }
        let body = answer.body.strip_suffix('\n').unwrap_or(&answer.body);
        if let Some(pattern) = &self.expected.body
            && !known.matches(pattern, body)
        {
            wrong.push(format!("body {body:?} instead of {pattern:?}"));
        }
        wrong
    }
}

impl Known {
    /// Whether `text` fits `pattern`; if so, its names are known from now on. A wildcard takes as little as it can.
    fn matches(&mut self, pattern: &str, text: &str) -> bool {
        let mut learned = self.clone();
        let fits = learned.fit(pattern, text);
        if fits {
            *self = learned;
        }
        fits
    }

    fn fit(&mut self, pattern: &str, text: &str) -> bool {
        let Some((before, rest)) = pattern.split_once("{{") else { return pattern == text };
        let Some((name, after)) = rest.split_once("}}") else { return pattern == text };
        let Some(text) = text.strip_prefix(before) else { return false };
        if let Some(value) = self.0.get(name).cloned() {
            return text.strip_prefix(value.as_str()).is_some_and(|rest| self.fit(after, rest));
        }
        // Every place where what follows could begin, the nearest first.
        let literal = after.split("{{").next().unwrap_or_default();
        let ends: Vec<usize> = if after.is_empty() {
            vec![text.len()]
        } else {
            text.match_indices(literal).map(|(at, _)| at).chain(literal.is_empty().then_some(text.len())).collect()
        };
        for end in ends {
            let mut attempt = self.clone();
            if name != "any" {
                attempt.0.insert(name.to_owned(), text[..end].to_owned());
            }
            if attempt.fit(after, &text[end..]) {
                *self = attempt;
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: vec![("content-type".into(), "application/json".into())], body: body.into() }
    }

    fn case(expected: &str) -> Case {
        Case { name: "1".into(), request: Request::default(), expected: parse_expected(expected).expect("valid") }
    }

    #[test]
    fn a_request_has_a_first_line_headers_and_a_body() {
        let request = parse_request("POST /orders?x=1\nContent-Type: application/json\n\n{\"a\": 1}\n").expect("valid");
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/orders?x=1"));
        assert_eq!(request.headers, [("content-type".to_owned(), "application/json".to_owned())]);
        assert_eq!(request.body, "{\"a\": 1}");
        assert_eq!(parse_request("GET /").expect("valid").body, "");
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_line() {
        assert_eq!(parse_request("GET"), Err((1, "the first line must be `METHOD /target`")));
        assert_eq!(parse_request("GET orders"), Err((1, "the target must begin with `/`")));
        assert_eq!(parse_request("GET /\na: b\nno colon"), Err((3, "a header must be `name: value`")));
        assert_eq!(parse_expected("fine"), Err((1, "the first line must be a status, such as `200`")));
    }

    #[test]
    fn an_answer_is_compared_part_by_part() {
        let case = case("200\ncontent-type: application/{{any}}\n\n{\"id\":{{any}},\"state\":\"placed\"}\n");
        let mut known = Known::default();
        assert_eq!(case.compare(&answer(200, "{\"id\":7,\"state\":\"placed\"}\n"), &mut known), Vec::<String>::new());
        let wrong = case.compare(&answer(404, "{\"id\":7,\"state\":\"lost\"}"), &mut known);
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[0].contains("404") && wrong[1].contains("lost"));
    }

    #[test]
    fn a_name_means_the_same_text_from_then_on() {
        let mut known = Known::default();
        assert!(known.matches("/orders/{{id}}", "/orders/o-17"));
        assert!(known.matches("{\"id\":\"{{id}}\",{{any}}}", "{\"id\":\"o-17\",\"n\":1}"));
        assert!(!known.matches("{\"id\":\"{{id}}\"}", "{\"id\":\"o-18\"}"));
        let mut case = case("200");
        case.request.target = "/orders/{{id}}/accept".into();
        assert_eq!(case.fill(&known).target, "/orders/o-17/accept");
    }

    #[test]
    fn a_wildcard_goes_on_until_the_rest_fits() {
        let mut known = Known::default();
        assert!(known.matches("a{{any}}b", "axbxb"));
        assert!(known.matches("{{any}}{{any}}", ""));
        assert!(!known.matches("a{{any}}b", "axbx"));
    }

    #[test]
    fn a_file_without_its_partner_is_an_error() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("01-a.http"), "GET /\n").expect("a file");
        assert!(matches!(read(dir.path()), Err(RequestsError::Alone { .. })));
        fs::write(dir.path().join("01-a.expected"), "200\n").expect("a file");
        assert_eq!(read(dir.path()).expect("a pair")[0].name, "01-a");
    }

    #[test]
    fn requests_alone_expect_nothing_and_a_folder_is_read_in_order() {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, text) in [("02-b.http", "GET /b\n"), ("01-a.http", "GET /a\n"), ("02-b.expected", "404\n")] {
            fs::write(dir.path().join(name), text).expect("a file");
        }
        let read = |path: &Path| {
            let all = read_requests(path).expect("good");
            all.into_iter()
                .map(|(name, of, expected)| (name, of.target, expected.map(|it| it.status)))
                .collect::<Vec<_>>()
        };
        let (a, b) = (("01-a".into(), "/a".into(), None), ("02-b".into(), "/b".into(), Some(404)));
        assert_eq!(read(dir.path()), [a, b.clone()]);
        assert_eq!(read(&dir.path().join("02-b.http")), [b]);
        assert!(read_requests(&dir.path().join("03-c.http")).is_err());
    }
}
