//! A body that comes slowly, comes wrong, or breaks off.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use weft_traffic::{
    Ratio,
    fault::{Harm, corrupt},
};
use weft_types::{Body, Fault};

/// A second's worth of bytes comes in so many pieces.
const PIECES: u64 = 10;

pub(crate) struct Spoilt {
    inner: Body,
    corrupt: Option<Ratio>,
    /// Bytes a second.
    bandwidth: Option<u64>,
    /// Bytes until it breaks off.
    left: Option<u64>,
    seed: u64,
    /// Data that came and is not handed on yet.
    held: Option<Bytes>,
    until: Option<Pin<Box<Sleep>>>,
    /// What it breaks off with.
    fault: Option<Fault>,
}

impl Spoilt {
    pub(crate) fn new(inner: Body, harms: &[Harm], seed: u64, fault: Fault) -> Self {
        let fault = fault.detail("the connection was reset");
        let (held, until, fault) = (None, None, Some(fault));
        let mut this = Self { inner, corrupt: None, bandwidth: None, left: None, seed, held, until, fault };
        for harm in harms {
            match harm {
                Harm::Corrupt(share) => this.corrupt = Some(*share),
                Harm::Bandwidth(rate) => this.bandwidth = Some(*rate),
                Harm::Reset { after } => this.left = Some(*after),
                Harm::Delay(_) | Harm::Abort(_) | Harm::Kill => {}
            }
        }
        this
    }

    /// As much of `data` as may go now; the rest is held.
    fn piece(&mut self, mut data: Bytes) -> Bytes {
        let paced = self.bandwidth.map(|rate| (rate / PIECES).max(1));
        let most = paced.into_iter().chain(self.left).min().unwrap_or(u64::MAX);
        let piece = match usize::try_from(most) {
            Ok(most) if most < data.len() => {
                let piece = data.split_to(most);
                self.held = Some(data);
                piece
            }
            _ => data,
        };
        let bytes = piece.len() as u64;
        if let Some(left) = &mut self.left {
            *left -= bytes;
        }
        if let Some(rate) = self.bandwidth {
            self.until = Some(Box::pin(sleep(Duration::from_secs_f64(bytes as f64 / rate as f64))));
        }
        match self.corrupt {
            Some(share) => {
                let mut changed = BytesMut::from(&*piece);
                corrupt(&mut changed, share, self.seed);
                self.seed = self.seed.wrapping_add(bytes.max(1));
                changed.freeze()
            }
            None => piece,
        }
    }
}

impl HttpBody for Spoilt {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = &mut *self;
        if let Some(until) = &mut this.until {
            ready!(until.as_mut().poll(cx));
            this.until = None;
        }
        if this.left == Some(0) {
            return Poll::Ready(this.fault.take().map(Err));
        }
        if let Some(held) = this.held.take() {
            return Poll::Ready(Some(Ok(Frame::data(this.piece(held)))));
        }
        match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
            Some(Ok(frame)) => Poll::Ready(Some(Ok(match frame.into_data() {
                Ok(data) => Frame::data(this.piece(data)),
                Err(other) => other,
            }))),
            other => Poll::Ready(other),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && self.left != Some(0) && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.as_ref().map_or(0, Bytes::len) as u64;
        let inner = self.inner.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + held);
        }
        hint.set_lower(inner.lower() + held);
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::time::Instant;
    use weft_types::{Ran, code};

    use super::*;

    fn spoilt(text: &'static str, harms: &[Harm]) -> Body {
        Body::new(Spoilt::new(weft_types::full(text), harms, 7, Fault::new(code::FAULT_INJECTED, Ran::Yes)))
    }

    #[tokio::test(start_paused = true)]
    async fn it_comes_no_faster_than_it_may() {
        let began = Instant::now();
        let body = spoilt("0123456789012345678901234567890123456789", &[Harm::Bandwidth(20)]);
        assert_eq!(body.size_hint().exact(), Some(40));
        let whole = body.collect().await.expect("whole").to_bytes();
        assert_eq!(whole.len(), 40);
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(1_900) && took <= Duration::from_millis(2_100), "{took:?}");
    }

    #[tokio::test]
    async fn it_breaks_off_after_so_many_bytes_and_not_before() {
        let mut body = spoilt("0123456789", &[Harm::Reset { after: 4 }]);
        let first = body.frame().await.expect("some").expect("good").into_data().expect("data");
        assert_eq!(&first[..], b"0123");
        assert!(!body.is_end_stream());
        let fault = body.frame().await.expect("some").expect_err("broken off");
        assert_eq!(fault.code, code::FAULT_INJECTED);
        assert!(body.frame().await.is_none());
        assert_eq!(spoilt("0123", &[Harm::Reset { after: 9 }]).collect().await.expect("whole").to_bytes(), "0123");
    }

    #[tokio::test]
    async fn it_comes_as_long_as_it_was_and_changed() {
        let whole = spoilt("aaaaaaaaaa", &[Harm::Corrupt(Ratio::ALL)]).collect().await.expect("whole").to_bytes();
        assert_eq!(whole.len(), 10);
        assert!(whole.iter().all(|byte| *byte != b'a'), "{whole:?}");
    }
}
