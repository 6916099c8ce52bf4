//! Calls another service as its query says, and answers with everything that came: status, headers, body, trailers, or
//! the error. WASI 0.3. Arguments and answer are those of `fetch-p2`.

use wasip3::{
    http::types::{ErrorCode, Fields, Method, Request, RequestOptions, Response, Scheme},
    wit_bindgen::{self, StreamResult},
    wit_future, wit_stream,
};

struct Fetch;

wasip3::http::service::export!(Fetch);

impl wasip3::exports::http::handler::Guest for Fetch {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let (_, query) = kit_p3::target(&request);
        Ok(match fetch(&query).await {
            Ok(text) => kit_p3::text(200, text),
            Err(error) => kit_p3::text(502, format!("{error:?}\n")),
        })
    }
}

fn arg(query: &str, name: &str) -> Option<String> {
    kit_p2::query(query, name)
}

fn nanos(query: &str, name: &str) -> Option<u64> {
    arg(query, name)?.parse::<u64>().ok().map(|ms| ms.saturating_mul(1_000_000))
}

async fn fetch(query: &str) -> Result<String, ErrorCode> {
    let request = request(query)?;
    let response = wasip3::http::client::send(request).await?;
    if arg(query, "stop").is_some() {
        return Ok(format!("{}\n", response.get_status_code()));
    }
    receive(response).await
}

fn request(query: &str) -> Result<Request, ErrorCode> {
    let url = arg(query, "url").unwrap_or_default();
    let (scheme, rest) = url.split_once("://").ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let fields = Fields::new();
    if let Some(header) = arg(query, "header") {
        let (name, value) = header.split_once(':').expect("name:value");
        fields.append(name, value.as_bytes()).map_err(|error| ErrorCode::InternalError(Some(format!("{error:?}"))))?;
    }
    let options = RequestOptions::new();
    let set = options
        .set_connect_timeout(nanos(query, "connect"))
        .and_then(|()| options.set_first_byte_timeout(nanos(query, "first")))
        .and_then(|()| options.set_between_bytes_timeout(nanos(query, "between")));
    set.expect("the host knows these options");
    let request = body(query, fields, options);
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        other => Scheme::Other(other.to_owned()),
    };
    let method = match arg(query, "method").as_deref() {
        None | Some("GET") => Method::Get,
        Some("POST") => Method::Post,
        Some("CONNECT") => Method::Connect,
        Some(other) => Method::Other(other.to_owned()),
    };
    let set = request
        .set_method(&method)
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })));
    set.map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    Ok(request)
}

fn body(query: &str, fields: Fields, options: RequestOptions) -> Request {
    let mut left: usize = arg(query, "send").and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
    let trailer = arg(query, "trailer");
    let (trailers, trailers_read) = wit_future::new(|| Ok(None));
    if left == 0 && trailer.is_none() {
        drop(trailers);
        return Request::new(fields, None, trailers_read, Some(options)).0;
    }
    let (mut to, contents) = wit_stream::new();
    wit_bindgen::spawn_local(async move {
        while left > 0 {
            let take = left.min(64 * 1024);
            if !to.write_all(vec![b'x'; take]).await.is_empty() {
                return; // the answer says why
            }
            left -= take;
        }
        drop(to);
        let sent = trailer.map(|value| {
            let fields = Fields::new();
            fields.append("x-sent", value.as_bytes()).expect("a valid header");
            fields
        });
        let _ = trailers.write(Ok(sent)).await;
    });
    Request::new(fields, Some(contents), trailers_read, Some(options)).0
}

async fn receive(response: Response) -> Result<String, ErrorCode> {
    let mut text = format!("{}\n{}\n", response.get_status_code(), lines(&response.get_headers(), ""));
    let (result, result_read) = wit_future::new(|| Ok(()));
    drop(result);
    let (mut from, trailers) = Response::consume_body(response, result_read);
    let (mut total, mut opening) = (0, Vec::new());
    loop {
        let (result, chunk) = from.read(Vec::with_capacity(64 * 1024)).await;
        total += chunk.len();
        opening.extend_from_slice(&chunk[..chunk.len().min(4096 - opening.len())]);
        if !matches!(result, StreamResult::Complete(_)) {
            break;
        }
    }
    drop(from);
    match trailers.await {
        Err(error) => text.push_str(&format!("{total} bytes, then Some({error:?})\n")),
        Ok(trailers) => {
            text.push_str(&String::from_utf8_lossy(&opening));
            text.push_str(&format!("\n{total} bytes\n"));
            if let Some(trailers) = trailers {
                text.push_str(&lines(&trailers, "trailer "));
            }
        }
    }
    Ok(text)
}

fn lines(fields: &Fields, before: &str) -> String {
    let mut all: Vec<String> = fields
        .copy_all()
        .into_iter()
        .map(|(name, value)| format!("{before}{name}: {}\n", String::from_utf8_lossy(&value)))
        .collect();
    all.sort();
    all.concat()
}
