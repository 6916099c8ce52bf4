//! One path for each thing that the platform lends, so that tests can ask for it over HTTP. WASI 0.2.
//!
//! Arguments are in the query, answers are text; a refusal is 500 with the interface's own error.

use wasip2::http::types::{IncomingRequest, ResponseOutparam};

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package test:services;
            world services {
                import wasi:keyvalue/store@0.2.0-draft;
                import wasi:keyvalue/atomics@0.2.0-draft;
                import wasi:keyvalue/batch@0.2.0-draft;
                import wasi:keyvalue/store@0.2.0-draft2;
                import wasi:keyvalue/atomics@0.2.0-draft2;
                import wasi:keyvalue/batch@0.2.0-draft2;
                import wasi:config/store@0.2.0-rc.1;
                import wasi:logging/logging@0.1.0-draft;
                import weft:store/unit@0.1.0;
            }
        ",
        path: [
            "../../../wit/wasi-drafts/keyvalue-0.2.0-draft.wit",
            "../../../wit/wasi-drafts/keyvalue-0.2.0-draft2.wit",
            "../../../wit/wasi-drafts/config-0.2.0-rc.1.wit",
            "../../../wit/wasi-drafts/logging-0.1.0-draft.wit",
            "../../../wit/weft-store/unit.wit",
        ],
        world: "test:services/services",
        generate_all,
    });
}

mod draft;
mod draft2;
mod unit;

use bindings::wasi::{config::store as config, logging::logging};

struct Services;

wasip2::http::proxy::export!(Services);

/// The arguments of one request.
pub(crate) struct Args(String);

impl Args {
    /// The argument of this name, or nothing at all. `NAME-times` repeats it: no URI holds a large value.
    fn get(&self, name: &str) -> String {
        let value = kit_p2::query(&self.0, name).unwrap_or_default();
        match kit_p2::query(&self.0, &format!("{name}-times")).and_then(|times| times.parse().ok()) {
            Some(times) => value.repeat(times),
            None => value,
        }
    }
    fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name).parse().ok()
    }
    /// `a,b,c`
    fn list(&self, name: &str) -> Vec<String> {
        self.get(name).split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }
}

/// What an operation answers: the text for 200, or the interface's error.
pub(crate) type Answer = Result<String, String>;

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl wasip2::exports::http::incoming_handler::Guest for Services {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (path, query) = kit_p2::target(&request);
        let args = Args(query);
        let answer = match path.split('/').collect::<Vec<_>>()[..] {
            ["", "kv", op] => draft::run(op, &args),
            ["", "kv2", op] => draft2::run(op, &args),
            ["", "unit", op] => unit::run(op, &args),
            ["", "config"] => configured(&args.get("key")),
            ["", "secret"] => Ok(std::env::var(args.get("name")).unwrap_or_else(|_| "unset".to_owned())),
            ["", "log"] => log(&args),
            _ => return kit_p2::respond(out, 404, "no such service\n"),
        };
        match answer {
            Ok(text) => kit_p2::respond(out, 200, &format!("{text}\n")),
            Err(text) => kit_p2::respond(out, 500, &format!("{text}\n")),
        }
    }
}

/// One value, or all of them, sorted.
fn configured(key: &str) -> Answer {
    if !key.is_empty() {
        let value = config::get(key).map_err(|error| format!("{error:?}"))?;
        return Ok(value.unwrap_or_else(|| "unset".to_owned()));
    }
    let mut all = config::get_all().map_err(|error| format!("{error:?}"))?;
    all.sort();
    Ok(all.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("\n"))
}

fn log(args: &Args) -> Answer {
    let level = match args.get("level").as_str() {
        "trace" => logging::Level::Trace,
        "debug" => logging::Level::Debug,
        "warn" => logging::Level::Warn,
        "error" => logging::Level::Error,
        "critical" => logging::Level::Critical,
        _ => logging::Level::Info,
    };
    logging::log(level, &args.get("context"), &args.get("message"));
    Ok("logged".to_owned())
}
