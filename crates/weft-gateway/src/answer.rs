//! From an outcome to an answer that cannot desynchronise its connection, whatever a guest says.

use http::{HeaderMap, Response, StatusCode, header};
use http_body::Body as HttpBody;
use weft_types::{Body, Fault, Ran, code};

use crate::{hop, problem::WEFT_ERROR};

/// Makes a guest's answer fit for the wire. The number is how many bytes its head promises.
pub(crate) fn shape(mut response: Response<Body>, head_only: bool) -> Result<(Response<Body>, Option<u64>), Fault> {
    let status = response.status();
    if status.is_informational() {
        return Err(bad(format!("the final status is {}", status.as_u16())));
    }
    let headers = response.headers_mut();
    hop::strip(headers);
    // Ours alone: by it a caller tells the platform's failures from the application's.
    headers.remove(&WEFT_ERROR);
    let declared = length(headers)?;
    if head_only || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::RESET_CONTENT) {
        if status == StatusCode::NO_CONTENT || status == StatusCode::RESET_CONTENT {
            headers.remove(header::CONTENT_LENGTH);
        }
        *response.body_mut() = weft_types::empty();
        return Ok((response, None));
    }
    match (declared, response.body().size_hint().exact()) {
        (Some(declared), Some(exact)) if declared != exact => {
            Err(bad(format!("content-length is {declared}, the body is {exact} bytes long")))
        }
        (declared, _) => Ok((response, declared)),
    }
}

fn length(headers: &mut HeaderMap) -> Result<Option<u64>, Fault> {
    let mut all = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = all.next() else { return Ok(None) };
    if all.any(|other| other != first) {
        return Err(bad("two content-lengths differ".to_owned()));
    }
    let digits = first.as_bytes();
    let number = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_digit));
    match number.and_then(|text| text.parse().ok()) {
        Some(length) => {
            let one = first.clone();
            headers.insert(header::CONTENT_LENGTH, one);
            Ok(Some(length))
        }
        None => Err(bad("content-length is not a number".to_owned())),
    }
}

fn bad(detail: String) -> Fault {
    Fault::new(code::GUEST_BAD_RESPONSE, Ran::Yes).detail(detail)
}
