//! A manifest's build command without the rest of weft: `build 'COMMAND' OUTPUT` in the component's folder.

use std::{error::Error, path::Path};

use weft_build::{Build, Toolchains, build};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [command, output] = words.as_slice() else { return Err("usage: build 'COMMAND' OUTPUT".into()) };
    let dir = std::env::current_dir()?;
    let job = Build { command, dir: &dir, output: Path::new(output) };
    println!("{}", build(job, &Toolchains::around(&dir), &mut |line| println!("{line}"))?.display());
    Ok(())
}
