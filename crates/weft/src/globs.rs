//! Which files count as sources: `*` within a name, `?` one character, `**` any folders.

use std::path::Path;

/// The patterns of one component; none stands for every file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Globs(Vec<Vec<String>>);

impl Globs {
    pub(crate) fn new(patterns: &[String]) -> Self {
        let parts = |pattern: &String| pattern.trim_start_matches("./").split('/').map(str::to_owned).collect();
        Self(patterns.iter().map(parts).collect())
    }

    /// `path` is relative to the folder that the patterns are.
    pub(crate) fn matches(&self, path: &Path) -> bool {
        let names: Vec<String> = path.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        self.0.is_empty() || self.0.iter().any(|pattern| folders(pattern, &names))
    }
}

fn folders(pattern: &[String], names: &[String]) -> bool {
    match (pattern.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "**" => {
            folders(rest, names) || names.split_first().is_some_and(|(_, left)| folders(pattern, left))
        }
        (Some((first, rest)), Some((name, left))) => {
            let (first, name): (Vec<char>, Vec<char>) = (first.chars().collect(), name.chars().collect());
            within(&first, &name) && folders(rest, left)
        }
        _ => false,
    }
}

fn within(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), _) => {
            within(rest, name) || name.split_first().is_some_and(|(_, left)| within(pattern, left))
        }
        (Some(('?', rest)), Some((_, left))) => within(rest, left),
        (Some((first, rest)), Some((c, left))) => first == c && within(rest, left),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_people_expect() {
        let cases = [
            ("src/**", "src/lib.rs", true),
            ("src/**", "src/a/b.rs", true),
            ("src/**", "src", true),
            ("src/**", "lib.rs", false),
            ("**/*.rs", "lib.rs", true),
            ("**/*.rs", "a/b/c.rs", true),
            ("**/*.rs", "a/b/c.js", false),
            ("*.js", "a.js", true),
            ("*.js", "a/b.js", false),
            ("?.c", "a.c", true),
            ("?.c", "ab.c", false),
            ("./package.json", "package.json", true),
        ];
        for (pattern, path, is) in cases {
            assert_eq!(Globs::new(&[pattern.to_owned()]).matches(Path::new(path)), is, "{pattern} {path}");
        }
        assert!(Globs::default().matches(Path::new("anything/at.all")), "no pattern stands for every file");
    }
}
