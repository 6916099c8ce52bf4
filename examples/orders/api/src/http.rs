//! A request with its body read, and an answer with its body whole: orders are small.

use wasip3::{
    http::types::{Fields, Method, Request, Response},
    wit_bindgen, wit_future, wit_stream,
};

/// More than any order needs.
const BODY_BYTES_MAX: usize = 64 * 1024;

pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Call {
    /// The error is the answer for a body that is too large.
    pub(crate) async fn read(request: Request) -> Result<Self, Answer> {
        let method = method_of(&request.get_method());
        let target = request.get_path_with_query().unwrap_or_else(|| "/".to_owned());
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let mut call = Self {
            method,
            path: path.to_owned(),
            query: query.split('&').filter_map(pair).collect(),
            headers: request.get_headers().copy_all(),
            body: Vec::new(),
        };
        let (_, read) = wit_future::new(|| Ok(()));
        let (mut body, _trailers) = Request::consume_body(request, read);
        while let (wit_bindgen::StreamResult::Complete(_), chunk) = body.read(Vec::with_capacity(16 * 1024)).await {
            call.body.extend(chunk);
            if call.body.len() > BODY_BYTES_MAX {
                return Err(crate::problem::Problem::too_large(BODY_BYTES_MAX).answer());
            }
        }
        Ok(call)
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }
}

fn method_of(method: &Method) -> String {
    match method {
        Method::Get => "GET".to_owned(),
        Method::Head => "HEAD".to_owned(),
        Method::Post => "POST".to_owned(),
        Method::Put => "PUT".to_owned(),
        Method::Delete => "DELETE".to_owned(),
        Method::Other(other) => other.clone(),
        other => format!("{other:?}").to_ascii_uppercase(),
    }
}

fn pair(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (!name.is_empty()).then(|| (decode(name), decode(value)))
}

/// `%XX` and `+` of a path segment or a query. What is not valid stays as it is.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = (byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(if byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &impl serde::Serialize) -> Self {
        // Our own types have string keys and finite numbers: they always have a JSON form.
        let mut body = serde_json::to_vec(body).expect("a JSON form");
        body.push(b'\n');
        Self { status, headers: vec![("content-type", "application/json".to_owned())], body }
    }

    /// Sets a header, instead of an earlier one of that name.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(key, _)| *key != name);
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn send(self) -> Response {
        let headers = Fields::new();
        for (name, value) in &self.headers {
            headers.append(name, value.as_bytes()).expect("a valid header");
        }
        let (mut writer, reader) = wit_stream::new();
        let (_, no_trailers) = wit_future::new(|| Ok(None));
        let (response, _) = Response::new(headers, Some(reader), no_trailers);
        response.set_status_code(self.status).expect("a valid status");
        wit_bindgen::spawn_local(async move {
            // What is left over was not read: the client left.
            writer.write_all(self.body).await;
        });
        response
    }
}
