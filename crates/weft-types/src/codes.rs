//! Every code that Weft can answer with, in one list. Each has a page, `docs/errors/CODE.md`; a test holds that.

use std::{fmt, time::Duration};

use crate::{Blame, Retry};

/// A stable error code in kebab words. Never renamed once released.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(&'static str);

/// What a code says before any particulars.
pub struct CodeInfo {
    pub name: &'static str,
    /// What outsiders read: one sentence without particulars.
    pub title: &'static str,
    pub blame: Blame,
    pub retry: Retry,
}

impl Code {
    pub fn as_str(self) -> &'static str {
        self.0
    }
    /// What the list says of it. A search, because only failures ask.
    pub fn info(self) -> &'static CodeInfo {
        CODES.iter().find(|info| info.name == self.0).expect("codes are made by the list alone")
    }
    pub fn find(name: &str) -> Option<Self> {
        CODES.iter().find(|info| info.name == name).map(|info| Self(info.name))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

const SOON: Retry = Retry::After(Duration::from_secs(1));

macro_rules! codes {
    ($($ident:ident $name:literal $blame:ident $retry:expr, $title:literal;)*) => {
        /// The codes by name.
        pub mod code {
            use super::*;
            $(#[doc = $title] pub const $ident: Code = Code($name);)*
        }
        /// Every code, in the order of the list.
        pub static CODES: &[&CodeInfo] = &[$(&CodeInfo { name: $name, title: $title, blame: Blame::$blame, retry: $retry }),*];
    };
}

codes! {
    // What a caller can get wrong.
    BAD_REQUEST         "bad-request"          Caller Retry::No, "The request is not valid HTTP.";
    BAD_PATH            "bad-path"             Caller Retry::No, "The path holds an encoded dot-segment or an invalid escape.";
    HEAD_TOO_LARGE      "head-too-large"       Caller Retry::No, "The request's head is larger than this listener accepts.";
    BODY_TOO_LARGE      "body-too-large"       Caller Retry::No, "The request's body is larger than this route accepts.";
    REQUEST_TIMEOUT     "request-timeout"      Caller Retry::Now, "The request did not arrive in time.";
    NO_ROUTE            "no-route"             Caller Retry::No, "No route matches this request.";
    METHOD_NOT_ALLOWED  "method-not-allowed"   Caller Retry::No, "The path exists, but not with this method.";
    NOT_FOUND           "not-found"            Caller Retry::No, "There is no such file.";
    RANGE_NOT_SATISFIABLE "range-not-satisfiable" Caller Retry::No, "The range lies outside of the file.";
    UNAUTHENTICATED     "unauthenticated"      Caller Retry::No, "This needs a token.";
    ADDRESS_REFUSED     "address-refused"      Caller Retry::No, "This route does not answer your address.";
    ORIGIN_REFUSED      "origin-refused"       Caller Retry::No, "Pages of this origin may not read what this route answers.";
    UPGRADE_REFUSED     "upgrade-refused"      Caller Retry::No, "This is no WebSocket handshake, and nothing else can be upgraded to.";
    CREDENTIAL_INVALID  "credential-invalid"   Caller Retry::No, "The credential is not valid here.";
    CREDENTIAL_EXPIRED  "credential-expired"   Caller Retry::No, "The credential has expired.";
    LOGIN_FAILED        "login-failed"         Caller Retry::No, "The login came to nothing.";
    FORBIDDEN           "forbidden"            Caller Retry::No, "The caller may not do this.";
    CLIENT_GONE         "client-gone"          Caller Retry::No, "The client left before the answer was complete.";
    RATE_LIMITED        "rate-limited"         Caller SOON, "The caller is over its rate limit.";
    // What an application can get wrong.
    GUEST_TRAP          "guest-trap"           Application Retry::No, "The component trapped.";
    GUEST_EXIT          "guest-exit"           Application Retry::No, "The component exited instead of answering.";
    GUEST_NO_RESPONSE   "guest-no-response"    Application Retry::No, "The component returned without a response.";
    GUEST_BAD_RESPONSE  "guest-bad-response"   Application Retry::No, "The component answered with an invalid response.";
    GUEST_ERROR         "guest-error"          Application Retry::No, "The component answered with an error code.";
    GUEST_BODY_FAILED   "guest-body-failed"    Application Retry::No, "The component failed in the middle of its response.";
    CPU_LIMIT           "cpu-limit"            Application Retry::No, "The component used more CPU than its limit.";
    MEMORY_LIMIT        "memory-limit"         Application Retry::No, "The component asked for more memory than its limit.";
    NOT_CACHED          "not-cached"           Platform Retry::No, "Nothing that is kept answers this, and the request allows nothing else.";
    DEADLINE_EXCEEDED   "deadline-exceeded"    Application Retry::Now, "The component did not answer before the deadline.";
    IDLE_TIMEOUT        "idle-timeout"         Application Retry::No, "The stream stood still for too long.";
    LIFETIME_EXCEEDED   "lifetime-exceeded"    Application Retry::No, "The stream was open for longer than its limit.";
    INSTANCE_LOST       "instance-lost"        Application Retry::Now, "The instance that served this call ended for another call's fault.";
    DEPTH_EXCEEDED      "depth-exceeded"       Application Retry::No, "Calls are nested too deeply.";
    DENIED              "denied"               Application Retry::No, "The component has no grant for this.";
    // What the platform cannot do now.
    OVERLOADED          "overloaded"           Platform SOON, "Too many requests are waiting for this component.";
    DRAINING            "draining"             Platform SOON, "The node is shutting down.";
    NOT_DEPLOYED        "not-deployed"         Platform SOON, "The target of this call is not deployed here.";
    COMPONENT_UNAVAILABLE "component-unavailable" Platform Retry::No, "The component could not be loaded.";
    STORE_UNAVAILABLE   "store-unavailable"    Platform SOON, "The store cannot be reached or refuses writes.";
    STORE_FULL          "store-full"           Platform Retry::No, "The store has no room left.";
    STORE_CONFLICT      "store-conflict"       Application Retry::Now, "Another commit came first.";
    STORE_CORRUPT       "store-corrupt"        Platform Retry::No, "The store's data cannot be read.";
    STORE_INVALID       "store-invalid"        Application Retry::No, "The store cannot take this: it is too large, or not a number.";
    UNKNOWN_OUTCOME     "unknown-outcome"      Platform Retry::No, "It is not known whether the call took effect.";
    UPSTREAM_UNREACHABLE "upstream-unreachable" Application SOON, "The other service cannot be reached.";
    UPSTREAM_BAD_ANSWER "upstream-bad-answer"  Application Retry::No, "The other service answered with invalid HTTP.";
    UPSTREAM_LOST       "upstream-lost"        Application Retry::Now, "The connection to the other service was lost before its answer was complete.";
    IDENTITY_UNAVAILABLE "identity-unavailable" Platform SOON, "Who is calling cannot be checked now.";
    BREAKER_OPEN        "breaker-open"         Application SOON, "What answers this fails, and is not called for a while.";
    FAULT_INJECTED      "fault-injected"       Platform SOON, "This was done on purpose: a fault is injected here.";
    INTERNAL            "internal"             Platform Retry::No, "A fault of Weft's own.";
    // What a manifest, a command or an artefact can get wrong.
    MANIFEST_SYNTAX     "manifest-syntax"      Caller Retry::No, "The file is not valid TOML.";
    MANIFEST_UNKNOWN_KEY "manifest-unknown-key" Caller Retry::No, "The manifest has a key that does not exist.";
    MANIFEST_TYPE       "manifest-type"        Caller Retry::No, "A value in the manifest has the wrong type or form.";
    MANIFEST_MISSING    "manifest-missing"     Caller Retry::No, "The manifest lacks a required key.";
    MANIFEST_REFERENCE  "manifest-reference"   Caller Retry::No, "The manifest names something that it does not declare.";
    MANIFEST_DUPLICATE  "manifest-duplicate"   Caller Retry::No, "The manifest declares the same thing twice.";
    MANIFEST_UNSUPPORTED "manifest-unsupported" Caller Retry::No, "The manifest asks for something that this version cannot do.";
    FILE_MISSING        "file-missing"         Caller Retry::No, "A file that the manifest names does not exist.";
    ROUTE_CONFLICT      "route-conflict"       Caller Retry::No, "Two routes match the same requests.";
    NOT_WASM            "not-wasm"             Caller Retry::No, "The file is not WebAssembly.";
    CORE_MODULE         "core-module"          Caller Retry::No, "The file is a core module, not a component.";
    UNSUPPORTED_COMPONENT "unsupported-component" Caller Retry::No, "The component needs something that this version does not have.";
    UNKNOWN_IMPORT      "unknown-import"       Caller Retry::No, "The component imports something that nothing provides.";
    NO_HANDLER          "no-handler"           Caller Retry::No, "The component exports no handler that a route can call.";
    BUILD_FAILED        "build-failed"         Caller Retry::No, "The build command failed.";
    TOOL_MISSING        "tool-missing"         Caller Retry::No, "A tool that the build needs is not installed.";
    PORT_TAKEN          "port-taken"           Caller Retry::No, "Another process listens on this address.";
    DATA_LOCKED         "data-locked"          Caller Retry::No, "Another process uses this data folder.";
    DATA_UNUSABLE       "data-unusable"        Caller Retry::No, "The data folder cannot be used.";
    TLS_INVALID         "tls-invalid"          Caller Retry::No, "The certificate or key cannot be used.";
    SECRET_MISSING      "secret-missing"       Caller Retry::No, "A secret that the application needs was not found.";
    KEYS_INVALID        "keys-invalid"         Caller Retry::No, "The keys by which callers prove who they are cannot be used.";
    POLICY_INVALID      "policy-invalid"       Caller Retry::No, "The policies of the application cannot be used.";
    NODE_UNREACHABLE    "node-unreachable"     Caller SOON, "The node cannot be reached.";
    UNKNOWN_APPLICATION "unknown-application"  Caller Retry::No, "The node has no such application.";
    SLO_MISSED          "slo-missed"           Application Retry::No, "The load did not meet its objective.";
    EXPERIMENT_BROKEN   "experiment-broken"    Application Retry::No, "The experiment showed that its hypothesis does not hold.";
    EXPERIMENT_VOID     "experiment-void"      Caller Retry::No, "The experiment says nothing: it could not be run to its end.";
    USAGE               "usage"                Caller Retry::No, "The command was used wrongly.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_kebab_words_and_found_by_name() {
        let mut seen = std::collections::HashSet::new();
        for info in CODES {
            assert!(seen.insert(info.name), "{} twice", info.name);
            assert!(info.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", info.name);
            assert_eq!(Code::find(info.name).map(Code::as_str), Some(info.name));
        }
    }
}
