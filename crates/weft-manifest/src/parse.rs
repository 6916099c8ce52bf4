//! From text to structs, in three steps: TOML, schema, serde. All mistakes of a step are told at once.

use serde::de::DeserializeOwned;
use serde_json::Value;
use weft_types::code;

use crate::{
    Problem, Report, Source,
    check::{self, Checked},
    tree::{BYTES_MAX, Node},
};

/// What was written, and where.
pub(crate) struct Parsed<T> {
    /// Without what `problems` speak of.
    pub(crate) value: T,
    pub(crate) tree: Node,
    /// What is wrong already. The next step adds its own, so that one report tells all.
    pub(crate) problems: Vec<Problem>,
}

pub(crate) fn parse<T: DeserializeOwned>(source: &Source, schema: &Value) -> Result<Parsed<T>, Report> {
    if source.text.len() > BYTES_MAX {
        let message = format!("the file is {} bytes long; at most {BYTES_MAX} are read", source.text.len());
        return Err(Problem::whole(source.file.clone(), code::MANIFEST_SYNTAX, message).into());
    }
    let tree = Node::parse(&source.text).map_err(|error| syntax(source, &error))?;
    let Checked { problems, dropped } = check::check(source, schema, &tree);
    let Some(dropped) = dropped else { return Err(Report::new(problems)) };
    match serde_json::from_value(tree.to_json(&dropped)) {
        Ok(value) => Ok(Parsed { value, tree, problems }),
        Err(_) if !problems.is_empty() => Err(Report::new(problems)),
        // The schema is generated from the structs, so this is a difference between the two that a test missed.
        Err(error) => {
            Err(Problem::whole(source.file.clone(), code::MANIFEST_TYPE, check::shown(&error.to_string())).into())
        }
    }
}

fn syntax(source: &Source, error: &toml_edit::TomlError) -> Report {
    let message = error.message().trim();
    let span = error.span().unwrap_or(0..0);
    if message.contains("duplicate key") {
        let message = format!("`{}` is written twice", check::shown(source.text.get(span.clone()).unwrap_or("a key")));
        let problem = Problem::at(source, span, code::MANIFEST_DUPLICATE, message, "again here");
        return problem.help("keep one of them; a table is opened once, too").into();
    }
    let message = format!("this is not TOML: {message}");
    Problem::at(source, span, code::MANIFEST_SYNTAX, message, "here").into()
}
