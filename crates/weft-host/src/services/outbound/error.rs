//! From what went wrong to the precise code of `wasi:http`.

use std::{error::Error as StdError, io};

use hyper_util::client::legacy;
use wasmtime_wasi_http::Error as HttpError;
use weft_dial::DialError;

use super::connect::ConnectError;

/// The first error of a type in a chain of causes.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |error| (*error).source()).find_map(|error| error.downcast_ref())
}

/// What kept a request from being connected, if that failed.
pub(super) fn connect_error(error: &legacy::Error) -> Option<&ConnectError> {
    find(error)
}

/// Why a request has no answer.
pub(super) fn of_request(error: &legacy::Error) -> HttpError {
    if let Some(error) = connect_error(error) {
        return of_connect(error);
    }
    // The guest's own body failed: the reason is in it.
    if let Some(error) = find::<HttpError>(error) {
        return of_own_body(error);
    }
    match find::<hyper::Error>(error) {
        Some(error) if error.is_parse_too_large() => HttpError::HttpResponseHeaderSectionSize(None),
        Some(error) if error.is_timeout() => HttpError::HttpResponseTimeout,
        Some(error) if error.is_incomplete_message() || error.is_canceled() || error.is_closed() => {
            HttpError::ConnectionTerminated
        }
        Some(error) if error.is_parse() => HttpError::HttpProtocolError,
        Some(error) if error.is_user() => HttpError::HttpProtocolError,
        _ => of_io(error).unwrap_or(HttpError::HttpProtocolError),
    }
}

/// Why an answer's body broke off.
pub(super) fn of_body(error: &hyper::Error) -> HttpError {
    if error.is_timeout() {
        HttpError::HttpResponseTimeout
    } else if error.is_incomplete_message() || error.is_closed() || ended_early(error) {
        HttpError::HttpResponseIncomplete
    } else if error.is_parse() {
        HttpError::HttpProtocolError
    } else {
        of_io(error).unwrap_or(HttpError::HttpResponseIncomplete)
    }
}

/// The server closed before the length that it had promised.
fn ended_early(error: &hyper::Error) -> bool {
    find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
}

fn of_io(error: &(dyn StdError + 'static)) -> Option<HttpError> {
    find::<io::Error>(error).map(|error| match error.kind() {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => HttpError::ConnectionTerminated,
        io::ErrorKind::TimedOut => HttpError::ConnectionTimeout,
        _ => HttpError::ConnectionTerminated,
    })
}

fn of_own_body(error: &HttpError) -> HttpError {
    match error {
        HttpError::HttpRequestBodySize(size) => HttpError::HttpRequestBodySize(*size),
        HttpError::HttpProtocolError => HttpError::HttpProtocolError,
        other => HttpError::InternalError(Some(other.to_string())),
    }
}

fn of_connect(error: &ConnectError) -> HttpError {
    match error {
        ConnectError::Prohibited { .. } => HttpError::DestinationIpProhibited,
        ConnectError::TooMany => HttpError::ConnectionLimitReached,
        ConnectError::Dial(error) => of_dial(error),
    }
}

fn of_dial(error: &DialError) -> HttpError {
    match error {
        DialError::NoHost | DialError::ServerName(_) => HttpError::HttpRequestUriInvalid,
        DialError::Resolve { source, .. } if source.kind() == io::ErrorKind::TimedOut => HttpError::DnsTimeout,
        DialError::Resolve { .. } => HttpError::DnsError { rcode: None, info_code: None },
        DialError::NoAddress { .. } => HttpError::DestinationNotFound,
        DialError::Tcp { source, .. } => match source.kind() {
            io::ErrorKind::ConnectionRefused => HttpError::ConnectionRefused,
            io::ErrorKind::TimedOut => HttpError::ConnectionTimeout,
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => HttpError::DestinationIpUnroutable,
            _ => HttpError::DestinationUnavailable,
        },
        DialError::Timeout => HttpError::ConnectionTimeout,
        DialError::TlsSetup(_) => HttpError::ConfigurationError,
        DialError::Tls(error) => of_tls(error),
    }
}

fn of_tls(error: &io::Error) -> HttpError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            HttpError::TlsCertificateError
        }
        Some(rustls::Error::AlertReceived(alert)) => HttpError::TlsAlertReceived {
            alert_id: Some(u8::from(*alert)),
            alert_message: alert.as_str().map(str::to_owned),
        },
        _ => HttpError::TlsProtocolError,
    }
}
