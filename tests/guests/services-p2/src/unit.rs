//! `/unit/OP`: `weft:store/unit@0.1.0`.

use crate::{
    Answer, Args,
    bindings::weft::store::unit::{self, Append, Arm, Check, Error, Place, Put, Write, Wrote},
    text,
};

pub(crate) fn run(op: &str, args: &Args) -> Answer {
    operate(op, args).map_err(|error| format!("{error:?}"))
}

fn operate(op: &str, args: &Args) -> Result<String, Error> {
    let at = Place { store: args.get("store"), key: args.get("key") };
    Ok(match op {
        "get" => unit::get(&at)?.map_or("none".to_owned(), |item| format!("{} {}", item.version, text(&item.value))),
        // Creates an item, appends to a log and arms a timer, or none of them when the item is there.
        "place" => {
            let committed = unit::commit(&[Check::Absent(at.clone())], &writes(at, args))?;
            format!("{} {}", committed.version, committed.wrote.iter().map(show).collect::<Vec<_>>().join(","))
        }
        // Replaces an item only if it is still of this version.
        "replace" => {
            let check = Check::Unchanged((at.clone(), args.number("version").unwrap_or(0)));
            let put = Write::Put(Put { at, value: args.get("value").into_bytes(), expires: None });
            unit::commit(&[check], &[put])?.version.to_string()
        }
        "scan" => {
            let after = args.get("after");
            let after = (!after.is_empty()).then_some(after.as_str());
            let page = unit::scan(&at.store, &args.get("prefix"), after, args.number("limit").unwrap_or(100))?;
            let keys: Vec<_> = page.entries.into_iter().map(|entry| entry.key).collect();
            format!("{} {}", keys.join(","), if page.more { "more" } else { "end" })
        }
        "log" => {
            let records =
                unit::read(&args.get("log"), args.number("start").unwrap_or(0), args.number("limit").unwrap_or(100))?;
            records.iter().map(|record| text(record)).collect::<Vec<_>>().join(",")
        }
        _ => "no such operation".to_owned(),
    })
}

fn writes(at: Place, args: &Args) -> Vec<Write> {
    let value = args.get("value").into_bytes();
    let mut writes = vec![Write::Put(Put { at, value: value.clone(), expires: None })];
    if !args.get("log").is_empty() {
        writes.push(Write::Append(Append { log: args.get("log"), records: vec![value.clone()] }));
    }
    if !args.get("timer").is_empty() {
        writes.push(Write::Arm(Arm { timer: args.get("timer"), at: args.number("at").unwrap_or(0), payload: value }));
    }
    writes
}

fn show(wrote: &Wrote) -> String {
    match wrote {
        Wrote::Done => "done".to_owned(),
        Wrote::Position(position) => position.to_string(),
    }
}
