//! What is done to a request on purpose, at the edge: by its route, whatever answers it.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use weft_fault::Kinds;
use weft_traffic::{CompiledRoute, fault::To};
use weft_types::Body;

use crate::{errand::Answer, exchange::Exchange};

/// Tells whoever asked what was done on purpose: `weft-fault: delay,abort`.
static WEFT_FAULT: HeaderName = HeaderName::from_static("weft-fault");

/// Decides what is done to a request that its route lets in.
#[cold]
pub(crate) fn meet(exchange: &mut Exchange, route: &CompiledRoute, headers: &HeaderMap) {
    let Some(faults) = &exchange.senses.faults else { return };
    if let Some(harmed) = faults.meet(&route.spec.application, To::Route(&route.spec.path), headers) {
        exchange.injected = exchange.injected.and(harmed.kinds());
        exchange.harmed = Some(Box::new(harmed));
    }
}

/// Waits, then perhaps refuses.
pub(crate) async fn before(exchange: &Exchange) -> Option<Answer> {
    let harmed = exchange.harmed.as_ref()?;
    harmed.wait(Duration::MAX).await;
    // A connection that is lost at once is lost with the answer's first byte: nobody is told.
    let fault = harmed.refusal().filter(|fault| weft_fault::mark(fault).is_some_and(|mark| mark.status.is_some()))?;
    let class = weft_fault::class(&fault);
    Some(Answer { reply: Err(fault), class, told: false })
}

/// Remembers what was done behind the door.
pub(crate) fn note(exchange: &mut Exchange, kinds: Option<Kinds>) {
    if let Some(kinds) = kinds {
        exchange.injected = exchange.injected.and(kinds);
    }
}

/// Marks the answer, and does to its body what is to be done to it.
#[cold]
pub(crate) fn after(exchange: &Exchange, mut response: Response<Body>) -> Response<Body> {
    if let Ok(kinds) = HeaderValue::from_str(&exchange.injected.to_string()) {
        response.headers_mut().insert(WEFT_FAULT.clone(), kinds);
    }
    match &exchange.harmed {
        Some(harmed) => response.map(|body| harmed.spoil(body)),
        None => response,
    }
}
