//! Installs the toolchains of the languages named, or of all, into a folder: `toolchain FOLDER [LANGUAGE]…`.

use std::{error::Error, path::PathBuf};

use weft_build::{Language, install};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let into = PathBuf::from(words.next().ok_or("usage: toolchain FOLDER [LANGUAGE]…")?);
    let mut languages = words.map(|word| word.parse()).collect::<Result<Vec<Language>, _>>()?;
    if languages.is_empty() {
        languages = Language::ALL.to_vec();
    }
    for language in languages {
        println!("{language}");
        install(language, &into, &mut |line| println!("  {line}"))?;
    }
    Ok(())
}
