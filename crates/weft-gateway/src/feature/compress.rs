//! A body that is compressed while it passes.
//!
//! What came is compressed in pieces, so that no body holds a lane for long, and whenever nothing more is there yet,
//! what is buffered is sent: a stream of events stays one. What an encoder holds is bounded by its window: about
//! 300 KiB with gzip, 1 MiB with the others.

use std::{
    io::{self, Write},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use weft_traffic::feature::compression::Coding;
use weft_types::{Body, Fault, Ran, code};

/// Compressed at once, before what came of it may leave.
const PIECE: usize = 32 * 1024;
/// So much is worth a frame of its own.
const FRAME: usize = 16 * 1024;
/// Fast ones: an answer is compressed for one client.
const GZIP_LEVEL: u32 = 5;
const BROTLI_QUALITY: u32 = 4;
const ZSTD_LEVEL: i32 = 3;
/// Logarithms of the windows. Larger ones would cost each answer in progress megabytes.
const BROTLI_WINDOW: u32 = 18;
const ZSTD_WINDOW: u32 = 18;

pub(crate) struct Compressed {
    body: Body,
    encoder: Option<Encoder>,
    /// Of the last frame, not yet compressed.
    left: Bytes,
    /// Compressed since the encoder was last flushed.
    dirty: bool,
    /// Bytes that the plain body must still have. `None`: it promised nothing.
    owed: Option<u64>,
    trailers: Option<HeaderMap>,
}

enum Encoder {
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Compressed {
    /// `owed`: how long the head says that the plain body is.
    pub(crate) fn body(body: Body, coding: Coding, owed: Option<u64>) -> Body {
        match Encoder::new(coding) {
            Ok(encoder) => {
                let encoder = Some(encoder);
                Body::new(Self { body, encoder, left: Bytes::new(), dirty: false, owed, trailers: None })
            }
            Err(error) => {
                Body::new(http_body_util::StreamBody::new(futures_util::stream::once(async { Err(failed(error)) })))
            }
        }
    }

    /// Compresses one piece of what is there. Answers a frame once it is worth it.
    fn press(&mut self, encoder: &mut Encoder) -> io::Result<Option<Bytes>> {
        let piece = self.left.len().min(PIECE);
        encoder.writer().write_all(&self.left[..piece])?;
        self.left.advance(piece);
        self.dirty = true;
        Ok((encoder.buffered() >= FRAME).then(|| encoder.take()))
    }

    /// Everything that has come, so that nobody waits for what is only held back.
    fn flush(&mut self) -> io::Result<Option<Bytes>> {
        let Some(encoder) = self.encoder.as_mut().filter(|_| std::mem::take(&mut self.dirty)) else { return Ok(None) };
        encoder.writer().flush()?;
        Ok(Some(encoder.take()).filter(|bytes| !bytes.is_empty()))
    }

    fn count(&mut self, bytes: u64) -> Result<(), Fault> {
        if let Some(owed) = &mut self.owed {
            *owed = owed.checked_sub(bytes).ok_or_else(|| wrong_length("longer"))?;
        }
        Ok(())
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Result<Poll<Option<Frame<Bytes>>>, Fault> {
        loop {
            if !self.left.is_empty()
                && let Some(mut encoder) = self.encoder.take()
            {
                let pressed = self.press(&mut encoder);
                self.encoder = Some(encoder);
                if let Some(bytes) = pressed.map_err(failed)? {
                    return Ok(Poll::Ready(Some(Frame::data(bytes))));
                }
                continue;
            }
            if self.encoder.is_none() {
                return Ok(Poll::Ready(self.trailers.take().map(Frame::trailers)));
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => {
                    return Ok(self
                        .flush()
                        .map_err(failed)?
                        .map_or(Poll::Pending, |bytes| Poll::Ready(Some(Frame::data(bytes)))));
                }
                Poll::Ready(Some(frame)) => match frame?.into_data() {
                    Ok(data) => {
                        self.count(data.len() as u64)?;
                        self.left = data;
                    }
                    // Trailers end a body, and come after all that was compressed.
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        return self.end();
                    }
                },
                Poll::Ready(None) => return self.end(),
            }
        }
    }

    fn end(&mut self) -> Result<Poll<Option<Frame<Bytes>>>, Fault> {
        if self.owed.is_some_and(|owed| owed > 0) {
            return Err(wrong_length("shorter"));
        }
        let last = self.encoder.take().map(Encoder::finish).transpose().map_err(failed)?;
        Ok(Poll::Ready(last.map(|bytes| Frame::data(bytes.into()))))
    }
}

impl HttpBody for Compressed {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match self.step(cx) {
            Ok(poll) => poll.map(|frame| frame.map(Ok)),
            Err(fault) => {
                self.encoder = None;
                self.left = Bytes::new();
                Poll::Ready(Some(Err(fault)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.encoder.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Encoder {
    fn new(coding: Coding) -> io::Result<Self> {
        Ok(match coding {
            Coding::Gzip => Self::Gzip(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL))),
            Coding::Brotli => {
                let writer = brotli::CompressorWriter::new(Vec::new(), 4096, BROTLI_QUALITY, BROTLI_WINDOW);
                Self::Brotli(Box::new(writer))
            }
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.window_log(ZSTD_WINDOW)?;
                Self::Zstd(encoder)
            }
        })
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Gzip(writer) => writer,
            Self::Brotli(writer) => writer,
            Self::Zstd(writer) => writer,
        }
    }

    fn output(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(writer) => writer.get_mut(),
            Self::Brotli(writer) => writer.get_mut(),
            Self::Zstd(writer) => writer.get_mut(),
        }
    }

    fn buffered(&mut self) -> usize {
        self.output().len()
    }

    fn take(&mut self) -> Bytes {
        std::mem::take(self.output()).into()
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(writer) => writer.finish(),
            Self::Brotli(writer) => Ok(writer.into_inner()),
            Self::Zstd(writer) => writer.finish(),
        }
    }
}

fn failed(error: io::Error) -> Fault {
    Fault::new(code::INTERNAL, Ran::Yes).source(error)
}

fn wrong_length(how: &str) -> Fault {
    let fault = Fault::new(code::GUEST_BODY_FAILED, Ran::Yes);
    fault.detail(format!("the body is {how} than its content-length"))
}
