//! A guest's request in its trace: a span of its own for each, sent on as the parent of whatever the other side does.

use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderValue, Request, StatusCode};
use weft_types::{Name, SpanId, Timestamp, Trace};

use crate::{
    call::Call,
    services::{GuestScope, GuestSpan, GuestSpans, SpanKind, SpanStatus},
};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// The span of one request, told of when its head has come or never will.
pub(super) struct ClientSpan {
    trace: Trace,
    call: Arc<Call>,
    method: String,
    url: String,
    host: String,
    start: Timestamp,
}

/// A guest that makes spans of its own may name one of them as the parent, within the invocation's trace: then it
/// tells of the request itself. Anything else is replaced, a copy of what the guest was sent included, since two
/// requests with one span could not be told apart.
pub(super) fn begin<T>(request: &mut Request<T>, call: &Arc<Call>) -> Option<ClientSpan> {
    let ours = &call.trace;
    let headers = request.headers_mut();
    let named = headers.get(TRACEPARENT).and_then(|value| Trace::parse_parent(value.to_str().ok()?));
    if ours.span.0 == 0 || named.is_some_and(|(id, span, _)| id == ours.trace && span != ours.span) {
        return None;
    }
    let trace = Trace { parent: Some(ours.span), span: child(ours.span, call.next_request()), ..ours.clone() };
    put(headers, &trace);
    let uri = request.uri();
    let (scheme, host) = (uri.scheme_str().unwrap_or("http"), uri.host().unwrap_or_default());
    // Without the query, which may hold what is nobody's business.
    let url = format!("{scheme}://{}{}", uri.authority().map_or("", |at| at.as_str()), uri.path());
    let (method, host) = (request.method().to_string(), host.to_owned());
    Some(ClientSpan { trace, call: Arc::clone(call), method, url, host, start: call.clock.now() })
}

fn put(headers: &mut HeaderMap, trace: &Trace) {
    headers.remove(TRACESTATE);
    if let Ok(parent) = HeaderValue::try_from(trace.to_parent()) {
        headers.insert(TRACEPARENT, parent);
    }
    if let Some(state) = trace.state.as_deref().and_then(|state| HeaderValue::from_str(state).ok()) {
        headers.insert(TRACESTATE, state);
    }
}

/// The `number`th span below `parent`: as far from other ids as random ones are (SplitMix64), and needing no randomness.
fn child(parent: SpanId, number: u64) -> SpanId {
    let mut mixed = parent.0.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    SpanId((mixed ^ (mixed >> 31)).max(1))
}

impl ClientSpan {
    /// `answer`: the status, or what went wrong.
    pub(super) fn end(
        self,
        spans: &dyn GuestSpans,
        application: &Name,
        component: &Name,
        answer: Result<StatusCode, String>,
    ) {
        if !spans.wants(&self.trace) {
            return;
        }
        let text = |text: &str| format!("{text:?}");
        let mut attributes = vec![
            ("http.request.method".to_owned(), text(&self.method)),
            ("url.full".to_owned(), text(&self.url)),
            ("server.address".to_owned(), text(&self.host)),
        ];
        let status = match answer {
            Ok(status) => {
                attributes.push(("http.response.status_code".to_owned(), status.as_u16().to_string()));
                let failed = status.is_client_error() || status.is_server_error();
                if failed { SpanStatus::Error(status.as_u16().to_string()) } else { SpanStatus::Unset }
            }
            Err(error) => SpanStatus::Error(error),
        };
        let span = GuestSpan {
            trace: self.trace,
            name: self.method,
            kind: SpanKind::Client,
            start: self.start,
            end: self.call.clock.now(),
            attributes,
            events: Vec::new(),
            links: Vec::new(),
            status,
            scope: scope(),
            dropped: [0; 3],
        };
        spans.span(application, component, span);
    }
}

fn scope() -> Arc<GuestScope> {
    static SCOPE: OnceLock<Arc<GuestScope>> = OnceLock::new();
    Arc::clone(SCOPE.get_or_init(|| Arc::new(GuestScope { name: "weft.outbound".to_owned(), version: None })))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use weft_types::{Context, Digest, InvocationId, SystemClock, Target, TraceId};

    use super::*;

    fn call() -> Arc<Call> {
        let clock = Arc::new(SystemClock::new());
        let trace = Trace { trace: TraceId(7), parent: None, span: SpanId(9), flags: 1, state: Some("a=b".into()) };
        let name = Name::new("x").expect("a name");
        let target = Target { application: name.clone(), revision: Digest([0; 32]), component: name, function: None };
        let id = InvocationId::new(Timestamp::from_millis(1), 1);
        let context = Arc::new(Context::anonymous(target));
        Arc::new(Call::new(id, context, trace, Timestamp::MAX, clock, Duration::from_secs(1)))
    }

    fn sent(call: &Arc<Call>, headers: &[(&'static str, &str)]) -> (String, Option<String>, bool) {
        let mut request = Request::new(());
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).expect("a value"));
        }
        let ours = begin(&mut request, call).is_some();
        let text = |name| request.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
        (text(TRACEPARENT).expect("always one"), text(TRACESTATE), ours)
    }

    #[test]
    fn each_request_is_a_span_of_its_own_unless_the_guest_names_one_of_the_same_trace() {
        let call = call();
        let trace = "00-00000000000000000000000000000007-";
        let copy = format!("{trace}0000000000000009-01");
        let foreign = "00-00000000000000000000000000000008-000000000000000a-01";
        let mut seen = std::collections::BTreeSet::from([copy.clone()]);
        for given in [None, None, Some(&*copy), Some(foreign), Some("nonsense")] {
            let headers: Vec<_> =
                given.map(|given| [(TRACEPARENT, given), (TRACESTATE, "c=d")]).into_iter().flatten().collect();
            let (parent, state, ours) = sent(&call, &headers);
            assert!(ours && parent.starts_with(trace) && parent.ends_with("-01"), "{parent}");
            assert_eq!(state.as_deref(), Some("a=b"));
            assert!(seen.insert(parent), "each is another one");
        }
        let own = format!("{trace}000000000000000a-01");
        assert_eq!(sent(&call, &[(TRACEPARENT, &own), (TRACESTATE, "c=d")]), (own, Some("c=d".into()), false));
    }
}
