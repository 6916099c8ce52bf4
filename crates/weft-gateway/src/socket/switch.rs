//! From a handshake to an answer that ends HTTP on its connection, or to one like any other.

use std::sync::Arc;

use http::{HeaderValue, Request, Response, StatusCode, header};
use weft_traffic::{RouteSpec, feature::cors::Grant};
use weft_types::{Body, Class, Context, Fault, Ran, Reply, Timestamp, code};

use super::{Limits, Socket, Switch, handshake};
use crate::{
    edge::Edge,
    errand::Answer,
    exchange::Exchange,
    hop,
    problem::{Problem, WEFT_ERROR},
    tail::Tail,
};

impl Edge {
    /// Lets a handshake in: a good one, from a page that may, if the route bears one more.
    pub(crate) fn shake(
        &self,
        route: &RouteSpec,
        parts: &http::request::Parts,
        has_body: bool,
    ) -> Result<Arc<Socket>, Problem> {
        let refused = |why| Problem::new(code::UPGRADE_REFUSED).why(why).closing();
        let key = handshake::check(parts, has_body).map_err(refused)?;
        let cors = route.features.as_ref().and_then(|features| features.cors.as_ref());
        // Browsers let every page open a WebSocket to anywhere, with its cookies: nobody asks first but us.
        if let Some(cors) = cors
            && parts.headers.contains_key(header::ORIGIN)
            && cors.grant(&parts.headers) == Grant::Nobody
        {
            return Err(Problem::new(code::ORIGIN_REFUSED));
        }
        let place = self.sockets.enter(route);
        let place = place.ok_or_else(|| Problem::new(code::OVERLOADED).why("as many WebSockets as the route bears"))?;
        let limits = Limits { idle: route.policy.idle, lifetime: route.policy.lifetime };
        Ok(Arc::new(Socket { key: Some(key), _place: Some(place), ..Socket::new(limits) }))
    }

    /// Asks the service, and answers as it does.
    pub(crate) async fn switch(
        &self,
        mut exchange: Exchange,
        request: Box<Request<Body>>,
        context: Arc<Context>,
        deadline: Timestamp,
    ) -> Response<Tail> {
        let errand = exchange.errand();
        let (reply, class) = self.knock(&errand, request, &context, deadline).await;
        let reply = match reply {
            Ok(Reply::Http(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                self.switched(&exchange, *response, deadline).await
            }
            reply => {
                // It is an exchange like any other again.
                exchange.socket = None;
                return self.conclude(exchange, Answer::of(reply, class, false));
            }
        };
        match reply {
            Ok(response) => self.finish(exchange, response, None, None, Class::Ok),
            Err(fault) => {
                exchange.socket = None;
                self.conclude(exchange, Answer::failed(fault))
            }
        }
    }

    async fn switched(
        &self,
        exchange: &Exchange,
        mut response: Response<Body>,
        deadline: Timestamp,
    ) -> Result<Response<Body>, Fault> {
        let bad = |why: &str| Fault::new(code::UPSTREAM_BAD_ANSWER, Ran::Yes).detail(why);
        let socket = exchange.socket.as_ref().ok_or_else(|| bad("it switches protocols, and was not asked to"))?;
        if !socket.key.as_ref().is_some_and(|key| handshake::accepts(response.headers(), key)) {
            return Err(bad("its 101 does not answer this handshake"));
        }
        let service = hyper::upgrade::on(&mut response);
        let left = deadline.since(self.senses.clock.now());
        let service = match tokio::time::timeout(left, service).await {
            Ok(Ok(service)) => service,
            Ok(Err(error)) => return Err(Fault::new(code::UPSTREAM_LOST, Ran::Yes).source(error)),
            Err(_) => return Err(Fault::new(code::DEADLINE_EXCEEDED, Ran::Yes)),
        };
        socket.open(self.senses.clock.now(), service);
        let headers = response.headers_mut();
        hop::strip(headers);
        headers.remove(&WEFT_ERROR);
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        response.extensions_mut().insert(Switch(Arc::clone(socket)));
        if let (Some(observer), Some(route)) = (&self.senses.observer, exchange.route()) {
            observer.socket(route, true);
        }
        Ok(response)
    }
}
