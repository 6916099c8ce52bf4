//! A failure as an outsider sees it: `application/problem+json`, and never the internal message.

use std::{
    fmt::Write,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use weft_types::{Body, Code, Fault, InvocationId, Retry, Timestamp};

use crate::status::status;

pub(crate) static WEFT_ERROR: HeaderName = HeaderName::from_static("weft-error");
pub(crate) static WEFT_REQUEST_ID: HeaderName = HeaderName::from_static("weft-request-id");
/// Where a code is explained: a reference relative to wherever the documentation is served.
const TYPE: &str = "/errors/";

/// What an error answer is made of.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    pub(crate) retry: Retry,
    /// Close the connection after this answer (HTTP/1).
    pub(crate) close: bool,
    /// What a fault was told to answer, in place of the code's own.
    told: Option<StatusCode>,
    /// The `Allow` of a 405, the `Content-Range` of a 416.
    extra: Option<HeaderValue>,
    /// The `WWW-Authenticate` of a 401.
    challenges: Vec<HeaderValue>,
    /// What was wrong, for the log. May be empty.
    pub(crate) why: &'static str,
}

impl Problem {
    pub(crate) fn new(code: Code) -> Self {
        Self { code, retry: code.info().retry, close: false, told: None, extra: None, challenges: Vec::new(), why: "" }
    }

    pub(crate) fn of(fault: &Fault) -> Self {
        let told = weft_fault::mark(fault).and_then(|mark| mark.status);
        Self { retry: fault.retry, told, ..Self::new(fault.code) }
    }

    #[must_use]
    pub(crate) fn why(mut self, why: &'static str) -> Self {
        self.why = why;
        self
    }

    #[must_use]
    pub(crate) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    #[must_use]
    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.retry = Retry::After(delay);
        self
    }

    #[must_use]
    pub(crate) fn allow(mut self, methods: &[Method]) -> Self {
        let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
        self.extra = HeaderValue::from_str(&names.join(", ")).ok();
        self
    }

    #[must_use]
    pub(crate) fn range(mut self, size: &str) -> Self {
        self.extra = HeaderValue::from_str(size).ok();
        self
    }

    #[must_use]
    pub(crate) fn challenges(mut self, challenges: Vec<HeaderValue>) -> Self {
        self.challenges = challenges;
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.told.unwrap_or_else(|| status(self.code))
    }

    /// The answer. `head_only` for HEAD: the same headers, no body.
    pub(crate) fn response(&self, id: InvocationId, head_only: bool) -> Response<Body> {
        let status = self.status();
        let json = self.json(status, id);
        let mut response = Response::new(weft_types::empty());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(json.len()));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(WEFT_ERROR.clone(), HeaderValue::from_static(self.code.as_str()));
        if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
            headers.insert(WEFT_REQUEST_ID.clone(), id);
        }
        if let Retry::After(delay) = self.retry {
            // Rounded up, and never 0: that would invite a client to hammer.
            let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if let Some(extra) = &self.extra {
            let name = if status == StatusCode::METHOD_NOT_ALLOWED { header::ALLOW } else { header::CONTENT_RANGE };
            headers.insert(name, extra.clone());
        }
        for challenge in &self.challenges {
            headers.append(header::WWW_AUTHENTICATE, challenge.clone());
        }
        if self.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if !head_only {
            *response.body_mut() = weft_types::full(json);
        }
        response
    }

    /// The whole answer in HTTP/1, for where hyper has none of ours: the connection closes after it.
    pub(crate) fn wire(&self, id: InvocationId, now: Timestamp) -> Bytes {
        let (status, code) = (self.status(), self.code);
        let json = self.json(status, id);
        let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_nanos(now.as_nanos()));
        let reason = status.canonical_reason().unwrap_or_default();
        let mut wire = String::with_capacity(512);
        let _ = write!(
            wire,
            "HTTP/1.1 {} {reason}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
             cache-control: no-store\r\nweft-error: {code}\r\nweft-request-id: {id}\r\ndate: {date}\r\nconnection: close\r\n\r\n{json}",
            status.as_u16(),
            json.len(),
        );
        wire.into()
    }

    /// All of it is ours and plain ASCII without quotes: nothing needs escaping.
    fn json(&self, status: StatusCode, id: InvocationId) -> String {
        let (code, title, retry) = (self.code, self.code.info().title, retry_word(self.retry));
        let mut json = String::with_capacity(256);
        let _ = write!(
            json,
            r#"{{"type":"{TYPE}{code}","title":"{title}","status":{},"code":"{code}","retry":"{retry}","request-id":"{id}"}}"#,
            status.as_u16(),
        );
        json
    }
}

fn retry_word(retry: Retry) -> &'static str {
    match retry {
        Retry::No => "no",
        Retry::Now => "now",
        Retry::After(_) => "after",
    }
}

#[cfg(test)]
mod tests {
    use weft_types::CODES;

    #[test]
    fn titles_need_no_escaping() {
        for info in CODES {
            let plain = |c: char| c.is_ascii() && !c.is_ascii_control() && c != '"' && c != '\\';
            assert!(info.title.chars().all(plain), "{}", info.name);
        }
    }
}
