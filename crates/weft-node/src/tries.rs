//! A client's span for every try of an upstream.

use std::sync::Arc;

use weft_telemetry::{
    metrics::Method,
    trace::{Kind, SpanRecord, SpanSink, Status, Value},
};
use weft_upstream::{Tried, Watch};

use crate::{requests::Requests, sampling::wants};

pub(crate) struct Tries(pub(crate) SpanSink, pub(crate) Arc<Requests>);

impl Watch for Tries {
    fn tried(&self, tried: &Tried<'_>) {
        self.1.tried(tried);
        if !wants(&self.0, tried.within) {
            return;
        }
        let method = Method::of(tried.method.as_str()).as_str();
        let mut span = SpanRecord::new(method, Kind::Client, tried.trace.clone(), tried.started, tried.ended);
        span.attributes = vec![
            ("http.request.method".into(), Value::from(method)),
            ("server.address".into(), Value::from(tried.endpoint.to_owned())),
        ];
        if tried.attempt > 1 {
            span.attributes.push(("http.request.resend_count".into(), Value::I64(i64::from(tried.attempt - 1))));
        }
        match tried.answer {
            Ok(status) => {
                span.attributes.push(("http.response.status_code".into(), Value::I64(status.as_u16().into())));
                if status.is_client_error() || status.is_server_error() {
                    span.status = Status::Error("".into());
                }
            }
            Err(code) => {
                span.attributes.push(("error.type".into(), Value::from(code.as_str())));
                span.status = Status::Error(code.as_str().into());
            }
        }
        self.0.emit(span);
    }
}
