//! What went wrong, said once, for three readers: the operator (code), the law (blame), the machine (retry).

use std::{error::Error, fmt, time::Duration};

use crate::Code;

/// Whose mistake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The request is wrong: sending it again changes nothing.
    Caller,
    /// The component, or what it depends on, is wrong.
    Application,
    /// We, or the machine under us.
    Platform,
}

/// Whether trying again can help. `No` for what is certain to fail again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    No,
    Now,
    After(Duration),
}

/// Whether the application's code may have run. `Maybe` is the honest word for an unknown outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ran {
    No,
    Maybe,
    Yes,
}

/// One failure. `detail` and `source` are for the log; outsiders see the code and its title.
pub struct Fault {
    pub code: Code,
    pub blame: Blame,
    pub retry: Retry,
    pub ran: Ran,
    /// One sentence for the operator, with the fact that the code's page cannot know. May be empty.
    pub detail: String,
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Fault {
    /// A fault with the blame and retry that its code says.
    pub fn new(code: Code, ran: Ran) -> Self {
        let info = code.info();
        Self { code, blame: info.blame, retry: info.retry, ran, detail: String::new(), source: None }
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({:?}, ran: {:?})", self.code, self.detail, self.blame, self.ran)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail.as_str() {
            "" => write!(f, "{}: {}", self.code, self.code.info().title),
            detail => write!(f, "{}: {detail}", self.code),
        }
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
