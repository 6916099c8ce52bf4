//! Running `wasi:http/handler@0.3`: one call, or several at once in one event loop.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use wasmtime::{Store, component::Accessor};
use wasmtime_wasi_http::{
    Error as HttpError, WasiHttpView,
    p3::{Request, bindings::Service},
};

use crate::{
    body::HttpBody,
    call::{Call, Head},
    guest::Guest,
    worker::{Ticket, Worker},
};

/// Calls that may have left something behind in an instance before it must have been quiet once.
const SERVED_MAX: usize = 1_000;

/// Hands `request` to the guest, and runs its event loop until it has no more work and its body was read. Once its
/// call has opened a [`Worker`], calls that come in by that are served too.
///
/// `served` counts them; `u32::MAX` says that the instance is not to be used again.
pub(crate) async fn handle(
    store: &mut Store<Guest>,
    service: &Service,
    request: http::Request<HttpBody>,
    call: &Arc<Call>,
    served: &mut u32,
) -> wasmtime::Result<()> {
    store
        .run_concurrent(async |accessor| {
            let first = std::pin::pin!(serve(accessor, service, request, Arc::clone(call)));
            let mut floor = Floor { accessor, first: Some(first), call, more: None };
            let again = poll_fn(|cx| floor.poll(cx, service, served)).await?;
            if !again {
                *served = u32::MAX - 1;
            }
            Ok(())
        })
        .await?
}

/// Whether the request's body could be sent on to its end.
type Sent = Pin<Box<dyn Future<Output = Result<(), HttpError>> + Send>>;

/// One call from its request to the last byte of its response.
async fn serve(
    accessor: &Accessor<Guest>,
    service: &Service,
    request: http::Request<HttpBody>,
    call: Arc<Call>,
) -> wasmtime::Result<()> {
    let handler = service.wasi_http_handler().func_handle();
    let (started, sent) = accessor.with(|mut store| {
        let view = store.data_mut().http();
        let (request, sent) = Request::from_http(view.hooks, request);
        let sent: Sent = Box::pin(sent);
        let request = view.table.push(request)?;
        let started = handler.start_call_concurrent(&mut store, (request,))?;
        store.data_mut().serves(started.task(), &call);
        wasmtime::error::Ok((started, sent))
    })?;
    match handler.finish_call_concurrent(accessor, started).await?.0 {
        Ok(response) => {
            let response = accessor.with(|mut store| {
                let response = store.data_mut().http().table.delete(response)?;
                response.into_http_with_getter(&mut store, sent, Guest::http)
            })?;
            call.answer(Head::Response(response));
        }
        Err(error) => call.answer(Head::Error(HttpError::from(error))),
    }
    call.body_done.notified().await;
    Ok(())
}

/// All calls of one instance, as its event loop sees them.
struct Floor<'a, F> {
    accessor: &'a Accessor<Guest>,
    first: Option<Pin<&'a mut F>>,
    call: &'a Arc<Call>,
    /// Once others may come in.
    more: Option<More<'a>>,
}

type Serving<'a> = Pin<Box<dyn Future<Output = (Arc<Ticket>, wasmtime::Result<()>)> + Send + 'a>>;

struct More<'a> {
    worker: Arc<Worker>,
    /// Of the first call, until its guest has finished it.
    first: Option<(Arc<Ticket>, Arc<Call>)>,
    /// Also those that were given up, until their guest has answered: somebody must take the answer, or it waits.
    inside: FuturesUnordered<Serving<'a>>,
    tickets: Vec<(Arc<Ticket>, Arc<Call>)>,
}

impl<'a, F: Future<Output = wasmtime::Result<()>>> Floor<'a, F> {
    /// Ready when the instance is quiet: whether it may be used again.
    fn poll(&mut self, cx: &mut Context<'_>, service: &'a Service, served: &mut u32) -> Poll<wasmtime::Result<bool>> {
        if let Some(first) = &mut self.first
            && let Poll::Ready(result) = first.as_mut().poll(cx)
        {
            result?;
            self.first = None;
        }
        if self.more.is_none() {
            let Some(worker) = self.call.worker() else {
                return match &self.first {
                    Some(_) => Poll::Pending,
                    None => self.accessor.poll_no_interesting_tasks(cx).map(|()| Ok(true)),
                };
            };
            self.more = Some(More::new(self.accessor, worker, self.call));
        }
        let Some(more) = &mut self.more else { return Poll::Pending };
        if self.first.is_none()
            && let Some((ticket, _)) = more.first.take()
        {
            more.worker.ended(&ticket);
        }
        more.poll(cx, self.accessor, service, served)
    }
}

impl<'a> More<'a> {
    fn new(accessor: &Accessor<Guest>, worker: &Arc<Worker>, first: &Arc<Call>) -> Self {
        accessor.with(|mut store| store.data_mut().opens(worker));
        Self {
            worker: Arc::clone(worker),
            first: Some((Arc::clone(&worker.first), Arc::clone(first))),
            inside: FuturesUnordered::new(),
            tickets: Vec::new(),
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        accessor: &'a Accessor<Guest>,
        service: &'a Service,
        served: &mut u32,
    ) -> Poll<wasmtime::Result<bool>> {
        self.worker.bell.register(cx.waker());
        self.worker.set_busy(false);
        loop {
            while let Poll::Ready(Some((ticket, result))) = self.inside.poll_next_unpin(cx) {
                result?;
                self.leaves(&ticket);
            }
            // Nobody waits for them: what the guest does for them it may finish.
            self.tickets.retain(|(_, call)| !call.is_abandoned());
            if !self.let_in(cx, accessor, service, served) {
                break;
            }
        }
        let first_goes_on = self.first.as_ref().is_some_and(|(_, call)| !call.is_abandoned());
        if first_goes_on || !self.tickets.is_empty() {
            return Poll::Pending;
        }
        if self.worker.is_spent() {
            return Poll::Ready(Ok(false));
        }
        // Leftovers: whoever drives the instance bounds them.
        ready!(accessor.poll_no_interesting_tasks(cx));
        // Who is on the way has rung the bell, or waits for the guest to open its own door.
        match self.worker.close_if_empty() {
            Some(again) => Poll::Ready(Ok(again)),
            None => Poll::Pending,
        }
    }

    /// Takes one more call in. Not while the guest says that it can take none.
    fn let_in(
        &mut self,
        cx: &mut Context<'_>,
        accessor: &'a Accessor<Guest>,
        service: &'a Service,
        served: &mut u32,
    ) -> bool {
        let handler = *service.wasi_http_handler().func_handle().func();
        if accessor.poll_ready_for_concurrent_call(handler, cx).is_pending() {
            return false;
        }
        let Some(next) = self.worker.next() else { return false };
        if accessor.with(|mut store| store.data_mut().served()) >= SERVED_MAX {
            self.worker.close();
        }
        *served = served.saturating_add(1);
        self.tickets.push((Arc::clone(&next.ticket), Arc::clone(&next.call)));
        let (ticket, serving) = (next.ticket, serve(accessor, service, next.request, next.call));
        self.inside.push(Box::pin(async move { (ticket, serving.await) }));
        true
    }

    /// A call has ended.
    fn leaves(&mut self, ticket: &Arc<Ticket>) {
        self.tickets.retain(|(held, _)| !Arc::ptr_eq(held, ticket));
        self.worker.ended(ticket);
    }
}
