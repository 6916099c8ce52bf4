//! The seam to telemetry: one call per request, when its last byte has left or nobody wants it any more.

use std::sync::Arc;

use http::{Method, StatusCode, Version};
use weft_traffic::{CompiledRoute, Table};
use weft_types::{Class, Code, InvocationId, Timestamp, Trace};

/// Told of every request's end. Called on the connection's task: it must not block.
pub trait Observer: Send + Sync {
    fn request(&self, observed: &Observed<'_>);
}

/// A request that is over.
#[derive(Debug)]
pub struct Observed<'a> {
    pub id: InvocationId,
    pub trace: &'a Trace,
    /// `None`: none matched, or the request was refused before one was looked for.
    pub route: Option<&'a CompiledRoute>,
    pub method: &'a Method,
    pub version: Version,
    pub status: StatusCode,
    pub class: Class,
    /// Our failure, if it was one; of a body that broke off, why.
    pub code: Option<Code>,
    pub started: Timestamp,
    pub ended: Timestamp,
    /// Body bytes read of the request, and handed to the connection of the answer.
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Whether the answer was handed over to its last byte.
    pub complete: bool,
}

/// What is noted while a request lasts.
pub(crate) struct Record {
    pub(crate) id: InvocationId,
    pub(crate) trace: Trace,
    pub(crate) table: Arc<Table>,
    pub(crate) route: Option<u32>,
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) started: Timestamp,
    pub(crate) class: Class,
    pub(crate) status: StatusCode,
    pub(crate) code: Option<Code>,
}

impl Record {
    pub(crate) fn tell(
        &self,
        observer: &dyn Observer,
        ended: Timestamp,
        bytes: (u64, u64),
        code: Option<Code>,
        complete: bool,
    ) {
        observer.request(&Observed {
            id: self.id,
            trace: &self.trace,
            route: self.route.and_then(|index| self.table.routes().get(index as usize)),
            method: &self.method,
            version: self.version,
            status: self.status,
            class: self.class,
            code: self.code.or(code),
            started: self.started,
            ended,
            bytes_in: bytes.0,
            bytes_out: bytes.1,
            complete,
        });
    }
}
