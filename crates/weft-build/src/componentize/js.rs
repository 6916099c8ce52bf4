//! JavaScript: QuickJS, our kit over `weft:http/handler`. The module is evaluated once, now; instances begin with what it
//! made.

use std::{fmt::Write as _, process::Command};

use super::{Lends, Work};
use crate::{BuildError, OnLine, Tool, Toolchains, run::run, wit};

macro_rules! kit {
    ($($file:literal),* $(,)?) => {
        [$((concat!("weft/", $file), include_str!(concat!("../../../../sdk/js/", $file)))),*]
    };
}

const KIT: [(&str, &str); 12] = kit![
    "config.js",
    "console.js",
    "globals.js",
    "headers.js",
    "key-value.js",
    "log.js",
    "message.js",
    "random.js",
    "serve.js",
    "text.js",
    "unit.js",
    "url.js",
];

pub(super) fn make(work: &Work, tools: &Toolchains, on_line: OnLine<'_>) -> Result<(), BuildError> {
    tools.find(Tool::Node)?;
    let tool = tools.find(Tool::ComponentizeQjs)?;
    for (name, text) in KIT {
        work.write(name, text)?;
    }
    let entry = work.write("entry.js", entry(work))?;
    let made = work.stage.join("made.wasm");
    let mut command = Command::new(tool);
    command.current_dir(&work.project).arg("--wit").arg(work.wit()).args(["--world", wit::WORLD, "--js"]).arg(entry);
    run(command.arg("--module-root").arg(&work.project).arg("--output").arg(&made), on_line)?;
    std::fs::rename(&made, &work.output).map_err(BuildError::io("write", &work.output))
}

/// The module that ties the kit to the application. `env` has what it is built with and nothing else, since a module
/// that imports an interface needs it in the world.
fn entry(work: &Work) -> String {
    let mut text = "import \"./weft/globals.js\";\nimport { serve } from \"./weft/serve.js\";\n".to_owned();
    let mut env = Vec::new();
    for lends in &work.with {
        let (file, name) = match lends {
            Lends::KeyValue => ("key-value", "store"),
            Lends::Config => ("config", "config"),
            Lends::Logging => ("log", "log"),
            Lends::Unit => ("unit", "unit"),
        };
        let _ = writeln!(text, "import {{ {name} }} from \"./weft/{file}.js\";");
        env.push(name);
    }
    // The stage lies three folders below the project.
    let app = work.input.strip_prefix(&work.project).unwrap_or(&work.input);
    let app = if app.is_absolute() { app.display().to_string() } else { format!("../../../{}", app.display()) };
    let _ = writeln!(text, "import app from {app:?};\n\nexport const handler = serve(app, {{ {} }});", env.join(", "));
    text
}
