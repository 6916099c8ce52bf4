//! Values with a form of their own. Each form is named in the schema as `format`, and checked there by name.

use std::{net::IpAddr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use weft_traffic::{
    Network, Rate, Ratio, UpstreamAddress,
    feature::{compression::TypeRule, cors::OriginRule, headers, rewrite::HostName},
    hedge::After,
    units,
};
use weft_types::Name;

use crate::outbound::OutboundRule;

/// A duration, written `30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Duration);

/// A number of bytes, written `64MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

/// So many in a stretch of time, written `100/s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Frequency(pub Rate);

/// A share of a whole, written `20%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Share(pub Ratio);

/// When a try is late, written `p95` or `50ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Late(pub After);

impl std::str::FromStr for Late {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "it is a percentile from `p50` to `p99.99`, or a time from `1ms` to `1m`".to_owned();
        let Some(percent) = text.strip_prefix('p') else {
            let time = units::parse_duration(text).map_err(|_| wrong())?;
            let fits = (Duration::from_millis(1)..=Duration::from_secs(60)).contains(&time);
            return fits.then_some(Self(After::Fixed(time))).ok_or_else(wrong);
        };
        let share: Ratio = format!("{percent}%").parse().map_err(|_| wrong())?;
        let fits = (500_000..=999_900).contains(&share.as_millionths());
        fits.then_some(Self(After::Quantile(share))).ok_or_else(wrong)
    }
}

impl TryFrom<String> for Late {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Late> for String {
    fn from(late: Late) -> Self {
        match late.0 {
            After::Quantile(share) => format!("p{}", share.to_string().trim_end_matches('%')),
            After::Fixed(time) => units::format_duration(time),
        }
    }
}

/// Stands for a key whose meaning this version does not have yet. Its content is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Later;

/// Why a text does not have the form, as the end of a sentence; `None` where it has, or no such form is known.
pub(crate) fn fault_of(form: &str, text: &str) -> Option<String> {
    match form {
        "duration" => units::parse_duration(text).err().map(|e| e.to_string()),
        "size" => units::parse_bytes(text).err().map(|e| e.to_string()),
        "rate" => text.parse::<Rate>().err().map(|e| e.to_string()),
        "late" => text.parse::<Late>().err(),
        "share" => text.parse::<Ratio>().err().map(|e| e.to_string()),
        "name" => Name::new(text).err().map(|e| e.reason.to_owned()),
        "method" => method_fault(text),
        "header" => header_fault(text),
        "request-header" => header_fault(text).or_else(|| headers::request_fault(text).map(str::to_owned)),
        "response-header" => header_fault(text).or_else(|| headers::response_fault(text).map(str::to_owned)),
        "key-header" => header_fault(text).or_else(|| headers::key_fault(text).map(str::to_owned)),
        "forward-header" => header_fault(text).or_else(|| headers::forward_fault(text).map(str::to_owned)),
        "media-type" => TypeRule::parse(text).err().map(str::to_owned),
        "origin" => origin_fault(text),
        "method-or-any" => method_fault(text).filter(|_| text != "*"),
        "header-or-any" => header_fault(text).filter(|_| text != "*"),
        "host" => host_fault(text),
        "header-value" => header_value_fault(text),
        "variable" => variable_fault(text),
        "guest-path" => guest_path_fault(text),
        "outbound" => text.parse::<OutboundRule>().err().map(|e| e.to_string()),
        "upstream" => text.parse::<UpstreamAddress>().err().map(|e| format!("it {e}")),
        "request-path" => request_path_fault(text),
        "network" => text.parse::<Network>().err().map(|e| e.to_string()),
        "address" => address_fault(text),
        "url" => url_fault(text),
        "path" => path_fault(text),
        "text" => text_fault(text),
        _ => None,
    }
}

fn text_fault(text: &str) -> Option<String> {
    if text.contains('\0') {
        return Some("it holds NUL".to_owned());
    }
    text.trim().is_empty().then(|| "it is empty".to_owned())
}

fn path_fault(text: &str) -> Option<String> {
    text_fault(text)
}

fn method_fault(text: &str) -> Option<String> {
    if text.parse::<http::Method>().is_err() {
        return Some("it is not an HTTP method".to_owned());
    }
    let lower = text.bytes().any(|b| b.is_ascii_lowercase());
    lower.then(|| format!("methods are written in capitals: `{}`", text.to_ascii_uppercase()))
}

fn header_fault(text: &str) -> Option<String> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Some(format!("header names are written in lower case: `{}`", text.to_ascii_lowercase()));
    }
    text.parse::<http::HeaderName>().is_err().then(|| "it is not a header name".to_owned())
}

