//! `weft componentize` without the rest of weft, for work on the kits: `componentize js src/index.js -o app.wasm`.

use std::{error::Error, path::Path};

use weft_build::{Componentize, Toolchains, componentize};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let job = Componentize::parse(words.iter().map(String::as_str))?;
    let here = Path::new(".");
    componentize(&job, here, &Toolchains::around(here), &mut |line| println!("{line}"))?;
    Ok(())
}
