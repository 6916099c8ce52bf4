//! A production node of ours: `weft serve`, and applications applied to it by `weft apply`.

use std::{fs, path::Path, process::Command};

use crate::{
    args::place,
    server::{Ready, Server},
};

/// Starts a node on the data folder, and waits for its URL.
pub(crate) fn serve(data: &Path) -> Result<Server, String> {
    let mut command = Command::new(place("WEFT_BENCH_WEFT")?);
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"]).arg(data);
    Server::launch("weft", &mut command, &Ready::Url)
}

/// Applies the application in `folder` to the node of that data folder.
pub(crate) fn apply(data: &Path, folder: &Path) -> Result<(), String> {
    let mut command = Command::new(place("WEFT_BENCH_WEFT")?);
    let out = command.arg("apply").arg(folder).env("WEFT_DATA", data).output();
    let out = out.map_err(|e| format!("cannot run weft: {e}"))?;
    if out.status.success() {
        return Ok(());
    }
    Err(format!("weft apply {}: {}", folder.display(), String::from_utf8_lossy(&out.stderr).trim()))
}

/// Writes an application of one component that answers on a host of its own name.
pub(crate) fn write_application(folder: &Path, name: &str, wasm: &[u8]) -> Result<(), String> {
    let manifest = format!(
        "manifest = 1\nname = \"{name}\"\n\n[component.hello]\nsource = \"hello.wasm\"\n\n\
         [[route]]\nhost = \"{name}.test\"\npath = \"/*\"\ncomponent = \"hello\"\n"
    );
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::write(folder.join("weft.toml"), manifest))
        .and_then(|()| fs::write(folder.join("hello.wasm"), wasm));
    written.map_err(|e| format!("{}: {e}", folder.display()))
}

/// The same component under another digest: a custom section with the number follows it.
pub(crate) fn distinct(wasm: &[u8], number: u32) -> Vec<u8> {
    const NAME: &[u8] = b"weft-bench";
    let mut wasm = wasm.to_vec();
    // Custom section: id 0, size, length of the name, name, payload. All lengths here take one byte of LEB128.
    wasm.extend([0, (1 + NAME.len() + 4) as u8, NAME.len() as u8]);
    wasm.extend(NAME);
    wasm.extend(number.to_le_bytes());
    wasm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_appended_that_differs_by_its_number() {
        let (one, two) = (distinct(b"\0asm", 1), distinct(b"\0asm", 2));
        assert_eq!(one, b"\0asm\x00\x0f\x0aweft-bench\x01\0\0\0");
        assert_ne!(one, two);
    }
}
