//! Ours and the peers on the same work, taking turns in one run: ratios with their spread, never an absolute figure.
//!
//! `cargo xtask bench` builds what is measured, says where it lies by environment, and starts this.

mod args;
mod bare;
mod cold;
mod figure;
mod http;
mod idle;
mod load;
mod node;
mod peers;
mod process;
mod server;
mod store;
mod syscalls;
mod table;
mod traffic;
mod turns;

use std::{env, process::ExitCode};

use args::Args;
use figure::Figure;
use turns::Row;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let done = match args.first().map(String::as_str) {
        Some("bare-hyper") => bare::serve(bare::hello),
        Some("bare-busy") => bare::serve(bare::busy),
        Some(what) => Args::parse(&args[1..]).and_then(|options| bench(what, &options)),
        None => Err("say what to measure: http, traffic, cold, idle, store or all".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn bench(what: &str, args: &Args) -> Result<(), String> {
    match what {
        "http" => {
            let (rows, failed) = http::run(args);
            let mut also: Vec<Figure> = http::policy(&rows).into_iter().collect();
            also.push(http::size()?);
            both("http", &rows, &also, &failed, args)
        }
        "traffic" => {
            let traffic::Found { rows, figures, failed } = traffic::run(args);
            both("traffic", &rows, &figures, &failed, args)
        }
        "ab" => {
            let (rows, failed) = http::ab(args);
            print(args, &table::json(&rows).into(), &table::markdown(&rows))?;
            if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
        }
        "cold" => figures("cold", &cold::run(args)?, args),
        "idle" => figures("idle", &idle::run(args)?, args),
        "store" => {
            let (rows, table) = store::run(args)?;
            print(args, &rows.into(), &table)?;
            keep("store", &table, args)
        }
        "all" => ["http", "traffic", "cold", "store", "idle"].into_iter().try_for_each(|each| bench(each, args)),
        other => Err(format!("nothing called `{other}` can be measured: http, traffic, cold, idle, store, all")),
    }
}

/// Rows and figures of one section. What failed is said last, and the page keeps what it had.
fn both(section: &str, rows: &[Row], also: &[Figure], failed: &[String], args: &Args) -> Result<(), String> {
    let table = format!("{}\n{}", table::markdown(rows), figure::markdown(also));
    let json = table::json(rows).into_iter().chain(also.iter().map(Figure::json)).collect();
    print(args, &json, &table)?;
    if failed.is_empty() { keep(section, &table, args) } else { Err(failed.join("\n")) }
}

fn figures(section: &str, figures: &[Figure], args: &Args) -> Result<(), String> {
    let table = figure::markdown(figures);
    print(args, &figures.iter().map(Figure::json).collect(), &table)?;
    keep(section, &table, args)
}

fn print(args: &Args, json: &serde_json::Value, table: &str) -> Result<(), String> {
    if args.json {
        println!("{}", serde_json::to_string_pretty(json).map_err(|e| e.to_string())?);
    } else {
        print!("{table}");
    }
    Ok(())
}

/// Whole runs go to the page; a part of one would hide the rest.
fn keep(section: &str, table: &str, args: &Args) -> Result<(), String> {
    match env::var_os("WEFT_BENCH_TABLE") {
        Some(page) if args.only.is_none() => table::keep(page.as_ref(), section, table),
        _ => Ok(()),
    }
}
