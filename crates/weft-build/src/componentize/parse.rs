//! The words of `weft componentize`, as the command line and manifests write them.

use crate::{BuildError, Componentize, Kind, Lends};

const USAGE: &str =
    "usage: weft componentize js|python|go|c|module INPUT -o OUTPUT [--with key-value|config|logging|unit]…";

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Js => "js",
            Self::Python => "python",
            Self::Go => "go",
            Self::C => "c",
            Self::Module => "module",
        }
    }

    fn named(text: &str) -> Option<Self> {
        [Self::Js, Self::Python, Self::Go, Self::C, Self::Module].into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Componentize {
    /// From the words after `weft componentize`.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, BuildError> {
        let mut words = words.into_iter();
        let first = words.next().unwrap_or_default();
        let kind = Kind::named(first).ok_or_else(|| usage(format!("`{first}` is not a kind of input")))?;
        let (mut input, mut output, mut with) = (None, None, Vec::new());
        while let Some(word) = words.next() {
            match word {
                "-o" | "--output" => output = Some(value(word, words.next())?.into()),
                "--with" => with.push(lends(value(word, words.next())?)?),
                option if option.starts_with('-') => return Err(usage(format!("`{option}` is not an option"))),
                path if input.is_none() => input = Some(path.into()),
                extra => return Err(usage(format!("`{extra}` is one word too many"))),
            }
        }
        let input = input.ok_or_else(|| usage("INPUT is missing".to_owned()))?;
        let output = output.ok_or_else(|| usage("`-o OUTPUT` is missing".to_owned()))?;
        Ok(Self { kind, input, output, with })
    }
}

fn value<'a>(option: &str, word: Option<&'a str>) -> Result<&'a str, BuildError> {
    word.ok_or_else(|| usage(format!("`{option}` needs a value")))
}

fn lends(text: &str) -> Result<Lends, BuildError> {
    let found = Lends::ALL.into_iter().find(|one| one.as_str() == text);
    found.ok_or_else(|| usage(format!("`{text}` is not a service that can be built in")))
}

fn usage(what: String) -> BuildError {
    BuildError::Usage(format!("{what}\n{USAGE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_in_any_order() {
        let job = Componentize::parse("js src/index.js --with key-value -o dist/app.wasm --with unit".split(' '));
        let expected = Componentize {
            kind: Kind::Js,
            input: "src/index.js".into(),
            output: "dist/app.wasm".into(),
            with: vec![Lends::KeyValue, Lends::Unit],
        };
        assert_eq!(job.expect("valid"), expected);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (words, named) in [
            ("cobol x -o y", "`cobol`"),
            ("js -o y", "INPUT"),
            ("js x", "`-o OUTPUT`"),
            ("js x -o", "`-o` needs"),
            ("js x y -o z", "`y`"),
            ("js x -o y --with magic", "`magic`"),
            ("js x -o y --fast", "`--fast`"),
        ] {
            let error = Componentize::parse(words.split(' ')).expect_err(words);
            assert!(error.to_string().contains(named), "{words}: {error}");
        }
    }
}
