//! The last bytes of an HTTP/1 connection, kept because hyper forgets one thing that matters.
//!
//! Where a head has both a transfer-encoding and a content-length, hyper obeys the first, drops the second, and
//! closes after the answer, as RFC 9112 asks. But a proxy in front may have obeyed the other, so the request is
//! refused here; and since hyper hands on no trace of the dropped header, it is looked up in the raw bytes. This
//! is no parser: it is asked only about requests that hyper has parsed and found chunked, which are few.

/// Kept across the start of a request, for heads that came in parts.
const KEPT: usize = 1024;
/// A head longer than this was refused before.
const BYTES_MAX: usize = 64 * 1024;

#[derive(Default)]
pub(crate) struct Heard {
    bytes: Vec<u8>,
    /// A request began since the last bytes came: what came before it may be forgotten.
    begun: bool,
}

impl Heard {
    pub(crate) fn begin(&mut self) {
        self.begun = true;
    }

    /// Of a body only the end is kept, which may hold the start of a next head.
    pub(crate) fn hear(&mut self, new: &[u8], head: bool) {
        let new = if head { new } else { &new[new.len().saturating_sub(KEPT)..] };
        let full = self.bytes.len() + new.len() > BYTES_MAX;
        if full
            || (std::mem::take(&mut self.begun) && self.bytes.len() > 2 * KEPT)
            || (!head && self.bytes.len() > KEPT)
        {
            let forgotten = self.bytes.len().saturating_sub(KEPT);
            self.bytes.drain(..forgotten);
            self.bytes.shrink_to(4 * KEPT);
        }
        self.bytes.extend_from_slice(&new[..new.len().min(BYTES_MAX)]);
    }

    /// Whether the head that begins so is there to be looked at, and says its length in one way only. `begins` is its
    /// method, a space, and its target as far as hyper has kept it: without what a `#` begins.
    ///
    /// One that cannot be found (it came in parts, behind others) might say anything. It is looked for anywhere,
    /// since what is before it may be a body.
    pub(crate) fn has_one_length(&self, begins: &str) -> bool {
        let whole = begins.ends_with(' ');
        let mut heads = memchr::memmem::find_iter(&self.bytes, begins)
            .map(|at| &self.bytes[at..])
            .filter(|head| whole || matches!(head.get(begins.len()), Some(b' ' | b'#')))
            .map(lengths)
            .filter(|(encoding, _)| *encoding)
            .peekable();
        heads.peek().is_some() && heads.all(|(_, length)| !length)
    }
}

/// Whether a head has a transfer-encoding, and whether it has a content-length.
fn lengths(head: &[u8]) -> (bool, bool) {
    let (mut encoding, mut length) = (false, false);
    for line in head.split(|b| *b == b'\n').skip(1) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        let name = line.split(|b| *b == b':').next().unwrap_or_default();
        encoding |= name.eq_ignore_ascii_case(b"transfer-encoding");
        length |= name.eq_ignore_ascii_case(b"content-length");
    }
    (encoding, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "POST /";

    fn heard(parts: &[&str]) -> Heard {
        let mut heard = Heard::default();
        parts.iter().for_each(|part| heard.hear(part.as_bytes(), true));
        heard
    }

    #[test]
    fn both_lengths_are_found_however_the_head_came() {
        let whole = "POST / HTTP/1.1\r\nContent-LENGTH: 1\r\nA: b\r\ntransfer-Encoding: chunked\r\n\r\n";
        for cut in 0..whole.len() {
            assert!(!heard(&[&whole[..cut], &whole[cut..]]).has_one_length(LINE), "cut at {cut}");
        }
        let mut pipelined = heard(&["GET / HTTP/1.1\r\n\r\n", &whole[..20]]);
        pipelined.begin();
        pipelined.hear(&whole.as_bytes()[20..], true);
        assert!(!pipelined.has_one_length(LINE));
    }

    #[test]
    fn one_length_is_not_both() {
        for fine in [
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nContent-Length: 1\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nxPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\nContent-Length: 1\n",
            "POST / HTTP/1.1\r\nX: Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert!(heard(&[fine]).has_one_length(LINE), "{fine:?}");
        }
    }

    #[test]
    fn a_head_that_is_not_there_is_not_trusted() {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(!heard(&[&head[3..]]).has_one_length(LINE));
        assert!(!heard(&[&head.replace("/ ", "/x ")]).has_one_length(LINE));
        assert!(heard(&[&head.replace("/ ", "/#x ")]).has_one_length(LINE), "hyper takes a fragment off");
        assert!(heard(&["POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi", head]).has_one_length(LINE));
        assert!(!heard(&[]).has_one_length(LINE));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut heard = Heard::default();
        for _ in 0..1000 {
            heard.hear(&[b'x'; 300], true);
            heard.begin();
            assert!(heard.bytes.len() <= 3 * KEPT);
        }
        for _ in 0..100 {
            heard.hear(&[b'x'; 100_000], false);
            assert!(heard.bytes.len() <= 2 * KEPT);
        }
        for _ in 0..100 {
            heard.hear(&[b'x'; 10_000], true);
            assert!(heard.bytes.len() <= BYTES_MAX);
        }
    }
}
