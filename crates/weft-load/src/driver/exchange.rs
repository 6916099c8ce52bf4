//! One request and its whole answer, and what became of it.

use std::time::Duration;

use http::{HeaderValue, Uri, header, uri::Authority};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body as _, Bytes};
use tokio::time::{Instant, timeout_at};
use weft_dial::DialError;

use super::{
    Request,
    client::{Answer, Client, Message, SendError},
};
use crate::tally::{Broken, Outcome};

/// Longer codes are no codes of ours.
const CODE_BYTES_MAX: usize = 64;

/// Sends a request and reads its answer to the end; how many bytes its body had.
pub(super) async fn exchange(client: &Client, request: &Request, timeout: Duration) -> (Outcome, u64) {
    let until = Instant::now() + timeout;
    let mut bytes = 0;
    let done = timeout_at(until, async {
        let mut answer = client.send(message(client, request), until).await.map_err(|error| broken(&error))?;
        read(&mut answer, &mut bytes).await?;
        let outcome = outcome(request, &answer);
        answer.done();
        Ok(outcome)
    });
    match done.await {
        Ok(Ok(outcome)) => (outcome, bytes),
        Ok(Err(broken)) => (Outcome::Broken(broken), bytes),
        Err(_) => (Outcome::Broken(Broken::Timeout), bytes),
    }
}

/// As [`exchange`], but gives the answer back.
pub(super) async fn ask(
    client: &Client,
    request: &Request,
    timeout: Duration,
    body_max: usize,
) -> Result<http::Response<Bytes>, Broken> {
    let until = Instant::now() + timeout;
    let done = timeout_at(until, async {
        let mut answer = client.send(message(client, request), until).await.map_err(|error| broken(&error))?;
        let body = Limited::new(answer.response.body_mut(), body_max).collect().await;
        let body = body.map_err(|_| Broken::Lost)?.to_bytes();
        let mut response = http::Response::new(body);
        *response.status_mut() = answer.response.status();
        *response.headers_mut() = answer.response.headers().clone();
        answer.done();
        Ok(response)
    });
    done.await.map_err(|_| Broken::Timeout)?
}

async fn read(answer: &mut Answer<'_>, bytes: &mut u64) -> Result<(), Broken> {
    let body = answer.response.body_mut();
    while !body.is_end_stream() {
        match body.frame().await {
            Some(Ok(frame)) => *bytes += frame.data_ref().map_or(0, |data| data.len() as u64),
            Some(Err(_)) => return Err(Broken::Lost),
            None => break,
        }
    }
    Ok(())
}

fn outcome(request: &Request, answer: &Answer<'_>) -> Outcome {
    let status = answer.response.status();
    let code = answer.response.headers().get("weft-error").and_then(|code| code.to_str().ok());
    let code = code.filter(|code| code.len() <= CODE_BYTES_MAX).map(str::to_owned);
    let ok = match request.expected {
        Some(expected) => status == expected,
        None => status.as_u16() < 400,
    };
    Outcome::Answered { status: status.as_u16(), ok, code }
}

fn message(client: &Client, request: &Request) -> Message {
    let mut headers = request.headers.clone();
    let host = headers.remove(header::HOST);
    let host: Option<Authority> = host.and_then(|host| host.to_str().ok()?.parse().ok());
    let authority = host.unwrap_or_else(|| client.target().authority().clone());
    let mut message = Message::new(Full::new(request.body.clone()));
    *message.method_mut() = request.method.clone();
    if client.speaks_http2() {
        let uri = Uri::builder().scheme(client.target().scheme()).authority(authority);
        *message.uri_mut() = uri.path_and_query(request.path.clone()).build().expect("three good parts");
    } else {
        *message.uri_mut() = request.path.clone().into();
        let host = HeaderValue::from_str(authority.as_str()).expect("an authority is ASCII");
        headers.insert(header::HOST, host);
    }
    *message.headers_mut() = headers;
    message
}

fn broken(error: &SendError) -> Broken {
    match error {
        SendError::Dial(DialError::Timeout) => Broken::Timeout,
        SendError::Dial(DialError::Tls(_) | DialError::TlsSetup(_) | DialError::ServerName(_)) => Broken::Tls,
        SendError::Dial(_) => Broken::Connect,
        SendError::Http(error) if error.is_parse() => Broken::Malformed,
        SendError::Http(_) => Broken::Lost,
    }
}
