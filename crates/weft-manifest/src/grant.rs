//! The line that would grant what a component was refused: every denial at run time names it.

use std::fmt;

use crate::check;

/// What a component asked for and does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// It opened a store by this name.
    Store(&'a str),
    /// It called this place: `https://api.example:8443`.
    Outbound(&'a str),
    /// The name it called is at this address, which is private.
    PrivateAddress(std::net::IpAddr),
    /// It read this configuration key.
    Config(&'a str),
    Secret(&'a str),
    Env(&'a str),
    /// It opened a path below this folder.
    Folder(&'a str),
    /// It wrote below this folder, which it may only read.
    Write(&'a str),
}

/// One line for `weft.toml`: `[component.api] stores = { default = "…" }`.
pub fn grant_line(component: &str, wanted: Wanted<'_>) -> impl fmt::Display {
    format!("[component.{component}] {}", setting(wanted))
}

fn setting(wanted: Wanted<'_>) -> String {
    let pair = |key: &str| check::toml(&serde_json::json!({ key: "…" }));
    let text = |text: &str| check::toml(&serde_json::Value::from(text));
    match wanted {
        Wanted::Store(name) => format!("stores = {}", pair(name)),
        Wanted::Outbound(place) => format!("outbound = [{}]", text(place)),
        Wanted::PrivateAddress(address) => {
            let network = if address.is_ipv4() { format!("{address}/32") } else { format!("{address}/128") };
            format!("private-networks = [{}]", text(&network))
        }
        Wanted::Config(key) => format!("config = {}", pair(key)),
        Wanted::Secret(key) => format!("secrets = {}", pair(key)),
        Wanted::Env(key) => format!("env = {}", pair(key)),
        Wanted::Folder(to) => format!("files = [{{ from = \"…\", to = {} }}]", text(to)),
        Wanted::Write(to) => format!("files = [{{ from = \"…\", to = {}, write = true }}]", text(to)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_names_the_line_that_grants() {
        let cases = [
            (Wanted::Store("default"), r#"[component.api] stores = { default = "…" }"#),
            (Wanted::Outbound("https://a.b:8443"), r#"[component.api] outbound = ["https://a.b:8443"]"#),
            (Wanted::Config("odd key"), r#"[component.api] config = { "odd key" = "…" }"#),
            (Wanted::Secret("k\"\n"), r#"[component.api] secrets = { "k\"\n" = "…" }"#),
            (Wanted::Folder("/data"), r#"[component.api] files = [{ from = "…", to = "/data" }]"#),
            (Wanted::PrivateAddress([10, 0, 0, 5].into()), r#"[component.api] private-networks = ["10.0.0.5/32"]"#),
        ];
        for (wanted, line) in cases {
            assert_eq!(grant_line("api", wanted).to_string(), line);
        }
    }
}
