//! Listening: one accept loop per address, which survives whatever accepting throws at it.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;
use weft_traffic::Networks;
use weft_types::{Clock, Code, Timestamp, code};

use crate::{
    ConnectionEvent, Lanes, Limits, Observer, clients,
    conn::{self, Shared},
    handler::{Handler, Peer, Refuse},
    proxy,
    pulse::{Order, Pulse},
    tls::Tls,
};

const BACKLOG: i32 = 1024;
/// How often overdue connections are looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// After an error that accepting at once again would only repeat, such as too many open files.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {}", reason(.source))]
pub struct BindError {
    pub address: SocketAddr,
    pub source: io::Error,
}

impl BindError {
    pub fn code(&self) -> Code {
        match self.source.kind() {
            io::ErrorKind::AddrInUse => code::PORT_TAKEN,
            _ => code::USAGE,
        }
    }
}

fn reason(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => "another process listens there; stop it, or choose another port".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied; ports below 1024 need a privilege".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        _ => source.to_string(),
    }
}

/// A bound address on which nothing is answered yet: clients wait in the backlog.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
    proxies: Networks,
}

impl Listener {
    /// Binds at once, so that a taken port is known before anything else is started. Needs a tokio runtime.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        bind(address).map_err(|source| BindError { address, source })
    }

    /// Speaks TLS, and only TLS.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Every connection from these networks begins with a PROXY header, which says whose it is. Nobody else's does.
    #[must_use]
    pub fn proxies(mut self, proxies: Networks) -> Self {
        self.proxies = proxies;
        self
    }

    /// With the real port, where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn bind(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for old connections to be forgotten. On Windows it would mean stealing the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let socket = TcpListener::from_std(socket.into())?;
    let address = socket.local_addr()?;
    Ok(Listener { socket, address, tls: None, proxies: Networks::default() })
}

/// A listener that serves. Dropping it stops everything at once; [`Running::drain`] is the peaceful way.
pub struct Running {
    address: SocketAddr,
    crowd: Arc<Crowd>,
    accepting: JoinHandle<()>,
    sweeping: JoinHandle<()>,
    /// Looks after the certificates.
    renewing: Option<JoinHandle<()>>,
}

impl Running {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.crowd.members.lock().count
    }

    /// Stops accepting, lets what is in flight end, bodies included, and closes what is left after `patience`.
    ///
    /// HTTP/1 connections close after their answer, HTTP/2 ones are told by GOAWAY. Answers how many had to be
    /// cut off.
    pub async fn drain(mut self, patience: Duration) -> usize {
        self.accepting.abort();
        self.crowd.draining.store(true, SeqCst);
        self.crowd.tell_all(Order::Finish);
        // Once it has ended the port is free.
        let _ = (&mut self.accepting).await;
        if tokio::time::timeout(patience, self.crowd.emptied()).await.is_ok() {
            return 0;
        }
        let left = self.connections();
        self.crowd.refuse.cut_off();
        self.crowd.tell_all(Order::Abort);
        self.crowd.emptied().await;
        left
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.accepting.abort();
        self.sweeping.abort();
        self.renewing.iter().for_each(JoinHandle::abort);
        self.crowd.tell_all(Order::Abort);
    }
}

/// Every connection of a listener.
struct Crowd {
    members: Mutex<Members>,
    draining: AtomicBool,
    changed: Notify,
    limits: Limits,
    clock: Arc<dyn Clock>,
    observer: Option<Arc<dyn Observer>>,
    lanes: Option<Arc<Lanes>>,
    refuse: Arc<dyn Refuse>,
    secure: bool,
    proxies: Networks,
    /// When a refused certificate was last told of, and how many were not since.
    told: Mutex<(Option<Timestamp>, u64)>,
}

#[derive(Default)]
struct Members {
    slots: Vec<Option<Arc<Pulse>>>,
    free: Vec<usize>,
    count: usize,
}

impl Crowd {
    fn join(self: &Arc<Self>) -> (Arc<Pulse>, Member) {
        let pulse = Arc::new(Pulse::new(Arc::clone(&self.clock)));
        let mut members = self.members.lock();
        let slot = members.free.pop().unwrap_or(members.slots.len());
        if slot == members.slots.len() {
            members.slots.push(None);
        }
        members.slots[slot] = Some(Arc::clone(&pulse));
        members.count += 1;
        (pulse, Member { crowd: Arc::clone(self), slot })
    }

    fn note(&self, event: ConnectionEvent) {
        if let Some(observer) = &self.observer {
            observer.connection(event, self.secure);
        }
    }

    /// A client whose certificate is refused cannot be told why, so whoever operates is: one line a second at most.
    fn failed(&self, remote: SocketAddr, error: &io::Error) {
        let Some(why) = clients::refusal(error) else {
            return tracing::debug!(%remote, %error, "TLS handshake failed");
        };
        let now = self.clock.now();
        let mut told = self.told.lock();
        if told.0.is_some_and(|last| now.since(last) < SWEEP) {
            told.1 += 1;
            return;
        }
        let (_, untold) = std::mem::replace(&mut *told, (Some(now), 0));
        tracing::warn!(%remote, why, untold, "a client certificate was refused");
    }

    fn each(&self, mut see: impl FnMut(&Pulse)) {
        self.members.lock().slots.iter().flatten().for_each(|pulse| see(pulse));
    }

    fn tell_all(&self, order: Order) {
        self.each(|pulse| pulse.tell(order));
    }

    fn sweep(&self) {
        let now = self.clock.now();
        self.each(|pulse| pulse.tell(pulse.judge(now, &self.limits)));
    }

