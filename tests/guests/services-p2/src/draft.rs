//! `/kv/OP`: `wasi:keyvalue@0.2.0-draft`.

use crate::{
    Answer, Args,
    bindings::wasi::keyvalue0_2_0_draft::{atomics, batch, store},
    text,
};

pub(crate) fn run(op: &str, args: &Args) -> Answer {
    operate(op, args).map_err(|error| format!("{error:?}"))
}

fn operate(op: &str, args: &Args) -> Result<String, store::Error> {
    let bucket = store::open(&args.get("store"))?;
    let key = args.get("key");
    let done = match op {
        "open" => "opened".to_owned(),
        "get" => bucket.get(&key)?.map_or_else(|| "none".to_owned(), |value| text(&value)),
        "set" => bucket.set(&key, args.get("value").as_bytes()).map(|()| "set".to_owned())?,
        "delete" => bucket.delete(&key).map(|()| "deleted".to_owned())?,
        "exists" => bucket.exists(&key)?.to_string(),
        "increment" => atomics::increment(&bucket, &key, args.number("by").unwrap_or(1))?.to_string(),
        "list" => {
            let page = bucket.list_keys(args.number("cursor"))?;
            format!("{} {}", page.keys.join(","), page.cursor.map_or_else(|| "end".to_owned(), |at| at.to_string()))
        }
        "get-many" => {
            let got = batch::get_many(&bucket, &args.list("keys"))?;
            let shown = got
                .into_iter()
                .map(|one| one.map_or("none".to_owned(), |(key, value)| format!("{key}={}", text(&value))));
            shown.collect::<Vec<_>>().join(",")
        }
        "set-many" => {
            let pairs: Vec<_> =
                args.list("keys").into_iter().map(|key| (key, args.get("value").into_bytes())).collect();
            batch::set_many(&bucket, &pairs).map(|()| "set".to_owned())?
        }
        "delete-many" => batch::delete_many(&bucket, &args.list("keys")).map(|()| "deleted".to_owned())?,
        _ => "no such operation".to_owned(),
    };
    Ok(done)
}
