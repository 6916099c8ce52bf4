//! A service that is not WebAssembly: a real HTTP/1.1 server on threads, that does what a test wants of it.

use std::{
    io::{BufReader, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::JoinHandle,
};

use super::body;
pub(crate) use super::head;

/// A request as it came.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// Dropped, it listens no more and every connection is gone.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    seen: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    over: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

/// What happens to a connection after a request.
pub(crate) enum Then {
    Next,
    Close,
}

impl Service {
    /// `behave` is given each request, whole, and the connection to answer on.
    pub(crate) fn start(behave: impl Fn(&Asked, &mut TcpStream) -> Then + Send + Sync + 'static) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), behave)
    }

    pub(crate) fn at(
        address: SocketAddr,
        behave: impl Fn(&Asked, &mut TcpStream) -> Then + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&seen);
        Self::raw(address, move |mut stream| {
            let mut from = BufReader::new(stream.try_clone().expect("cloned"));
            while let Some(asked) = read(&mut from) {
                counted.fetch_add(1, SeqCst);
                if matches!(behave(&asked, &mut stream), Then::Close) {
                    break;
                }
            }
            let _ = stream.shutdown(Shutdown::Both);
        })
        .counting(seen)
    }

    /// Each connection as it comes.
    pub(crate) fn raw(address: SocketAddr, behave: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).expect("binds");
        let address = listener.local_addr().expect("bound");
        let (connections, open, over) = (Arc::default(), Arc::<Mutex<Vec<TcpStream>>>::default(), Arc::default());
        let (counted, kept, ends, behave) = (
            Arc::<AtomicUsize>::clone(&connections),
            Arc::clone(&open),
            Arc::<AtomicBool>::clone(&over),
            Arc::new(behave),
        );
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ends.load(SeqCst) {
                    break;
                }
                counted.fetch_add(1, SeqCst);
                kept.lock().expect("whole").push(stream.try_clone().expect("cloned"));
                let behave = Arc::clone(&behave);
                std::thread::spawn(move || behave(stream));
            }
        });
        Self { address, seen: Arc::default(), connections, open, over, accepting: Some(accepting) }
    }

    fn counting(mut self, seen: Arc<AtomicUsize>) -> Self {
        self.seen = seen;
        self
    }

    /// Answers 200 and this.
    pub(crate) fn says(text: &'static str) -> Self {
        Self::start(move |_, stream| answer(stream, 200, text))
    }

    pub(crate) fn seen(&self) -> usize {
        self.seen.load(SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.accepting.take().map(JoinHandle::join);
        for stream in self.open.lock().expect("whole").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// A whole answer, after which the connection goes on.
pub(crate) fn answer(stream: &mut TcpStream, status: u16, text: &str) -> Then {
    let head = format!("HTTP/1.1 {status} Such\r\ncontent-length: {}\r\n\r\n{text}", text.len());
    match stream.write_all(head.as_bytes()) {
        Ok(()) => Then::Next,
        Err(_) => Then::Close,
    }
}

/// Closes with a reset and not politely.
pub(crate) fn reset(stream: &TcpStream) -> Then {
    let _ = socket2::SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
    Then::Close
}

fn read(from: &mut BufReader<TcpStream>) -> Option<Asked> {
    let head = head(from)?;
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let head = head.to_lowercase();
    let body = body(from, &head)?;
    Some(Asked { method, path, head, body })
}
