//! The store by its keys, and the platform's interfaces that are not in WASI.
//!
//! `order/ID` an order · `restaurant/NAME/ID` empty, an index · `placed/KEY` what was placed with an idempotency key.

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package orders:api;
            world api {
                import weft:store/unit@0.1.0;
                import wasi:config/store@0.2.0-rc.1;
            }
        ",
        path: ["../../../wit/weft-store/unit.wit", "../../../wit/wasi-drafts/config-0.2.0-rc.1.wit"],
        world: "orders:api/api",
        generate_all,
    });
}

pub(crate) use bindings::weft::store::unit::{
    self, Append, Arm, Check, Committed, Error, Page, Place, Put, Write, Wrote,
};

use crate::problem::Problem;

/// As weft.toml names it for this component.
pub(crate) const STORE: &str = "default";
pub(crate) const LOG: &str = "orders";

pub(crate) fn at(key: String) -> Place {
    Place { store: STORE.to_owned(), key }
}

pub(crate) fn order_key(id: &str) -> String {
    format!("order/{id}")
}

pub(crate) fn get(key: String) -> Result<Option<Vec<u8>>, Problem> {
    Ok(unit::get(&at(key)).map_err(failed)?.map(|item| item.value))
}

pub(crate) fn scan(prefix: &str, after: Option<&str>, limit: u32) -> Result<Page, Problem> {
    unit::scan(STORE, prefix, after, limit).map_err(failed)
}

/// The cause goes to the log, the caller gets our own words.
pub(crate) fn failed(error: Error) -> Problem {
    eprintln!("the store failed: {error:?}");
    Problem::unavailable()
}

pub(crate) fn config(key: &str) -> Option<String> {
    bindings::wasi::config::store::get(key).ok().flatten()
}
