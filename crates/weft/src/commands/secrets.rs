//! `weft secrets`: the encrypted file of secrets that a node reads.

use std::{
    io::{IsTerminal, Read},
    path::PathBuf,
};

use clap::{Args, Subcommand};
use serde_json::json;
use weft_manifest::Disk;
use weft_secrets::{Encrypted, Key, SecretsError, VALUE_MAX, Value, check_name};
use weft_types::code;

use crate::{args::Format, failure::Failure, output};

/// Keep secrets in an encrypted file; node.toml names it under [secrets.encrypted].
#[derive(Args)]
#[command(
    after_help = "Examples:\n  weft secrets init --file secrets.weft --key-file weft.key\n  printf %s \"$STRIPE_KEY\" | weft secrets set stripe --node node.toml\n  weft secrets list --node node.toml"
)]
pub(crate) struct Secrets {
    #[command(subcommand)]
    action: Action,
    /// The node.toml whose [secrets.encrypted] names the file and its key.
    #[arg(long, global = true, value_name = "FILE")]
    node: Option<PathBuf>,
    /// The encrypted file.
    #[arg(long, global = true, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The file that holds its key.
    #[arg(long, global = true, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Action {
    /// Make a key and an empty encrypted file.
    Init,
    /// Set a secret; its value is read from standard input.
    Set {
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// List the names.
    List,
    /// Forget a secret.
    Remove {
        #[arg(value_name = "NAME")]
        name: String,
    },
}

impl Secrets {
    pub(crate) fn run(&self, format: Format) -> Result<(), Failure> {
        let (file, key_file) = self.places()?;
        match &self.action {
            Action::Init => {
                let key = Key::create(&key_file).map_err(fail)?;
                Encrypted::create(&file, &key).map_err(fail)?;
                output::print(format, &json!({ "file": file, "key-file": key_file }), |_| {
                    format!(
                        "{} is empty; its key is {}: keep that one apart from it",
                        file.display(),
                        key_file.display()
                    )
                })
            }
            Action::Set { name } => {
                check_name(name, "the command line").map_err(fail)?;
                let (key, mut secrets) = open(&file, &key_file)?;
                secrets.set(name, read_value()?).map_err(fail)?;
                secrets.save(&key).map_err(fail)?;
                output::print(format, &json!({ "set": name }), |_| {
                    format!("{name} is set; applications get it with their next deploy")
                })
            }
            Action::List => {
                let (_, secrets) = open(&file, &key_file)?;
                let names: Vec<&str> = secrets.names().into_iter().collect();
                output::print(format, &json!({ "names": names }), |_| names.join("\n"))
            }
            Action::Remove { name } => {
                let (key, mut secrets) = open(&file, &key_file)?;
                if !secrets.remove(name) {
                    let message = format!("there is no secret `{name}`");
                    return Err(Failure::new(code::SECRET_MISSING, file.display().to_string(), message)
                        .help("`weft secrets list` lists them"));
                }
                secrets.save(&key).map_err(fail)?;
                output::print(format, &json!({ "removed": name }), |_| format!("{name} is gone"))
            }
        }
    }

    fn places(&self) -> Result<(PathBuf, PathBuf), Failure> {
        let said = match &self.node {
            // `init` makes the files that it names.
            Some(node) => weft_manifest::load_node(node, Disk::Skip)?.secrets.encrypted,
            None => None,
        };
        let (file, key_file) = said.unzip();
        match (self.file.clone().or(file), self.key_file.clone().or(key_file)) {
            (Some(file), Some(key_file)) => Ok((file, key_file)),
            _ => Err(Failure::new(code::USAGE, "secrets", "which file, and which key?")
                .help("give --file and --key-file, or --node with a node.toml that has [secrets.encrypted]")),
        }
    }
}

fn open(file: &std::path::Path, key_file: &std::path::Path) -> Result<(Key, Encrypted), Failure> {
    let key = Key::read(key_file).map_err(fail)?;
    let secrets = Encrypted::open(file, &key).map_err(fail)?;
    Ok((key, secrets))
}

/// From standard input, so that it is in no history and in no list of processes. One line break at the end is not
/// part of it.
fn read_value() -> Result<Value, Failure> {
    let input = std::io::stdin();
    if input.is_terminal() {
        return Err(Failure::new(code::USAGE, "secrets", "the value is read from standard input, which is a terminal")
            .help("pipe it in: printf %s \"$VALUE\" | weft secrets set NAME …"));
    }
    let mut value = Value::new(String::new());
    let wrong =
        |error: std::io::Error| Failure::new(code::USAGE, "secrets", format!("the value cannot be read: {error}"));
    input.lock().take(VALUE_MAX as u64 + 2).read_to_string(&mut value).map_err(wrong)?;
    if value.ends_with('\n') {
        value.pop();
    }
    Ok(value)
}

fn fail(error: SecretsError) -> Failure {
    Failure::new(error.code(), "secrets", error.to_string())
}
