//! From what a guest did to what everyone else is told: the one place where traps become faults and statuses classes.

use wasmtime_wasi::I32Exit;
use wasmtime_wasi_http::Error as HttpError;
use weft_types::{Class, Code, Fault, Ran, code};

use crate::limits::Stop;

/// The fault behind a failed run. `refused` says that memory growth was denied before it.
pub(crate) fn fault(error: &wasmtime::Error, refused: bool) -> Fault {
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return Fault::new(code::OVERLOADED, Ran::No).detail("the node has no instance left");
    }
    let code = code_of(error, refused);
    Fault::new(code, Ran::Yes).detail(detail(error))
}

fn code_of(error: &wasmtime::Error, refused: bool) -> Code {
    match error.downcast_ref::<Stop>() {
        Some(Stop::Cpu) => return code::CPU_LIMIT,
        Some(Stop::Deadline) => return code::DEADLINE_EXCEEDED,
        None => {}
    }
    if error.downcast_ref::<I32Exit>().is_some() {
        return code::GUEST_EXIT;
    }
    if refused { code::MEMORY_LIMIT } else { code::GUEST_TRAP }
}

/// The whole chain of reasons, wasm backtrace included: for the log only.
fn detail(error: &wasmtime::Error) -> String {
    format!("{error:#}")
}

/// The fault behind an error code that a guest answered with instead of a response.
pub(crate) fn error_answer(error: &HttpError) -> Fault {
    Fault::new(code::GUEST_ERROR, Ran::Yes).detail(error.to_string())
}

/// The neutral class of a response: the only place below the gateway that reads a status.
pub(crate) fn class(status: http::StatusCode) -> Class {
    match status.as_u16() {
        500.. => Class::Failure,
        400..=499 => Class::CallerFault,
        _ => Class::Ok,
    }
}

/// The class of a fault of ours.
pub(crate) fn class_of(fault: &Fault) -> Class {
    match fault.blame {
        _ if fault.code == code::OVERLOADED => Class::Shed,
        weft_types::Blame::Caller => Class::CallerFault,
        weft_types::Blame::Application | weft_types::Blame::Platform => Class::Failure,
    }
}