fn header_value_fault(text: &str) -> Option<String> {
    text.parse::<http::HeaderValue>().is_err().then(|| "it is not a header value".to_owned())
}

fn origin_fault(text: &str) -> Option<String> {
    OriginRule::parse(text).err().filter(|_| text != "*").map(str::to_owned)
}

fn host_fault(text: &str) -> Option<String> {
    HostName::new(text)
        .is_none()
        .then(|| "a host is a name and perhaps a port, such as `orders.internal:8080`".to_owned())
}

fn variable_fault(text: &str) -> Option<String> {
    let bad = text.is_empty() || text.contains(['=', '\0']);
    bad.then(|| "a variable's name is not empty and holds neither `=` nor NUL".to_owned())
}

fn guest_path_fault(text: &str) -> Option<String> {
    if !text.starts_with('/') {
        return Some("it must begin with `/`".to_owned());
    }
    let odd = text.contains(['\0', '\\']) || text.split('/').any(|part| matches!(part, "." | ".."));
    odd.then(|| "it holds a dot-segment, a backslash or NUL".to_owned())
}

fn address_fault(text: &str) -> Option<String> {
    if text.parse::<std::net::SocketAddr>().is_ok() {
        return None;
    }
    let hint = match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) => format!("the port is missing: `[{text}]:8080`"),
        Ok(IpAddr::V4(_)) => format!("the port is missing: `{text}:8080`"),
        Err(_) => "an address is an IP and a port, such as `127.0.0.1:8080` or `[::]:8080`".to_owned(),
    };
    Some(hint)
}

fn request_path_fault(text: &str) -> Option<String> {
    let good = text.starts_with('/') && text.parse::<http::uri::PathAndQuery>().is_ok();
    (!good).then(|| "it is not a path that begins with `/`, as it is sent".to_owned())
}

fn url_fault(text: &str) -> Option<String> {
    let uri = text.parse::<http::Uri>().ok();
    let good = uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
    (!good).then(|| "it is not an http or https URL".to_owned())
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        units::duration::serialize(&self.0, to)
    }
}
impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        units::duration::deserialize(from).map(Self)
    }
}
impl Serialize for Size {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        units::bytes::serialize(&self.0, to)
    }
}
impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        units::bytes::deserialize(from).map(Self)
    }
}
impl Serialize for Later {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_unit()
    }
}
impl<'de> Deserialize<'de> for Later {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(from).map(|_| Self)
    }
}

macro_rules! schema {
    ($($type:ident => $schema:tt;)*) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

schema! {
    Time => { "type": "string", "x-form": "duration", "pattern": "^[0-9]+(ns|us|ms|s|m|h|d)$" };
    Size => { "type": "string", "x-form": "size", "pattern": "^[0-9]+(B|KiB|MiB|GiB|TiB)$" };
    Frequency => { "type": "string", "x-form": "rate", "pattern": "^[0-9]+/[smhd]$" };
    Late => { "type": "string", "x-form": "late", "pattern": "^(p[0-9]{2}([.][0-9]{1,2})?|[0-9]+(ms|s|m))$" };
    Share => { "type": "string", "x-form": "share", "pattern": "^[0-9]+([.][0-9]{1,4})?%$" };
    Later => {};
}
