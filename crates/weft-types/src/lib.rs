//! The vocabulary that every floor speaks: names, ids, [`Invocation`], [`Outcome`], [`Fault`].
//!
//! Almost no behaviour lives here. One verb, *invoke*: every way into code is an [`Invocation`], every way out
//! an [`Outcome`], and whatever can answer one implements [`Invoke`].

mod body;
mod codes;
mod fault;
mod id;
mod identity;
mod invocation;
mod name;
mod outcome;
mod random;
mod thread;
mod time;
mod trace;

pub use body::{Body, empty, full};
pub use codes::{CODES, Code, CodeInfo, code};
pub use fault::{Blame, Fault, Ran, Retry};
pub use id::{Digest, IdempotencyKey, InvocationId, Key};
pub use identity::{
    Answer, Checked, ClientCertificate, Denial, Guard, IDENTITY_HEADERS, Identity, LOGIN_COOKIES, Presented,
};
pub use invocation::{
    Caller, Chain, ClientAddress, Context, Event, Invocation, Origin, Payload, Priority, Target, Tenant, Upgrade,
    Values,
};
pub use name::{Name, NameError};
pub use outcome::{Class, End, Ender, Outcome, Reply, Settlement, Usage};
pub use random::Randomness;
pub use thread::{number_thread, thread_number};
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
pub use trace::{SpanId, Trace, TraceId};

/// A boxed future that may borrow its receiver. Dropping it cancels the work.
pub type Pending<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The one verb. The front door, the host, a peer node and an upstream are all implementations of it.
pub trait Invoke: Send + Sync {
    /// Runs one try of `call` and answers with its Head; the End follows in [`Outcome::end`].
    ///
    /// Dropping the returned future, or the body inside the reply, cancels the work.
    fn invoke(&self, call: Invocation) -> Pending<'_, Outcome>;
}