    /// Waits until there is room for one more.
    async fn room(&self) {
        self.until(|count| count < self.limits.connections).await;
    }

    async fn emptied(&self) {
        self.until(|count| count == 0).await;
    }

    async fn until(&self, enough: impl Fn(usize) -> bool) {
        loop {
            let changed = self.changed.notified();
            if enough(self.members.lock().count) {
                return;
            }
            changed.await;
        }
    }
}

/// A connection's place in the crowd; it leaves when dropped.
struct Member {
    crowd: Arc<Crowd>,
    slot: usize,
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut members = self.crowd.members.lock();
        members.slots[self.slot] = None;
        members.free.push(self.slot);
        members.count -= 1;
        let matters = members.count == 0 || members.count + 1 == self.crowd.limits.connections;
        drop(members);
        if matters {
            self.crowd.changed.notify_waiters();
        }
    }
}

/// Serves `handler` on `listener` until drained or dropped.
pub(crate) fn run<H: Handler>(
    listener: Listener,
    handler: Arc<H>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    observer: Option<Arc<dyn Observer>>,
    lanes: Option<Arc<Lanes>>,
) -> Running {
    let address = listener.address;
    let crowd = Arc::new(Crowd {
        members: Mutex::default(),
        draining: AtomicBool::new(false),
        changed: Notify::new(),
        limits,
        clock,
        observer,
        lanes,
        refuse: Arc::clone(&handler) as Arc<dyn Refuse>,
        secure: listener.tls.is_some(),
        proxies: listener.proxies.clone(),
        told: Mutex::default(),
    });
    let shared = Arc::new(Shared { handler, limits });
    let renewing = listener.tls.clone().map(|tls| tokio::spawn(renew(tls)));
    let accepting = tokio::spawn(accept(listener, shared, Arc::clone(&crowd)));
    let sweeping = tokio::spawn(sweep(Arc::clone(&crowd)));
    Running { address, crowd, accepting, sweeping, renewing }
}

async fn sweep(crowd: Arc<Crowd>) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        crowd.sweep();
    }
}

async fn renew(tls: Tls) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let tls = tls.clone();
        let _ = tokio::task::spawn_blocking(move || tls.refresh()).await;
    }
}

async fn accept<H: Handler>(listener: Listener, shared: Arc<Shared<H>>, crowd: Arc<Crowd>) {
    loop {
        crowd.room().await;
        match listener.socket.accept().await {
            Ok((stream, remote)) => {
                let tls = listener.tls.as_ref().map(|tls| TlsAcceptor::from(tls.config()));
                admit(stream, remote, listener.address, tls, &shared, &crowd);
            }
            Err(error) if is_the_peers(&error) => {
                tracing::debug!(%error, "a connection was gone before it was accepted")
            }
            Err(error) => {
                tracing::warn!(address = %listener.address, %error, "cannot accept connections");
                crowd.note(ConnectionEvent::AcceptFailed);
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Who is at the other end: whoever connected, or the client for whom a proxy did. `None`: nobody will know, or the
/// connection was told to end first.
async fn whose(stream: &mut TcpStream, remote: SocketAddr, pulse: &Pulse, crowd: &Crowd) -> Option<SocketAddr> {
    if !crowd.proxies.contains(remote.ip()) {
        return Some(remote);
    }
    match conn::until_told(pulse, proxy::read(stream)).await? {
        Ok(client) => Some(client.unwrap_or(remote)),
        Err(error) => {
            tracing::debug!(proxy = %remote, %error, "a connection was refused");
            crowd.note(ConnectionEvent::ProxyHeaderFailed);
            None
        }
    }
}

/// The handshake is on the connection's own task, and within the time for a head: a slow one holds up nobody else.
fn admit<H: Handler>(
    stream: TcpStream,
    remote: SocketAddr,
    local: SocketAddr,
    tls: Option<TlsAcceptor>,
    shared: &Arc<Shared<H>>,
    crowd: &Arc<Crowd>,
) {
    let _ = stream.set_nodelay(true);
    let local = stream.local_addr().unwrap_or(local);
    let (pulse, member) = crowd.join();
    crowd.note(ConnectionEvent::Accepted);
    // A connection accepted while the drain began has not been told with the others.
    if crowd.draining.load(SeqCst) {
        pulse.tell(Order::Finish);
    }
    let shared = Arc::clone(shared);
    let serve = async move |mut stream: TcpStream| {
        let Some(remote) = whose(&mut stream, remote, &pulse, &member.crowd).await else { return };
        let mut peer = Peer { pulse: Arc::clone(&pulse), local, remote, secure: tls.is_some(), certificate: None };
        match tls {
            None => conn::serve(stream, peer, None, shared, pulse).await,
            Some(tls) => match conn::until_told(&pulse, tls.accept(stream)).await {
                Some(Ok(stream)) => {
                    let session = stream.get_ref().1;
                    let agreed = session.alpn_protocol().map(|protocol| protocol == b"h2");
                    let shown = session.peer_certificates().and_then(<[_]>::first);
                    peer.certificate = shown.and_then(clients::read).map(Arc::new);
                    conn::serve(stream, peer, agreed, shared, pulse).await;
                }
                Some(Err(error)) => {
                    member.crowd.failed(remote, &error);
                    member.crowd.note(ConnectionEvent::HandshakeFailed);
                }
                None => {}
            },
        }
        drop(member);
    };
    match &crowd.lanes {
        Some(lanes) => lanes.serve(stream, serve),
        None => drop(tokio::spawn(serve(stream))),
    }
}
