//! A request's body that can be sent once more, as long as little of it was read.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use weft_traffic::retry;
use weft_types::{Body, Fault, Ran, code};

/// Each frame that is held counts for this many bytes at least, so that many small ones are bounded too.
const FRAME_BYTES: u64 = 64;

/// The body, and what was read of it. Each try reads it by a [`Copy`]; a new one ends the one before.
pub(crate) struct Replay(Arc<Mutex<Shared>>);

struct Shared {
    body: Body,
    over: bool,
    /// Whoever asked was last asked for more, and had none: the call waits for them, and not for the upstream.
    waiting: bool,
    held: Vec<Held>,
    /// What is held, in bytes; `None`: more was read than may be held, or nobody will ask again.
    bytes: Option<u64>,
    /// Which copy may read.
    copy: u32,
}

enum Held {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Held {
    fn of(frame: &Frame<Bytes>) -> Option<Self> {
        let trailers = || frame.trailers_ref().cloned().map(Self::Trailers);
        frame.data_ref().cloned().map(Self::Data).or_else(trailers)
    }

    fn frame(&self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data.clone()),
            Self::Trailers(trailers) => Frame::trailers(trailers.clone()),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Data(data) => data.len() as u64,
            Self::Trailers(_) => 0,
        }
    }

    fn cost(&self) -> u64 {
        let text = |trailers: &HeaderMap| trailers.iter().map(|(k, v)| (k.as_str().len() + v.len()) as u64).sum();
        match self {
            Self::Data(data) => (data.len() as u64).max(FRAME_BYTES),
            Self::Trailers(trailers) => FRAME_BYTES.max(text(trailers)),
        }
    }
}

impl Replay {
    pub(crate) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Shared {
            body,
            over: false,
            waiting: false,
            held: Vec::new(),
            bytes: Some(0),
            copy: 0,
        })))
    }

    /// The body from its beginning, for one more try.
    pub(crate) fn again(&self) -> Copy {
        let mut shared = self.0.lock();
        shared.copy += 1;
        Copy { shared: Arc::clone(&self.0), copy: shared.copy, at: 0 }
    }

    pub(crate) fn state(&self) -> retry::Replay {
        self.0.lock().bytes.map_or(retry::Replay::Gone, retry::Replay::Held)
    }

    /// It has been read to its end, and all of it is held: another copy takes nothing from the one before.
    pub(crate) fn is_whole(&self) -> bool {
        let shared = self.0.lock();
        shared.bytes.is_some() && (shared.over || shared.body.is_end_stream())
    }

    /// There will be no other try: nothing more is held. The last copy reads on.
    pub(crate) fn settle(self) {
        self.0.lock().bytes = None;
    }
}

impl Shared {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        let Some(bytes) = self.bytes else { return };
        let Some(held) = Held::of(frame) else { return };
        let bytes = bytes + held.cost();
        if bytes > retry::Options::BODY_MAX {
            (self.bytes, self.held) = (None, Vec::new());
        } else {
            self.bytes = Some(bytes);
            self.held.push(held);
        }
    }
}

/// The body as one try reads it.
pub(crate) struct Copy {
    shared: Arc<Mutex<Shared>>,
    copy: u32,
    /// The next of the frames that are held.
    at: usize,
}

impl Copy {
    /// To ask about it when it has been given away.
    pub(crate) fn watch(&self) -> Watch {
        Watch { shared: Arc::clone(&self.shared), copy: self.copy }
    }
}

/// What may be known of a copy by whoever does not read it.
pub(crate) struct Watch {
    shared: Arc<Mutex<Shared>>,
    copy: u32,
}

impl Watch {
    /// Whether what is missing is what the client has not sent yet.
    pub(crate) fn waits_for_client(&self) -> bool {
        let shared = self.shared.lock();
        shared.copy == self.copy && shared.waiting
    }
}

impl HttpBody for Copy {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = &mut *self;
        let mut shared = this.shared.lock();
        if shared.copy != this.copy {
            // A connection that was given up still asks.
            return Poll::Ready(Some(Err(Fault::new(code::UPSTREAM_LOST, Ran::Maybe).detail("the try was given up"))));
        }
        if let Some(held) = shared.held.get(this.at) {
            this.at += 1;
            return Poll::Ready(Some(Ok(held.frame())));
        }
        if shared.over {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut shared.body).poll_frame(cx);
        shared.waiting = polled.is_pending();
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                shared.keep(frame);
                this.at = shared.held.len();
            }
            Poll::Ready(_) => shared.over = true,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let shared = self.shared.lock();
        self.at >= shared.held.len() && (shared.over || shared.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let shared = self.shared.lock();
        let before: u64 = shared.held.iter().skip(self.at).map(Held::bytes).sum();
        let rest = if shared.over { SizeHint::with_exact(0) } else { shared.body.size_hint() };
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + before);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + before);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    struct Frames(std::vec::IntoIter<usize>);

    impl HttpBody for Frames {
        type Data = Bytes;
        type Error = Fault;
        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
            Poll::Ready(self.0.next().map(|size| Ok(Frame::data(Bytes::from(vec![7; size])))))
        }
    }

    fn frames(sizes: Vec<usize>) -> Body {
        Frames(sizes.into_iter()).boxed_unsync()
    }

    #[tokio::test]
    async fn what_was_read_is_read_again_and_the_rest_after_it() {
        let replay = Replay::new(frames(vec![3, 4, 5]));
        let mut first = replay.again();
        first.frame().await.expect("a frame").expect("good");
        first.frame().await.expect("a frame").expect("good");
        let second = replay.again();
        assert!(first.frame().await.expect("an end").is_err(), "the try before is over");
        assert_eq!(second.collect().await.expect("whole").to_bytes().len(), 12);
        assert_eq!(replay.state(), retry::Replay::Held(3 * FRAME_BYTES));
    }

    #[tokio::test]
    async fn more_than_may_be_held_is_let_go() {
        let replay = Replay::new(frames(vec![60 << 10, 4 << 10, 1]));
        let mut first = replay.again();
        first.frame().await.expect("a frame").expect("good");
        first.frame().await.expect("a frame").expect("good");
        assert_eq!(replay.state(), retry::Replay::Held(64 << 10));
        first.frame().await.expect("a frame").expect("good");
        assert_eq!(replay.state(), retry::Replay::Gone);
        assert!(first.frame().await.is_none());
    }
}
